//! Challenges of servers that reject a credential.

use std::sync::Arc;

use http::{HeaderMap, StatusCode, header};

/// The challenge of a server that rejected a credential: HTTP status and `WWW-Authenticate`.
///
/// Cloning is cheap. Parameters that occur in several challenges of a response are read from the
/// first. See [RFC 9110, section 11.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1),
/// [RFC 6750, section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3) and [RFC 9728, section
/// 5.1](https://www.rfc-editor.org/rfc/rfc9728#section-5.1).
///
/// # Example
///
/// ```
/// use http::{HeaderMap, HeaderValue, StatusCode, header};
/// use mcp_gateway_core::credential::Challenge;
///
/// let value = r#"Bearer error="insufficient_scope", scope="files:read files:write""#;
/// let mut headers = HeaderMap::new();
/// headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(value));
/// let challenge = Challenge::new(StatusCode::FORBIDDEN, &headers);
/// assert!(challenge.is_insufficient_scope());
/// assert_eq!(challenge.schemes().collect::<Vec<_>>(), ["Bearer"]);
/// assert_eq!(challenge.scopes().collect::<Vec<_>>(), ["files:read", "files:write"]);
/// assert_eq!(challenge.resource_metadata(), None);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[doc(alias = "WWW-Authenticate")]
pub struct Challenge(Arc<Parts>);

/// Parts of a challenge.
#[derive(Debug, Eq, PartialEq)]
struct Parts {
    status: StatusCode,
    /// Challenges in the order of the response.
    schemes: Vec<Scheme>,
}

/// Challenge of one authentication scheme.
#[derive(Debug, Eq, PartialEq)]
struct Scheme {
    name: String,
    /// Names in lower case, and values without quotes.
    params: Vec<(String, String)>,
}

impl Challenge {
    /// Parses the challenge of a response. Malformed parts are skipped.
    #[must_use]
    pub fn new(status: StatusCode, headers: &HeaderMap) -> Self {
        let mut schemes = Vec::new();
        for value in headers.get_all(header::WWW_AUTHENTICATE) {
            for element in value.to_str().into_iter().flat_map(elements) {
                read(element, &mut schemes);
            }
        }
        Self(Arc::new(Parts { status, schemes }))
    }

    /// Returns the HTTP status: 401 or 403.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Returns the names of the authentication schemes, such as `Bearer`, in the order of the
    /// response.
    pub fn schemes(&self) -> impl Iterator<Item = &str> {
        self.0.schemes.iter().map(|scheme| &*scheme.name)
    }

    /// Returns the value of the parameter `name`, which is compared without regard to case.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        let mut params = self.0.schemes.iter().flat_map(|scheme| &scheme.params);
        let found = params.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| &**value)
    }

    /// Returns the error code of RFC 6750, such as `invalid_token`.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.param("error")
    }

    /// Returns the scopes that the request requires.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.param("scope")
            .into_iter()
            .flat_map(str::split_whitespace)
    }

    /// Returns the URL of the protected resource metadata of RFC 9728.
    #[must_use]
    pub fn resource_metadata(&self) -> Option<&str> {
        self.param("resource_metadata")
    }

    /// Returns `true` if the credential is valid, and lacks a scope.
    #[must_use]
    pub fn is_insufficient_scope(&self) -> bool {
        self.error() == Some("insufficient_scope")
    }
}

/// Splits a header value at the commas outside of quotes.
fn elements(value: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    value.split(move |char| {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' => return !quoted,
            _ => {}
        }
        false
    })
}

/// Adds an element of the list: the begin of a challenge, or a parameter of the last one.
fn read(element: &str, schemes: &mut Vec<Scheme>) {
    let element = element.trim();
    let end = element.find([' ', '\t', '=']).unwrap_or(element.len());
    let (first, rest) = element.split_at(end);
    if first.is_empty() {
        return;
    }
    let rest = rest.trim_start();
    let param = match rest.strip_prefix('=') {
        Some(value) => Some((first, value)),
        None => {
            schemes.push(Scheme {
                name: first.to_owned(),
                params: Vec::new(),
            });
            rest.split_once('=')
        }
    };
    if let (Some((name, value)), Some(scheme)) = (param, schemes.last_mut()) {
        let name = name.trim().to_ascii_lowercase();
        scheme.params.push((name, unquoted(value.trim())));
    }
}

/// Returns the text of a token or of a quoted string.
fn unquoted(value: &str) -> String {
    let Some(quoted) = value.strip_prefix('"') else {
        return value.to_owned();
    };
    let mut text = String::new();
    let mut chars = quoted.chars();
    while let Some(char) = chars.next() {
        match char {
            '"' => break,
            '\\' => text.extend(chars.next()),
            char => text.push(char),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(values: &[&str]) -> Challenge {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::WWW_AUTHENTICATE, value.parse().unwrap());
        }
        Challenge::new(StatusCode::UNAUTHORIZED, &headers)
    }

    #[test]
    fn challenges_of_several_schemes_are_parsed() {
        let table = [
            (vec![], 0, None),
            (vec!["Bearer"], 1, None),
            (vec!["Negotiate abc==", "Basic realm=\"a, b\""], 2, None),
            (vec!["Basic realm=x, Bearer scope=\"a\""], 2, Some("a")),
            (vec!["bearer SCOPE = \"a b\" , error=x"], 1, Some("a b")),
            (
                vec!["Bearer x_scope=\"no\", scope=\"a \\\"b\\\" \\\\\""],
                1,
                Some("a \"b\" \\"),
            ),
            (
                vec![",, Bearer scope=\"unterminated"],
                1,
                Some("unterminated"),
            ),
            (vec!["scope=\"of no scheme\""], 0, None),
        ];
        for (values, schemes, scope) in table {
            let challenge = parse(&values);
            assert_eq!(challenge.schemes().count(), schemes, "{values:?}");
            assert_eq!(challenge.param("scope"), scope, "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "[ -~]{0,64}") {
            let _ = parse(&[&text]);
        }
    }
}
