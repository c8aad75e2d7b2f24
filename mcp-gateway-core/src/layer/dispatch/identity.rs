use std::sync::Arc;

/// How a gateway introduces itself.
#[derive(Clone, Debug)]
pub struct Identity {
    pub(super) name: Arc<str>,
    pub(super) version: Arc<str>,
    pub(super) instructions: Option<Arc<str>>,
}

impl Identity {
    /// A gateway of the name and version.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, version: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            instructions: None,
        }
    }

    /// Says how the gateway wants to be used, in the place of what its servers say.
    #[must_use]
    pub fn with_instructions(mut self, instructions: impl Into<Arc<str>>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

    /// The JSON text of its name and version.
    pub(super) fn to_json(&self) -> String {
        serde_json::json!({ "name": &*self.name, "version": &*self.version }).to_string()
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self::new("mcp-gateway", env!("CARGO_PKG_VERSION"))
    }
}
