//! How many threads are worth having: what the control group lets this process use, rounded up.
//!
//! The standard library knows the quota too, but rounds it down and looks only where the process
//! stands; the limit is often set further up.

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

/// Threads for work that keeps a processor busy; at least 1.
pub(super) fn worker_threads() -> usize {
    let processors = allowed_processors();
    match quota(Path::new("/sys/fs/cgroup"), Path::new("/proc/self/cgroup")) {
        Some(quota) => round_up(quota).clamp(1, processors),
        None => processors,
    }
}

/// The processors that the scheduler may use.
fn allowed_processors() -> usize {
    #[cfg(target_os = "linux")]
    if let Ok(set) = rustix::thread::sched_getaffinity(None)
        && let Ok(count @ 1..) = usize::try_from(set.count())
    {
        return count;
    }
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// The tightest quota from the process's own group up to the root, in processors.
fn quota(mounted: &Path, membership: &Path) -> Option<f64> {
    let membership = fs::read_to_string(membership).ok()?;
    let mut tightest: Option<f64> = None;
    for line in membership.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let (root, read): (PathBuf, fn(&Path) -> Option<f64>) = if controllers.is_empty() {
            (mounted.to_owned(), unified_quota)
        } else if controllers.split(',').any(|controller| controller == "cpu") {
            (mounted.join(controllers), legacy_quota)
        } else {
            continue;
        };
        let quotas = groups(&root, path).into_iter().filter_map(|group| read(&group));
        tightest = quotas.chain(tightest).min_by(f64::total_cmp);
    }
    tightest
}

/// The group and those above it. In a container the path may name a group of the host that cannot
/// be seen; then the mounted root is the container's own group, and is read in any case.
fn groups(root: &Path, path: &str) -> Vec<PathBuf> {
    let own = Path::new(path.trim_start_matches('/'));
    own.ancestors().map(|ancestor| root.join(ancestor)).collect()
}

/// `cpu.max` of version 2: `max 100000`, or quota and period in microseconds.
fn unified_quota(group: &Path) -> Option<f64> {
    let text = fs::read_to_string(group.join("cpu.max")).ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    ratio(quota, period)
}

/// The two files of version 1; a quota of -1 is none.
fn legacy_quota(group: &Path) -> Option<f64> {
    let quota = fs::read_to_string(group.join("cpu.cfs_quota_us")).ok()?;
    let period = fs::read_to_string(group.join("cpu.cfs_period_us")).ok()?;
    ratio(quota.trim(), period.trim())
}

fn ratio(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}

/// Counts up to the number, since a quota has no exact integer type to go through.
fn round_up(quota: f64) -> usize {
    (1..=4096u32)
        .find(|threads| f64::from(*threads) >= quota)
        .and_then(|threads| usize::try_from(threads).ok())
        .unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_tightest_quota_on_the_way_up_counts() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write(&at("membership"), "0::/pod/container\n");
        write(&at("cpu.max"), "max 100000\n");
        write(&at("pod/cpu.max"), "150000 100000\n");
        write(&at("pod/container/cpu.max"), "max 100000\n");
        assert_eq!(quota(folder.path(), &at("membership")), Some(1.5));
    }

    #[test]
    fn a_group_of_the_host_that_cannot_be_seen_leaves_the_mounted_root() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write(&at("membership"), "0::/../../host/group\n");
        write(&at("cpu.max"), "2000 100000\n");
        assert_eq!(quota(folder.path(), &at("membership")), Some(0.02));
    }

    #[test]
    fn the_files_of_version_1_are_read_too() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write(&at("membership"), "5:memory:/x\n4:cpu,cpuacct:/x\n1:name=systemd:/x\n");
        write(&at("cpu,cpuacct/cpu.cfs_quota_us"), "-1\n");
        write(&at("cpu,cpuacct/cpu.cfs_period_us"), "100000\n");
        write(&at("cpu,cpuacct/x/cpu.cfs_quota_us"), "250000\n");
        write(&at("cpu,cpuacct/x/cpu.cfs_period_us"), "100000\n");
        assert_eq!(quota(folder.path(), &at("membership")), Some(2.5));
    }

    #[test]
    fn no_quota_is_no_limit() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write(&at("membership"), "0::/\n");
        assert_eq!(quota(folder.path(), &at("membership")), None);
        assert_eq!(quota(folder.path(), &at("no-such-file")), None);
        assert!(worker_threads() >= 1);
    }

    #[test]
    fn quotas_are_rounded_up() {
        for (quota, threads) in [(0.02, 1), (1.0, 1), (1.1, 2), (2.0, 2), (1e9, 4096)] {
            assert_eq!(round_up(quota), threads);
        }
    }
}
