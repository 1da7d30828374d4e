//! Tests of the reader of one request at a time.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Wake,
};

use futures_util::future::select;
use prometheus::Registry;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    time::{Instant, timeout},
};

use super::*;
use crate::server::connections::{Capacity, ConnectionMetrics, Connections};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// A connection that is closed when another one is opened in the returned list.
fn registered() -> (Connection, Arc<Connections>) {
    let metrics = ConnectionMetrics::register(&Registry::new()).unwrap();
    let capacity = Capacity { connections: 1, has_turnover: false };
    let connections = Connections::new(capacity, metrics, Arc::default(), None);
    (connections.try_open(None).unwrap(), connections)
}

/// A connection on which the client has sent `text`, and the client's end.
async fn connection(text: &str) -> (OneRequestAtATime<DuplexStream>, DuplexStream) {
    let (stream, mut client) = duplex(1 << 20);
    client.write_all(text.as_bytes()).await.unwrap();
    (OneRequestAtATime::new(stream, registered().0), client)
}

/// Number of bytes that can be read now.
#[expect(clippy::disallowed_methods, reason = "tests that nothing can be read")]
async fn readable(connection: &mut OneRequestAtATime<DuplexStream>) -> Option<usize> {
    let mut bytes = vec![0; 1 << 16];
    let read = timeout(Duration::from_millis(50), connection.read(&mut bytes)).await;
    read.ok().map(Result::unwrap)
}

#[tokio::test(start_paused = true)]
async fn the_next_request_waits_for_the_response() {
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(MAX_READ_BYTES));
    let (mut connection, _client) = connection(&format!("{long}{long}")).await;
    let first: usize = [readable(&mut connection).await, readable(&mut connection).await]
        .map(Option::unwrap)
        .iter()
        .sum();
    assert_eq!(first, long.len());
    assert_eq!(readable(&mut connection).await, None);
    connection.write_all(b"answer").await.unwrap();
    let rest = readable(&mut connection).await.unwrap() + readable(&mut connection).await.unwrap();
    assert_eq!(rest, long.len());
}

#[tokio::test(start_paused = true)]
async fn requests_that_arrive_together_are_passed_on_one_by_one() {
    let (mut connection, _client) = connection(&REQUEST.repeat(3)).await;
    for _ in 0..3 {
        assert_eq!(readable(&mut connection).await, Some(REQUEST.len()));
        assert_eq!(readable(&mut connection).await, None);
        connection.write_all(b"answer").await.unwrap();
    }
    assert_eq!(readable(&mut connection).await, None);
}

