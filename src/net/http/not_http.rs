//! Names the protocol of a peer that does not speak HTTP, by its first bytes.

use memchr::memmem;

use crate::{diagnostics::log::Quoted, net::tls::alert_text};

/// Number of bytes that identify a protocol; a message quotes as many.
pub(crate) const BYTES_NEEDED: usize = 128;

/// Protocols by how a server begins to speak, or answers a request in HTTP. The first entry that
/// fits counts.
const BEGINNINGS: [(&[u8], &str); 39] = [
    (b"SSH-", "SSH"),
    (b"RTSP/", "RTSP"),
    (b"SIP/", "SIP"),
    (b"ICY ", "Shoutcast (ICY)"),
    (b"RFB ", "VNC (RFB)"),
    (b"AMQP", "AMQP"),
    (b"* OK", "IMAP"),
    (b"* BYE", "IMAP"),
    (b"* PREAUTH", "IMAP"),
    (b"+OK", "POP3"),
    (b"-ERR unknown command", "Redis"),
    (b"-ERR wrong number of arguments", "Redis"),
    (b"-ERR", "POP3 or Redis"),
    (b"-NOAUTH", "Redis"),
    (b"-DENIED", "Redis"),
    (b"ERROR\r\n", "memcached"),
    (b"ERROR :", "IRC"),
    (b"NOTICE ", "IRC"),
    (b"@RSYNCD:", "rsync"),
    (b"( success (", "Subversion"),
    (b"INFO {", "NATS"),
    (b"UNKNOWN_COMMAND\r\n", "beanstalkd"),
    (b"JDWP-Handshake", "JDWP"),
    (b"<stream:", "XMPP"),
    (b"<?xml version='1.0'?><stream:", "XMPP"),
    (b"ZBXD", "Zabbix"),
    (b"PROXY ", "the PROXY protocol"),
    (b"http/", "HTTP with a version in lower case"),
    (b"<", "HTML or XML without an HTTP header"),
    (b"{", "JSON without an HTTP header"),
    (b"[", "JSON without an HTTP header"),
    (b"\x1f\x8b", "gzip data without an HTTP header"),
    (b"\x05\x00", "SOCKS5"),
    (b"\x05\xff", "SOCKS5"),
    (b"\x03\x00\x00", "RDP"),
    (b"\xff\xfb", "Telnet"),
    (b"\xff\xfd", "Telnet"),
    (b"\x84\x00\x00\x00\x00", "Cassandra"),
    (b"\x00\x00\x00\x00\x00\x00\x00\x00", "zero bytes"),
];

/// Requests as probes send them.
const REQUESTS: [&[u8]; 6] = [b"GET /", b"POST /", b"HEAD /", b"PUT /", b"GET http", b"CONNECT "];

/// Texts of servers that received a plain request and expected TLS: Go and Caddy, nginx, Apache,
/// Tomcat, Webmin.
const TLS_REQUIRED_TEXTS: [&str; 5] = [
    "sent an HTTP request to an HTTPS server",
    "plain HTTP request was sent to HTTPS port",
    "speaking plain HTTP to an SSL-enabled server port",
    "combination of host and port requires TLS",
    "web server is running in SSL mode",
];

/// Number of bytes of a page that are searched for them.
const MAX_SEARCHED: usize = 4 << 10;

/// Returns whether the page of a response says that the server expected TLS.
pub(crate) fn requires_tls(page: &[u8]) -> bool {
    let start = page.get(..MAX_SEARCHED).unwrap_or(page);
    TLS_REQUIRED_TEXTS.iter().any(|words| memmem::find(start, words.as_bytes()).is_some())
}

/// Describes bytes that arrived in place of an HTTP response.
pub(crate) fn describe(bytes: &[u8]) -> String {
    if REQUESTS.iter().any(|request| bytes.starts_with(request)) {
        // It may hold secrets, and cut off they would not be found in it.
        return "the response is not HTTP but an echo of the request".to_owned();
    }
    let begins = Quoted(bytes);
    match protocol(bytes) {
        Some(name) => format!("the response is not HTTP but {name}; it begins with {begins}"),
        None => format!("the response is not HTTP; it begins with {begins}"),
    }
}

/// Names the protocol that `bytes` begin, if it is known.
fn protocol(bytes: &[u8]) -> Option<String> {
    if let &[0x15, 3, 0..=4, 0, 2, _, alert, ..] = bytes {
        return Some(format!("a TLS alert ({}), so this port uses TLS", alert_text(alert)));
    }
    if let [0x14..=0x17, 3, 0..=4, ..] = bytes {
        return Some("TLS".to_owned());
    }
    let known = BEGINNINGS.iter().find(|(beginning, _)| bytes.starts_with(beginning));
    known.map(|(_, name)| *name).or_else(|| greeting(bytes)).map(str::to_owned)
}

