//! Logging to standard error.
//!
//! Lines that belong to a call have the identifier of its trace, if calls are traced.

use std::fmt;
use std::io::{self, IsTerminal as _};

use mcp_gateway_core::trace;
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{DefaultFields, FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, layer};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use mcp_gateway_config::file::{Log, LogFormat};

/// Initializes logging as configured by `log`; has no effect if a subscriber exists.
pub(crate) fn init(log: &Log) {
    // The level has been validated. rmcp, which the demo server uses, logs every step; the filter can
    // still enable it.
    let filter = format!("rmcp=warn,{}", log.level).parse::<Targets>();
    let filter = filter.unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
    let layer = layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let registry = tracing_subscriber::registry().with(filter);
    // Only tests have another subscriber.
    let _ = match log.format {
        LogFormat::Json => {
            let layer = layer.json().flatten_event(true);
            registry
                .with(layer.map_event_format(TracedEvent))
                .try_init()
        }
        _ => registry
            .with(layer.fmt_fields(TracedFields::default()))
            .try_init(),
    };
}

/// Format of the fields of a text line, with the trace.
#[derive(Debug, Default)]
struct TracedFields(DefaultFields);

impl<'w> FormatFields<'w> for TracedFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        self.0.format_fields(writer.by_ref(), fields)?;
        match trace::current() {
            Some((trace, _)) => write!(writer, " trace_id={trace}"),
            None => Ok(()),
        }
    }
}

/// Format of a JSON line, with the trace.
#[derive(Debug)]
struct TracedEvent<F>(F);

impl<S, N, F> FormatEvent<S, N> for TracedEvent<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some((trace, span)) = trace::current() else {
            return self.0.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        match line.strip_prefix('{') {
            Some(members) => write!(
                writer,
                "{{\"trace_id\":\"{trace}\",\"span_id\":\"{span}\",{members}"
            ),
            None => writer.write_str(&line),
        }
    }
}
