//! Files that settings refer to: reading them, and detecting changes.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
    time::SystemTime,
};

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
        use std::os::unix::fs::MetadataExt as _;

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

/// Reads a file of at most `max_mib` MiB. Blocks.
pub fn read(path: &Path, max_mib: u64) -> io::Result<Vec<u8>> {
    let max_bytes = max_mib << 20;
    let mut bytes = Vec::new();
    File::open(path)?.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > max_bytes {
        let what = format!("the file is larger than {max_mib} MiB");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
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
}
