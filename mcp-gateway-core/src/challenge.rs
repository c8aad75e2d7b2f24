//! Challenges of servers that reject a credential.

use std::sync::Arc;

use http::{HeaderMap, StatusCode, header};

/// Challenge of a server that rejected a credential: HTTP status and `WWW-Authenticate`.
///
/// Cloning is cheap. See [RFC 9110, section
/// 11.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1), [RFC 6750, section
/// 3](https://www.rfc-editor.org/rfc/rfc6750#section-3) and [RFC 9728, section
/// 5.1](https://www.rfc-editor.org/rfc/rfc9728#section-5.1).
///
/// # Lenient input
///
/// Servers deviate from the grammar. All headers of a response and all challenges of a header are
/// read as one list of schemes and parameters:
///
/// - a parameter that occurs several times has its first value;
/// - names are compared without regard to case;
/// - a value is quoted, or extends to the next comma or parameter;
/// - parameters are separated by commas, semicolons or spaces;
/// - parameters without a scheme are accepted;
/// - text that is no UTF-8 is replaced, and everything else that is malformed is skipped.
///
/// A parameter inside the quoted value of another one is text.
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
    /// Names of the authentication schemes in the order of the response.
    schemes: Vec<String>,
    /// Names and values without quotes, in the order of the response.
    params: Vec<(String, String)>,
}

impl Challenge {
    /// Parses the challenge of a response. Malformed parts are skipped.
    #[must_use]
    pub fn new(status: StatusCode, headers: &HeaderMap) -> Self {
        let mut parts = Parts {
            status,
            schemes: Vec::new(),
            params: Vec::new(),
        };
        for value in headers.get_all(header::WWW_AUTHENTICATE) {
            parts.read(&String::from_utf8_lossy(value.as_bytes()));
        }
        Self(Arc::new(parts))
    }

    /// Returns the HTTP status: 401 or 403.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Returns the names of the authentication schemes, such as `Bearer`, in the order of the
    /// response.
    pub fn schemes(&self) -> impl Iterator<Item = &str> {
        self.0.schemes.iter().map(String::as_str)
    }

    /// Returns the value of the parameter `name`, which is compared without regard to case.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        let mut params = self.0.params.iter();
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

impl Parts {
    /// Adds the schemes and parameters of a header value.
    fn read(&mut self, value: &str) {
        let mut rest = value;
        let mut begins = true;
        loop {
            let next = rest.trim_start_matches([' ', '\t', ',', ';']);
            begins |= rest[..rest.len() - next.len()].contains(',');
            if next.is_empty() {
                return;
            }
            let end = next.find([' ', '\t', ',', ';', '=']).unwrap_or(next.len());
            let (word, after) = next.split_at(end);
            if let Some(value) = after.trim_start().strip_prefix('=') {
                let (value, after) = parameter_value(value.trim_start());
                self.params.push((word.to_owned(), value));
                rest = after;
            } else {
                // Other words are credentials of the scheme, such as those of `Negotiate`.
                if begins && is_token(word) {
                    self.schemes.push(word.to_owned());
                }
                rest = after;
            }
            begins = false;
        }
    }
}

/// Returns the value at the beginning of `text`, and the text after it.
fn parameter_value(text: &str) -> (String, &str) {
    if let Some(quoted) = text.strip_prefix('"') {
        return quoted_string(quoted);
    }
    let comma = text.find(',').unwrap_or(text.len());
    let spaces = text[..comma].match_indices([' ', '\t']);
    let end = spaces
        .map(|(at, _)| at)
        .find(|at| begins_parameter(&text[*at..comma]))
        .unwrap_or(comma);
    let value = text[..end].trim_end_matches([' ', '\t', ';']);
    (value.to_owned(), &text[end..])
}

/// Returns `true` if `text` begins with the name of a parameter and an equals sign.
fn begins_parameter(text: &str) -> bool {
    let name = text.trim_start().split_once('=');
    name.is_some_and(|(name, _)| is_token(name))
}

/// Returns the text up to the closing quote, and the text after it.
fn quoted_string(quoted: &str) -> (String, &str) {
    let mut text = String::new();
    let mut chars = quoted.chars();
    while let Some(char) = chars.next() {
        match char {
            '"' => break,
            '\\' => text.extend(chars.next()),
            char => text.push(char),
        }
    }
    (text, chars.as_str())
}

/// Returns `true` if `text` is a `token` (RFC 9110, section 5.6.2).
fn is_token(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn parse(values: &[&str]) -> Challenge {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(header::WWW_AUTHENTICATE, value);
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
            (vec!["scope=\"of no scheme\""], 0, Some("of no scheme")),
            (vec!["Bearer error=\"x\" scope=\"a b\""], 1, Some("a b")),
            (vec!["Bearer realm=\"x\"; scope=\"a\""], 1, Some("a")),
            (vec!["Bearer; scope=\"a\""], 1, Some("a")),
            (vec!["Bearer error=x scope=a b, realm=y"], 1, Some("a b")),
            (vec!["Negotiate abc, Bearer scope=a"], 2, Some("a")),
            (vec!["Bearer", "scope=\"a\"", "scope=\"b\""], 1, Some("a")),
            (
                vec!["Bearer realm=\"caf\u{e9}\", scope=\"a\""],
                1,
                Some("a"),
            ),
            (vec!["Bearer realm=\"a, scope=b\""], 1, None),
        ];
        for (values, schemes, scope) in table {
            let challenge = parse(&values);
            assert_eq!(challenge.schemes().count(), schemes, "{values:?}");
            assert_eq!(challenge.param("scope"), scope, "{values:?}");
        }
    }

    #[test]
    fn the_parameters_of_a_resource_server_are_parsed() {
        let challenge = parse(&[
            "Basic realm=\"x\"",
            "Bearer error=\"invalid_token\", x_scope=\"no\", \
             resource_metadata=\"https://a.example/x\", scope=\"mcp more\"",
        ]);
        assert_eq!(challenge.resource_metadata(), Some("https://a.example/x"));
        assert_eq!(challenge.scopes().collect::<Vec<_>>(), ["mcp", "more"]);
        assert_eq!(challenge.error(), Some("invalid_token"));
        let unquoted = parse(&["Bearer resource_metadata=https://a.example/x?y=1;z, error=e"]);
        assert_eq!(
            unquoted.resource_metadata(),
            Some("https://a.example/x?y=1;z")
        );
        assert_eq!(unquoted.error(), Some("e"));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "[ -~]{0,64}") {
            let _ = parse(&[&text]);
        }
    }
}
