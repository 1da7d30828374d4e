//! Files that settings refer to: reading them, and detecting changes.
//!
//! Only regular files are opened. Opening a FIFO or reading a device can block for ever, and opening
//! a device can have effects.

use std::{
    fs::{self, File, FileType, Metadata},
    io::{self, Read},
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::blocking;

/// The version of a file: two equal stamps mean that the file has not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    /// Device, inode, and the time of the last change of the inode.
    identity: (u64, u64, i64, i64),
}

impl Stamp {
    /// Returns the current stamp of the file at `path`. Follows symbolic links. Blocks.
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
            identity: (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// Default maximum size in MiB of files with certificates, keys or settings of the listener.
pub const DEFAULT_MAX_MIB: u64 = 16;

/// Opens the regular file at `path`. Blocks.
///
/// # Errors
/// Also if it is another kind of file; the error names the kind.
pub fn open(path: &Path) -> io::Result<File> {
    check_kind(path, &fs::metadata(path)?)?;
    // If another file takes its place now, the flag keeps the call from blocking.
    let file =
        File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    check_kind(path, &file.metadata()?)?;
    Ok(file)
}

/// Reads a regular file of at most `max_mib` MiB. Blocks.
pub fn read(path: &Path, max_mib: u64) -> io::Result<Vec<u8>> {
    read_all(open(path)?, max_mib)
}

/// Reads a file, pipe or device of at most `max_mib` MiB, such as `/dev/stdin`. Blocks, for a pipe
/// until its other end is closed.
pub fn read_stream(path: &Path, max_mib: u64) -> io::Result<Vec<u8>> {
    read_all(File::open(path)?, max_mib)
}

/// Reads a regular file of at most `max_mib` MiB on a thread for files.
pub async fn load(path: &Path, max_mib: u64) -> io::Result<Vec<u8>> {
    on_thread(path, move |path| read(path, max_mib)).await
}

/// Reads like [`load`], even if an earlier read hangs. For reads that a user requests.
pub async fn load_again(path: &Path, max_mib: u64) -> io::Result<Vec<u8>> {
    let owned = path.to_owned();
    blocking::on_file_again(path, move || read(&owned, max_mib)).await?
}

/// Runs `work` for the file at `path` on a thread for files.
pub async fn on_thread<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let owned: PathBuf = path.to_owned();
    blocking::on_file(path, move || work(&owned)).await?
}

fn read_all(file: impl Read, max_mib: u64) -> io::Result<Vec<u8>> {
    let max_bytes = max_mib << 20;
    let mut bytes = Vec::new();
    file.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > max_bytes {
        let what = format!("the file is larger than {max_mib} MiB");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

fn check_kind(path: &Path, metadata: &Metadata) -> io::Result<()> {
    let kind = match metadata.file_type() {
        kind if kind.is_file() => return Ok(()),
        // The error of the system for reading it.
        kind if kind.is_dir() => return Err(io::Error::from_raw_os_error(libc::EISDIR)),
        kind => name_of(kind),
    };
    let message = format!("'{}' is {kind}, not a regular file", path.display());
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

fn name_of(kind: FileType) -> &'static str {
    if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        "of an unknown kind"
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn reads_files_up_to_the_limit() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (length, expected) in
            [(1 << 20, Ok(1 << 20)), ((1 << 20) + 1, Err("the file is larger than 1 MiB"))]
        {
            file.as_file().set_len(length).unwrap();
            let found = read(file.path(), 1);
            let found = found.map(|bytes| bytes.len()).map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned));
        }
    }

    #[test]
    fn only_regular_files_are_opened() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            place("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        let _socket = UnixListener::bind(place("socket")).unwrap();
        std::os::unix::fs::symlink(place("fifo"), place("link")).unwrap();
        for (path, kind) in [
            (place("fifo"), "a FIFO"),
            (place("link"), "a FIFO"),
            (place("socket"), "a socket"),
            ("/dev/zero".into(), "a device"),
        ] {
            let error = read(&path, 1).unwrap_err().to_string();
            assert_eq!(error, format!("'{}' is {kind}, not a regular file", path.display()));
        }
        let error = read(directory.path(), 1).unwrap_err();
        assert_eq!(error.to_string(), "Is a directory (os error 21)");
        assert!(read_stream(Path::new("/dev/null"), 1).unwrap().is_empty());
        assert!(read_stream(Path::new("/dev/zero"), 1).is_err(), "it has no end");
    }
}
