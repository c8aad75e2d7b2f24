//! How busy the whole machine is.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// The fields of the first line of `/proc/stat` in which cores work for processes, or are withheld
/// from this machine: user, nice, system, and steal.
const BUSY_FIELDS: [usize; 4] = [0, 1, 2, 7];

/// The time that all cores together have been busy with processes since the machine started.
///
/// # Errors
///
/// Fails when the system does not say.
pub(crate) fn busy_time() -> anyhow::Result<Duration> {
    let text = fs::read_to_string("/proc/stat")?;
    let ticks = busy_ticks(&text).context("/proc/stat is not as expected")?;
    Ok(Duration::from_secs_f64(
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
    ))
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
    fn idle_time_is_left_out() {
        assert_eq!(
            busy_ticks("cpu  1 20 300 9 9 9 9 4000 9 9\ncpu0 1"),
            Some(4321)
        );
        assert_eq!(busy_ticks("cpu  1 20"), None);
        assert!(busy_time().unwrap() > Duration::ZERO);
    }
}
