//! Many wrong passwords beside a right one.

use std::{io::Write as _, net::TcpStream};

use super::{Web, basic, login, users};
use crate::harness::{Exporter, connect};

/// Connections that send one guess each, and do not read the response.
fn guess(exporter: &Exporter, user: impl Fn(usize) -> String) -> Vec<TcpStream> {
    let guess = |number| {
        let mut stream = connect(exporter.address);
        let header = basic(&user(number), &number.to_string());
        write!(stream, "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {header}\r\n\r\n").unwrap();
        stream
    };
    (0..150).map(guess).collect()
}

#[test]
fn a_right_password_is_accepted_while_others_guess() {
    let web = Web::new();
    let exporter = web.start(&users("alice", "secret"));
    let unknown = guess(&exporter, |number| format!("eve{number}"));
    let known = guess(&exporter, |_| "alice".to_owned());
    assert_eq!(login(&exporter, "alice", "secret"), 200);
    assert_eq!(login(&exporter, "alice", "secret"), 200);
    assert_eq!(login(&exporter, "eve", "secret"), 401);
    drop((unknown, known));
}

#[test]
fn a_password_of_any_length_is_accepted() {
    let web = Web::new();
    let long = "x".repeat(72);
    let exporter = web.start(&users("alice", &long));
    assert_eq!(login(&exporter, "alice", &long), 200);
    assert_eq!(login(&exporter, "alice", &"x".repeat(20_000)), 200, "bcrypt reads 72 bytes");
    assert_eq!(login(&exporter, "alice", &"y".repeat(20_000)), 401);
}
