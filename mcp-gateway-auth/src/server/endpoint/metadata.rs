//! The metadata of the authorization server (RFC 8414).

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use serde_json::{Value, json};

use crate::jose::Algorithm;
use crate::server::ProtectedResources;
use crate::server::client::GrantType;
use crate::server::client::clients::ClientRegistry;
use crate::server::issuer::IssuerUrl;
use crate::server::key::SigningKeys;
use crate::server::resource::OFFLINE_ACCESS;
use crate::server::settings::RegistrationPolicy;
use crate::server::workload::WorkloadIssuer;

/// `GET /.well-known/oauth-authorization-server` and `/.well-known/openid-configuration`: the
/// metadata of the server.
///
/// See [RFC 8414, section 3](https://www.rfc-editor.org/rfc/rfc8414#section-3).
pub(in crate::server) async fn server(State(endpoint): State<Arc<MetadataEndpoint>>) -> Response {
    document(endpoint.metadata().await)
}

/// `GET /jwks`: the public keys.
///
/// See [RFC 7517, section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5).
pub(in crate::server) async fn keys(State(endpoint): State<Arc<MetadataEndpoint>>) -> Response {
    match endpoint.keys.public().await {
        Ok(keys) => document(serde_json::to_value(keys).unwrap_or_default()),
        Err(error) => crate::server::error::OAuthError::from(error).into_response(),
    }
}

/// Metadata and public keys of the server.
#[derive(Debug)]
pub(in crate::server) struct MetadataEndpoint {
    pub(in crate::server) issuer: IssuerUrl,
    pub(in crate::server) resources: ProtectedResources,
    pub(in crate::server) clients: ClientRegistry,
    pub(in crate::server) keys: SigningKeys,
    pub(in crate::server) policy: Arc<ArcSwap<RegistrationPolicy>>,
    /// Set if identity assertions of any issuer are accepted.
    pub(in crate::server) has_assertion_issuers: bool,
    pub(in crate::server) workloads: Arc<ArcSwap<Vec<WorkloadIssuer>>>,
}

impl MetadataEndpoint {
    /// Returns the metadata of the current configuration.
    async fn metadata(&self) -> Value {
        let can_register = matches!(**self.policy.load(), RegistrationPolicy::Open);
        let has_documents = self.clients.advertises_documents(can_register).await;
        let mut scopes: Vec<_> = self
            .resources
            .snapshot()
            .scopes()
            .iter()
            .map(str::to_owned)
            .collect();
        scopes.push(OFFLINE_ACCESS.to_owned());
        let grant_types = GrantType::ALL.into_iter().filter(|kind| match kind {
            GrantType::JwtBearer => self.has_assertion_issuers || !self.workloads.load().is_empty(),
            GrantType::AuthorizationCode
            | GrantType::ClientCredentials
            | GrantType::RefreshToken => true,
        });
        let grant_types: Vec<_> = grant_types.map(GrantType::as_str).collect();
        let with_secret = [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
        ];
        let all = [
            "none",
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
        ];
        // Those that assertions and proofs are verified with.
        let algorithms = Algorithm::ALL.map(Algorithm::name);
        let mut metadata = json!({
            "issuer": self.issuer.as_str(),
            "authorization_endpoint": self.issuer.url("/api/auth/oauth2/authorize"),
            "token_endpoint": self.issuer.url("/api/auth/oauth2/token"),
            "jwks_uri": self.issuer.url("/api/auth/oauth2/jwks"),
            "introspection_endpoint": self.issuer.url("/api/auth/oauth2/introspect"),
            "revocation_endpoint": self.issuer.url("/api/auth/oauth2/revoke"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": grant_types,
            "scopes_supported": scopes,
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": all,
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "introspection_endpoint_auth_methods_supported": with_secret,
            "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
            "revocation_endpoint_auth_methods_supported": all,
            "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
            "authorization_response_iss_parameter_supported": true,
            "dpop_signing_alg_values_supported": algorithms,
            "client_id_metadata_document_supported": has_documents,
        });
        if !matches!(**self.policy.load(), RegistrationPolicy::Off) {
            metadata["registration_endpoint"] = self.issuer.url("/api/auth/oauth2/register").into();
        }
        if self.has_assertion_issuers {
            metadata["authorization_grant_profiles_supported"] = json!([ID_JAG]);
        }
        metadata
    }
}

/// Returns a public document that may be cached for five minutes.
pub(in crate::server) fn document(value: Value) -> Response {
    (
        [(header::CACHE_CONTROL, "public, max-age=300")],
        Json(value),
    )
        .into_response()
}

/// Profile of the identity assertion grant.
const ID_JAG: &str = "urn:ietf:params:oauth:grant-profile:id-jag";
