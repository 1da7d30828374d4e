//! A control group with little CPU time or memory, of either version of the kernel's interface.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process, thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

/// A group of its own, removed when this is dropped.
#[derive(Debug)]
pub struct Group {
    folder: PathBuf,
}

/// Kubernetes' period, over which CPU time is counted.
const PERIOD_MICROS: u32 = 100_000;

/// The groups of other runs are named so, too.
const PREFIX: &str = "probe_exporter-accuracy";

/// The folder of the control groups, and their interface.
enum Mounted {
    Legacy(PathBuf),
    Unified(PathBuf),
}

impl Group {
    /// Makes a group that may use so many thousandths of a processor. The name tells it from
    /// others of this process.
    pub fn limited(name: &str, millicores: u32) -> Result<Self> {
        let (group, mounted) = Self::create(name, "cpu")?;
        let quota = millicores * (PERIOD_MICROS / 1000);
        match mounted {
            Mounted::Legacy(_) => {
                group.write("cpu.cfs_period_us", &PERIOD_MICROS.to_string())?;
                group.write("cpu.cfs_quota_us", &quota.to_string())?;
            }
            Mounted::Unified(_) => group.write("cpu.max", &format!("{quota} {PERIOD_MICROS}"))?,
        }
        Ok(group)
    }

    /// Makes a group that may use so many bytes of memory. The name tells it from others of this process.
    pub fn with_memory(name: &str, bytes: u64) -> Result<Self> {
        let (group, mounted) = Self::create(name, "memory")?;
        match mounted {
            Mounted::Legacy(_) => group.write("memory.limit_in_bytes", &bytes.to_string())?,
            Mounted::Unified(_) => group.write("memory.max", &bytes.to_string())?,
        }
        Ok(group)
    }

    fn create(name: &str, controller: &str) -> Result<(Self, Mounted)> {
        let mounted = Mounted::find(controller).with_context(|| {
            format!("no control group file system with the controller '{controller}' is mounted")
        })?;
        let parent = match &mounted {
            Mounted::Legacy(path) => path,
            Mounted::Unified(path) => {
                fs::write(path.join("cgroup.subtree_control"), format!("+{controller}"))
                    .with_context(|| {
                        format!("cannot enable '{controller}' below the root control group")
                    })?;
                path
            }
        };
        let folder = parent.join(format!("{PREFIX}-{}-{name}", process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok((Self { folder }, mounted))
    }

    /// The largest amount of memory that the members used at once, in bytes. Linux before 5.19 does not
    /// tell it by the second version of the interface.
    pub fn peak_memory(&self) -> Option<u64> {
        let files = ["memory.max_usage_in_bytes", "memory.peak"];
        let mut texts =
            files.iter().filter_map(|file| fs::read_to_string(self.folder.join(file)).ok());
        texts.next()?.trim().parse().ok()
    }

    /// The number of members that were killed for lack of memory.
    pub fn kills(&self) -> Option<u64> {
        ["memory.oom_control", "memory.events"]
            .iter()
            .find_map(|file| self.number(file, "oom_kill "))
    }

    /// Returns the number after `name` in a file of the group.
    fn number(&self, file: &str, name: &str) -> Option<u64> {
        let text = fs::read_to_string(self.folder.join(file)).ok()?;
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    /// The file to which a process writes its number to become a member.
    pub fn members(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    /// The number of periods in which the members ran, and in which they were throttled.
    pub fn throttling(&self) -> Option<(u64, u64)> {
        let of = |name| self.number("cpu.stat", name);
        Some((of("nr_periods ")?, of("nr_throttled ")?))
    }

    /// The time for which the members were throttled so far, summed over processors.
    pub fn throttled_time(&self) -> Option<Duration> {
        let of = |name| self.number("cpu.stat", name);
        of("throttled_time ")
            .map(Duration::from_nanos)
            .or_else(|| of("throttled_usec ").map(Duration::from_micros))
    }

    fn write(&self, name: &str, value: &str) -> Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, value).with_context(|| format!("{value} for {}", path.display()))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Members that were killed leave the group a little later.
        for _ in 0..100 {
            match fs::remove_dir(&self.folder) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    thread::sleep(Duration::from_millis(20));
                }
                _ => return,
            }
        }
    }
}

impl Mounted {
    fn find(controller: &str) -> Result<Self> {
        let root = Path::new("/sys/fs/cgroup");
        for name in [controller, &format!("{controller},cpuacct")] {
            let folder = root.join(name);
            if folder.join("cgroup.procs").exists() {
                return Ok(Self::Legacy(folder));
            }
        }
        let controllers = fs::read_to_string(root.join("cgroup.controllers"))?;
        if !controllers.split_whitespace().any(|found| found == controller) {
            bail!("control group v2 does not have it");
        }
        Ok(Self::Unified(root.to_owned()))
    }
}
