//! Figures of a comparison.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::load::LoadResult;
use crate::stats::Distribution;
use crate::units::per_second;

/// Position of the bare proxy among the routes.
pub(super) const PROXY: usize = 1;

/// Result of one measurement.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Measurement {
    /// Successful calls per second.
    pub(super) calls_per_second: f64,
    /// Median latency.
    pub(super) p50_millis: f64,
    /// 99th percentile of the latency.
    pub(super) p99_millis: f64,
    /// CPU time per call of the process under test, if available.
    pub(super) cpu_micros_per_call: Option<f64>,
    /// Peak memory of the process under test.
    pub(super) peak_rss_kib: Option<u64>,
    /// CPU time per call of the load generator.
    pub(super) generator_cpu_micros_per_call: f64,
    /// Share of the machine's CPU time used by processes outside of the comparison.
    pub(super) other_load: f64,
    /// Successful calls.
    pub(super) calls: u64,
    /// Failed calls.
    pub(super) errors: u64,
    /// Number of failures by reason.
    pub(super) failures: BTreeMap<String, u64>,
}

/// All measurements of a comparison.
#[derive(Debug)]
pub(super) struct Figures {
    routes: Vec<String>,
    /// Measurements by connections and route, in the order of the rounds.
    measurements: BTreeMap<(u32, usize), Vec<Measurement>>,
}

/// Summary of the rounds of one route with one number of connections.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    /// Number of connections.
    pub(super) connections: u32,
    /// Name of the route.
    pub(super) path: String,
    /// Successful calls per second.
    pub(super) calls_per_second: Option<Distribution>,
    /// Median latency.
    pub(super) p50_millis: Option<Distribution>,
    /// 99th percentile of the latency.
    pub(super) p99_millis: Option<Distribution>,
    /// CPU time per call of the process under test.
    pub(super) cpu_micros_per_call: Option<Distribution>,
    /// Peak memory of the process under test.
    pub(super) peak_rss_kib: Option<Distribution>,
    /// CPU time per call, relative to the bare proxy.
    pub(super) cpu_over_proxy: Option<Distribution>,
    /// Calls per second, relative to the bare proxy.
    pub(super) throughput_over_proxy: Option<Distribution>,
    /// Failed calls.
    pub(super) errors: u64,
    /// Measurements.
    pub(super) rounds: Vec<Measurement>,
}

impl Measurement {
    /// Computes the figures of a load with the process `tested` under test on `cores` cores.
    pub(super) fn new(outcome: &LoadResult, tested: Option<u32>, cores: usize) -> Self {
        let tally = &outcome.tally;
        let calls = tally.succeeded();
        let usage = outcome.usage.iter().find(|usage| Some(usage.pid) == tested);
        let millis = |quantile| tally.latency(quantile).as_secs_f64() * 1e3;
        Self {
            calls_per_second: per_second(calls, outcome.elapsed),
            p50_millis: millis(0.5),
            p99_millis: millis(0.99),
            cpu_micros_per_call: usage.map(|usage| usage.cpu_micros_per(calls)),
            peak_rss_kib: usage.map(|usage| usage.peak_rss_kib),
            generator_cpu_micros_per_call: outcome.generator.cpu_micros_per(calls),
            other_load: other_load(outcome, cores),
            calls,
            errors: tally.failed(),
            failures: tally.failures().clone(),
        }
    }
}

impl Figures {
    /// Creates empty figures for the named routes.
    pub(super) fn new(routes: Vec<String>) -> Self {
        Self {
            routes,
            measurements: BTreeMap::new(),
        }
    }

    /// Adds the next round of a route.
    pub(super) fn push(&mut self, connections: u32, route: usize, measurement: Measurement) {
        self.measurements
            .entry((connections, route))
            .or_default()
            .push(measurement);
    }

    /// Returns the summaries, by connections and route.
    pub(super) fn summaries(&self) -> Vec<Summary> {
        let groups = self.measurements.iter();
        groups
            .map(|(&(connections, route), rounds)| {
                let proxy = self
                    .measurements
                    .get(&(connections, PROXY))
                    .filter(|_| route != 0);
                self.summary(connections, route, rounds, proxy.map_or(&[], Vec::as_slice))
            })
            .collect()
    }

    /// Summarizes `rounds`, relative to those of the bare proxy.
    fn summary(
        &self,
        connections: u32,
        route: usize,
        rounds: &[Measurement],
        proxy: &[Measurement],
    ) -> Summary {
        let spread = |figure: fn(&Measurement) -> Option<f64>| {
            Distribution::of(rounds.iter().filter_map(figure))
        };
        let ratio = |figure: fn(&Measurement) -> Option<f64>| {
            let pairs = rounds.iter().zip(proxy);
            Distribution::of(pairs.filter_map(|(this, proxy)| Some(figure(this)? / figure(proxy)?)))
        };
        Summary {
            connections,
            path: self.routes[route].clone(),
            calls_per_second: spread(|round| Some(round.calls_per_second)),
            p50_millis: spread(|round| Some(round.p50_millis)),
            p99_millis: spread(|round| Some(round.p99_millis)),
            cpu_micros_per_call: spread(|round| round.cpu_micros_per_call),
            peak_rss_kib: spread(|round| round.peak_rss_kib.map(|kib| kib as f64)),
            cpu_over_proxy: ratio(|round| round.cpu_micros_per_call),
            throughput_over_proxy: ratio(|round| Some(round.calls_per_second)),
            errors: rounds.iter().map(|round| round.errors).sum(),
            rounds: rounds.to_vec(),
        }
    }
}

/// Returns the share of the machine's CPU time that no observed process used.
fn other_load(outcome: &LoadResult, cores: usize) -> f64 {
    let observed = outcome
        .usage
        .iter()
        .map(|usage| usage.cpu)
        .sum::<Duration>();
    let others = outcome
        .machine
        .saturating_sub(observed + outcome.generator.cpu);
    others.as_secs_f64() / (outcome.elapsed.as_secs_f64() * cores as f64)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Creates a measurement for tests.
    pub(in crate::compare) fn measurement(rate: f64, cpu: Option<f64>) -> Measurement {
        Measurement {
            calls_per_second: rate,
            p50_millis: 0.5,
            p99_millis: 2.0,
            cpu_micros_per_call: cpu,
            peak_rss_kib: Some(4096),
            generator_cpu_micros_per_call: 7.0,
            other_load: 0.01,
            calls: 1000,
            errors: 0,
            failures: BTreeMap::new(),
        }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let routes = ["direct", "bare proxy", "gateway"]
            .map(str::to_owned)
            .to_vec();
        let mut figures = Figures::new(routes);
        for (proxy, gateway) in [
            ((1000.0, 10.0), (500.0, 20.0)),
            ((100.0, 40.0), (90.0, 60.0)),
        ] {
            figures.push(16, 0, measurement(2000.0, None));
            figures.push(16, 1, measurement(proxy.0, Some(proxy.1)));
            figures.push(16, 2, measurement(gateway.0, Some(gateway.1)));
        }
        let summaries = figures.summaries();
        assert_eq!(summaries[0].cpu_over_proxy, None);
        assert_eq!(summaries[0].throughput_over_proxy, None);
        assert_eq!(summaries[1].cpu_over_proxy.unwrap().max, 1.0);
        let cpu = summaries[2].cpu_over_proxy.unwrap();
        assert_eq!((cpu.min, cpu.median, cpu.max), (1.5, 1.75, 2.0));
        let throughput = summaries[2].throughput_over_proxy.unwrap();
        assert_eq!((throughput.min, throughput.max), (0.5, 0.9));
    }
}
