//! The memory that this process may use: the lowest limit of its control groups, or the memory of the
//! machine.

use std::fs;

use crate::app::cgroup::{Cgroups, Group};

/// Returns the memory in bytes, if it is known.
pub(super) fn system_memory() -> Option<u64> {
    [memory_limit(Cgroups::of_process()), machine_memory()].into_iter().flatten().min()
}

/// Returns the lowest limit of the process's groups and their parents in bytes.
fn memory_limit(cgroups: Cgroups<'_>) -> Option<u64> {
    let limits = cgroups.of("memory").into_iter().filter_map(|group| {
        let file = match group {
            Group::Unified(folder) => folder.join("memory.max"),
            Group::Legacy(folder) => folder.join("memory.limit_in_bytes"),
        };
        // The text `max` means no limit, as does a number of exabytes.
        fs::read_to_string(file).ok()?.trim().parse::<u64>().ok()
    });
    limits.min()
}

/// Returns the memory of the machine in bytes.
fn machine_memory() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let info = rustix::system::sysinfo();
        let (units, unit) = (info.totalram, info.mem_unit);
        #[expect(clippy::useless_conversion, reason = "the types depend on the platform")]
        u64::try_from(units).ok()?.checked_mul(u64::from(unit))
    }
    #[cfg(not(target_os = "linux"))]
    None
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn limit(files: &[(&str, &str)]) -> Option<u64> {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mounted: &Path = folder.path();
        memory_limit(Cgroups { mounted, membership: &mounted.join("membership") })
    }

    #[test]
    fn the_lowest_limit_of_the_parents_is_used() {
        let files = [
            ("membership", "0::/pod/container\n"),
            ("memory.max", "max\n"),
            ("pod/memory.max", "134217728\n"),
            ("pod/container/memory.max", "268435456\n"),
        ];
        assert_eq!(limit(&files), Some(128 << 20));
    }

    #[test]
    fn the_mounted_root_is_read_if_the_group_is_not_visible() {
        let files = [("membership", "0::/../../host/group\n"), ("memory.max", "67108864\n")];
        assert_eq!(limit(&files), Some(64 << 20));
    }

    #[test]
    fn cgroup_v1_is_supported() {
        let files = [
            ("membership", "5:cpu,cpuacct:/x\n4:memory:/x/y\n0::/\n"),
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/x/memory.limit_in_bytes", "67108864\n"),
            ("memory/x/y/memory.limit_in_bytes", "9223372036854771712\n"),
        ];
        assert_eq!(limit(&files), Some(64 << 20));
    }

    #[test]
    fn the_memory_of_the_machine_is_a_limit_too() {
        assert_eq!(limit(&[("membership", "0::/\n"), ("memory.max", "max\n")]), None);
        assert_eq!(limit(&[]), None);
        let memory = system_memory().unwrap();
        assert!(memory > 16 << 20 && memory < 1 << 50, "{memory}");
    }
}
