//! Challenges that direct clients to the authorization server.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};

/// Metadata of a protected resource, added to the challenges of rejected requests.
///
/// It tells clients where to obtain a token. See [RFC 9728, section
/// 5.1](https://www.rfc-editor.org/rfc/rfc9728#section-5.1).
///
/// # Example
///
/// ```
/// use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
/// use mcp_gateway_core::auth::ProtectedResource;
///
/// let url = "https://gw.example.com/.well-known/oauth-protected-resource/mcp";
/// let resource = ProtectedResource::new(url).with_scope("mcp");
///
/// let mut headers = HeaderMap::new();
/// headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
/// resource.extend_challenge(&mut headers);
/// assert_eq!(
///     headers[WWW_AUTHENTICATE],
///     format!("Bearer error=\"invalid_token\", resource_metadata=\"{url}\", scope=\"mcp\""),
/// );
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[doc(alias("RFC 9728", "oauth-protected-resource"))]
pub struct ProtectedResource {
    /// URL of the metadata document.
    metadata: Arc<str>,
    /// Scopes that every request requires.
    scope: Option<Arc<str>>,
}

impl ProtectedResource {
    /// Creates metadata whose document is at the absolute URL `metadata`.
    #[must_use]
    pub fn new(metadata: impl Into<Arc<str>>) -> Self {
        Self {
            metadata: metadata.into(),
            scope: None,
        }
    }

    /// Sets the scopes that clients should request: one, or several separated by spaces.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<Arc<str>>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Completes the challenge in `WWW-Authenticate`; does nothing if `headers` contains none.
    pub fn extend_challenge(&self, headers: &mut HeaderMap) {
        let Some(challenge) = headers.get_mut(header::WWW_AUTHENTICATE) else {
            return;
        };
        let Ok(before) = challenge.to_str() else {
            return;
        };
        let separator = if before.contains('=') { ", " } else { " " };
        let mut text = format!("{before}{separator}resource_metadata=\"{}\"", self.metadata);
        // A scope in the challenge is the one that this request lacks, and is more specific.
        let scope = self.scope.as_ref().filter(|_| !before.contains("scope="));
        if let Some(scope) = scope {
            text = format!("{text}, scope=\"{scope}\"");
        }
        if let Ok(value) = HeaderValue::from_str(&text) {
            *challenge = value;
        }
    }
}
