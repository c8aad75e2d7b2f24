//! Parts of a gateway that can be replaced while calls are in flight.

use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwapOption, Guard};

use crate::limit_set::LimitSet;

/// Limits of a gateway, replaceable while calls are in flight.
///
/// # Example
///
/// ```
/// use mcp_gateway_limits::{ActiveLimits, Limiter};
///
/// let active = ActiveLimits::default();
/// active.replace("main", Limiter::new(None).limits([]));
/// ```
pub type ActiveLimits = Active<LimitSet>;

/// A set for the calls of a gateway, replaceable while calls are in flight. Clones share it.
pub struct Active<T>(Arc<ArcSwapOption<Named<T>>>);

/// A set for all gateways, and the name of one.
#[derive(Debug)]
pub(crate) struct Named<T> {
    /// Name by which the set refers to the gateway.
    pub(crate) gateway: Arc<str>,
    pub(crate) set: Arc<T>,
}

impl<T> Active<T> {
    /// Replaces the set. `gateway` is the name by which it refers to the gateway.
    pub fn replace(&self, gateway: impl Into<Arc<str>>, set: Option<Arc<T>>) {
        let gateway = gateway.into();
        self.0
            .store(set.map(|set| Arc::new(Named { gateway, set })));
    }

    pub(crate) fn load(&self) -> Guard<Option<Arc<Named<T>>>> {
        self.0.load()
    }
}

impl<T> Clone for Active<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Active<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> fmt::Debug for Active<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Active").finish_non_exhaustive()
    }
}
