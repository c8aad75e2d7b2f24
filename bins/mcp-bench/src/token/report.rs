//! Report of a load of a token endpoint.

use std::fmt;
use std::time::Duration;

use super::Tallies;
use super::script::Kind;
use crate::load::Tally;
use crate::process::ResourceUsage;
use crate::table::{Align, Table};
use crate::units::{micros, millis, per_second};

/// Report of a load of a token endpoint.
pub(crate) struct TokenReport {
    pub(crate) tallies: Tallies,
    pub(crate) elapsed: Duration,
    pub(crate) usage: Vec<ResourceUsage>,
    pub(crate) connections: u32,
}

impl TokenReport {
    pub(crate) fn failed(&self) -> u64 {
        self.tallies.iter().map(Tally::failed).sum()
    }

    fn succeeded(&self) -> u64 {
        self.tallies.iter().map(Tally::succeeded).sum()
    }
}

impl fmt::Display for TokenReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let succeeded = self.succeeded();
        let rate = per_second(succeeded, self.elapsed);
        writeln!(
            f,
            "{succeeded} tokens over {} connections in {:.2} s: {rate:.0} tokens/s, {} failed",
            self.connections,
            self.elapsed.as_secs_f64(),
            self.failed(),
        )?;
        for usage in &self.usage {
            let each = usage.cpu.as_secs_f64() * 1e6 / succeeded.max(1) as f64;
            writeln!(f, "{}: {} CPU time per token", usage.name, micros(each))?;
        }
        let columns = ["tokens", "p50", "p99", "max"].map(|title| (title, Align::Right));
        let mut table = Table::new(&[&[("grant", Align::Left)], &columns[..]].concat());
        for (kind, tally) in Kind::ALL.into_iter().zip(&self.tallies) {
            table.push(vec![
                kind.name().to_owned(),
                tally.succeeded().to_string(),
                millis(tally.latency(0.5)),
                millis(tally.latency(0.99)),
                millis(tally.longest()),
            ]);
        }
        write!(f, "\n{table}")?;
        for (message, count) in self.tallies.iter().flat_map(Tally::failures) {
            writeln!(f, "{count} x {message}")?;
        }
        Ok(())
    }
}
