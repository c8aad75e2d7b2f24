//! Protect servers that a reverse proxy is in front of, and not the gateway.
//!
//! A [`ForwardAuth`] is asked by the proxy about each request: Traefik's `forwardAuth`, nginx's
//! `auth_request` and Envoy's `ext_authz` (over HTTP) do so. It answers 200 with headers that say
//! who is calling, which the proxy passes on; or 401 with the challenge by which MCP clients find
//! out how to get a token, which the proxy gives to the client.
//!
//! | header | value |
//! |---|---|
//! | `X-User-Id` | the identifier of the caller |
//! | `X-User-Name` | the name of the caller |
//! | `X-Auth-Client` | the OAuth client |
//! | `X-Auth-Scopes` | what the token grants, separated by spaces |
//! | `X-Auth-Teams` | the teams of the caller, separated by commas |
//!
//! All of them are in every answer, empty if there is nothing to say: what a client sends under the
//! same name is replaced.
//!
//! # Deployment
//!
//! The proxy says what was asked for in `X-Forwarded-Proto`, `X-Forwarded-Host` and
//! `X-Forwarded-Uri` (or `X-Original-URI`). A token is only good at the resource that it is for, so
//! whoever can reach the endpoint without the proxy learns nothing but what their own token is
//! worth.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use http::Request;
//! use mcp_gateway_auth::StaticTokens;
//! use mcp_gateway_auth::forward::ForwardAuth;
//! use mcp_gateway_auth::server::Resource;
//! use mcp_gateway_core::auth::Principal;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tokens = StaticTokens::new().with_token("wU3mtk8x", Principal::new("alice"));
//! let echo = Resource::new("https://echo.example.com/mcp".parse()?, "echo");
//! let forward = ForwardAuth::new().with_resource(echo, Arc::new(tokens), None);
//!
//! let asked = |token: &str| {
//!     Request::get("/verify")
//!         .header("x-forwarded-proto", "https")
//!         .header("x-forwarded-host", "echo.example.com")
//!         .header("x-forwarded-uri", "/mcp?x=1")
//!         .header("authorization", format!("Bearer {token}"))
//!         .body(())
//! };
//! let answer = forward.verify(&asked("wU3mtk8x")?.into_parts().0).await;
//! assert_eq!((answer.status().as_u16(), &answer.headers()["x-user-id"]), (200, &"alice".parse()?));
//! let answer = forward.verify(&asked("another")?.into_parts().0).await;
//! assert_eq!(answer.status(), 401);
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

/// Tells reverse proxies who is calling. Cheap to clone.
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug, Default)]
pub struct ForwardAuth(Arc<Vec<Guarded>>);

/// A resource that a proxy is in front of.
#[derive(Clone, Debug)]
struct Guarded {
    resource: Resource,
    verifier: Arc<dyn AuthVerifier>,
    challenge: Option<ProtectedResource>,
}

impl ForwardAuth {
    /// Knows no resource yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Protects `resource`, and everything below it, with `verifier`; clients that are refused are
    /// told of `challenge`.
    #[must_use]
    pub fn with_resource(
        self,
        resource: Resource,
        verifier: Arc<dyn AuthVerifier>,
        challenge: Option<ProtectedResource>,
    ) -> Self {
        let mut all = Arc::unwrap_or_clone(self.0);
        all.push(Guarded {
            resource,
            verifier,
            challenge,
        });
        Self(Arc::new(all))
    }

    /// Answers at `/verify`, and at every path below it, as Envoy asks.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/verify", any(verify))
            .route("/verify/{*path}", any(verify))
            .with_state(self.clone())
    }

    /// Whether the request that `request` is about may be made, and by whom it is.
    pub async fn verify(&self, request: &Parts) -> Response {
        let url = asked(request);
        let found = url
            .as_ref()
            .and_then(|url| self.0.iter().find(|guarded| guarded.covers(url)));
        let Some(guarded) = found else {
            let message = "No resource is protected here that the proxy says was asked for\n";
            return (StatusCode::FORBIDDEN, message).into_response();
        };
        let verified = guarded.verifier.verify(request).await;
        let admitted = verified.and_then(|principal| {
            match guarded
                .resource
                .admits(principal.roles(), principal.teams())
            {
                true => Ok(principal),
                false => Err(AuthError::InvalidToken),
            }
        });
        match admitted {
            Ok(principal) => (StatusCode::OK, identity(&principal)).into_response(),
            Err(error) => guarded.refusal(&error),
        }
    }
}

