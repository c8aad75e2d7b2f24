//! Export of traces.

use std::sync::Arc;

use anyhow::Context as _;
use http::HeaderMap;
use mcp_gateway_config::file::{TraceProtocol, Traces};
pub(crate) use mcp_gateway_telemetry::TraceRecorder;
use mcp_gateway_telemetry::{Configured, Protocol, Settings};

/// Starts the export of spans, if `traces` or the standard variables enable it.
///
/// # Errors
///
/// Fails if a variable is invalid, or a certificate cannot be read.
pub(crate) fn start(traces: Option<&Traces>) -> anyhow::Result<Option<Arc<TraceRecorder>>> {
    let configured = traces.map_or_else(Configured::default, configured);
    let settings = Settings::read(&configured, |name| std::env::var(name).ok())?;
    let Some(settings) = settings else {
        return Ok(None);
    };
    let (endpoint, ratio) = (settings.endpoint(), settings.ratio());
    let recorder = TraceRecorder::start(settings).context("cannot export traces")?;
    tracing::info!(endpoint, ratio, "traces are exported");
    Ok(Some(Arc::new(recorder)))
}

/// Returns the settings of `traces`.
fn configured(traces: &Traces) -> Configured {
    let mut configured = Configured::default();
    configured.is_enabled = true;
    configured.endpoint = (traces.endpoint.as_ref()).and_then(|url| url.as_str().parse().ok());
    configured.protocol = traces.protocol.map(|protocol| match protocol {
        TraceProtocol::Grpc => Protocol::Grpc,
        _ => Protocol::HttpProtobuf,
    });
    configured.headers = HeaderMap::from_iter(traces.headers.iter().cloned());
    configured.ratio = traces.ratio;
    configured.caller_rate = traces.from_callers;
    configured.content_limit = traces.content;
    configured
}

/// Variables with credentials, which child processes do not inherit.
pub(crate) const SECRETS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
];
