//! Tests of flow control.

use super::*;

/// Reads the beginning of a connection and one request's head.
async fn take_request(peer: &mut DuplexStream) {
    let mut preface = [0; 24];
    peer.read_exact(&mut preface).await.unwrap();
    while take_frame(peer).await.0 != HEADERS {}
}

async fn take_frame(peer: &mut DuplexStream) -> (u8, u8, u32, Vec<u8>) {
    let mut header = [0; 9];
    peer.read_exact(&mut header).await.unwrap();
    let [high, middle, low, kind, flags, stream @ ..] = header;
    let length = u32::from_be_bytes([0, high, middle, low]);
    let mut payload = vec![0; length.try_into().unwrap()];
    peer.read_exact(&mut payload).await.unwrap();
    (kind, flags, u32::from_be_bytes(stream), payload)
}

#[tokio::test]
async fn an_upload_keeps_to_the_windows_of_the_peer() {
    let (ours, mut peer) = duplex(1 << 20);
    let request = Request::post("https://h.example/").body(full_body(vec![b'x'; 100_000])).unwrap();
    let server = async move {
        take_request(&mut peer).await;
        let mut received = 0;
        // What the first window holds, in frames that every peer takes.
        while received < 65_535 {
            let (kind, flags, stream, payload) = take_frame(&mut peer).await;
            assert_eq!((kind, flags, stream), (DATA, 0, 1));
            assert!(payload.len() <= 16_384);
            received += payload.len();
        }
        assert_eq!(received, 65_535);
        // A smaller window makes that of the stream negative; then there is room again.
        peer.write_all(&frame_of(0, SETTINGS, 0, b"\0\x04\0\0\x03\xe8")).await.unwrap();
        assert_eq!(take_frame(&mut peer).await, (SETTINGS, ACK, 0, Vec::new()));
        peer.write_all(&frame_of(0, WINDOW_UPDATE, 0, &200_000_u32.to_be_bytes())).await.unwrap();
        peer.write_all(&frame(WINDOW_UPDATE, 0, &64_535_u32.to_be_bytes())).await.unwrap();
        peer.write_all(&frame_of(0, PING, 0, b"12345678")).await.unwrap();
        let pong = take_frame(&mut peer).await;
        assert_eq!(pong, (PING, ACK, 0, b"12345678".to_vec()), "the window is 0: nothing is sent");
        peer.write_all(&frame(WINDOW_UPDATE, 0, &100_000_u32.to_be_bytes())).await.unwrap();
        let mut ended = false;
        while !ended {
            let (_, flags, _, payload) = take_frame(&mut peer).await;
            received += payload.len();
            ended = flags & END_STREAM != 0;
        }
        assert_eq!(received, 100_000);
        peer.write_all(&end(&[])).await.unwrap();
        peer
    };
    let client = send(ours, request);
    let (sent, _) = tokio::join!(client, server);
    assert!(sent.unwrap().1.is_complete());
}

#[tokio::test]
async fn an_answer_counts_before_the_request_has_ended() {
    let (ours, mut peer) = duplex(1 << 16);
    let body = full_body(vec![b'x'; 1 << 20]);
    let request = Request::post("https://h.example/").body(body).unwrap();
    let server = async move {
        take_request(&mut peer).await;
        // What it has not read by now, it never will.
        let answer = [settings(), end(&[]), reset(0)].concat();
        peer.write_all(&answer).await.unwrap();
        peer
    };
    let client = send(ours, request);
    let (sent, _) = tokio::join!(client, server);
    let (head, mut exchange) = sent.unwrap();
    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(exchange.next_piece().await.unwrap(), None);
}

#[tokio::test]
async fn windows_are_opened_again_for_what_was_received() {
    let (ours, mut peer) = duplex(1 << 16);
    let server = async move {
        take_request(&mut peer).await;
        let (mut heard, mut said) = tokio::io::split(peer);
        let answer =
            [settings(), head(&[]), data(&"x".repeat(16_000)).repeat(100), last("")].concat();
        let say = async {
            said.write_all(&answer).await.unwrap();
            said.shutdown().await.unwrap();
        };
        let listen = async {
            let mut bytes = Vec::new();
            heard.read_to_end(&mut bytes).await.unwrap();
            bytes
        };
        tokio::join!(say, listen).1
    };
    let client = async move {
        let mut exchange = send(ours, request("GET")).await.unwrap().1;
        let mut length = 0;
        while let Some(piece) = exchange.next_piece().await.unwrap() {
            length += piece.len();
        }
        assert_eq!(length, 1_600_000);
    };
    let (heard, ()) = tokio::join!(server, client);
    let updates = heard.windows(9).filter(|bytes| bytes[..4] == [0, 0, 4, WINDOW_UPDATE]).count();
    assert!(updates >= 4, "two for the connection, two for the stream: {updates}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_asks_and_does_not_listen_has_to_wait() {
    let (ours, mut peer) = duplex(1000);
    let server = async move {
        take_request(&mut peer).await;
        let ping = frame_of(0, PING, 0, &[7; 8]);
        let pings = [settings(), ping.repeat(20_000)].concat();
        let mut rest = pings.as_slice();
        // Until nobody takes any more.
        loop {
            tokio::select! {
                sent = peer.write(rest) => rest = &rest[sent.unwrap()..],
                () = tokio::time::sleep(Duration::from_secs(1)) => break,
            }
        }
        (pings.len() - rest.len(), peer)
    };
    let client = send(ours, request("GET"));
    let (said, _peer) = tokio::select! {
        stopped = server => stopped,
        _ = client => panic!("there is no answer"),
    };
    assert!(said < 200_000, "{said} bytes were taken");
}
