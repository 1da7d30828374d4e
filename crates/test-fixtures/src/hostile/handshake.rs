//! TLS records and the messages of a handshake that are not encrypted, up to TLS 1.2.

use super::input::Input;

/// Reads a record: type, version, content.
pub(super) fn record(input: &mut Input<'_>) -> Vec<u8> {
    let (kind, minor) = (20 + input.byte() % 5, input.byte() % 5);
    let content = input.bytes();
    recorded(kind, minor, content, content.len().max(1))
}

/// Reads messages of a handshake, each with the largest size of its records.
pub(super) fn message(input: &mut Input<'_>, certificates: &[Vec<u8>]) -> Vec<u8> {
    let kind = input.byte() % 6;
    let size = input.one_of(&[16 << 10, 1, 100, 5]);
    let (kind, body) = match kind {
        0 => (2, server_hello(input)),
        1 => (11, certificate(input, certificates)),
        2 => (22, status(input)),
        3 => (12, input.bytes().to_vec()),
        4 => (14, Vec::new()),
        _ => (input.byte(), {
            let times = input.times();
            input.bytes().repeat(times)
        }),
    };
    let mut message = vec![kind];
    message.extend(length24(body.len()));
    message.extend(body);
    recorded(22, 3, &message, size)
}

fn recorded(kind: u8, minor: u8, content: &[u8], size: usize) -> Vec<u8> {
    let mut records = Vec::new();
    for piece in content.chunks(size) {
        records.extend([kind, 3, minor]);
        records.extend(u16::try_from(piece.len()).unwrap().to_be_bytes());
        records.extend_from_slice(piece);
    }
    records
}

fn length24(length: usize) -> [u8; 3] {
    let [_, high, middle, low] = u32::try_from(length).unwrap().to_be_bytes();
    [high, middle, low]
}

fn server_hello(input: &mut Input<'_>) -> Vec<u8> {
    let mut hello = vec![3, input.one_of(&[3, 2, 1, 4])];
    hello.extend([7; 32]);
    hello.push(0);
    // With ECDSA, with RSA, without forward secrecy, of TLS 1.3.
    let cipher: u16 = input.one_of(&[0xc02b, 0xc02f, 0x009c, 0x1301]);
    hello.extend(cipher.to_be_bytes());
    hello.push(0);
    let flags = input.byte();
    let mut extensions: Vec<u8> = Vec::new();
    for (flag, extension) in [
        // Extended master secret, renegotiation, status request, ALPN of HTTP/2.
        (1, &[0, 23, 0, 0][..]),
        (2, &[0xff, 1, 0, 1, 0]),
        (4, &[0, 5, 0, 0]),
        (8, &[0, 16, 0, 5, 0, 3, 2, b'h', b'2']),
        // TLS 1.3.
        (16, &[0, 43, 0, 2, 3, 4]),
    ] {
        if flags & flag != 0 {
            extensions.extend_from_slice(extension);
        }
    }
    if flags & 32 != 0 {
        extensions.extend(input.bytes());
    }
    hello.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    hello.extend(extensions);
    hello
}

/// Certificates, each repeated and changed in some places.
fn certificate(input: &mut Input<'_>, certificates: &[Vec<u8>]) -> Vec<u8> {
    let mut list = Vec::new();
    for _ in 0..input.byte() % 32 {
        let mut certificate = certificates[usize::from(input.byte()) % certificates.len()].clone();
        let times = 1 + usize::from(input.byte()) % 64;
        for _ in 0..input.byte() % 16 {
            let place = usize::from(input.word()) % certificate.len();
            certificate[place] = input.byte();
        }
        for _ in 0..times {
            list.extend(length24(certificate.len()));
            list.extend_from_slice(&certificate);
        }
    }
    let mut body = length24(list.len()).to_vec();
    body.extend(list);
    body
}

/// A stapled OCSP response.
fn status(input: &mut Input<'_>) -> Vec<u8> {
    let response = input.bytes();
    let mut body = vec![1];
    body.extend(length24(response.len()));
    body.extend(response);
    body
}
