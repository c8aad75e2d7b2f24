//! Forward authentication for servers behind a reverse proxy.
//!
//! A reverse proxy sends an authentication request to a [`ForwardAuth`] for each request: Traefik's
//! `forwardAuth`, nginx's `auth_request` and Envoy's `ext_authz` (over HTTP) do so. The response is
//! 200 with headers that identify the caller, which the proxy adds to the request. Otherwise it is
//! 401 with the challenge by which MCP clients discover the authorization server (RFC 9728, section
//! 5), which the proxy returns to the client.
//!
//! | header | value |
//! |---|---|
//! | `X-User-Id` | subject of the caller |
//! | `X-User-Name` | name of the caller |
//! | `X-Auth-Client` | OAuth client |
//! | `X-Auth-Scopes` | granted scopes, separated by spaces |
//! | `X-Auth-Teams` | teams of the caller, separated by commas |
//!
//! Every successful response has all of them, with empty values where nothing is known: headers of
//! the same name from the client are always replaced.
//!
//! # Deployment
//!
//! A token is valid for its resource only, so the resource of a request must be known:
//!
//! - At `/verify/{name}`, and below, it is the resource with that name. The configuration of the
//!   proxy selects it, and nothing that a client sends.
//! - At `/verify` it is the resource that contains the URL of the original request, from
//!   `X-Forwarded-Proto`, `X-Forwarded-Host` and `X-Forwarded-Uri` (or `X-Original-URI`). Use this
//!   only with proxies that set all of them regardless of the client, as Traefik does.
//!
//! A client that reaches the endpoint without the proxy learns nothing but the validity of its own
//! token.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use http::Request;
//! use mcp_gateway_auth::StaticTokens;
//! use mcp_gateway_auth::forward::{ForwardAuth, ProtectedUpstream};
//! use mcp_gateway_auth::server::Resource;
//! use mcp_gateway_core::auth::Principal;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tokens = StaticTokens::new().with_token("wU3mtk8x", Principal::new("alice"));
//! let echo = Resource::new("https://echo.example.com/mcp".parse()?, "echo");
//! let forward = ForwardAuth::new().with_resource(ProtectedUpstream::new(echo, Arc::new(tokens)));
//!
//! let asked = |path: &str, token: &str| {
//!     Request::get(path).header("authorization", format!("Bearer {token}")).body(())
//! };
//! let answer = forward.verify(&asked("/verify/echo", "wU3mtk8x")?.into_parts().0).await;
//! assert_eq!((answer.status().as_u16(), &answer.headers()["x-user-id"]), (200, &"alice".parse()?));
//! let answer = forward.verify(&asked("/verify/echo", "another")?.into_parts().0).await;
//! assert_eq!(answer.status(), 401);
//! let answer = forward.verify(&asked("/verify/other", "wU3mtk8x")?.into_parts().0).await;
//! assert_eq!(answer.status(), 403);
//! # Ok(())
//! # }
//! ```

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use mcp_gateway_core::Problem;
use mcp_gateway_core::auth::{AuthError, AuthVerifier, Principal, ProtectedResource};
use url::Url;

use crate::server::Resource;

/// Authenticates requests on behalf of reverse proxies. Cheap to clone.
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug, Default)]
#[doc(alias("ext_authz", "auth_request", "forward auth"))]
pub struct ForwardAuth(Arc<Vec<ProtectedUpstream>>);

/// A protected resource behind a proxy, with everything below its path.
#[derive(Clone, Debug)]
pub struct ProtectedUpstream {
    resource: Resource,
    verifier: Arc<dyn AuthVerifier>,
    challenge: Option<ProtectedResource>,
    scopes: Vec<Arc<str>>,
}

impl ForwardAuth {
    /// Creates an endpoint without resources, which rejects every request with 403.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Protects `guarded`.
    #[must_use]
    pub fn with_resource(self, guarded: ProtectedUpstream) -> Self {
        let mut all = Arc::unwrap_or_clone(self.0);
        all.push(guarded);
        Self(Arc::new(all))
    }

