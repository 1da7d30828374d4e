//! Frames and header blocks of HTTP/2.

use super::input::Input;

/// Reads a frame: type, flags, stream, payload.
pub(super) fn frame(input: &mut Input<'_>) -> Vec<u8> {
    let (kind, flags, stream) = (input.byte() % 12, input.byte(), stream(input));
    framed(kind, flags, stream, input.bytes())
}

/// Reads a frame whose payload is repeated.
pub(super) fn long_frame(input: &mut Input<'_>) -> Vec<u8> {
    let (kind, flags, stream) = (input.byte() % 12, input.byte(), stream(input));
    let times = input.times();
    framed(kind, flags, stream, &input.bytes().repeat(times))
}

/// A frame with a header block.
pub(super) fn headers(input: &mut Input<'_>, status: u16, fields: &[(String, String)]) -> Vec<u8> {
    let kind = input.one_of(&[1, 9, 5]);
    let (flags, stream) = (input.byte(), stream(input));
    let mut block = match kind {
        // The promised stream.
        5 => vec![0, 0, 0, 2],
        _ => Vec::new(),
    };
    if kind != 9 {
        literal(&mut block, ":status", &status.to_string());
    }
    for (name, value) in fields {
        literal(&mut block, &name.to_ascii_lowercase(), value);
    }
    framed(kind, flags, stream, &block)
}

/// The body of a response as DATA frames.
pub(super) fn data(body: &[u8], ends: bool) -> Vec<u8> {
    let mut frames = Vec::new();
    for piece in body.chunks(16 << 10) {
        frames.extend(framed(0, 0, 1, piece));
    }
    if ends {
        frames.extend(framed(0, 1, 1, &[]));
    }
    frames
}

fn stream(input: &mut Input<'_>) -> u32 {
    input.one_of(&[0, 1, 3, 2, u32::MAX])
}

fn framed(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let payload = &payload[..payload.len().min((1 << 24) - 1)];
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Adds a field that changes no table.
fn literal(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    for text in [name, value] {
        let short = u8::try_from(text.len()).ok().filter(|length| *length < 127);
        block.push(short.unwrap_or(127));
        if short.is_none() {
            let mut rest = text.len() - 127;
            while rest >= 128 {
                block.push(u8::try_from(rest % 128).unwrap() | 128);
                rest /= 128;
            }
            block.push(u8::try_from(rest).unwrap());
        }
        block.extend(text.as_bytes());
    }
}