async fn verify(State(forward): State<ForwardAuth>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    forward.verify(&parts).await
}

impl Guarded {
    /// Whether `url` is the resource, or below it.
    fn covers(&self, url: &Url) -> bool {
        let own = &self.resource.uri;
        let path = own.path().trim_end_matches('/');
        let below = url.path().strip_prefix(path);
        own.origin() == url.origin()
            && below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    }

    fn refusal(&self, error: &AuthError) -> Response {
        let problem = Problem::from(error);
        let mut headers = HeaderMap::new();
        if let Some(parameters) = &problem.challenge {
            let challenge = format!("Bearer {parameters}");
            if let Ok(value) = HeaderValue::from_str(challenge.trim_end()) {
                headers.insert(header::WWW_AUTHENTICATE, value);
            }
        }
        if let Some(challenge) = &self.challenge {
            challenge.complete(&mut headers);
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        (
            problem.status,
            headers,
            format!("{}\n", problem.error.message),
        )
            .into_response()
    }
}

/// The URL that the proxy was asked for, if it says so once and in one way.
fn asked(request: &Parts) -> Option<Url> {
    let one = |name: &str| {
        let mut values = request.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        }
    };
    let below = request
        .uri
        .path()
        .strip_prefix("/verify")
        .filter(|path| !path.is_empty());
    let scheme = one("x-forwarded-proto").unwrap_or("https");
    let host = one("x-forwarded-host").or_else(|| one("host"))?;
    let path = one("x-forwarded-uri")
        .or_else(|| one("x-original-uri"))
        .or(below)?;
    if !path.starts_with('/') || host.contains(['/', '@', ',', '\\']) {
        return None;
    }
    Url::parse(&format!("{scheme}://{host}{path}")).ok()
}

/// Who is calling, in headers each of which is there.
fn identity(principal: &Principal) -> HeaderMap {
    let scopes = principal.scopes().join(" ");
    let teams = principal.teams().join(",");
    let values = [
        ("x-user-id", principal.subject()),
        ("x-user-name", principal.name().unwrap_or_default()),
        ("x-auth-client", principal.client().unwrap_or_default()),
        ("x-auth-scopes", &*scopes),
        ("x-auth-teams", &*teams),
    ];
    let headers = values.map(|(name, value)| (HeaderName::from_static(name), encoded(value)));
    headers.into_iter().collect()
}

/// `value`, with what cannot stand in a header written as in a URL.
fn encoded(value: &str) -> HeaderValue {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => text.push(char::from(byte)),
            other => drop(write!(text, "%{other:02X}")),
        }
    }
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(headers: &[(&str, &str)], path: &str) -> Option<String> {
        let request = headers
            .iter()
            .fold(http::Request::get(path), |request, (name, value)| {
                request.header(*name, *value)
            });
        asked(&request.body(()).unwrap().into_parts().0).map(|url| url.to_string())
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
        let envoy = [("host", "a.example")];
        assert_eq!(
            url(&envoy, "/verify/mcp").as_deref(),
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
        ] {
            assert_eq!(url(&wrong, "/verify"), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_resource_covers_what_is_below_it_and_nothing_beside_it() {
        let resource = Resource::new("https://a.example/mcp".parse().unwrap(), "a");
        let guarded = Guarded {
            resource,
            verifier: Arc::new(crate::StaticTokens::new()),
            challenge: None,
        };
        let covers = |text: &str| guarded.covers(&text.parse().unwrap());
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

    #[test]
    fn j33_what_is_said_of_a_caller_cannot_make_headers() {
        let principal = Principal::new("a\r\nX-Evil: 1")
            .with_name("Zoë 100%")
            .with_team("ops");
        let headers = identity(&principal);
        assert_eq!(headers["x-user-id"], "a%0D%0AX-Evil: 1");
        assert_eq!(headers["x-user-name"], "Zo%C3%AB 100%25");
        assert_eq!(
            (&headers["x-auth-teams"], &headers["x-auth-scopes"]),
            (&"ops".parse().unwrap(), &"".parse().unwrap())
        );
        assert_eq!(headers.len(), 5);
    }
}
