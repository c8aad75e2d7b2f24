//! A layer that limits the call rate of callers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::call::Routed;
use mcp_gateway_core::layer::gate::Gate;
use mcp_gateway_core::protocol::Method;
use mcp_gateway_core::{Call, Error, Reply};
use tower_layer::Layer;
use tower_service::Service;

/// Limits the tool calls of each caller to each server in a period.
#[derive(Clone, Debug)]
pub(crate) struct RateLimitLayer(Arc<Quota>);

impl RateLimitLayer {
    /// Creates a layer that allows `calls` in every `period`.
    pub(crate) fn new(calls: u32, period: Duration) -> Self {
        Self(Arc::new(Quota {
            calls,
            period,
            used: Mutex::default(),
        }))
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimit {
            inner,
            quota: Arc::clone(&self.0),
        }
    }
}

/// Service of [`RateLimitLayer`].
#[derive(Clone, Debug)]
pub(crate) struct RateLimit<S> {
    inner: S,
    quota: Arc<Quota>,
}

impl<S> Service<Call<Routed>> for RateLimit<S>
where
    S: Service<Call<Routed>, Response = Reply, Error = Error>,
{
    type Response = Reply;
    type Error = Error;
    type Future = Gate<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<Routed>) -> Self::Future {
        if call.request().method() != &Method::ToolsCall {
            return Gate::forward(self.inner.call(call));
        }
        match self.quota.take(call.principal(), &call.target().server) {
            Ok(()) => Gate::forward(self.inner.call(call)),
            Err(retry_after) => Gate::reject(Error::RateLimited { retry_after }),
        }
    }
}

/// Used part of the quota.
#[derive(Debug)]
struct Quota {
    calls: u32,
    period: Duration,
    used: Mutex<HashMap<(Principal, Arc<str>), Used>>,
}

#[derive(Debug)]
struct Used {
    since: Instant,
    calls: u32,
}

impl Quota {
    /// Consumes one call, or returns the time until the next one is allowed.
    fn take(&self, principal: &Principal, server: &Arc<str>) -> Result<(), Duration> {
        let now = Instant::now();
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever has not called for a period needs no memory.
        used.retain(|_, used| now - used.since < self.period);
        let key = (principal.clone(), Arc::clone(server));
        let used = used.entry(key).or_insert(Used {
            since: now,
            calls: 0,
        });
        if used.calls == self.calls {
            return Err(self.period - (now - used.since));
        }
        used.calls += 1;
        Ok(())
    }
}
