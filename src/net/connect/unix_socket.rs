//! Connections to unix sockets.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::{ffi::OsStrExt as _, fs::FileTypeExt as _},
    path::{Path, PathBuf},
};

use tokio::net::UnixStream;

use crate::{
    blocking,
    diagnostics::{Call, Cause, Failure, Reason, Stage, attempts::Peer},
    net::{
        Context,
        connect::opened_socket::OpenedSocket,
        wire::{Timestamp, WireStream},
    },
    policy::{Question, Role},
};

/// Connects to the unix socket `name`: a path, relative to the working directory, or with an `@`
/// before it an abstract name (unix(7)).
///
/// # Errors
/// A failure of the stage [`Stage::Target`] or [`Stage::Connect`].
#[expect(clippy::disallowed_methods, reason = "the policy was asked")]
pub async fn connect(context: &Context, name: &str) -> Result<WireStream, Failure> {
    if name.contains('\0') {
        let message = format!("unix socket {name:?}: a path cannot contain a zero byte");
        return Err(Failure::new(Stage::Target, Reason::InvalidTarget, message));
    }
    context.enter(Stage::Connect);
    // Keeps the file that was judged open.
    let opened = judge(context, name).await?;
    context.attempt(Peer::Local(name.to_owned()), Role::Target)?;
    let address = match (&opened, name.strip_prefix('@')) {
        (Some(opened), _) => opened.address(),
        // The kernel marks an abstract name by a zero byte in front of it.
        (None, Some(name)) => format!("\0{name}"),
        (None, None) => {
            find(context, name).await?;
            name.to_owned()
        }
    };
    let started = Timestamp::now();
    let _waiting = context.waiting_for(|| format!("no connection to the unix socket {name}"));
    let stream = UnixStream::connect(Path::new(OsStr::from_bytes(address.as_bytes())))
        .await
        .map_err(|error| refusal(name, &error))?;
    let connect_time = started.elapsed();
    context.log.debug("Connected", &[("socket", &name)]);
    Ok(WireStream::from_unix(stream, started, connect_time))
}

/// Asks the policy about the socket, by its real path. Returns the socket that was judged if the policy
/// has rules about paths: whatever happens to the path then, the connection is to that socket.
async fn judge(context: &Context, name: &str) -> Result<Option<OpenedSocket>, Failure> {
    let judge = |path| context.policy.judge(&Question { path: Some(path), ..Question::default() });
    if !context.policy.has_paths() {
        return Ok(None);
    }
    if name.starts_with('@') {
        return judge(name).map(|()| None);
    }
    context.policy.judge_any_path(name)?;
    let path = PathBuf::from(name);
    let opened = on_file(context, name, move || OpenedSocket::open(&path)).await?;
    match opened {
        Ok((socket, path)) => {
            judge(&path.to_string_lossy())?;
            Ok(context.policy.enforces_paths().then_some(socket))
        }
        // A path that is denied must not show whether it exists.
        Err((error, path)) => {
            judge(&path.to_string_lossy())?;
            if context.policy.enforces_paths() { Err(refusal(name, &error)) } else { Ok(None) }
        }
    }
}

/// Makes the kernel look up the path, unless it knows it: on a file system that does not respond, the
/// lookup blocks the thread, also for a nonblocking socket.
async fn find(context: &Context, name: &str) -> Result<(), Failure> {
    if is_known(name) {
        return Ok(());
    }
    let path = PathBuf::from(name);
    // Only the time that it takes is of interest here.
    on_file(context, name, move || drop(fs::metadata(path))).await
}

/// Runs work on the file system of the socket, which may not respond.
async fn on_file<T: Send + 'static>(
    context: &Context,
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let _waiting = context.waiting_for(|| format!("no response from the file system of {name}"));
    blocking::on_file(Path::new(name), work).await.map_err(|error| {
        let doing = format!("connecting to unix socket {name}");
        let reason = if error.is_hung() { Reason::Timeout } else { Reason::OutOfResources };
        Failure { reason, ..Failure::blocking(Stage::Connect, &doing, error) }
    })
}