#[tokio::test(start_paused = true)]
async fn the_response_wakes_the_reader() {
    let (mut connection, mut client) = connection(REQUEST).await;
    assert_eq!(readable(&mut connection).await, Some(REQUEST.len()));
    client.write_all(REQUEST.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = tokio::io::split(connection);
    let next = tokio::spawn(async move { reading.read(&mut [0; 100]).await });
    tokio::task::yield_now().await;
    writing.write_all(b"answer").await.unwrap();
    assert_eq!(next.await.unwrap().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_is_detected_while_a_response_is_pending() {
    let (mut connection, client) = connection(REQUEST).await;
    assert_eq!(readable(&mut connection).await, Some(REQUEST.len()));
    assert_eq!(readable(&mut connection).await, None);
    drop(client);
    assert_eq!(readable(&mut connection).await, Some(0));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_head_can_be_split_between_reads() {
    let (mut connection, mut client) = connection("GET / HTTP/1.1\r\n\r").await;
    assert_eq!(readable(&mut connection).await, Some(17));
    assert!(!connection.awaits_response);
    client.write_all(b"\n").await.unwrap();
    assert_eq!(readable(&mut connection).await, Some(1));
    assert!(connection.awaits_response);
}

#[tokio::test(start_paused = true)]
async fn empty_lines_before_a_head_are_not_a_request() {
    let (mut connection, _client) = connection("\r\n\n\r\nGET / HTTP/1.1\r\n\r\n").await;
    assert!(readable(&mut connection).await.is_some());
    assert!(connection.awaits_response);
    let (mut connection, _client) = self::connection("\r\n\n\r\n").await;
    assert!(readable(&mut connection).await.is_some());
    assert!(!connection.awaits_response);
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_head_has_a_timeout() {
    let (mut connection, mut client) = connection(&format!("{REQUEST}G")).await;
    let start = Instant::now();
    let mut bytes = [0; 100];
    assert_eq!(connection.read(&mut bytes).await.unwrap(), REQUEST.len());
    connection.write_all(b"answer").await.unwrap();
    connection.awaits_response = false;
    let trickle = async {
        loop {
            sleep(Duration::from_secs(1)).await;
            client.write_all(b"E").await.unwrap();
        }
    };
    let until_end = async { while connection.read(&mut bytes).await.unwrap() > 0 {} };
    select(pin!(trickle), pin!(until_end)).await;
    assert_eq!(start.elapsed().as_secs(), HEAD_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_has_no_timeout_here() {
    let (mut connection, _client) = connection("").await;
    assert_eq!(readable(&mut connection).await, None);
    assert!(connection.head_timer.0.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_has_a_timeout() {
    let (stream, _client) = duplex(10);
    let mut connection = OneRequestAtATime::new(stream, registered().0);
    let error = connection.write_all(&[0; 100]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_connection_can_be_closed_while_it_waits() {
    for is_reading in [true, false] {
        let ((first, connections), (stream, _client)) = (registered(), duplex(10));
        let mut connection = OneRequestAtATime::new(stream, first);
        let waiting = tokio::spawn(async move {
            if is_reading {
                return connection.read(&mut [0]).await;
            }
            connection.write_all(&[0; 100]).await.map(|()| 100)
        });
        tokio::task::yield_now().await;
        let _second = connections.try_open(None).unwrap();
        let start = Instant::now();
        let result = waiting.await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(result.ok(), is_reading.then_some(0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_to_be_closed_stays_open_for_a_request_that_has_arrived() {
    for (sent, read) in [(REQUEST.repeat(2), REQUEST.len()), ("GET / HTTP/1.1\r\n".into(), 0)] {
        let (mut connection, _client, connections) = stoppable(&sent).await;
        let second = connections.try_open(None).unwrap();
        drop(second);
        assert_eq!(readable(&mut connection).await, Some(read));
        if read > 0 {
            assert_eq!(readable(&mut connection).await, None, "the response is awaited");
            connection.write_all(b"answer").await.unwrap();
            connection.flush().await.unwrap();
            assert_eq!(readable(&mut connection).await, Some(REQUEST.len()), "the next request");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_closed_with_its_request_if_the_client_has_too_many() {
    let (mut connection, _client, connections) = stoppable(REQUEST).await;
    let mut second = connections.try_open(None).unwrap();
    assert!(second.set_busy());
    assert_eq!(readable(&mut connection).await, Some(0));
}

/// A connection on which the client has sent `text`, the client's end, and the list.
async fn stoppable(
    text: &str,
) -> (OneRequestAtATime<DuplexStream>, DuplexStream, Arc<Connections>) {
    let ((connection, connections), (stream, mut client)) = (registered(), duplex(1 << 20));
    client.write_all(text.as_bytes()).await.unwrap();
    (OneRequestAtATime::new(stream, connection), client, connections)
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_an_idle_connection_and_passes_on_an_arrived_request() {
    for second in ["", REQUEST] {
        let (mut connection, mut client, connections) = stoppable(REQUEST).await;
        assert_eq!(readable(&mut connection).await, Some(REQUEST.len()));
        connection.write_all(b"answer").await.unwrap();
        connection.flush().await.unwrap();
        let start = Instant::now();
        let waiting = async {
            let mut bytes = [0; 100];
            let read = connection.read(&mut bytes).await.unwrap();
            assert_eq!(read, second.len());
        };
        let stop = async {
            // The request arrives and the stop begins before the connection is polled again.
            client.write_all(second.as_bytes()).await.unwrap();
            connections.shut_down();
        };
        tokio::join!(waiting, stop);
        let expected = if second.is_empty() { ARRIVAL_TIMEOUT } else { Duration::ZERO };
        assert_eq!(start.elapsed(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_the_response_and_for_a_head_that_has_begun() {
    let (mut connection, _client, connections) = stoppable(REQUEST).await;
    assert_eq!(readable(&mut connection).await, Some(REQUEST.len()));
    connections.shut_down();
    assert_eq!(readable(&mut connection).await, None);
    connection.write_all(b"answer").await.unwrap();
    assert_eq!(readable(&mut connection).await, None, "the response may have more parts");
    connection.flush().await.unwrap();
    assert_eq!(readable(&mut connection).await, Some(0));

    let (mut connection, _client, connections) = stoppable("GET / ").await;
    assert_eq!(readable(&mut connection).await, Some(6));
    connections.shut_down();
    let start = Instant::now();
    assert_eq!(connection.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(start.elapsed().as_secs(), HEAD_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_ends_a_response_during_a_stop_wakes_the_reader() {
    let (stream, mut client) = duplex(10);
    let (connection, connections) = registered();
    let mut connection = OneRequestAtATime::new(stream, connection);
    client
        .write_all(
            b"GET / 

",
        )
        .await
        .unwrap();
    assert_eq!(readable(&mut connection).await, Some(8));
    connections.shut_down();
    connection.write_all(b"answer").await.unwrap();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let (mut context, mut bytes) = (Context::from_waker(&waker), [0; 10]);
    let mut connection = pin!(connection);
    let mut buffer = ReadBuf::new(&mut bytes);
    assert!(connection.as_mut().poll_read(&mut context, &mut buffer).is_pending());
    assert!(connection.as_mut().poll_flush(&mut context).is_ready());
    assert!(woken.0.load(Ordering::Relaxed));
}

/// Records that it was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_can_send_its_request_during_a_stop() {
    let (mut connection, mut client, connections) = stoppable("").await;
    connections.shut_down();
    assert_eq!(readable(&mut connection).await, None);
    // The rest of its head has the usual time.
    let (begin, end) = REQUEST.split_at(10);
    client.write_all(begin.as_bytes()).await.unwrap();
    assert_eq!(readable(&mut connection).await, Some(begin.len()));
    sleep(FIRST_REQUEST_TIMEOUT).await;
    assert_eq!(readable(&mut connection).await, None);
    client.write_all(end.as_bytes()).await.unwrap();
    assert_eq!(readable(&mut connection).await, Some(end.len()));
    let (mut connection, _client, connections) = stoppable("").await;
    connections.shut_down();
    let start = Instant::now();
    assert_eq!(connection.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(start.elapsed(), FIRST_REQUEST_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_connection_waits_for_the_client_for_a_limited_time() {
    for client_closes in [true, false] {
        let (mut connection, mut client, connections) = stoppable(REQUEST).await;
        connections.shut_down();
        let start = Instant::now();
        let flood = async {
            let mut rest = Vec::new();
            client.read_to_end(&mut rest).await.unwrap();
            sleep(Duration::from_millis(100)).await;
            if client_closes {
                return drop(client);
            }
            while client.write_all(&[0; 10_000]).await.is_ok() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let end = async {
            // The server flushes before each attempt.
            let mut pinned = Pin::new(&mut connection);
            poll_fn(|context| {
                ready!(pinned.as_mut().poll_flush(context))?;
                pinned.as_mut().poll_shutdown(context)
            })
            .await
            .unwrap();
            drop(connection);
            start.elapsed()
        };
        let (elapsed, ()) = tokio::join!(end, flood);
        let expected = if client_closes { Duration::from_millis(100) } else { LINGER_TIMEOUT };
        assert_eq!(elapsed, expected);
    }
    let (mut connection, _client, _connections) = stoppable(REQUEST).await;
    let start = Instant::now();
    connection.shutdown().await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO, "only connections that the server ends");
}

#[tokio::test(start_paused = true)]
async fn lines_of_a_head_can_end_without_carriage_return() {
    let (mut connection, _client) = connection("GET / HTTP/1.1\nHost: x\n\n").await;
    assert_eq!(readable(&mut connection).await, Some(24));
    assert!(connection.awaits_response);
}
