//! Export of traces, in a program without it.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::bail;
use mcp_gateway_config::file::Traces;
use mcp_gateway_core::trace::{Span, SpanObserver};

/// Recorder that does not exist.
#[derive(Debug)]
pub(crate) struct TraceRecorder(Infallible);

/// Rejects the section `traces`.
///
/// # Errors
///
/// Fails if there is one.
pub(crate) fn start(traces: Option<&Traces>) -> anyhow::Result<Option<Arc<TraceRecorder>>> {
    match traces {
        Some(_) => bail!("this program was built without the feature traces"),
        None => Ok(None),
    }
}

impl TraceRecorder {
    /// Ends the export.
    #[expect(clippy::unused_async, reason = "that of the other program waits")]
    pub(crate) async fn close(&self) {
        match self.0 {}
    }
}

impl SpanObserver for TraceRecorder {
    fn on_end(&self, _: &Span) {
        match self.0 {}
    }
}

/// Variables with credentials: none.
pub(crate) const SECRETS: [&str; 0] = [];
