//! Parsing of `/proc/PID/stat` and `/proc/PID/status`.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// Relevant fields of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stat {
    /// Set if the process has not exited.
    pub(crate) is_alive: bool,
    /// Parent process ID.
    pub(crate) parent: u32,
    /// Process group.
    pub(crate) group: u32,
    /// CPU time of all threads, including ended ones.
    pub(crate) cpu: Duration,
    /// CPU time of ended children.
    pub(crate) waited_cpu: Duration,
    /// Number of threads.
    pub(crate) threads: u64,
}

impl Stat {
    /// Reads the fields of the process `pid`.
    ///
    /// # Errors
    ///
    /// Fails when there is no such process.
    pub(crate) fn read(pid: u32) -> anyhow::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Self::parse(&text, rustix::param::clock_ticks_per_second())
            .context("unexpected format of /proc/PID/stat")
    }

    fn parse(text: &str, ticks_per_second: u64) -> Option<Self> {
        // The name, in parentheses, may hold spaces and parentheses itself.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // The first of these fields is the third of the file.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let time = |user: usize, system: usize| {
            let ticks = field(user)? + field(system)?;
            Some(Duration::from_secs(ticks) / u32::try_from(ticks_per_second).ok()?)
        };
        Some(Self {
            is_alive: !matches!(*fields.first()?, "Z" | "X"),
            parent: u32::try_from(field(4)?).ok()?,
            group: u32::try_from(field(5)?).ok()?,
            cpu: time(14, 15)?,
            waited_cpu: time(16, 17)?,
            threads: field(20)?,
        })
    }
}

/// Relevant fields of `/proc/PID/status`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Memory {
    /// Resident memory.
    pub(super) rss_kib: u64,
    /// Peak resident memory.
    pub(super) peak_rss_kib: u64,
}

impl Memory {
    /// Reads the fields of the process `pid`.
    ///
    /// # Errors
    ///
    /// Fails when there is no such process.
    pub(super) fn read(pid: u32) -> anyhow::Result<Self> {
        Ok(Self::parse(&fs::read_to_string(format!(
            "/proc/{pid}/status"
        ))?))
    }

    /// Parses the text; the fields are missing for a zombie process, which has no memory.
    fn parse(text: &str) -> Self {
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix("kB")?.trim().parse().ok()
        };
        Self {
            rss_kib: field("VmRSS:").unwrap_or_default(),
            peak_rss_kib: field("VmHWM:").unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_behind_any_name() {
        let text = "77 (a) b (c)) S 5 6 7 0 -1 4194304 1 2 3 4 150 50 20 30 20 0 9 0 1 2 3";
        let stat = Stat::parse(text, 100).unwrap();
        let expected = Stat {
            is_alive: true,
            parent: 5,
            group: 6,
            cpu: Duration::from_secs(2),
            waited_cpu: Duration::from_millis(500),
            threads: 9,
        };
        assert_eq!(stat, expected);
        assert_eq!(Stat::parse("77 (a) S 5", 100), None);
    }

    #[test]
    fn memory_is_read_in_kib() {
        let text = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(
            Memory::parse(text),
            Memory {
                rss_kib: 1024,
                peak_rss_kib: 2048
            }
        );
        assert_eq!(Memory::parse("Name:\tx\n"), Memory::default());
    }
}
