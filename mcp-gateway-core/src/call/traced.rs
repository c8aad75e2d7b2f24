//! Spans of a call.

use std::sync::Arc;

use super::{Call, Prepared};
use crate::trace::{CallTrace, TraceContext};

impl<S> Call<S> {
    /// Returns the spans of the call, if somebody observes them.
    pub(crate) fn trace(&self) -> Option<&Arc<CallTrace>> {
        self.context.trace.as_ref()
    }

    /// Sets the spans of the call.
    pub(crate) fn with_trace(mut self, trace: Option<Arc<CallTrace>>) -> Self {
        Arc::make_mut(&mut self.context).trace = trace;
        self
    }
}

impl Call<Prepared> {
    /// Returns the context of the span that the server receives.
    pub(crate) fn outgoing(&self) -> Option<&TraceContext> {
        self.stage.outgoing.as_ref()
    }

    /// Returns the same call with the context of the span that the server receives.
    pub(crate) fn with_outgoing(&self, context: TraceContext) -> Self {
        let mut call = self.share();
        call.stage.outgoing = Some(context);
        call
    }
}
