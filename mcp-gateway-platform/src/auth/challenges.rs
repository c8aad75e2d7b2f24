//! Challenges for clients without a valid token (RFC 9728, section 5.1).

use mcp_gateway_auth::server::{ProtectedResources, Resource};
use mcp_gateway_core::auth::ProtectedResource;

/// Challenges for the clients of resources.
#[derive(Clone, Debug)]
pub(crate) struct Challenges {
    /// Metadata of the resources; `None` if clients can discover no authorization server.
    pub(crate) protected: Option<ProtectedResources>,
    /// Set if clients request all scopes, because other authorization servers grant no default
    /// scopes.
    pub(crate) are_all_scopes_wanted: bool,
}

impl Challenges {
    /// Returns the challenge for clients of `resource`, with all its scopes if `are_wanted`.
    pub(crate) fn of(&self, resource: &Resource, are_wanted: bool) -> Option<ProtectedResource> {
        let challenge = self.protected.as_ref()?.challenge(resource);
        let are_wanted = are_wanted || self.are_all_scopes_wanted;
        let scopes = resource.scopes.iter().map(|(name, _)| &**name);
        let scopes: Vec<_> = scopes.collect();
        Some(match are_wanted && !scopes.is_empty() {
            true => challenge.with_scope(scopes.join(" ")),
            false => challenge,
        })
    }
}
