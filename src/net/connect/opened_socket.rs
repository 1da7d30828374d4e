//! A unix socket that is opened before it is connected to, so that the real path can be judged.

use std::{
    fs, io,
    path::{Path, PathBuf, absolute},
};

#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd as _, OwnedFd};

/// A unix socket that was found, and stays the same whatever happens to its path.
#[derive(Debug)]
pub(super) struct OpenedSocket {
    #[cfg(target_os = "linux")]
    descriptor: OwnedFd,
    #[cfg(not(target_os = "linux"))]
    path: PathBuf,
}

impl OpenedSocket {
    /// Opens the socket without connecting to it. Returns its real path, without symbolic links; with an
    /// error, the path that it would have. Blocks.
    pub(super) fn open(path: &Path) -> Result<(Self, PathBuf), (io::Error, PathBuf)> {
        Self::try_open(path).map_err(|error| (error, expected_path(path)))
    }

    #[cfg(target_os = "linux")]
    fn try_open(path: &Path) -> io::Result<(Self, PathBuf)> {
        use rustix::fs::{Mode, OFlags, fstat, open};
        let descriptor = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let socket = Self { descriptor };
        let real_path = fs::read_link(socket.address())?;
        // The path of a file that was deleted is no longer its own.
        if fstat(&socket.descriptor)?.st_nlink == 0 {
            return Err(io::Error::from_raw_os_error(libc::ENOENT));
        }
        Ok((socket, real_path))
    }

    /// Without open descriptors of sockets, only paths without links are safe.
    #[cfg(not(target_os = "linux"))]
    fn try_open(path: &Path) -> io::Result<(Self, PathBuf)> {
        let real_path = fs::canonicalize(path)?;
        if real_path != absolute(path)? {
            return Err(io::Error::from_raw_os_error(libc::ELOOP));
        }
        Ok((Self { path: real_path.clone() }, real_path))
    }

    /// Returns the path to connect to.
    pub(super) fn address(&self) -> String {
        #[cfg(target_os = "linux")]
        return format!("/proc/self/fd/{}", self.descriptor.as_raw_fd());
        #[cfg(not(target_os = "linux"))]
        self.path.to_string_lossy().into_owned()
    }
}

/// Returns the path of a file that cannot be opened, without the links of its directory.
fn expected_path(path: &Path) -> PathBuf {
    let absolute = absolute(path).unwrap_or_else(|_| path.to_owned());
    let Some((directory, name)) = absolute.parent().zip(absolute.file_name()) else {
        return absolute;
    };
    fs::canonicalize(directory).map(|directory| directory.join(name)).unwrap_or(absolute)
}
