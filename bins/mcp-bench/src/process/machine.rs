//! Load of the whole machine.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Fields of the first line of `/proc/stat` that count busy or stolen time: user, nice, system, and
/// steal.
const BUSY_FIELDS: [usize; 4] = [0, 1, 2, 7];

/// Returns the busy time of all cores since the machine started.
///
/// # Errors
///
/// Fails when the system does not say.
pub(crate) fn busy_time() -> anyhow::Result<Duration> {
    let text = fs::read_to_string("/proc/stat")?;
    let ticks = busy_ticks(&text).context("unexpected format of /proc/stat")?;
    Ok(Duration::from_secs_f64(
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
    ))
}

/// Returns the number of cores of the machine, which may exceed those available to this process.
///
/// # Errors
///
/// Fails when the system does not say.
pub(crate) fn core_count() -> anyhow::Result<usize> {
    Ok(count_cores(&fs::read_to_string("/proc/stat")?))
}

/// Restricts this thread, and all threads and processes that it starts, to `count` cores.
///
/// # Errors
///
/// Fails when there are not so many.
pub(crate) fn use_cores(count: usize) -> anyhow::Result<()> {
    let allowed = sched_getaffinity(None)?;
    let mut chosen = CpuSet::new();
    for core in (0..CpuSet::MAX_CPU)
        .filter(|core| allowed.is_set(*core))
        .take(count)
    {
        chosen.set(core);
    }
    let found = chosen.count();
    ensure!(found as usize == count, "only {found} cores are available");
    Ok(sched_setaffinity(None, &chosen)?)
}

fn count_cores(text: &str) -> usize {
    let names = text.lines().filter_map(|line| line.strip_prefix("cpu"));
    names
        .filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
        .count()
}

fn busy_ticks(text: &str) -> Option<u64> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line
        .split_ascii_whitespace()
        .map(|field| field.parse().unwrap_or_default())
        .collect();
    BUSY_FIELDS
        .iter()
        .map(|index| fields.get(*index).copied())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_counted_once() {
        assert_eq!(count_cores("cpu  1 2\ncpu0 1 2\ncpu1 1 2\nctxt 1"), 2);
        assert!(core_count().unwrap() > 0);
        assert!(use_cores(100_000).is_err());
    }

    #[test]
    fn idle_time_is_left_out() {
        assert_eq!(
            busy_ticks("cpu  1 20 300 9 9 9 9 4000 9 9\ncpu0 1"),
            Some(4321)
        );
        assert_eq!(busy_ticks("cpu  1 20"), None);
        assert!(busy_time().unwrap() > Duration::ZERO);
    }
}
