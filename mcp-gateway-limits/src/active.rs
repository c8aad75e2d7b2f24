//! Limits of a gateway that can be replaced while calls are in flight.

use std::sync::Arc;

use arc_swap::{ArcSwapOption, Guard};

use crate::limit_set::LimitSet;

/// Limits of a gateway, replaceable while calls are in flight. Clones share them.
///
/// # Example
///
/// ```
/// use mcp_gateway_limits::{ActiveLimits, Limiter};
///
/// let active = ActiveLimits::default();
/// active.replace("main", Limiter::new(None).limits([]));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ActiveLimits(Arc<ArcSwapOption<GatewayLimits>>);

/// Limits of all gateways, and the name of one.
#[derive(Debug)]
pub(crate) struct GatewayLimits {
    /// Name by which limits refer to the gateway.
    pub(crate) gateway: Arc<str>,
    pub(crate) limits: Arc<LimitSet>,
}

impl ActiveLimits {
    /// Replaces the limits. `gateway` is the name by which they refer to the gateway.
    pub fn replace(&self, gateway: impl Into<Arc<str>>, limits: Option<Arc<LimitSet>>) {
        let gateway = gateway.into();
        let limits = limits.map(|limits| Arc::new(GatewayLimits { gateway, limits }));
        self.0.store(limits);
    }

    pub(crate) fn load(&self) -> Guard<Option<Arc<GatewayLimits>>> {
        self.0.load()
    }
}
