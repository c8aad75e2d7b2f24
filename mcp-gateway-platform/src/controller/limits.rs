//! Limits on calls of a running platform.

use std::sync::Arc;

use mcp_gateway_core::upstream::ServerPool;
use mcp_gateway_limits::{Limit, LimitLayer, LimitSet, Limiter, Retry, RetryLayer, RetrySet};
use mcp_gateway_store::Store;

use super::gateway::ReloadableParts;
use super::{Controller, RunningGateway};
use crate::spec::DynamicSpec;

/// Limits on calls, with their counts.
#[derive(Debug)]
pub(super) struct RunningLimits {
    limiter: Arc<Limiter>,
    /// Set if quotas are counted in a store.
    is_stored: bool,
    /// Limits, as they are configured.
    configured: Vec<Limit>,
    /// The same for all gateways.
    current: Option<Arc<LimitSet>>,
    /// Permissions to send calls again, as they are configured.
    retries: Vec<Retry>,
    /// The same for all gateways.
    current_retries: Option<Arc<RetrySet>>,
}

impl RunningLimits {
    /// Creates an empty set. Quotas are counted in `store`, or in memory without one.
    pub(super) fn new(store: Option<Arc<dyn Store>>) -> Self {
        Self {
            is_stored: store.is_some(),
            limiter: Arc::new(Limiter::new(store)),
            configured: Vec::new(),
            current: None,
            retries: Vec::new(),
            current_retries: None,
        }
    }

    /// Applies the limits and the permissions to send calls again of `spec` to its running `gateways`.
    pub(super) fn apply(&mut self, spec: &DynamicSpec, gateways: &[RunningGateway]) {
        let limits = self.replace(spec);
        let retries = self.replace_retries(&spec.call_limits.retries);
        for (definition, running) in spec.gateways.iter().zip(gateways) {
            let name = Arc::clone(&definition.name);
            running
                .parts
                .limits
                .replace(Arc::clone(&name), limits.clone());
            running.parts.retries.replace(name, retries.clone());
        }
    }

    /// Replaces the limits, and returns them. Those that stay the same keep their counts.
    fn replace(&mut self, spec: &DynamicSpec) -> Option<Arc<LimitSet>> {
        if self.configured != spec.call_limits.limits {
            self.configured.clone_from(&spec.call_limits.limits);
            self.current = self.limiter.limits(spec.call_limits.limits.iter().cloned());
            if spec.has_quotas() && !self.is_stored {
                tracing::warn!("quotas are counted in memory, because there is no store yet");
            }
        }
        self.current.clone()
    }

    /// Replaces the permissions to send calls again, and returns them.
    ///
    /// Equal ones stay, with what they have learned about tools.
    fn replace_retries(&mut self, retries: &[Retry]) -> Option<Arc<RetrySet>> {
        if self.retries != retries {
            self.retries = retries.to_vec();
            self.current_retries = RetrySet::new(retries);
        }
        self.current_retries.clone()
    }
}

impl Controller {
    /// Returns the owner of the counts of limits.
    pub(crate) fn limiter(&self) -> &Arc<Limiter> {
        &self.limits.limiter
    }
}

impl ReloadableParts {
    /// Returns the layer that applies the limits of the gateway, with the servers of `pool`.
    pub(super) fn limit_layer(&self, pool: &ServerPool) -> LimitLayer {
        LimitLayer::new(self.limits.clone()).with_pool(pool.clone())
    }

    /// Returns the layer that sends calls of the gateway again, with the servers of `pool`.
    ///
    /// It is inside of the limits, so that all attempts of a call count once.
    pub(super) fn retry_layer(&self, pool: &ServerPool) -> RetryLayer {
        RetryLayer::new(self.retries.clone(), pool.clone())
    }
}
