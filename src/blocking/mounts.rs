//! The file system of a file, known without asking the file system.

use std::{
    ffi::OsString,
    fs,
    os::unix::ffi::OsStringExt as _,
    path::{self, Path, PathBuf},
};

/// Returns the mount point of the file system of `path`. Symbolic links are not followed, since that
/// could block.
pub(super) fn mount_point(path: &Path) -> PathBuf {
    let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
    mount_point_in(&mounts, &path::absolute(path).unwrap_or_else(|_| path.to_owned()))
}

/// Returns the longest mount point in a mountinfo file (`proc_pid_mountinfo(5)`) that contains `path`.
fn mount_point_in(mounts: &[u8], path: &Path) -> PathBuf {
    mounts
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .map(|point| PathBuf::from(OsString::from_vec(unescape(point))))
        .filter(|point| path.starts_with(point))
        .max_by_key(|point| point.as_os_str().len())
        .unwrap_or_else(|| PathBuf::from("/"))
}

/// Replaces octal escapes such as `\040`.
fn unescape(mut text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    while let Some((first, rest)) = text.split_first() {
        let digits = rest.get(..3).filter(|_| *first == b'\\').and_then(|d| str::from_utf8(d).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.push(escaped.unwrap_or(*first));
        text = rest.get(if escaped.is_some() { 3 } else { 0 }..).unwrap_or_default();
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_point_counts() {
        let mounts = b"25 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                       30 25 0:40 / /mnt/a\\040b rw - nfs4 server:/ rw\n\
                       31 25 0:41 / /mnt/a rw - nfs4 server:/ rw\n";
        for (path, mount) in [
            ("/etc/passwd", "/"),
            ("/mnt/a b/c", "/mnt/a b"),
            ("/mnt/a", "/mnt/a"),
            ("/mnt/ab", "/"),
        ] {
            assert_eq!(mount_point_in(mounts, Path::new(path)), Path::new(mount), "{path}");
        }
        assert!(Path::new("/proc/self").starts_with(mount_point(Path::new("/proc/self/stat"))));
    }
}
