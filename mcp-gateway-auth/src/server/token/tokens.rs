//! Keys, verification and revocation of the tokens that the server issues.

use std::sync::Arc;

use super::issued_tokens::IssuedTokenVerifier;
use super::opaque::OpaqueTokens;
use super::revocations::RevocationLog;
use crate::server::endpoint::protected_resources::ProtectedResources;
use crate::server::issuer::IssuerUrl;
use crate::server::key::SigningKeys;
use crate::server::resource::Resource;
use crate::{Clock, LoginProvider};

/// Keys and revocations of issued tokens. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::server) struct Tokens {
    pub(in crate::server) issuer: IssuerUrl,
    pub(in crate::server) keys: SigningKeys,
    pub(in crate::server) opaque: OpaqueTokens,
    pub(in crate::server) clock: Clock,
    pub(in crate::server) revocations: RevocationLog,
    pub(in crate::server) login_provider: Arc<dyn LoginProvider>,
    pub(in crate::server) resources: ProtectedResources,
}

impl Tokens {
    /// Returns a verifier for tokens that were issued for `resource`, or for any current resource
    /// if `None`.
    pub(in crate::server) fn verifier(&self, resource: Option<&Resource>) -> IssuedTokenVerifier {
        match resource {
            Some(resource) => IssuedTokenVerifier {
                resource: Some(resource.clone()),
                ..self.verifier_of(std::slice::from_ref(resource))
            },
            None => self.verifier_of(&self.resources.snapshot().known),
        }
    }

    /// Returns a verifier for tokens that were issued for one of `resources`.
    pub(in crate::server) fn verifier_of(&self, resources: &[Resource]) -> IssuedTokenVerifier {
        let audiences = resources.iter().map(|resource| resource.uri.to_string());
        IssuedTokenVerifier {
            issuer: self.issuer.shared(),
            keys: self.keys.clone(),
            opaque: self.opaque.clone(),
            clock: self.clock.clone(),
            revocations: self.revocations.in_memory().clone(),
            login_provider: Arc::clone(&self.login_provider),
            resource: None,
            audiences: audiences.collect(),
        }
    }
}
