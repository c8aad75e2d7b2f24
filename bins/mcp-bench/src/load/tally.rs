//! Counting of calls.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::client::Traffic;
use crate::failure::Failure;

/// Number of distinct failures that are recorded.
const DISTINCT_FAILURES: usize = 8;

/// Significant digits of the recorded latencies.
const DIGITS: u8 = 3;

/// Upper bound of the recorded latencies.
const LONGEST: Duration = Duration::from_secs(3600);

/// Counts and latencies of calls.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    latencies: Histogram<u64>,
    failures: BTreeMap<String, u64>,
    failed: u64,
    traffic: Traffic,
}

impl Tally {
    /// Creates an empty tally.
    ///
    /// # Errors
    ///
    /// Never fails: the bounds are valid.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let longest = u64::try_from(LONGEST.as_nanos())?;
        Ok(Self {
            latencies: Histogram::new_with_bounds(100, longest, DIGITS)?,
            failures: BTreeMap::new(),
            failed: 0,
            traffic: Traffic::default(),
        })
    }

    /// Records a call that took `latency`.
    pub(crate) fn record(&mut self, latency: Duration, outcome: &Result<Traffic, Failure>) {
        match outcome {
            Ok(traffic) => {
                let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
                self.latencies.saturating_record(nanos);
                self.traffic.sent += traffic.sent;
                self.traffic.received += traffic.received;
            }
            Err(failure) => self.fail(failure),
        }
    }

    fn fail(&mut self, failure: &Failure) {
        self.failed += 1;
        let message = failure.chain();
        let known = self.failures.len() < DISTINCT_FAILURES || self.failures.contains_key(&message);
        let message = if known {
            message
        } else {
            "other failures".to_owned()
        };
        *self.failures.entry(message).or_default() += 1;
    }

    /// Adds the counts of `other`.
    ///
    /// # Errors
    ///
    /// Never fails: the bounds are the same.
    pub(crate) fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        self.latencies.add(&other.latencies)?;
        for (message, count) in &other.failures {
            *self.failures.entry(message.clone()).or_default() += count;
        }
        self.failed += other.failed;
        self.traffic.sent += other.traffic.sent;
        self.traffic.received += other.traffic.received;
        Ok(())
    }

    /// Returns the number of successful calls.
    pub(crate) fn succeeded(&self) -> u64 {
        self.latencies.len()
    }

    /// Returns the number of failed calls.
    pub(crate) fn failed(&self) -> u64 {
        self.failed
    }

    /// Returns the number of failures by message.
    pub(crate) fn failures(&self) -> &BTreeMap<String, u64> {
        &self.failures
    }

    /// Returns the traffic of the successful calls.
    pub(crate) fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Returns the `quantile` of the latency of the successful calls.
    pub(crate) fn latency(&self, quantile: f64) -> Duration {
        Duration::from_nanos(self.latencies.value_at_quantile(quantile))
    }

    /// Returns the longest latency.
    pub(crate) fn longest(&self) -> Duration {
        Duration::from_nanos(self.latencies.max())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successes_and_failures_are_counted_apart() {
        let mut tally = Tally::new().unwrap();
        for millis in 1..=1000 {
            let traffic = Traffic {
                sent: 10,
                received: 20,
            };
            tally.record(Duration::from_millis(millis), &Ok(traffic));
        }
        for status in 500..520 {
            tally.record(Duration::ZERO, &Err(Failure::status(status, b"")));
            tally.record(Duration::ZERO, &Err(Failure::Timeout));
        }
        assert_eq!((tally.succeeded(), tally.failed()), (1000, 40));
        assert_eq!(tally.latency(0.5).as_millis(), 500);
        assert_eq!(tally.latency(0.99).as_millis(), 990);
        assert_eq!(tally.longest().as_millis(), 1000);
        assert_eq!(
            (tally.traffic().sent, tally.traffic().received),
            (10_000, 20_000)
        );
        assert_eq!(tally.failures().len(), DISTINCT_FAILURES + 1);
        assert_eq!(
            tally.failures()["other failures"],
            20 - (DISTINCT_FAILURES as u64 - 1)
        );
    }
}
