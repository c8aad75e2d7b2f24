//! Limits on the calls of an MCP gateway: rates, quotas and calls in flight.
//!
//! A [`Limiter`] keeps the counts of a process, and makes a [`LimitSet`] of [`Limit`]s. The
//! [`LimitLayer`] applies the set to permitted calls, before they have a credential:
//!
//! ```
//! use std::num::NonZeroU32;
//! use std::time::Duration;
//!
//! use mcp_gateway_core::GatewayBuilder;
//! use mcp_gateway_core::upstream::ServerPool;
//! use mcp_gateway_limits::{ActiveLimits, Bound, Dimension, Limit, LimitLayer, Limiter, Rate};
//!
//! fn limited(builder: GatewayBuilder, pool: ServerPool) -> mcp_gateway_core::Gateway {
//!     let ten = NonZeroU32::new(10).unwrap();
//!     let rate = Bound::Rate(Rate::new(ten, Duration::from_secs(1)));
//!     let limit = Limit::new("ten a second", rate).per([Dimension::User]);
//!     let active = ActiveLimits::default();
//!     active.replace("main", Limiter::new(None).limits([limit]));
//!     let layer = LimitLayer::new(active).with_pool(pool);
//!     builder.on_permitted(layer).build().unwrap()
//! }
//! ```
//!
//! Rates and calls in flight are those of one process. A quota is counted in a
//! [`Store`](mcp_gateway_store::Store), from which each process takes shares by conditional writes:
//! the sum of all shares never exceeds the quota.

mod active;
mod charges;
mod clock;
mod counters;
mod in_flight;
mod key;
mod layer;
mod limit;
mod limit_set;
mod limiter;
mod quota;
mod rate;
mod retry;
mod usage;
mod window;

pub use self::active::{Active, ActiveLimits};
pub use self::layer::{LimitCalls, LimitFuture, LimitLayer};
pub use self::limit::{Bound, Dimension, Limit, Quota, Rate};
pub use self::limit_set::LimitSet;
pub use self::limiter::Limiter;
pub use self::retry::{ActiveRetries, Retry, RetryCalls, RetryFuture, RetryLayer, RetrySet, Sent};
pub use self::usage::QuotaUsage;
pub use self::window::Window;