    /// Returns the endpoint at `/verify` and all paths below, where Envoy appends the original
    /// path.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/verify", any(verify))
            .route("/verify/{*below}", any(verify))
            .with_state(self.clone())
    }

    /// Decides on the original request that `request` describes.
    ///
    /// The response is 200 with the identity headers, 401 or 403 with a challenge, or 403 if no
    /// resource matches. It is never cached.
    pub async fn verify(&self, request: &Parts) -> Response {
        let Some(guarded) = self.resolve(request) else {
            let message = "No protected resource matches the forwarded request\n";
            return (StatusCode::FORBIDDEN, NO_STORE, message).into_response();
        };
        match guarded.authorize(request).await {
            Ok(principal) => {
                (StatusCode::OK, NO_STORE, identity_headers(&principal)).into_response()
            }
            Err(error) => guarded.error_response(&error),
        }
    }

    /// Returns the resource of the original request.
    fn resolve(&self, request: &Parts) -> Option<&ProtectedUpstream> {
        let below = request.uri.path().strip_prefix("/verify/");
        let name = below.and_then(|below| below.split('/').next());
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            return self
                .0
                .iter()
                .find(|guarded| *guarded.resource.name == *name);
        }
        let url = original_url(request)?;
        self.0.iter().find(|guarded| guarded.matches(&url))
    }
}

/// Serves [`ForwardAuth::verify`].
async fn verify(State(forward): State<ForwardAuth>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    forward.verify(&parts).await
}

impl ProtectedUpstream {
    /// Protects `resource` with `verifier`. The [roles and teams](Resource) of the resource are
    /// enforced as well.
    #[must_use]
    pub fn new(resource: Resource, verifier: Arc<dyn AuthVerifier>) -> Self {
        Self {
            resource,
            verifier,
            challenge: None,
            scopes: Vec::new(),
        }
    }

    /// Adds the parameters of `challenge` to the `WWW-Authenticate` header of rejections.
    #[must_use]
    pub fn with_challenge(mut self, challenge: ProtectedResource) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// Requires `scope` of tokens that were issued to an OAuth client. Tokens without a client have
    /// no scopes and need none.
    #[must_use]
    pub fn with_required_scope(mut self, scope: impl Into<Arc<str>>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Returns the caller of `request`, if authorized.
    async fn authorize(&self, request: &Parts) -> Result<Principal, AuthError> {
        let principal = self.verifier.verify(request).await?;
        let (roles, teams) = (principal.roles(), principal.teams());
        if !self.resource.allows(principal.subject(), roles, teams) {
            return Err(AuthError::InvalidToken);
        }
        let lacks = |scope: &&Arc<str>| !principal.scopes().contains(scope);
        let needs_scopes = principal.client().is_some() || !principal.scopes().is_empty();
        match needs_scopes && self.scopes.iter().any(|scope| lacks(&scope)) {
            true => Err(AuthError::InsufficientScope {
                scopes: self.scopes.clone(),
            }),
            false => Ok(principal),
        }
    }

    /// Returns `true` if `url` is the resource or below it.
    fn matches(&self, url: &Url) -> bool {
        let own = &self.resource.uri;
        let path = own.path().trim_end_matches('/');
        let below = url.path().strip_prefix(path);
        own.origin() == url.origin()
            && below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    }

    /// Returns the response to a rejected request.
    fn error_response(&self, error: &AuthError) -> Response {
        let problem = Problem::from(error);
        let message = format!("{}\n", problem.error.message);
        let mut response = (NO_STORE, message).into_response();
        let (head, ()) = problem.to_response(()).into_parts();
        *response.status_mut() = head.status;
        response.headers_mut().extend(head.headers);
        if let Some(challenge) = &self.challenge {
            challenge.extend_challenge(response.headers_mut());
        }
        response
    }
}

/// Returns the URL of the original request, if the headers state it exactly once and unambiguously.
fn original_url(request: &Parts) -> Option<Url> {
    let one = |name: &str| {
        let mut values = request.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        }
    };
    let scheme = one("x-forwarded-proto").unwrap_or("https");
    let host = one("x-forwarded-host").or_else(|| one("host"))?;
    let path = one("x-forwarded-uri").or_else(|| one("x-original-uri"))?;
    if !path.starts_with('/') || is_ambiguous(path) || host.contains(['/', '@', ',', '\\']) {
        return None;
    }
    Url::parse(&format!("{scheme}://{host}{path}")).ok()
}

