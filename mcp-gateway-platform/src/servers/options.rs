//! Parts of the platform that servers share.

use std::sync::Arc;

use mcp_gateway_audit::AuditLog;
use mcp_gateway_core::era::ParkedCalls;
use mcp_gateway_core::results::KeptResults;
use mcp_gateway_core::trace::SpanObserver;

use super::ServerFactory;
use crate::protocols::ProtocolDocuments;

impl ServerFactory {
    /// Sets the common store of parked calls.
    pub(crate) fn with_parked_calls(mut self, parked_calls: ParkedCalls) -> Self {
        self.parked_calls = Some(parked_calls);
        self
    }

    /// Sets the store of detected protocols.
    pub(crate) fn with_protocols(mut self, protocols: Option<ProtocolDocuments>) -> Self {
        self.protocols = protocols;
        self
    }

    /// Sets the common store of kept results.
    pub(crate) fn with_kept_results(mut self, kept_results: KeptResults) -> Self {
        self.kept_results = kept_results;
        self
    }

    /// Sets the log of the use of secrets.
    pub(crate) fn with_audit(mut self, audit: Option<AuditLog>) -> Self {
        self.audit = audit;
        self
    }

    /// Sets the observer of the ends of sessions with servers.
    pub(crate) fn with_spans(mut self, spans: Arc<dyn SpanObserver>) -> Self {
        self.spans = Some(spans);
        self
    }
}
