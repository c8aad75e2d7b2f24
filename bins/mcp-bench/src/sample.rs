//! Periodic samples of resource usage during a load.

use std::convert::Infallible;
use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, interval};

use crate::load::Control;
use crate::process::{Probe, UsageSample};

/// Column names.
const COLUMNS: &str = "seconds,process,pid,calls,cpu_seconds,rss_kib,fds,threads,children";

/// Writes a line for each of `probes`, now and after each `period`.
///
/// # Errors
///
/// Fails when a process cannot be observed any more, or `output` cannot be written.
///
/// # Cancel safety
///
/// Ends only by being dropped; at most the last line is missing then.
pub(crate) async fn sample(
    probes: &[Probe],
    control: &Control,
    period: Duration,
    mut output: Box<dyn Write + Send>,
) -> anyhow::Result<Infallible> {
    let begin = Instant::now();
    let mut ticks = interval(period.max(Duration::from_millis(1)));
    writeln!(output, "{COLUMNS}")?;
    loop {
        let seconds = (ticks.tick().await - begin).as_secs_f64();
        let calls = control.calls.load(Ordering::Relaxed);
        for probe in probes {
            writeln!(output, "{}", line(probe, &probe.read()?, seconds, calls))?;
        }
        output.flush()?;
    }
}

/// Formats one line of the table.
fn line(probe: &Probe, reading: &UsageSample, seconds: f64, calls: u64) -> String {
    let Probe { name, pid, .. } = probe;
    let UsageSample {
        rss_kib,
        fds,
        threads,
        children,
        ..
    } = reading;
    let name = name.replace([',', '"', '\n'], "_");
    let cpu = reading.cpu.as_secs_f64();
    format!("{seconds:.1},{name},{pid},{calls},{cpu:.2},{rss_kib},{fds},{threads},{children}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Scope;

    #[test]
    fn a_line_has_all_columns() {
        let probe = Probe {
            name: "a,b".to_owned(),
            pid: 7,
            scope: Scope::Alone,
        };
        let line = line(&probe, &UsageSample::default(), 1.25, 9);
        assert_eq!(line, "1.2,a_b,7,9,0.00,0,0,0,0");
        assert_eq!(line.split(',').count(), COLUMNS.split(',').count());
    }
}
