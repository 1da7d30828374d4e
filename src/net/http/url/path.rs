//! Percent escapes and dots, as Go treats them.

use std::fmt::Write as _;

/// The path as Go sends it: as it was written if that is a legal way to write it, otherwise with
/// everything escaped that may be.
pub(super) fn normal_path(path: &str) -> Result<String, String> {
    let decoded = unescape(path, |_| true)?;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@!'()*[]%".contains(&byte);
    if path.bytes().all(legal) {
        return Ok(path.to_owned());
    }
    let mut escaped = String::with_capacity(path.len());
    for byte in decoded {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escape_byte(byte, &mut escaped);
        }
    }
    Ok(escaped)
}

fn escape_byte(byte: u8, text: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(text, "%{byte:02X}");
}

/// Decodes percent escapes; `allowed` says which bytes may be written that way.
pub(super) fn unescape(text: &str, allowed: impl Fn(u8) -> bool) -> Result<Vec<u8>, String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| {
            byte.and_then(|byte| char::from(byte).to_digit(16))
                .and_then(|digit| u8::try_from(digit).ok())
        };
        match (digit(bytes.next()), digit(bytes.next())) {
            (Some(high), Some(low)) if allowed(high * 16 + low) => decoded.push(high * 16 + low),
            _ => return Err("it contains an invalid percent escape".to_owned()),
        }
    }
    Ok(decoded)
}

/// The path of `reference` seen from `base`, without `.` and `..` segments.
pub(super) fn without_dots(base: &str, reference: &str) -> String {
    let full = if reference.is_empty() {
        base.to_owned()
    } else if reference.starts_with('/') {
        reference.to_owned()
    } else {
        let directory = base.rsplit_once('/').map_or("", |(directory, _)| directory);
        format!("{directory}/{reference}")
    };
    if full.is_empty() {
        return full;
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = full.strip_prefix('/').unwrap_or(&full).split('/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if segments.peek().is_none() {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}
