//! Budgets of the results of a server.

use std::collections::BTreeMap;
use std::sync::Arc;

#[cfg(feature = "json-path")]
use super::Projection;

/// Budgets for the results of the tools of a server.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::results::{Overflow, ResultBudget, ResultBudgets};
///
/// let budgets = ResultBudgets::new(ResultBudget::new().with_max_bytes(64 * 1024))
///     .with_tool("read_log", ResultBudget::new().with_max_bytes(8192).with_overflow(Overflow::Link));
/// assert_eq!(budgets.of("read_log").max_bytes(), Some(8192));
/// assert_eq!(budgets.of("search").overflow(), Overflow::Cut);
/// assert!(ResultBudgets::default().is_empty());
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ResultBudgets {
    /// Budget of a tool without one of its own.
    server: Arc<ResultBudget>,
    /// Budgets by the names that the server uses.
    tools: BTreeMap<Arc<str>, Arc<ResultBudget>>,
}

/// Budget for one result.
///
/// The default has no limit.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ResultBudget {
    max_bytes: Option<usize>,
    overflow: Overflow,
    #[cfg(feature = "json-path")]
    projection: Option<Projection>,
}

/// Treatment of a result that exceeds its budget.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Overflow {
    /// Texts are cut, and a note tells how much is missing. Images, audio and binary resources are
    /// replaced by a note; `structuredContent` is left out.
    #[default]
    Cut,
    /// The same, and the whole result is kept for its caller behind a resource link.
    Link,
    /// The result is replaced by a tool error that tells its size. Tools keep their `outputSchema`.
    Reject,
}

impl ResultBudgets {
    /// Creates budgets for a server, of which each tool has the budget `server`.
    #[must_use]
    pub fn new(server: ResultBudget) -> Self {
        Self {
            server: Arc::new(server),
            tools: BTreeMap::new(),
        }
    }

    /// Sets the budget of the tool that the server calls `name`. It replaces the budget of the server.
    #[must_use]
    pub fn with_tool(mut self, name: impl Into<Arc<str>>, budget: ResultBudget) -> Self {
        self.tools.insert(name.into(), Arc::new(budget));
        self
    }

    /// Returns the budget of the tool `name`.
    #[must_use]
    pub fn of(&self, name: &str) -> &Arc<ResultBudget> {
        self.tools.get(name).unwrap_or(&self.server)
    }

    /// Returns the budget of tools without one of their own.
    #[must_use]
    pub fn server(&self) -> &Arc<ResultBudget> {
        &self.server
    }

    /// Returns the names of the tools with a budget of their own.
    pub fn tools(&self) -> impl Iterator<Item = &Arc<str>> {
        self.tools.keys()
    }

    /// Returns `true` if no result is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all().all(|budget| budget.is_empty())
    }

    /// Returns `true` if results may be kept.
    pub(super) fn may_link(&self) -> bool {
        self.all()
            .any(|budget| budget.max_bytes.is_some() && budget.overflow == Overflow::Link)
    }

    fn all(&self) -> impl Iterator<Item = &Arc<ResultBudget>> {
        std::iter::once(&self.server).chain(self.tools.values())
    }
}

impl ResultBudget {
    /// Minimum of the maximum size, in bytes: room for the note of a result that is cut.
    pub const MIN_BYTES: usize = 1024;

    /// Creates a budget without a limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the maximum size of the JSON text of a result, in bytes; at least
    /// [`MIN_BYTES`](Self::MIN_BYTES). Default: none.
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = Some(bytes.max(Self::MIN_BYTES));
        self
    }

    /// Sets the treatment of a larger result. Default: [`Overflow::Cut`].
    #[must_use]
    pub fn with_overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Sets the projection, which precedes the check of the size. Default: none.
    #[cfg(feature = "json-path")]
    #[must_use]
    pub fn with_projection(mut self, projection: Projection) -> Self {
        self.projection = Some(projection);
        self
    }

    /// Returns the maximum size in bytes.
    #[must_use]
    pub fn max_bytes(&self) -> Option<usize> {
        self.max_bytes
    }

    /// Returns the treatment of a larger result.
    #[must_use]
    pub fn overflow(&self) -> Overflow {
        self.overflow
    }

    /// Returns `true` if nothing is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.max_bytes.is_none() && !self.projects()
    }

    /// Returns `true` if results may contradict the output schema of their tool.
    pub(super) fn may_contradict_schema(&self) -> bool {
        self.projects() || self.max_bytes.is_some() && self.overflow != Overflow::Reject
    }

    /// Returns `true` if results are projected.
    #[cfg(feature = "json-path")]
    pub(super) fn projects(&self) -> bool {
        self.projection.is_some()
    }

    /// Returns `true` if results are projected.
    #[cfg(not(feature = "json-path"))]
    #[expect(
        clippy::unused_self,
        reason = "the signature is that of the other feature set"
    )]
    pub(super) fn projects(&self) -> bool {
        false
    }

    /// Returns the projection.
    #[cfg(feature = "json-path")]
    pub(super) fn projection(&self) -> Option<&Projection> {
        self.projection.as_ref()
    }
}
