//! The control groups of this process.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The folder in which control groups are mounted, and the file that names those of this process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cgroups<'a> {
    pub(super) mounted: &'a Path,
    pub(super) membership: &'a Path,
}

/// A folder with the files of a control group.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// Of cgroup v2.
    Unified(PathBuf),
    /// Of cgroup v1.
    Legacy(PathBuf),
}

impl Cgroups<'static> {
    /// The control groups of this process.
    pub(super) fn of_process() -> Self {
        let mounted = Path::new("/sys/fs/cgroup");
        Self { mounted, membership: Path::new("/proc/self/cgroup") }
    }
}

impl Cgroups<'_> {
    /// Returns the groups of the process that `controller` limits, and their parents.
    pub(super) fn of(self, controller: &str) -> Vec<Group> {
        let Self { mounted, membership } = self;
        let membership = fs::read_to_string(membership).unwrap_or_default();
        let mut groups = Vec::new();
        for line in membership.lines() {
            let mut parts = line.splitn(3, ':');
            let (Some(_), Some(controllers), Some(path)) =
                (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            if controllers.is_empty() {
                groups.extend(with_parents(mounted, path).map(Group::Unified));
            } else if controllers.split(',').any(|name| name == controller) {
                groups.extend(with_parents(&mounted.join(controllers), path).map(Group::Legacy));
            }
        }
        groups
    }
}

/// Returns a group and its parents. In a container, `path` can name a group of the host that is not
/// visible; the mounted root is then the group of the container and is always read.
fn with_parents(root: &Path, path: &str) -> impl Iterator<Item = PathBuf> {
    let own = Path::new(path.trim_start_matches('/'));
    own.ancestors().map(|ancestor| root.join(ancestor))
}
