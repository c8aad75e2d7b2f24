//! Resource usage of processes, as accounted by the kernel.

mod machine;
mod stat;
mod tree;

use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

pub(crate) use self::machine::{busy_time, core_count, use_cores};
use self::stat::Memory;
pub(crate) use self::stat::Stat;
pub(crate) use self::tree::{descendants, members};

/// Processes that are counted together with the named one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scope {
    /// No other process.
    Alone,
    /// Processes of the same group, and descendants.
    Group,
    /// Descendants.
    Tree,
}

/// Process to observe.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    /// Name for reports.
    pub(crate) name: String,
    /// Process ID.
    pub(crate) pid: u32,
    /// Processes to include.
    pub(crate) scope: Scope,
}

/// Resource usage of the processes of a probe at one point in time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UsageSample {
    /// CPU time in user and kernel mode, of all threads.
    pub(crate) cpu: Duration,
    /// Resident memory.
    pub(crate) rss_kib: u64,
    /// Peak resident memory; for several processes, the sum of their peaks.
    pub(crate) peak_rss_kib: u64,
    /// Open file descriptors.
    pub(crate) fds: u64,
    /// Threads.
    pub(crate) threads: u64,
    /// Descendants of the named process, counted or not.
    pub(crate) children: u64,
}

/// Resource usage of the processes of a probe over a time span.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResourceUsage {
    /// Name of the probe.
    pub(crate) name: String,
    /// ID of the named process.
    pub(crate) pid: u32,
    /// CPU time.
    #[serde(rename = "cpuSeconds", serialize_with = "seconds")]
    pub(crate) cpu: Duration,
    /// Resident memory at the beginning.
    pub(crate) rss_before_kib: u64,
    /// Resident memory at the end.
    pub(crate) rss_kib: u64,
    /// Peak resident memory until the end.
    pub(crate) peak_rss_kib: u64,
}

impl Probe {
    /// Creates a probe of this process.
    pub(crate) fn own() -> Self {
        Self {
            name: "mcp-bench".to_owned(),
            pid: std::process::id(),
            scope: Scope::Alone,
        }
    }

    /// Reads the current resource usage of the processes.
    ///
    /// # Errors
    ///
    /// Fails when the named process does not exist, or may not be observed.
    pub(crate) fn read(&self) -> anyhow::Result<UsageSample> {
        let read = || -> anyhow::Result<UsageSample> {
            let mut sum = UsageSample::default();
            sum.add(self.pid, self.scope != Scope::Alone)?;
            for pid in members(self.pid, self.scope)? {
                // A process that ends just now is in its parent's account already.
                let _ = sum.add(pid, true);
            }
            sum.children = descendants(self.pid)?.len() as u64;
            Ok(sum)
        };
        read().with_context(|| format!("cannot observe process {} ({})", self.name, self.pid))
    }

    /// Reads all `probes`.
    ///
    /// # Errors
    ///
    /// Fails when one of them cannot be read.
    pub(crate) fn read_all(probes: &[Self]) -> anyhow::Result<Vec<UsageSample>> {
        probes.iter().map(Self::read).collect()
    }

    /// Resets the peak memory, if the kernel allows it.
    pub(crate) fn reset_peak(&self) {
        let others = members(self.pid, self.scope).unwrap_or_default();
        for pid in others.into_iter().chain([self.pid]) {
            let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
        }
    }
}

impl UsageSample {
    /// Adds the usage of `pid`, and with `with_waited` that of its ended children.
    fn add(&mut self, pid: u32, with_waited: bool) -> anyhow::Result<()> {
        let stat = Stat::read(pid)?;
        let memory = Memory::read(pid)?;
        self.cpu += if with_waited {
            stat.cpu + stat.waited_cpu
        } else {
            stat.cpu
        };
        self.rss_kib += memory.rss_kib;
        self.peak_rss_kib += memory.peak_rss_kib;
        // The descriptors of another user's process are secret: none are reported then.
        self.fds += fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |fds| fds.count() as u64);
        self.threads += stat.threads;
        Ok(())
    }
}

impl ResourceUsage {
    /// Returns the usage of `probes` between two readings.
    pub(crate) fn between(
        probes: &[Probe],
        before: Vec<UsageSample>,
        after: Vec<UsageSample>,
    ) -> Vec<Self> {
        let readings = before.into_iter().zip(after);
        let usage = probes
            .iter()
            .zip(readings)
            .map(|(probe, (before, after))| Self {
                name: probe.name.clone(),
                pid: probe.pid,
                cpu: after.cpu.saturating_sub(before.cpu),
                rss_before_kib: before.rss_kib,
                rss_kib: after.rss_kib,
                peak_rss_kib: after.peak_rss_kib,
            });
        usage.collect()
    }

    /// Returns the CPU time for each of `calls`, in microseconds; NaN without calls.
    pub(crate) fn cpu_micros_per(&self, calls: u64) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / calls as f64
    }

    /// Returns the memory growth for each of `things`, in KiB.
    pub(crate) fn growth_kib_per(&self, things: u64) -> f64 {
        (self.rss_kib as f64 - self.rss_before_kib as f64) / things as f64
    }
}

/// Serializes a duration as seconds.
pub(crate) fn seconds<S: serde::Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Instant;

    use super::*;

    #[test]
    fn this_process_can_be_observed() {
        let pid = std::process::id();
        let probe = Probe {
            name: "test".to_owned(),
            pid,
            scope: Scope::Alone,
        };
        let before = probe.read().unwrap();
        // A busy machine may leave no time to this process for a while.
        let deadline = Instant::now() + Duration::from_secs(30);
        let after = loop {
            let after = probe.read().unwrap();
            if after.cpu > before.cpu {
                break after;
            }
            assert!(Instant::now() < deadline, "no time was used");
        };
        assert!(after.rss_kib > 0 && after.peak_rss_kib >= after.rss_kib);
        assert!(after.fds > 0 && after.threads > 0 && after.children == 0);
    }

    #[test]
    fn a_tree_includes_its_children() {
        let mut child = Command::new("sleep").arg("5").spawn().unwrap();
        let pid = std::process::id();
        let probe = Probe {
            name: "test".to_owned(),
            pid,
            scope: Scope::Tree,
        };
        assert!(probe.read().unwrap().children >= 1);
        assert!(descendants(pid).unwrap().contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_process_that_does_not_exist_is_an_error() {
        let probe = Probe {
            name: "none".to_owned(),
            pid: u32::MAX,
            scope: Scope::Alone,
        };
        assert!(probe.read().unwrap_err().to_string().contains("none"));
    }
}
