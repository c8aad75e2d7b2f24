//! Challenges of servers that require a token (RFC 6750; RFC 9728).

use ::http::HeaderMap;
use ::http::header::WWW_AUTHENTICATE;

/// Parameters of a `WWW-Authenticate` challenge that a client evaluates.
///
/// See [RFC 6750, section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3) and
/// [RFC 9728, section 5.1](https://www.rfc-editor.org/rfc/rfc9728#section-5.1).
///
/// # Example
///
/// ```
/// use http::HeaderMap;
/// use mcp_gateway_auth::client::Challenge;
///
/// let mut headers = HeaderMap::new();
/// let value = r#"Bearer error="insufficient_scope", scope="files:read files:write""#;
/// headers.insert("www-authenticate", value.parse().unwrap());
/// let challenge = Challenge::parse(&headers);
/// assert_eq!(challenge.error.as_deref(), Some("insufficient_scope"));
/// assert_eq!(challenge.scope.as_deref(), Some("files:read files:write"));
/// assert_eq!(challenge.resource_metadata, None);
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Challenge {
    /// Error code, such as `invalid_token` or `insufficient_scope`.
    pub error: Option<String>,
    /// URL of the protected resource metadata.
    pub resource_metadata: Option<String>,
    /// Scopes that the token must have, separated by spaces.
    pub scope: Option<String>,
}

impl Challenge {
    /// Parses the challenges of a response. Absent and malformed parameters are `None`.
    #[must_use]
    pub fn parse(headers: &HeaderMap) -> Self {
        let values = headers.get_all(WWW_AUTHENTICATE).iter();
        let texts: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
        let all = texts.join(", ");
        Self {
            error: parameter(&all, "error"),
            resource_metadata: parameter(&all, "resource_metadata"),
            scope: parameter(&all, "scope"),
        }
    }
}

/// Returns the quoted parameter `name` of a challenge.
fn parameter(challenge: &str, name: &str) -> Option<String> {
    let mut rest = challenge;
    while let Some(at) = rest.find(name) {
        let (before, after) = (&rest[..at], &rest[at + name.len()..]);
        let begins = before.is_empty() || before.ends_with([' ', ',']);
        if let Some(value) = after.strip_prefix("=\"").filter(|_| begins) {
            return value.split_once('"').map(|(value, _)| value.to_owned());
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_understood_whatever_else_is_in_it() {
        let text = "Bearer error=\"invalid_token\", x_scope=\"no\", \
                    resource_metadata=\"https://a.example/x\", scope=\"mcp more\"";
        let mut both = HeaderMap::new();
        both.append(WWW_AUTHENTICATE, "Basic realm=\"x\"".parse().unwrap());
        both.append(WWW_AUTHENTICATE, text.parse().unwrap());
        let found = Challenge::parse(&both);
        assert_eq!(
            found.resource_metadata.as_deref(),
            Some("https://a.example/x")
        );
        assert_eq!(found.scope.as_deref(), Some("mcp more"));
        assert_eq!(found.error.as_deref(), Some("invalid_token"));
        assert_eq!(Challenge::parse(&HeaderMap::new()), Challenge::default());
    }
}