/// Returns `true` if servers disagree about the resource of `path`, because it contains encoded
/// separators or dots.
fn is_ambiguous(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = path.to_ascii_lowercase();
    ["%2f", "%5c", "%2e", "\\"]
        .iter()
        .any(|part| path.contains(part))
}

/// Returns the identity headers, all of them.
fn identity_headers(principal: &Principal) -> HeaderMap {
    let scopes = principal.scopes().join(" ");
    let teams = principal.teams().join(",");
    let values = [
        ("x-user-id", principal.subject()),
        ("x-user-name", principal.name().unwrap_or_default()),
        ("x-auth-client", principal.client().unwrap_or_default()),
        ("x-auth-scopes", &*scopes),
        ("x-auth-teams", &*teams),
    ];
    let headers = values.map(|(name, value)| (HeaderName::from_static(name), header_value(value)));
    headers.into_iter().collect()
}

/// Returns `value` with percent-encoding of the bytes that are invalid in a header.
fn header_value(value: &str) -> HeaderValue {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => text.push(char::from(byte)),
            other => drop(write!(text, "%{other:02X}")),
        }
    }
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

const NO_STORE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

#[cfg(test)]
mod tests {
    use super::*;

    fn url(headers: &[(&str, &str)], path: &str) -> Option<String> {
        let request = headers
            .iter()
            .fold(http::Request::get(path), |request, (name, value)| {
                request.header(*name, *value)
            });
        original_url(&request.body(()).unwrap().into_parts().0).map(|url| url.to_string())
    }

