//! Challenges that direct clients to the authorization server.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};

use crate::problem::DPOP;

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
    /// Signature algorithms of accepted proofs of possession.
    algorithms: Option<Arc<str>>,
}

impl ProtectedResource {
    /// Creates metadata whose document is at the absolute URL `metadata`.
    #[must_use]
    pub fn new(metadata: impl Into<Arc<str>>) -> Self {
        Self {
            metadata: metadata.into(),
            scope: None,
            algorithms: None,
        }
    }

    /// Sets the scopes that clients should request: one, or several separated by spaces.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<Arc<str>>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Adds a challenge for tokens that are bound to a key, with the signature `algorithms` of accepted
    /// proofs, separated by spaces ([RFC 9449, section
    /// 7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1)).
    ///
    /// # Example
    ///
    /// ```
    /// use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
    /// use mcp_gateway_core::auth::ProtectedResource;
    ///
    /// let resource = ProtectedResource::new("https://gw.example.com/metadata").with_dpop("ES256");
    /// let mut headers = HeaderMap::new();
    /// headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    /// resource.extend_challenge(&mut headers);
    /// let challenges: Vec<_> = headers.get_all(WWW_AUTHENTICATE).iter().collect();
    /// let metadata = "resource_metadata=\"https://gw.example.com/metadata\"";
    /// assert_eq!(challenges[0], &format!("Bearer {metadata}"));
    /// assert_eq!(challenges[1], &format!("DPoP algs=\"ES256\", {metadata}"));
    /// ```
    #[must_use]
    pub fn with_dpop(mut self, algorithms: impl Into<Arc<str>>) -> Self {
        self.algorithms = Some(algorithms.into());
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
        let bound = self.algorithms.as_ref().and_then(|algorithms| {
            let (scheme, params) = text.split_once(' ')?;
            Some((
                scheme == DPOP,
                format!("{DPOP} algs=\"{algorithms}\", {params}"),
            ))
        });
        let (first, second) = match bound {
            Some((true, bound)) => (bound, None),
            Some((false, bound)) => (text, Some(bound)),
            None => (text, None),
        };
        if let Ok(value) = HeaderValue::from_str(&first) {
            *challenge = value;
        }
        // After the other one: clients that know one challenge read the first.
        if let Some(Ok(value)) = second.map(HeaderValue::try_from) {
            headers.append(header::WWW_AUTHENTICATE, value);
        }
    }
}
