//! Reports of `mcp-bench run`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

use crate::hold::HoldResult;
use crate::load::LoadResult;
use crate::process::ResourceUsage;
use crate::table::{Align, Table};
use crate::units::{kib, micros, millis, per_second};

/// Subject of a measurement.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Subject {
    /// URL of the endpoint.
    pub(crate) url: String,
    /// Protocol era.
    pub(crate) era: &'static str,
    /// Call or held item.
    pub(crate) what: String,
    /// Number of clients.
    pub(crate) connections: usize,
}

/// Report of a load.
#[derive(Debug)]
pub(crate) struct LoadReport {
    /// Subject of the measurement.
    pub(crate) subject: Subject,
    /// Result.
    pub(crate) outcome: LoadResult,
}

/// Report of held items.
#[derive(Debug)]
pub(crate) struct HoldReport {
    /// Subject of the measurement.
    pub(crate) subject: Subject,
    /// Result.
    pub(crate) held: HoldResult,
}

impl LoadReport {
    /// Returns the report as JSON.
    pub(crate) fn json(&self) -> Value {
        let LoadResult {
            elapsed,
            tally,
            usage,
            generator,
            ..
        } = &self.outcome;
        let calls = tally.succeeded();
        let latency = |quantile| tally.latency(quantile).as_secs_f64() * 1e3;
        let processes = usage.iter().map(|usage| {
            let mut value = json!(usage);
            value["cpuMicrosPerCall"] = json!(usage.cpu_micros_per(calls));
            value
        });
        json!({
            "subject": self.subject,
            "seconds": elapsed.as_secs_f64(),
            "calls": calls,
            "errors": tally.failed(),
            "callsPerSecond": per_second(calls, *elapsed),
            "latencyMillis": {
                "p50": latency(0.5),
                "p90": latency(0.9),
                "p99": latency(0.99),
                "p999": latency(0.999),
                "max": tally.longest().as_secs_f64() * 1e3,
            },
            "bytesSent": tally.traffic().sent,
            "bytesReceived": tally.traffic().received,
            "failures": tally.failures(),
            "generatorCpuMicrosPerCall": generator.cpu_micros_per(calls),
            "processes": processes.collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LoadResult {
            elapsed,
            tally,
            usage,
            generator,
            ..
        } = &self.outcome;
        let calls = tally.succeeded();
        writeln!(f, "{}, {:.1} s\n", self.subject, elapsed.as_secs_f64())?;
        let columns = [
            "calls/s", "calls", "errors", "p50", "p90", "p99", "p99.9", "max",
        ];
        let mut table = Table::new(&columns.map(|title| (title, Align::Right)));
        let latency = |quantile: f64| millis(tally.latency(quantile));
        table.push(vec![
            format!("{:.0}", per_second(calls, *elapsed)),
            calls.to_string(),
            tally.failed().to_string(),
            latency(0.5),
            latency(0.9),
            latency(0.99),
            latency(0.999),
            millis(tally.longest()),
        ]);
        writeln!(f, "{table}")?;
        let [sent, received] = [tally.traffic().sent, tally.traffic().received]
            .map(|bytes| kib(bytes as f64 / 1024.0));
        let own = micros(generator.cpu_micros_per(calls));
        writeln!(
            f,
            "{sent} sent, {received} received; {own} CPU per call in mcp-bench itself."
        )?;
        let per_call = |usage: &ResourceUsage| micros(usage.cpu_micros_per(calls));
        processes(f, usage, "CPU per call", per_call)?;
        failures(f, tally.failures())
    }
}

impl HoldReport {
    /// Returns the report as JSON.
    pub(crate) fn json(&self) -> Value {
        let mut value = json!(self.held);
        value["subject"] = json!(self.subject);
        if let Some(processes) = value.get_mut("usage").and_then(Value::as_array_mut) {
            for (process, usage) in processes.iter_mut().zip(&self.held.usage) {
                process["growthKibPerItem"] = json!(usage.growth_kib_per(self.held.opened));
            }
        }
        value
    }
}

impl fmt::Display for HoldReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HoldResult {
            asked,
            opened,
            stayed,
            holding,
            ..
        } = &self.held;
        writeln!(f, "{}\n", self.subject)?;
        writeln!(
            f,
            "{opened} of {asked} opened ({:.0} per second), {stayed} of them open after {:.1} s.",
            per_second(*opened, self.held.opening),
            holding.as_secs_f64(),
        )?;
        let growth = |usage: &ResourceUsage| kib(usage.growth_kib_per(*opened));
        processes(f, &self.held.usage, "memory per item", growth)?;
        failures(f, &self.held.failures)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            url,
            era,
            what,
            connections,
        } = self;
        write!(f, "{what} at {url}, {era} era, {connections} connections")
    }
}

/// Formats the usage of processes; `title` is the heading of the column that `figure` fills.
fn processes(
    f: &mut fmt::Formatter<'_>,
    usage: &[ResourceUsage],
    title: &'static str,
    figure: impl Fn(&ResourceUsage) -> String,
) -> fmt::Result {
    if usage.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&[
        ("process", Align::Left),
        (title, Align::Right),
        ("CPU time", Align::Right),
        ("RSS before", Align::Right),
        ("RSS after", Align::Right),
        ("peak RSS", Align::Right),
    ]);
    for usage in usage {
        table.push(vec![
            usage.name.clone(),
            figure(usage),
            format!("{:.2} s", usage.cpu.as_secs_f64()),
            kib(usage.rss_before_kib as f64),
            kib(usage.rss_kib as f64),
            kib(usage.peak_rss_kib as f64),
        ]);
    }
    write!(f, "\n{table}")
}

/// Formats the failures.
fn failures(f: &mut fmt::Formatter<'_>, failures: &BTreeMap<String, u64>) -> fmt::Result {
    if !failures.is_empty() {
        writeln!(f, "\nFailures:\n")?;
    }
    for (message, count) in failures {
        writeln!(f, "- {count} x {message}")?;
    }
    Ok(())
}