    #[test]
    fn proxies_say_what_was_asked_for() {
        let traefik = [
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "a.example"),
            ("x-forwarded-uri", "/mcp?x=1"),
        ];
        assert_eq!(
            url(&traefik, "/verify").as_deref(),
            Some("https://a.example/mcp?x=1")
        );
        let nginx = [("host", "a.example"), ("x-original-uri", "/mcp")];
        assert_eq!(
            url(&nginx, "/verify").as_deref(),
            Some("https://a.example/mcp")
        );
        for wrong in [
            vec![
                ("x-forwarded-host", "a.example"),
                ("x-forwarded-host", "b.example"),
                ("x-forwarded-uri", "/"),
            ],
            vec![
                ("x-forwarded-host", "a.example/x"),
                ("x-forwarded-uri", "/mcp"),
            ],
            vec![
                ("x-forwarded-host", "a@b.example"),
                ("x-forwarded-uri", "/mcp"),
            ],
            vec![
                ("x-forwarded-host", "a.example"),
                ("x-forwarded-uri", "mcp"),
            ],
            vec![("x-forwarded-uri", "/mcp")],
            vec![("host", "a.example"), ("x-original-uri", "/mcp/..%2Fother")],
            vec![("host", "a.example"), ("x-original-uri", "/mcp/%2e./other")],
            vec![("host", "a.example"), ("x-original-uri", "/mcp\\..\\other")],
        ] {
            assert_eq!(url(&wrong, "/verify"), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_resource_covers_what_is_below_it_and_nothing_beside_it() {
        let resource = Resource::new("https://a.example/mcp".parse().unwrap(), "a");
        let guarded = ProtectedUpstream::new(resource, Arc::new(crate::StaticTokens::new()));
        let covers = |text: &str| guarded.matches(&text.parse().unwrap());
        assert!(covers("https://a.example/mcp") && covers("https://a.example:443/mcp/x?y"));
        for text in [
            "https://a.example/mcp-evil",
            "https://a.example/mcp/../other",
            "http://a.example/mcp",
            "https://b.example/mcp",
            "https://a.example:8443/mcp",
            "https://a.example/MCP",
        ] {
            assert!(!covers(text), "{text}");
        }
    }

    #[tokio::test]
    async fn what_the_configuration_of_the_proxy_names_counts_more_than_what_a_client_says() {
        let guarded = |name: &str, token: &str| {
            let url = format!("https://{name}.example/mcp").parse().unwrap();
            let tokens = crate::StaticTokens::new().with_token(token, Principal::new(name));
            ProtectedUpstream::new(Resource::new(url, name), Arc::new(tokens))
        };
        let forward = ForwardAuth::new()
            .with_resource(guarded("a", "token-of-a"))
            .with_resource(guarded("b", "token-of-b"));
        for (path, status) in [
            ("/verify/a", 200),
            ("/verify/a/", 200),
            ("/verify/a/mcp/x", 200),
            ("/verify", 401),
            ("/verify/", 401),
            ("/verify/b", 401),
            ("/verify/A", 403),
            ("/verify/ab", 403),
            ("/verify//a", 401),
        ] {
            let request = http::Request::get(path)
                .header("authorization", "Bearer token-of-a")
                .header("x-forwarded-host", "b.example")
                .header("x-forwarded-uri", "/mcp");
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(forward.verify(&parts).await.status(), status, "{path}");
        }
    }

    #[tokio::test]
    async fn clients_are_told_which_scopes_they_need() {
        let url: Url = "https://a.example/mcp".parse().unwrap();
        let client = |scopes: &[&str]| {
            let principal = Principal::new("alice").with_client("desk");
            let principal = scopes
                .iter()
                .fold(principal, |who, one| who.with_scope(*one));
            crate::StaticTokens::new().with_token("token", principal)
        };
        let machine = crate::StaticTokens::new().with_token("token", Principal::new("machine"));
        for (tokens, status) in [
            (client(&["read", "write", "more"]), 200),
            (client(&["read"]), 403),
            (client(&[]), 403),
            (machine, 200),
        ] {
            let guarded = ProtectedUpstream::new(Resource::new(url.clone(), "a"), Arc::new(tokens))
                .with_required_scope("read")
                .with_required_scope("write")
                .with_challenge(
                    ProtectedResource::new("https://gw.example/x").with_scope("read write"),
                );
            let request = http::Request::get("/verify/a").header("authorization", "Bearer token");
            let (parts, ()) = request.body(()).unwrap().into_parts();
            let answer = ForwardAuth::new()
                .with_resource(guarded)
                .verify(&parts)
                .await;
            assert_eq!(answer.status(), status);
            let challenge = answer.headers().get(header::WWW_AUTHENTICATE);
            let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
            let expected = "Bearer error=\"insufficient_scope\", scope=\"read write\", \
                            resource_metadata=\"https://gw.example/x\"";
            assert_eq!(challenge.as_deref(), (status == 403).then_some(expected));
        }
    }

    #[test]
    fn j33_what_is_said_of_a_caller_cannot_make_headers() {
        let principal = Principal::new("a\r\nX-Evil: 1")
            .with_name("Zoë 100%")
            .with_team("ops");
        let headers = identity_headers(&principal);
        assert_eq!(headers["x-user-id"], "a%0D%0AX-Evil: 1");
        assert_eq!(headers["x-user-name"], "Zo%C3%AB 100%25");
        assert_eq!(
            (&headers["x-auth-teams"], &headers["x-auth-scopes"]),
            (&"ops".parse().unwrap(), &"".parse().unwrap())
        );
        assert_eq!(headers.len(), 5);
    }
}