/// Returns whether the kernel has the result of a lookup of the path in its cache.
#[cfg(target_os = "linux")]
fn is_known(name: &str) -> bool {
    use rustix::{
        fs::{CWD, Mode, OFlags, ResolveFlags, openat2},
        io::Errno,
    };
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let found = openat2(CWD, name, flags, Mode::empty(), ResolveFlags::CACHED);
    // The last two are of kernels before 5.12 and 5.6, and the second is of sandboxes.
    !matches!(found, Err(Errno::AGAIN | Errno::PERM | Errno::INVAL | Errno::NOSYS))
}

#[cfg(not(target_os = "linux"))]
fn is_known(_name: &str) -> bool {
    false
}

/// Returns the failure of a connection attempt.
fn refusal(name: &str, error: &io::Error) -> Failure {
    let mut cause = Cause::of(Call::ConnectLocal, error);
    // The kernel returns the same error for any other file.
    let is_other_file = cause.reason == Reason::Refused
        && fs::metadata(name).is_ok_and(|file| !file.file_type().is_socket());
    if is_other_file {
        cause = Cause { reason: Reason::InvalidTarget, hint: "it is not a socket", ..cause };
    }
    if error.kind() == io::ErrorKind::NotFound && name.contains("://") {
        let hint = "it looks like a URL; write only the path of the socket";
        cause = Cause { reason: Reason::InvalidTarget, hint, ..cause };
    }
    let stage = match cause.reason {
        Reason::InvalidTarget => Stage::Target,
        _ => Stage::Connect,
    };
    let message = cause.message(&format!("connecting to unix socket {name}"), None, error);
    Failure::new(stage, cause.reason, message)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixDatagram, sync::Arc, time::Duration};

    use tempfile::TempDir;
    use tokio::{net::UnixListener, time::Instant};

    use super::*;
    use crate::net::resolve::Resolver;

    fn context() -> Context {
        Context::new(Instant::now() + Duration::from_mins(1), Arc::new(Resolver::default()))
    }

    /// Returns the path of a file in a new directory.
    fn place() -> (TempDir, String) {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("socket").to_str().expect("text").to_owned();
        (directory, path)
    }

    #[tokio::test]
    async fn a_connection_to_a_listening_socket_is_made() {
        let (_directory, path) = place();
        let _listener = UnixListener::bind(&path).expect("a free name");
        let context = context();
        connect(&context, &path).await.expect("it listens");
        assert_eq!(context.stage(), Stage::Connect);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn an_at_sign_marks_an_abstract_name() {
        let name = format!("probe_exporter-test-{}", std::process::id());
        let _listener = UnixListener::bind(format!("\0{name}")).expect("a free name");
        connect(&context(), &format!("@{name}")).await.expect("it listens");
        let failure = connect(&context(), &name).await.expect_err("no such file");
        assert_eq!(failure.reason, Reason::Refused);
    }

    #[tokio::test]
    async fn failures_name_the_socket_and_what_is_wrong() {
        let (_directory, path) = place();
        let long = "x".repeat(200);
        for (name, stage, reason, hint) in [
            (&*path, Stage::Connect, Reason::Refused, "no such socket"),
            (&*long, Stage::Target, Reason::InvalidTarget, "107 bytes"),
            ("unix:///run/socket", Stage::Target, Reason::InvalidTarget, "the path of the socket"),
            ("a\0b", Stage::Target, Reason::InvalidTarget, "zero byte"),
        ] {
            let failure = connect(&context(), name).await.expect_err("cannot work");
            assert_eq!((failure.stage, failure.reason), (stage, reason), "{failure}");
            assert!(failure.message.contains(hint), "{failure}");
        }
    }

    #[tokio::test]
    async fn a_closed_socket_is_distinguished_from_a_datagram_socket() {
        let (_directory, path) = place();
        drop(UnixListener::bind(&path).expect("a free name"));
        let failure = connect(&context(), &path).await.expect_err("nobody listens");
        assert_eq!(failure.reason, Reason::Refused);
        assert!(failure.message.contains("no process listens"), "{failure}");

        let (_directory, path) = place();
        let _datagrams = UnixDatagram::bind(&path).expect("a free name");
        let failure = connect(&context(), &path).await.expect_err("of another kind");
        assert!(failure.message.contains("not a stream socket"), "{failure}");
    }
}
