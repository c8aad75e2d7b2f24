use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};

/// Where clients that are refused learn how to get a token.
///
/// See [RFC 9728](https://www.rfc-editor.org/rfc/rfc9728#section-5.1).
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
/// resource.complete(&mut headers);
/// assert_eq!(
///     headers[WWW_AUTHENTICATE],
///     format!("Bearer error=\"invalid_token\", resource_metadata=\"{url}\", scope=\"mcp\""),
/// );
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProtectedResource {
    metadata: Arc<str>,
    scope: Option<Arc<str>>,
}

impl ProtectedResource {
    /// Described by the document at `metadata`, an absolute URL.
    #[must_use]
    pub fn new(metadata: impl Into<Arc<str>>) -> Self {
        Self {
            metadata: metadata.into(),
            scope: None,
        }
    }

    /// Clients have to be granted `scope`, one or more separated by spaces.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<Arc<str>>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Adds to the challenge in `headers`, if there is one.
    pub fn complete(&self, headers: &mut HeaderMap) {
        let Some(challenge) = headers.get_mut(header::WWW_AUTHENTICATE) else {
            return;
        };
        let Ok(before) = challenge.to_str() else {
            return;
        };
        let separator = if before.contains('=') { ", " } else { " " };
        let mut text = format!("{before}{separator}resource_metadata=\"{}\"", self.metadata);
        // What a request lacks is said already, and is more than every request needs.
        let scope = self.scope.as_ref().filter(|_| !before.contains("scope="));
        if let Some(scope) = scope {
            text = format!("{text}, scope=\"{scope}\"");
        }
        if let Ok(value) = HeaderValue::from_str(&text) {
            *challenge = value;
        }
    }
}
