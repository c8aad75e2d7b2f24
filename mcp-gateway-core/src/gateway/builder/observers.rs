//! Observers of the calls of a gateway.

use std::sync::Arc;

use super::GatewayBuilder;
use crate::observe::Observer;
use crate::trace::SpanObserver;

impl<C, R, P> GatewayBuilder<C, R, P> {
    /// Sets the observer that receives a report of each call. Default: none.
    pub fn with_observer(mut self, observer: impl Observer) -> Self {
        self.options.observer = Some(Arc::new(observer));
        self
    }

    /// Sets the observer that receives the spans of each call. Default: none.
    pub fn with_span_observer(mut self, observer: impl SpanObserver) -> Self {
        self.options.spans = Some(Arc::new(observer));
        self
    }
}
