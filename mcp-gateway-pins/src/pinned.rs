//! Verification of the definitions of a server.

use std::sync::Arc;

use mcp_gateway_core::catalog::{Definition, DefinitionDigest, DefinitionKind, DefinitionVerifier};

use crate::{HeldDefinitions, Pins};

/// Verifier of the definitions of a server: those that its pins approve pass, all others are held back
/// and recorded.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_core::limit::Limits;
/// use mcp_gateway_core::runtime::InProcess;
/// use mcp_gateway_core::upstream::{PooledServer, UpstreamServer};
/// use mcp_gateway_pins::{HeldDefinitions, PinnedDefinitions, Pins};
///
/// let server = UpstreamServer::builder("files", InProcess::new(|_| async { Ok(()) })).build();
/// let held = Arc::new(HeldDefinitions::new("files"));
/// // Without pins, everything is held back.
/// let pinned = PinnedDefinitions::new(Arc::new(Pins::default()), held);
/// let _ = PooledServer::new(server, Limits::default()).with_definitions(Arc::new(pinned));
/// ```
#[derive(Clone, Debug)]
pub struct PinnedDefinitions {
    pins: Arc<Pins>,
    held: Arc<HeldDefinitions>,
}

impl PinnedDefinitions {
    /// Creates a verifier that approves what `pins` approve, and records the rest in `held`.
    #[must_use]
    pub fn new(pins: Arc<Pins>, held: Arc<HeldDefinitions>) -> Self {
        Self { pins, held }
    }
}

impl DefinitionVerifier for PinnedDefinitions {
    fn approves(&self, kind: DefinitionKind, name: &str, digest: &DefinitionDigest) -> bool {
        self.pins.approves(kind, name, digest)
    }

    fn held_back(&self, definition: &Definition) {
        self.held.record(definition);
    }
}
