//! Report of a comparison.

use std::fmt;
use std::thread::available_parallelism;
use std::time::Duration;

use serde_json::{Value, json};

use super::figures::{Figures, Summary};
use crate::cli::compare::CompareArguments;
use crate::stats::Distribution;
use crate::table::{Align, Table};
use crate::units::{kib, micros, millis};

/// Report of a comparison.
#[derive(Debug)]
pub(super) struct Report {
    title: String,
    summaries: Vec<Summary>,
}

/// Columns of the table.
const COLUMNS: [(&str, Align); 10] = [
    ("connections", Align::Right),
    ("path", Align::Left),
    ("calls/s", Align::Right),
    ("p50", Align::Right),
    ("p99", Align::Right),
    ("CPU per call", Align::Right),
    ("peak RSS", Align::Right),
    ("CPU / bare proxy", Align::Right),
    ("calls/s / bare proxy", Align::Right),
    ("errors", Align::Right),
];

impl Report {
    /// Creates the report of `figures`.
    pub(super) fn new(arguments: &CompareArguments, figures: &Figures) -> Self {
        let CompareArguments {
            era,
            rounds,
            duration,
            load,
            answer,
            upstream,
            ..
        } = arguments;
        let server = match upstream {
            Some(_) => String::new(),
            None => format!(", {} answers", answer.answer.name()),
        };
        let title = format!(
            "{}, {} era{server}, rounds: {rounds} of {} s, cores: {}",
            load.title(),
            era.name(),
            duration.as_secs_f64(),
            available_parallelism().map_or(1, usize::from),
        );
        Self {
            title,
            summaries: figures.summaries(),
        }
    }

    /// Returns `true` if a call failed, or if no call of a route succeeded.
    pub(super) fn has_failures(&self) -> bool {
        let failed = |summary: &Summary| {
            summary.errors > 0 || summary.rounds.iter().any(|round| round.calls == 0)
        };
        self.summaries.iter().any(failed)
    }

    /// Returns the report as JSON.
    pub(super) fn json(&self) -> Value {
        json!({ "title": self.title, "results": self.summaries })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&COLUMNS);
        for summary in &self.summaries {
            table.push(row(summary));
        }
        writeln!(f, "{}\n\n{table}", self.title)?;
        writeln!(
            f,
            "Medians of the rounds, with minimum and maximum of the ratios. CPU time and memory are \
             those of the\nprocess under test: the server if called directly, otherwise the proxy \
             or gateway with its children."
        )?;
        let rounds = self.summaries.iter().flat_map(|summary| &summary.rounds);
        if let Some(load) = Distribution::of(rounds.map(|round| round.other_load * 100.0)) {
            let Distribution { median, max, .. } = load;
            writeln!(
                f,
                "Other processes used {median:.0} % of the machine's CPU time, at most {max:.0} %."
            )?;
        }
        for summary in &self.summaries {
            for (message, count) in summary.rounds.iter().flat_map(|round| &round.failures) {
                let Summary {
                    path, connections, ..
                } = summary;
                writeln!(
                    f,
                    "\n- {path}, {connections} connections: {count} x {message}"
                )?;
            }
        }
        Ok(())
    }
}

fn row(summary: &Summary) -> Vec<String> {
    let latency = |spread| median(spread, |ms| millis(Duration::from_secs_f64(ms / 1e3)));
    vec![
        summary.connections.to_string(),
        summary.path.clone(),
        median(summary.calls_per_second, |rate| format!("{rate:.0}")),
        latency(summary.p50_millis),
        latency(summary.p99_millis),
        median(summary.cpu_micros_per_call, micros),
        median(summary.peak_rss_kib, kib),
        ratio(summary.cpu_over_proxy),
        ratio(summary.throughput_over_proxy),
        summary.errors.to_string(),
    ]
}

fn median(spread: Option<Distribution>, figure: impl Fn(f64) -> String) -> String {
    spread.map_or_else(|| "-".to_owned(), |spread| figure(spread.median))
}

fn ratio(spread: Option<Distribution>) -> String {
    median(spread, |middle| match spread {
        Some(Distribution { min, max, .. }) if min < max => {
            format!("{middle:.2} ({min:.2} to {max:.2})")
        }
        Some(_) | None => format!("{middle:.2}"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::measurement;
    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_path() {
        let mut figures = Figures::new(["direct", "bare proxy"].map(str::to_owned).to_vec());
        figures.push(16, 0, measurement(80_000.0, None));
        figures.push(16, 1, measurement(40_000.0, Some(17.04)));
        let report = Report {
            title: "title".to_owned(),
            summaries: figures.summaries(),
        };
        let text = report.to_string();
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(rows.len(), 4);
        assert!(rows[2].contains("| direct     |   80000 | 0.50 ms | 2.00 ms |            - |"));
        assert!(
            rows[3].contains("17.0 us |  4.0 MiB |             1.00 |"),
            "{}",
            rows[3]
        );
        assert!(!report.has_failures());
    }
}
