//! Files that settings name: whether one is still the same, and what is in it.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
    time::SystemTime,
};

/// Tells whether a file is still the one that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    /// Device, inode and time of the last change of either.
    identity: (u64, u64, i64, i64),
}

impl Stamp {
    /// What `path`, or the file that it is a link to, is now. Blocks.
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

/// MiB that a file of certificates, keys, or settings of the listener may have; none comes near.
pub const USUAL_MIB: u64 = 16;

/// What is in a file that may have so many MiB. Blocks.
pub fn read(path: &Path, most_mib: u64) -> io::Result<Vec<u8>> {
    let most = most_mib << 20;
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        let what = format!("the file is over {most_mib} MiB");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (length, expected) in
            [(1 << 20, Ok(1 << 20)), ((1 << 20) + 1, Err("the file is over 1 MiB"))]
        {
            file.as_file().set_len(length).unwrap();
            let found = read(file.path(), 1);
            let found = found.map(|bytes| bytes.len()).map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned));
        }
    }
}
