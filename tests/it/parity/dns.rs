//! A name server for the zone `example`, over UDP, TCP and TLS.

use boring::ssl::SslAcceptor;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
};

pub(super) async fn serve_udp(socket: UdpSocket) {
    let mut buffer = [0; 512];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
        for message in answers(&buffer[..length]) {
            socket.send_to(&message, peer).await.ok();
        }
    }
}

pub(super) async fn serve_tcp(listener: TcpListener, tls: Option<SslAcceptor>) {
    while let Ok((stream, _)) = listener.accept().await {
        let tls = tls.clone();
        tokio::spawn(async move {
            let answered = match tls {
                None => answer_stream(stream).await,
                Some(tls) => match tokio_boring::accept(&tls, stream).await {
                    Ok(stream) => answer_stream(stream).await,
                    Err(_) => Ok(()),
                },
            };
            // The client may close the connection at any time.
            answered.ok();
        });
    }
}

async fn answer_stream<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> std::io::Result<()> {
    let length = usize::from(stream.read_u16().await?);
    let mut query = vec![0; length];
    stream.read_exact(&mut query).await?;
    for message in answers(&query) {
        stream.write_u16(u16::try_from(message.len()).unwrap()).await?;
        stream.write_all(&message).await?;
        stream.flush().await?;
    }
    let mut rest = [0; 64];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

const NOERROR: u8 = 0;
const NXDOMAIN: u8 = 3;
const REFUSED: u8 = 5;

/// A resource record: owner, type and data on the wire.
type Record = (&'static str, u16, Vec<u8>);

/// Returns the responses to one query; none for names to which the server does not respond.
fn answers(query: &[u8]) -> Vec<Vec<u8>> {
    let Some((name, kind, question_end)) = question(query) else { return Vec::new() };
    let reply = |rcode, flags, answer: &[Record], authority: &[Record], additional: &[Record]| {
        reply(&query[..question_end], rcode, flags, [answer, authority, additional])
    };
    let host: Vec<Record> =
        vec![("host.example", 1, vec![127, 0, 0, 1]), ("host.example", 1, vec![127, 0, 0, 2])];
    let message = match (name.as_str(), kind) {
        ("host.example", 1 | 255) => reply(NOERROR, 0, &host, &[], &[]),
        ("example", 6) => reply(NOERROR, 0, &[soa()], &[], &[]),
        ("mail.example", 15) => {
            let mut first = vec![0, 10];
            first.extend(wire_name("mx1.example"));
            let mut second = vec![0, 20];
            second.extend(wire_name("mx2.example"));
            let exchanges = [("mail.example", 15, first), ("mail.example", 15, second)];
            reply(NOERROR, 0, &exchanges, &[], &[("mx1.example", 1, vec![127, 0, 0, 3])])
        }
        ("text.example", 16) => {
            let data = b"\x0bv=spf1 -all\x08say \"hi\"".to_vec();
            reply(NOERROR, 0, &[("text.example", 16, data)], &[], &[])
        }
        ("refused.example", _) => reply(REFUSED, 0, &[], &[], &[]),
        ("truncated.example", _) => reply(NOERROR, 0x02, &[], &[], &[]),
        ("silent.example", _) => return Vec::new(),
        ("garbage.example", _) => {
            // With the message ID of the query.
            return vec![[&query[..2], &[0x80; 7][..]].concat()];
        }
        ("wrongid.example", _) => {
            let mut message = reply(NOERROR, 0, &host, &[], &[]);
            message[0] ^= 0xff;
            message
        }
        ("host.example", _) => reply(NOERROR, 0, &[], &[soa()], &[]),
        _ => reply(NXDOMAIN, 0, &[], &[soa()], &[]),
    };
    vec![message]
}

fn soa() -> Record {
    let mut data = [wire_name("ns.example"), wire_name("root.example")].concat();
    for number in [2_026_112_101_u32, 7200, 3600, 1_209_600, 300] {
        data.extend(number.to_be_bytes());
    }
    ("example", 6, data)
}

/// Returns the name of the question in lower case, its type, and its end.
fn question(query: &[u8]) -> Option<(String, u16, usize)> {
    let mut labels = Vec::new();
    let mut position = 12;
    loop {
        let length = usize::from(*query.get(position)?);
        position += 1;
        if length == 0 {
            break;
        }
        let label = query.get(position..position + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        position += length;
    }
    let kind = u16::from_be_bytes([*query.get(position)?, *query.get(position + 1)?]);
    Some((labels.join("."), kind, position + 4))
}

fn reply(question: &[u8], rcode: u8, flags: u8, sections: [&[Record]; 3]) -> Vec<u8> {
    let mut message = question[..2].to_vec();
    message.extend([0x84 | flags | (question[2] & 1), rcode, 0, 1]);
    for section in sections {
        message.extend(u16::try_from(section.len()).unwrap().to_be_bytes());
    }
    message.extend(&question[12..]);
    for (owner, kind, data) in sections.concat() {
        message.extend(wire_name(owner));
        message.extend(kind.to_be_bytes());
        message.extend([0, 1, 0, 0, 1, 44]);
        message.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        message.extend(data);
    }
    message
}

fn wire_name(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.') {
        wire.push(u8::try_from(label.len()).unwrap());
        wire.extend(label.as_bytes());
    }
    wire.push(0);
    wire
}
