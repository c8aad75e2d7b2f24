//! Implementation of a gateway towards clients.

use std::sync::Arc;

/// Name, version and instructions that a gateway sends to clients.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::layer::dispatch::Implementation;
///
/// let identity = Implementation::new("acme", "1.2").with_instructions("Prefer the search tools.");
/// assert!(format!("{identity:?}").contains("acme"));
/// ```
#[derive(Clone, Debug)]
pub struct Implementation {
    pub(super) name: Arc<str>,
    pub(super) version: Arc<str>,
    pub(super) instructions: Option<Arc<str>>,
}

impl Implementation {
    /// Creates an identity without instructions.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, version: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            instructions: None,
        }
    }

    /// Sets the instructions for the model, which replace those of the servers.
    #[must_use]
    pub fn with_instructions(mut self, instructions: impl Into<Arc<str>>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

    /// Returns the JSON text of the name and version.
    pub(super) fn to_json(&self) -> String {
        serde_json::json!({ "name": &*self.name, "version": &*self.version }).to_string()
    }
}

impl Default for Implementation {
    fn default() -> Self {
        Self::new("mcp-gateway", env!("CARGO_PKG_VERSION"))
    }
}
