//! Endpoints of the authorization server.

pub(super) mod authorize;
pub(super) mod consent;
mod cors;
pub(super) mod form;
pub(super) mod identity_assertion;
pub(super) mod introspection;
pub(super) mod metadata;
pub(super) mod payload;
pub(super) mod protected_resources;
pub(super) mod registration;
pub(super) mod response;
pub(super) mod router;
pub(super) mod targets;
pub(super) mod token;
mod workload;

use std::sync::Arc;

use self::authorize::AuthorizeEndpoint;
use self::consent::ConsentEndpoint;
use self::introspection::IntrospectionEndpoint;
use self::metadata::MetadataEndpoint;
use self::registration::RegistrationEndpoint;
use self::token::TokenEndpoint;

/// Endpoints, each of which has the parts that it needs. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Endpoints {
    pub(super) authorize: Arc<AuthorizeEndpoint>,
    pub(super) consent: Arc<ConsentEndpoint>,
    pub(super) introspection: Arc<IntrospectionEndpoint>,
    pub(super) metadata: Arc<MetadataEndpoint>,
    pub(super) registration: Arc<RegistrationEndpoint>,
    pub(super) token: Arc<TokenEndpoint>,
}
