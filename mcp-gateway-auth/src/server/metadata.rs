use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::AuthorizationServer;
use super::client::GrantType;
use super::resource::{OFFLINE_ACCESS, Resource};
use super::settings::Registration;
use crate::jwt::Algorithm;

/// `GET /.well-known/oauth-authorization-server` and `/.well-known/openid-configuration`
///
/// See [RFC 8414](https://www.rfc-editor.org/rfc/rfc8414#section-3).
pub(super) async fn server(State(server): State<AuthorizationServer>) -> Response {
    document(server.metadata())
}

/// `GET /.well-known/oauth-protected-resource`
///
/// See [RFC 9728](https://www.rfc-editor.org/rfc/rfc9728#section-3).
pub(super) async fn default_resource(State(server): State<AuthorizationServer>) -> Response {
    let resources = server.resources();
    match resources.default_one() {
        Some(resource) => document(server.resource_metadata(resource, resource.uri.as_str())),
        None => nothing(),
    }
}

/// `GET /.well-known/oauth-protected-resource/{path}`
pub(super) async fn resource(
    State(server): State<AuthorizationServer>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Response {
    let resources = server.resources();
    let found = server.called(&path, &headers).into_iter().find_map(|uri| {
        let resource = resources.known_as(&uri)?;
        Some(server.resource_metadata(resource, &uri))
    });
    let elsewhere = || {
        let mut all = resources.0.iter();
        let wanted = format!("/{path}");
        let resource = all.find(|resource| server.metadata_path(resource) == wanted)?;
        Some(server.resource_metadata(resource, resource.uri.as_str()))
    };
    found.or_else(elsewhere).map_or_else(nothing, document)
}

/// `GET /jwks`
///
/// See [RFC 7517](https://www.rfc-editor.org/rfc/rfc7517#section-5).
pub(super) async fn keys(State(server): State<AuthorizationServer>) -> Response {
    match server.keys().public().await {
        Ok(keys) => document(serde_json::to_value(keys).unwrap_or_default()),
        Err(error) => super::error::OAuthError::from(error).into_response(),
    }
}

impl AuthorizationServer {
    /// What clients may know about the server.
    fn metadata(&self) -> Value {
        let mut scopes: Vec<_> = self
            .resources()
            .scopes()
            .iter()
            .map(str::to_owned)
            .collect();
        scopes.push(OFFLINE_ACCESS.to_owned());
        let grant_types = GrantType::ALL.into_iter().filter(|kind| match kind {
            GrantType::JwtBearer => !self.assertion_issuers().is_empty(),
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
        // Those of all expectations of assertions.
        let algorithms = Algorithm::ALL.map(Algorithm::name);
        let mut metadata = json!({
            "issuer": self.issuer(),
            "authorization_endpoint": self.url("/api/auth/oauth2/authorize"),
            "token_endpoint": self.url("/api/auth/oauth2/token"),
            "jwks_uri": self.url("/api/auth/oauth2/jwks"),
            "introspection_endpoint": self.url("/api/auth/oauth2/introspect"),
            "revocation_endpoint": self.url("/api/auth/oauth2/revoke"),
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
            "client_id_metadata_document_supported": self.clients().has_documents(),
        });
        if !matches!(self.registration(), Registration::Off) {
            metadata["registration_endpoint"] = self.url("/api/auth/oauth2/register").into();
        }
        if !self.assertion_issuers().is_empty() {
            metadata["authorization_grant_profiles_supported"] = json!([ID_JAG]);
        }
        metadata
    }

    /// What comes after the well-known path in the URL of the metadata of `resource`.
    ///
    /// What is on another host can be described there only if that passes requests on to here.
    pub(super) fn metadata_path(&self, resource: &Resource) -> String {
        match resource.uri.origin() == self.base().origin() {
            true => resource.uri.path().to_owned(),
            false => format!("/verify/{}", resource.name),
        }
    }

    /// The URLs that a client may have used for the resource at `path`: what it has used is what it
    /// has to find in the document.
    ///
    /// The header says by which of our names it knows us; a name that is not ours finds nothing.
    fn called(&self, path: &str, headers: &HeaderMap) -> Vec<String> {
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        // What is on another host need not be reached as this server is.
        let others = ["https", "http"].into_iter();
        let schemes = [self.base().scheme()].into_iter().chain(others);
        let called = schemes.filter_map(|scheme| Some(format!("{scheme}://{}/{path}", host?)));
        called.chain([self.url(&format!("/{path}"))]).collect()
    }

    /// What clients may know about `resource`, which they know as `uri`.
    fn resource_metadata(&self, resource: &Resource, uri: &str) -> Value {
        let scopes: Vec<_> = resource.scopes.iter().map(|(name, _)| &**name).collect();
        json!({
            "resource": uri,
            "authorization_servers": [self.issuer()],
            "scopes_supported": scopes,
            "bearer_methods_supported": ["header"],
            "resource_name": &*resource.name,
        })
    }
}

fn document(value: Value) -> Response {
    (
        [(header::CACHE_CONTROL, "public, max-age=300")],
        Json(value),
    )
        .into_response()
}

/// Clients parse what they get, whatever the status is.
fn nothing() -> Response {
    let body = json!({ "error": "not_found", "error_description": "there is no such resource" });
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

const ID_JAG: &str = "urn:ietf:params:oauth:grant-profile:id-jag";
