//! Formatting of figures with units.

use std::time::Duration;

/// Formats a latency.
pub(crate) fn millis(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1e3;
    if millis < 10.0 {
        format!("{millis:.2} ms")
    } else {
        format!("{millis:.1} ms")
    }
}

/// Formats the CPU time of a call.
pub(crate) fn micros(micros: f64) -> String {
    format!("{micros:.1} us")
}

/// Formats an amount of memory or traffic.
pub(crate) fn kib(kib: f64) -> String {
    if kib.abs() < 1024.0 {
        format!("{kib:.1} KiB")
    } else {
        format!("{:.1} MiB", kib / 1024.0)
    }
}

/// Computes a rate.
pub(crate) fn per_second(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rounded_to_what_matters() {
        assert_eq!(millis(Duration::from_micros(187)), "0.19 ms");
        assert_eq!(millis(Duration::from_millis(1234)), "1234.0 ms");
        assert_eq!(micros(16.96), "17.0 us");
        assert_eq!(kib(3.84), "3.8 KiB");
        assert_eq!(kib(-2048.0), "-2.0 MiB");
        assert!((per_second(10, Duration::from_secs(2)) - 5.0).abs() < f64::EPSILON);
    }
}
