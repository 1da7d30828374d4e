//! Every error number that the manual pages list for a call, and the messages.

use super::*;
use crate::diagnostics::Reason::{
    Closed, Internal, InvalidRequest, InvalidTarget, MessageTooLong, OutOfResources,
    PermissionDenied, Protocol, Refused, Reset, Timeout, Unreachable,
};

/// An error number, its reason, and a part of its hint; empty if the text of the system is sufficient.
type Row = (i32, Reason, &'static str);

const OPEN: &[Row] = &[
    (libc::EACCES, PermissionDenied, "sandbox"),
    (libc::EPERM, PermissionDenied, "sandbox"),
    (libc::EAFNOSUPPORT, Unreachable, "address family"),
    (libc::EPROTONOSUPPORT, Unreachable, "does not support the protocol"),
    (libc::ESOCKTNOSUPPORT, Unreachable, "does not support the protocol"),
    (libc::EINVAL, Unreachable, "does not support the protocol"),
    (libc::EMFILE, OutOfResources, "LimitNOFILE"),
    (libc::ENFILE, OutOfResources, "fs.file-max"),
    (libc::ENOBUFS, OutOfResources, "buffer"),
    (libc::ENOMEM, OutOfResources, "memory left"),
];

const SET_UP: &[Row] = &[
    (libc::EPERM, PermissionDenied, "option"),
    (libc::EACCES, PermissionDenied, "option"),
    (libc::EINVAL, InvalidRequest, "option"),
    (libc::EDOM, InvalidRequest, "option"),
    (libc::ENOPROTOOPT, InvalidRequest, "option"),
    (libc::EOPNOTSUPP, InvalidRequest, "option"),
    (libc::ENOMEM, OutOfResources, "memory left"),
    (libc::ENOTSOCK, Internal, ""),
];

const BIND: &[Row] = &[
    (libc::EADDRNOTAVAIL, InvalidRequest, "not an address of this host"),
    (libc::EINVAL, InvalidRequest, "cannot be a source address"),
    (libc::ENODEV, InvalidTarget, "no such interface"),
    (libc::EADDRINUSE, OutOfResources, "local ports are in use"),
    (libc::EACCES, PermissionDenied, "sandbox"),
    (libc::EPERM, PermissionDenied, "sandbox"),
    (libc::EBADF, Internal, ""),
];

const CONNECT: &[Row] = &[
    (libc::ENETUNREACH, Unreachable, "no route"),
    (libc::EHOSTUNREACH, Unreachable, "type unreachable"),
    (libc::EINVAL, Unreachable, "type blackhole"),
    (libc::EACCES, Unreachable, "type prohibit"),
    (libc::EPERM, Unreachable, "firewall of this host"),
    (libc::EADDRNOTAVAIL, OutOfResources, "local ports are in use"),
    (libc::EADDRINUSE, OutOfResources, "local ports are in use"),
    (libc::EAGAIN, OutOfResources, "local ports are in use"),
    (libc::ENODEV, InvalidTarget, "no such interface"),
    (libc::ENXIO, InvalidTarget, "no such interface"),
    (libc::EAFNOSUPPORT, Unreachable, "kind of address"),
    (libc::ECONNREFUSED, Refused, ""),
    (libc::ENETDOWN, Unreachable, "down"),
    (libc::ENOBUFS, OutOfResources, "buffer"),
    (libc::EISCONN, Internal, ""),
    (libc::EALREADY, Internal, ""),
];

const CONNECT_LOCAL: &[Row] = &[
    (libc::ENOENT, Refused, "no such socket"),
    (libc::ECONNREFUSED, Refused, "no process listens"),
    (libc::EAGAIN, Refused, "backlog"),
    (libc::EACCES, PermissionDenied, "write permission"),
    (libc::EPERM, PermissionDenied, "SELinux"),
    (libc::EPROTOTYPE, Protocol, "not a stream socket"),
    (libc::ENOTDIR, InvalidTarget, "not a directory"),
    (libc::ELOOP, InvalidTarget, "symbolic links"),
    (libc::EINVAL, InvalidTarget, "107 bytes"),
    (libc::ENAMETOOLONG, InvalidTarget, "107 bytes"),
    (libc::ECONNRESET, Reset, ""),
    (libc::ENFILE, OutOfResources, "fs.file-max"),
    (libc::ENOTSOCK, Internal, ""),
];

const EXCHANGE: &[Row] = &[
    (libc::ECONNREFUSED, Refused, ""),
    (libc::ENOPROTOOPT, Refused, "firewall"),
    (libc::ECONNRESET, Reset, ""),
    (libc::EPIPE, Reset, ""),
    (libc::ECONNABORTED, Reset, "ss -K"),
    (libc::ENOTCONN, Closed, ""),
    (libc::ESHUTDOWN, Closed, ""),
    (libc::ETIMEDOUT, Timeout, "gave up"),
    (libc::ENETUNREACH, Unreachable, "no route"),
    (libc::EHOSTUNREACH, Unreachable, "cannot reach"),
    (libc::ENETDOWN, Unreachable, "down"),
    (libc::EHOSTDOWN, Unreachable, "unknown"),
    (libc::EADDRNOTAVAIL, Unreachable, "no source address"),
    (libc::EINVAL, Unreachable, "blackhole"),
    (libc::EACCES, Unreachable, "prohibit"),
    (libc::EPERM, Unreachable, "OUTPUT"),
    (libc::ENODEV, Unreachable, "no longer exists"),
    (libc::ENXIO, Unreachable, "no longer exists"),
    (libc::EPROTO, Unreachable, "parameter problem"),
    (libc::EOPNOTSUPP, Unreachable, "source route"),
    (libc::EMSGSIZE, MessageTooLong, "exceeds the MTU"),
    (libc::EAGAIN, OutOfResources, "local ports are in use"),
    (libc::EMFILE, OutOfResources, "LimitNOFILE"),
    (libc::ENOBUFS, OutOfResources, "buffer"),
    (libc::ENOMEM, OutOfResources, "memory left"),
    (libc::ENOSPC, OutOfResources, "max_user_watches"),
    (libc::EBADF, Internal, ""),
    (libc::EDESTADDRREQ, Internal, ""),
    (libc::EFAULT, Internal, ""),
    (libc::EINTR, Internal, ""),
    (libc::EISCONN, Internal, ""),
    (libc::ENOTSOCK, Internal, ""),
];

#[test]
fn every_error_number_of_the_manual_has_a_meaning() {
    for (call, rows) in [
        (Call::Open, OPEN),
        (Call::SetUp, SET_UP),
        (Call::Bind, BIND),
        (Call::Connect, CONNECT),
        (Call::ConnectLocal, CONNECT_LOCAL),
        (Call::Exchange, EXCHANGE),
    ] {
        for (errno, reason, hint) in rows {
            let cause = Cause::of_number(call, *errno);
            let name = io::Error::from_raw_os_error(*errno);
            assert_eq!(cause.reason, *reason, "{call:?}: {name}");
            assert!(cause.hint.contains(hint), "{call:?}: {name}: {}", cause.hint);
            assert!(!cause.hint.is_empty() || hint.is_empty(), "{call:?}: {name}");
        }
    }
    #[cfg(target_os = "linux")]
    assert_eq!(Cause::of_number(Call::Exchange, libc::ENONET).reason, Unreachable);
}

#[test]
fn messages_say_what_to_look_at() {
    let message = |errno, peer: Option<&str>| {
        let error = io::Error::from_raw_os_error(errno);
        let peer = peer.map(|peer| peer.parse().expect("an address"));
        Cause::of(Call::Connect, &error).message("connecting to 192.0.2.1:80", peer, &error)
    };
    assert_eq!(
        message(libc::EINVAL, Some("192.0.2.1")),
        "connecting to 192.0.2.1:80: a route or rule of this host, of type blackhole, \
         discards packets to it; see \"ip route get 192.0.2.1\" on the exporter's host (Invalid argument (os \
         error 22))"
    );
    assert_eq!(
        message(libc::EMFILE, Some("192.0.2.1")),
        "connecting to 192.0.2.1:80: the exporter has no file descriptors left; raise its limit \
         of open files (LimitNOFILE=, ulimit -n) (Too many open files (os error 24))"
    );
    assert_eq!(
        message(libc::ECONNREFUSED, None),
        format!("connecting to 192.0.2.1:80: {}", io::Error::from_raw_os_error(libc::ECONNREFUSED))
    );
}

#[test]
fn errors_of_libraries_have_a_reason_by_their_kind() {
    use io::ErrorKind;
    for (kind, reason) in [
        (ErrorKind::ConnectionRefused, Refused),
        (ErrorKind::ConnectionReset, Reset),
        (ErrorKind::BrokenPipe, Reset),
        (ErrorKind::UnexpectedEof, Closed),
        (ErrorKind::ConnectionAborted, Closed),
        (ErrorKind::TimedOut, Timeout),
        (ErrorKind::InvalidData, Protocol),
    ] {
        assert_eq!(Cause::of(Call::Exchange, &kind.into()).reason, reason, "{kind}");
    }
}