/// Names protocols that more than their first bytes tell apart.
fn greeting(bytes: &[u8]) -> Option<&'static str> {
    const SETTINGS: u8 = 4;
    const GOAWAY: u8 = 7;
    let has = |word: &str| {
        bytes.windows(word.len()).any(|found| found.eq_ignore_ascii_case(word.as_bytes()))
    };
    match bytes {
        // A length, the kind of the frame, its flags, and the stream 0.
        [0, 0, _, SETTINGS | GOAWAY, _, 0, 0, 0, 0, ..] => Some("HTTP/2"),
        // A length, a number of the packet, and the version of the protocol or an error.
        [_, 0, 0, 0, 10, b'0'..=b'9', ..] | [_, 0, 0, 0 | 1, 0xff, ..] => Some("MySQL"),
        [b'E', 0, 0, _, _, b'S', ..] | [b'E', b'F', b'A', b'T', b'A', b'L', ..] => {
            Some("PostgreSQL")
        }
        [b'2' | b'4' | b'5', b'0'..=b'9', b'0'..=b'9', b' ' | b'-', ..] => Some(match () {
            () if has("smtp") => "SMTP",
            () if has("ftp") => "FTP",
            () if has("nntp") || has("news") => "NNTP",
            () => "SMTP, FTP or NNTP",
        }),
        [b':', _, ..] if has(" NOTICE ") => Some("IRC"),
        [0, 0, _, _, 1, rest @ ..] if rest.starts_with(b"ActiveMQ") => Some("OpenWire"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_known_by_their_first_bytes() {
        for (bytes, name) in [
            (&b"SSH-2.0-OpenSSH_9.2\r\n"[..], "SSH"),
            (b"\x15\x03\x01\x00\x02\x02\x46", "a TLS alert (protocol version), so this port"),
            (b"\x16\x03\x03\x00\x7a\x02", "TLS"),
            (b"220 mail.example ESMTP Postfix\r\n", "SMTP"),
            (b"220 (vsFTPd 3.0.5)\r\n", "FTP"),
            (b"220 welcome\r\n", "SMTP, FTP or NNTP"),
            (b"554 5.7.1 no\r\n", "SMTP, FTP or NNTP"),
            (b"200 news.example NNTP ready\r\n", "NNTP"),
            (b"+OK POP3 ready\r\n", "POP3"),
            (b"* OK IMAP4rev1 ready\r\n", "IMAP"),
            (b"RTSP/1.0 200 OK\r\n", "RTSP"),
            (b"ICY 200 OK\r\n", "Shoutcast"),
            (b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80", "HTTP/2"),
            (b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01", "HTTP/2"),
            (b"<!DOCTYPE html>", "HTML"),
            (b"{\"a\":1}\n", "JSON"),
            (b"J\0\0\0\n8.0.36\0", "MySQL"),
            (b"E\0\0\0\x8bSFATAL\0", "PostgreSQL"),
            (b"F\0\0\0\xffj\x04Host '10.0.0.1' is not allowed", "MySQL"),
            (b"-ERR wrong number of arguments for 'get' command\r\n", "Redis"),
            (b"ERROR\r\nERROR\r\n", "memcached"),
            (b"RFB 003.008\n", "VNC"),
            (b"\xff\xfd\x18\xff\xfd\x20", "Telnet"),
            (b"AMQP\0\0\x09\x01", "AMQP"),
            (b":irc.example NOTICE * :***\r\n", "IRC"),
            (&[0; 20], "zero bytes"),
            (b"GET / HTTP/1.1\r\nAuthorization: Basic abc", "an echo of the request"),
        ] {
            let words = describe(bytes);
            assert!(words.contains(&format!("not HTTP but {name}")), "{bytes:?}: {words}");
        }
    }

    #[test]
    fn the_first_bytes_are_quoted() {
        for (bytes, words) in [
            (&b"hello\r\n"[..], "it begins with \"hello\\r\\n\""),
            (b"\x00\xff\"", "it begins with \"\\0\\xff\\\"\""),
            (b"GET / HTTP/1.1\r\nAuthorization: Basic abc", "an echo of the request"),
        ] {
            assert!(describe(bytes).ends_with(words), "{bytes:?}: {}", describe(bytes));
        }
    }
}
