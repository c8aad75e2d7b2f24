//! Limits: calls that they count, and their bounds.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mcp_gateway_policy::Scope;

use crate::window::Window;

/// A limit on the calls that a scope matches, counted apart for each key.
///
/// # Example
///
/// ```
/// use std::num::NonZeroU32;
///
/// use mcp_gateway_limits::{Bound, Dimension, Limit, Quota, Window};
/// use mcp_gateway_policy::Scope;
///
/// let searches = Quota::new(1000, Window::months(1).unwrap());
/// let limit = Limit::new("searches", Bound::Quota(searches))
///     .per([Dimension::User])
///     .with_scope(Scope::new().with_servers(["search"]).with_tools(["web_*"]));
/// assert_eq!(&**limit.name(), "searches");
///
/// let running = Bound::InFlight(NonZeroU32::new(4).unwrap());
/// assert!(Limit::new("running", running).dimensions().is_empty());
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct Limit {
    name: Arc<str>,
    scope: Scope,
    dimensions: Vec<Dimension>,
    bound: Bound,
    counts_all: bool,
}

/// Bound of a limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Bound {
    /// Maximum number of calls in flight, of each process.
    InFlight(NonZeroU32),
    /// Maximum number of calls in a window of the calendar, of all processes.
    Quota(Quota),
    /// Maximum rate of calls, of each process.
    Rate(Rate),
}

/// Maximum number of calls in a window of the calendar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Quota {
    /// Number of calls.
    pub amount: u64,
    /// Window, at whose end the count begins again.
    pub window: Window,
    /// Set to permit calls while the store is unavailable.
    pub permits_uncounted: bool,
}

/// Maximum rate of calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Rate {
    /// Number of calls in `period`.
    pub amount: NonZeroU32,
    /// Period.
    pub period: Duration,
    /// Number of calls at once.
    pub burst: NonZeroU32,
}

/// Attribute of a call by which a limit counts apart.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Dimension {
    /// Principal.
    User,
    /// Each team of the principal; all principals without a team together.
    Team,
    /// OAuth client; all principals without one together.
    Client,
    /// Gateway.
    Gateway,
    /// Server.
    Server,
    /// Tool of a server; all tools together that the server is not known to list.
    Tool,
}

impl Limit {
    /// Creates a limit that counts all calls of tools together.
    pub fn new(name: impl Into<Arc<str>>, bound: Bound) -> Self {
        Self {
            name: name.into(),
            scope: Scope::new(),
            dimensions: Vec::new(),
            bound,
            counts_all: false,
        }
    }

    /// Counts apart for each value of `dimensions`.
    pub fn per(mut self, dimensions: impl IntoIterator<Item = Dimension>) -> Self {
        self.dimensions.extend(dimensions);
        self.dimensions.sort_unstable();
        self.dimensions.dedup();
        self
    }

    /// Restricts the limit to the calls in `scope`.
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Counts every request that reaches a server, lists and notifications too.
    pub fn counting_all_requests(mut self) -> Self {
        self.counts_all = true;
        self
    }

    /// Returns the name, which rejected callers see.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns the bound.
    #[must_use]
    pub fn bound(&self) -> &Bound {
        &self.bound
    }

    /// Returns the attributes by which the limit counts apart.
    #[must_use]
    pub fn dimensions(&self) -> &[Dimension] {
        &self.dimensions
    }

    /// Returns the calls that the limit concerns.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns `true` if requests count that are not calls of tools.
    #[must_use]
    pub fn counts_all_requests(&self) -> bool {
        self.counts_all
    }
}

impl Quota {
    /// Creates a quota of `amount` calls per `window`, which rejects calls that cannot be counted.
    #[must_use]
    pub fn new(amount: u64, window: Window) -> Self {
        Self {
            amount,
            window,
            permits_uncounted: false,
        }
    }
}

impl Rate {
    /// Creates a rate of `amount` calls per `period`, all of which may come at once.
    #[must_use]
    pub fn new(amount: NonZeroU32, period: Duration) -> Self {
        Self {
            amount,
            period,
            burst: amount,
        }
    }
}

impl Bound {
    /// Returns the position of the bound in the order in which limits decide: those that may wait
    /// for the store decide last.
    pub(crate) fn order(&self) -> u8 {
        match self {
            Self::InFlight(_) => 0,
            Self::Rate(_) => 1,
            Self::Quota(_) => 2,
        }
    }
}

impl Dimension {
    /// Returns the name of the attribute.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Team => "team",
            Self::Client => "client",
            Self::Gateway => "gateway",
            Self::Server => "server",
            Self::Tool => "tool",
        }
    }
}
