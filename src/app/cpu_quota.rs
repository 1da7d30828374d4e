//! CPU time of the process, and the number of worker threads: the CPU quota of the control group, rounded up.
//!
//! The standard library rounds the quota down and reads only the group of the process. The limit is
//! often set on a parent group.

use std::{fs, num::NonZeroUsize, path::Path, time::Duration};

use crate::app::cgroup::{Cgroups, Group};

/// Returns the number of worker threads, at least 1.
pub(super) fn worker_threads() -> usize {
    let processors = allowed_processors();
    match quota(Cgroups::of_process()) {
        Some(quota) => round_up(quota).clamp(1, processors),
        None => processors,
    }
}

/// Returns the CPU time that the process may use per second.
pub(super) fn cpu_per_second() -> Duration {
    let processors = Duration::from_secs(u64::try_from(allowed_processors()).unwrap_or(1));
    let quota = quota(Cgroups::of_process());
    let quota = quota.and_then(|quota| Duration::try_from_secs_f64(quota).ok());
    quota.map_or(processors, |quota| quota.min(processors))
}

/// Number of CPUs that the scheduler may use for this process.
fn allowed_processors() -> usize {
    #[cfg(target_os = "linux")]
    if let Ok(set) = rustix::thread::sched_getaffinity(None)
        && let Ok(count @ 1..) = usize::try_from(set.count())
    {
        return count;
    }
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Returns the lowest quota of the process's groups and their parents, in CPUs.
fn quota(cgroups: Cgroups<'_>) -> Option<f64> {
    let quotas = cgroups.of("cpu").into_iter().filter_map(|group| match group {
        Group::Unified(folder) => unified_quota(&folder),
        Group::Legacy(folder) => legacy_quota(&folder),
    });
    quotas.min_by(f64::total_cmp)
}

/// Reads `cpu.max` (cgroup v2): `max 100000`, or quota and period in microseconds.
fn unified_quota(group: &Path) -> Option<f64> {
    let text = fs::read_to_string(group.join("cpu.max")).ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    ratio(quota, period)
}

/// Reads the two files of cgroup v1. A quota of -1 means no limit.
fn legacy_quota(group: &Path) -> Option<f64> {
    let quota = fs::read_to_string(group.join("cpu.cfs_quota_us")).ok()?;
    let period = fs::read_to_string(group.join("cpu.cfs_period_us")).ok()?;
    ratio(quota.trim(), period.trim())
}

fn ratio(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}

/// Rounds up to the next integer, without a cast from a float.
fn round_up(quota: f64) -> usize {
    (1..=4096u32)
        .find(|threads| f64::from(*threads) >= quota)
        .and_then(|threads| usize::try_from(threads).ok())
        .unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(mounted: &Path, membership: &Path) -> Option<f64> {
        super::quota(Cgroups { mounted, membership })
    }

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_lowest_quota_of_the_parents_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write(&at("membership"), "0::/pod/container\n");
        write(&at("cpu.max"), "max 100000\n");
        write(&at("pod/cpu.max"), "150000 100000\n");
        write(&at("pod/container/cpu.max"), "max 100000\n");
        assert_eq!(quota(folder.path(), &at("membership")), Some(1.5));
    }

    #[test]
    fn the_mounted_root_is_read_if_the_group_is_not_visible() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write(&at("membership"), "0::/../../host/group\n");
        write(&at("cpu.max"), "2000 100000\n");
        assert_eq!(quota(folder.path(), &at("membership")), Some(0.02));
    }

    #[test]
    fn cgroup_v1_is_supported() {
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
