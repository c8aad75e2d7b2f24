//! Outcomes of the objects, as the program reports them.

use std::collections::HashMap;
use std::sync::Arc;

/// Outcomes of the objects that a program has read.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ObjectOutcomes {
    /// Outcomes of objects of the kind `MCPServer` by name.
    pub servers: HashMap<Arc<str>, ServerOutcome>,
    /// Outcomes of objects of the kind `MCPGateway` by name.
    pub gateways: HashMap<Arc<str>, GatewayOutcome>,
}

/// Reason for which an object has no effect.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Rejection {
    /// Reason in one word.
    pub reason: &'static str,
    /// Mistakes with their paths.
    pub message: String,
}

impl Rejection {
    /// Reason of an object that is wrong by itself.
    pub const INVALID: &'static str = "Invalid";
    /// Reason of an object that cannot be used beside others, such as one whose name is taken.
    pub const CONFLICT: &'static str = "Conflict";

    /// Creates a rejection.
    #[must_use]
    pub const fn new(reason: &'static str, message: String) -> Self {
        Self { reason, message }
    }
}

/// Outcome of an object of the kind `MCPServer`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ServerOutcome {
    /// Generation that was read.
    pub generation: Option<i64>,
    /// Reason for which it has no effect.
    pub rejection: Option<Rejection>,
    /// State in one word; `None` if its deployment has the state.
    pub state: Option<&'static str>,
    /// Cause of recent failures of a server without a deployment.
    pub failure: Option<String>,
}

/// Outcome of an object of the kind `MCPGateway`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct GatewayOutcome {
    /// Generation that was read.
    pub generation: Option<i64>,
    /// Reason for which it has no effect.
    pub rejection: Option<Rejection>,
    /// Path of its endpoint.
    pub path: String,
    /// Number of its servers.
    pub servers: usize,
    /// Servers that it does not have.
    pub missing: Vec<Arc<str>>,
}
