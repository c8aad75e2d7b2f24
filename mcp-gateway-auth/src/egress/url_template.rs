//! URLs with values of others at some places.

use std::fmt;
use std::sync::Arc;

use url::Url;

/// URL in which values of others stand at some places, and cannot change any other place.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::egress::{UrlPart, UrlPiece, UrlTemplate};
///
/// let pieces = [
///     UrlPiece::Text("https://"),
///     UrlPiece::Value("tenant"),
///     UrlPiece::Text(".example.com/mcp"),
/// ];
/// let template = UrlTemplate::new(pieces).unwrap();
/// assert_eq!(template.values().next(), Some(("tenant", UrlPart::Subdomain)));
/// let url = template.expand(|_, part| part.encode("acme"));
/// assert_eq!(url.as_deref(), Ok("https://acme.example.com/mcp"));
/// let url = template.expand(|_, part| part.encode("evil.example/?"));
/// assert!(url.is_err());
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct UrlTemplate(Vec<Piece>);

/// Piece of a [`UrlTemplate`].
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a template has nothing else")]
pub enum UrlPiece<'a> {
    /// Text as it is.
    Text(&'a str),
    /// Value of this name.
    Value(&'a str),
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Text(String),
    Value(Arc<str>, UrlPart),
}

/// Part of a URL that a value becomes, ordered by what it decides.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum UrlPart {
    /// Text in the query.
    Query,
    /// Text in one segment of the path.
    Path,
    /// Labels of a host whose domain is fixed.
    Subdomain,
    /// Port.
    Port,
    /// Host, with or without a port.
    Host,
    /// Scheme and host, and maybe the beginning of the path.
    Base,
}

/// The reason for which a value cannot become a part of a URL.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlValueError {
    /// It is not the beginning of a URL.
    #[error("expected a URL with http or https, without credentials, query and fragment")]
    Base,
    /// It is not the name of a host.
    #[error("expected the name of a host: letters, digits, '-' and '.'")]
    Host,
    /// It is not one segment of a path.
    #[error("expected one segment of a path, without '/'")]
    Path,
    /// It is not a port.
    #[error("expected a port between 1 and 65535")]
    Port,
}

/// A value stands at a place of a URL where none can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a value cannot be part of the scheme, of credentials or of the fragment")]
#[non_exhaustive]
pub struct UrlTemplateError;

impl UrlTemplate {
    /// Creates a template of `pieces`.
    ///
    /// # Errors
    ///
    /// [`UrlTemplateError`] if a value stands where none can be.
    pub fn new<'a>(
        pieces: impl IntoIterator<Item = UrlPiece<'a>>,
    ) -> Result<Self, UrlTemplateError> {
        let pieces: Vec<_> = pieces.into_iter().collect();
        let place = |pieces: &[UrlPiece<'_>]| -> String {
            let texts = pieces.iter().map(|piece| match piece {
                UrlPiece::Text(text) => *text,
                UrlPiece::Value(_) => PLACE,
            });
            texts.collect()
        };
        let read = |(at, piece): (usize, &UrlPiece<'_>)| {
            Ok(match *piece {
                UrlPiece::Text(text) => Piece::Text(text.to_owned()),
                UrlPiece::Value(name) => {
                    let part = part_between(&place(&pieces[..at]), &place(&pieces[at + 1..]));
                    Piece::Value(name.into(), part.ok_or(UrlTemplateError)?)
                }
            })
        };
        let read = pieces.iter().enumerate().map(read);
        read.collect::<Result<_, _>>().map(Self)
    }

    /// Returns the names of the values, with the parts that they become.
    pub fn values(&self) -> impl Iterator<Item = (&str, UrlPart)> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Value(name, part) => Some((&**name, *part)),
        })
    }

    /// Returns the URL with what `value` returns for each name, usually [`UrlPart::encode`].
    ///
    /// # Errors
    ///
    /// The first error of `value`.
    pub fn expand<E>(
        &self,
        mut value: impl FnMut(&str, UrlPart) -> Result<String, E>,
    ) -> Result<String, E> {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => Ok(text.clone()),
            Piece::Value(name, part) => value(name, *part),
        });
        pieces.collect()
    }

    /// Returns the URL with samples instead of values, for a check of the rest.
    #[must_use]
    pub fn sample(&self) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text,
            Piece::Value(_, part) => part.sample(),
        });
        pieces.collect()
    }
}

impl UrlPart {
    /// Returns `value` in the form of this part.
    ///
    /// Whatever has a meaning in a query or a path is percent-encoded.
    ///
    /// # Errors
    ///
    /// [`UrlValueError`] if the value would change another part.
    pub fn encode(self, value: &str) -> Result<String, UrlValueError> {
        match self {
            Self::Query => Ok(percent_encoded(value)),
            Self::Path => {
                // Even if they are encoded, many servers resolve dots and split at slashes.
                let is_segment = !value.contains(['/', '\\']) && !value.chars().all(|c| c == '.');
                let encoded = is_segment.then(|| percent_encoded(value));
                encoded.ok_or(UrlValueError::Path)
            }
            Self::Subdomain => checked(value, is_host, UrlValueError::Host),
            Self::Port => checked(value, is_port, UrlValueError::Port),
            Self::Host => {
                let is_valid = |value: &str| match value.split_once(':') {
                    Some((host, port)) => is_host(host) && is_port(port),
                    None => is_host(value),
                };
                checked(value, is_valid, UrlValueError::Host)
            }
            Self::Base => checked(value, is_base, UrlValueError::Base),
        }
    }

    /// Returns `true` if a value cannot decide to whom a request is sent.
    #[must_use]
    pub fn is_bounded(self) -> bool {
        self <= Self::Subdomain
    }

    /// Returns a valid value.
    #[must_use]
    pub fn sample(self) -> &'static str {
        match self {
            Self::Query | Self::Path | Self::Subdomain => "sample",
            Self::Port => "443",
            Self::Host => "sample.example.com",
            Self::Base => "https://sample.example.com",
        }
    }
}

impl fmt::Debug for UrlTemplate {
    /// Omits texts, which may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.values()).finish()
    }
}

/// Returns the part of a URL between two texts, in which other values are [`PLACE`].
fn part_between(before: &str, after: &str) -> Option<UrlPart> {
    if before.is_empty() {
        // Otherwise the scheme or the host would be that of the value in part.
        let is_whole = after.is_empty() || after.starts_with(['/', '?']);
        return is_whole.then_some(UrlPart::Base);
    }
    let rest = match before.split_once("://") {
        Some((_, rest)) => rest,
        // The URL begins with a value, which has the scheme and the host.
        None if before.starts_with(PLACE) => &before[before.find('/')?..],
        None => return None,
    };
    if rest.contains('#') {
        return None;
    }
    if rest.contains('?') {
        return Some(UrlPart::Query);
    }
    if rest.contains(['/', '\\']) {
        return Some(UrlPart::Path);
    }
    let end = after.find(['/', '\\', '?', '#']).unwrap_or(after.len());
    let after = &after[..end];
    if rest.contains('@') || after.contains('@') {
        return None;
    }
    if rest.contains(':') {
        return Some(UrlPart::Port);
    }
    Some(match is_domain(after) {
        true => UrlPart::Subdomain,
        false => UrlPart::Host,
    })
}

/// Returns `true` if the end of a host has at least two fixed labels after its first dot.
fn is_domain(text: &str) -> bool {
    let text = text.split(':').next().unwrap_or(text);
    let fixed = text.rsplit(PLACE).next().unwrap_or(text);
    let Some((_, domain)) = fixed.split_once('.') else {
        return false;
    };
    let is_name = domain
        .rsplit('.')
        .next()
        .is_some_and(|last| last.starts_with(|first: char| first.is_ascii_alphabetic()));
    // An address has digits at its end.
    domain.contains('.') && is_host(domain) && is_name
}

fn checked(
    value: &str,
    is_valid: impl Fn(&str) -> bool,
    error: UrlValueError,
) -> Result<String, UrlValueError> {
    is_valid(value).then(|| value.to_owned()).ok_or(error)
}

/// Returns `true` if `value` consists of labels of a host.
fn is_host(value: &str) -> bool {
    let is_label = |label: &str| {
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(is_valid)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    value.len() <= 253 && value.split('.').all(is_label)
}

fn is_port(value: &str) -> bool {
    let is_decimal = value.bytes().all(|byte| byte.is_ascii_digit());
    is_decimal && value.parse::<u16>().is_ok_and(|port| port > 0)
}

fn is_base(value: &str) -> bool {
    Url::parse(value).is_ok_and(|url| {
        let is_plain = url.username().is_empty() && url.password().is_none();
        let is_base = url.query().is_none() && url.fragment().is_none();
        matches!(url.scheme(), "http" | "https") && is_plain && is_base
    })
}

/// Encodes all bytes but the unreserved ones (RFC 3986, section 2.3).
fn percent_encoded(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Place of another value. No URL has a control character.
const PLACE: &str = "\0";

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the template of a text whose values are single letters in braces.
    fn template(text: &str) -> Result<UrlTemplate, UrlTemplateError> {
        let pieces = text.split('{').enumerate().flat_map(|(at, text)| match at {
            0 => [Some(UrlPiece::Text(text)), None],
            _ => [
                Some(UrlPiece::Value(&text[..1])),
                Some(UrlPiece::Text(&text[2..])),
            ],
        });
        let is_text = |piece: &UrlPiece<'_>| !matches!(piece, UrlPiece::Text(""));
        UrlTemplate::new(pieces.flatten().filter(is_text))
    }

    #[test]
    fn values_have_the_part_of_their_place() {
        use UrlPart::{Base, Host, Path, Port, Query, Subdomain};
        let table: [(&str, &[UrlPart]); 16] = [
            ("https://{a}.example.com/mcp", &[Subdomain]),
            ("https://api-{a}.eu.example.com:8443", &[Subdomain]),
            ("https://{a}.{b}.example.com/", &[Subdomain, Subdomain]),
            ("https://{a}.{b}.com/", &[Host, Host]),
            ("https://{a}.com/", &[Host]),
            ("https://{a}/mcp", &[Host]),
            ("https://{a}example.com/", &[Host]),
            ("https://{a}.0.0.1/", &[Host]),
            ("https://{a}:{b}/", &[Host, Port]),
            ("https://a.example.com/{a}/{b}", &[Path, Path]),
            ("https://a.example.com?a={a}/{b}", &[Query, Query]),
            ("https://a.example.com\\{a}", &[Path]),
            ("{a}", &[Base]),
            ("{a}/{b}?c={c}", &[Base, Path, Query]),
            ("http://localhost:{a}/", &[Port]),
            ("https://a.example.com/", &[]),
        ];
        for (text, expected) in table {
            let parts: Vec<_> = template(text).unwrap().values().map(|it| it.1).collect();
            assert_eq!(parts, expected, "{text}");
            // An address has no labels before it.
            let is_valid = Url::parse(&template(text).unwrap().sample()).is_ok();
            assert_eq!(is_valid, !text.contains(".0.0.1"), "{text}");
        }
        for text in [
            "{a}s://a.example.com",
            "ht{a}://b",
            "https://{a}@a.example.com",
            "https://{a}:{b}@a.example.com/",
            "https://b:{a}@a.example.com/",
            "https://a.example.com/#{a}",
        ] {
            assert!(template(text).is_err(), "{text}");
        }
    }

    #[test]
    fn category_url_value_stays_at_its_place() {
        let url = |text: &str, value: &str| {
            let url = template(text).unwrap();
            url.expand(|_, part| part.encode(value))
        };
        let host = "https://{a}.example.com/mcp";
        for value in [
            "", ".", "a.", "-a", "a/", "a?", "a#", "a@b", "a:1", "a\\", "a%2f", "a b", "ä", "a..b",
        ] {
            assert_eq!(url(host, value), Err(UrlValueError::Host), "{value}");
        }
        let path = "https://a.example.com/{a}/mcp";
        for value in ["", ".", "..", "a/b", "/", "a\\b", "..\\"] {
            assert_eq!(url(path, value), Err(UrlValueError::Path), "{value}");
        }
        for (text, value, expected) in [
            (host, "a.b-1", "https://a.b-1.example.com/mcp"),
            (
                path,
                "a b?c#d&e%2F",
                "https://a.example.com/a%20b%3Fc%23d%26e%252F/mcp",
            ),
            (
                "https://a.example.com?a={a}&b=",
                "1&b=2#",
                "https://a.example.com?a=1%26b%3D2%23&b=",
            ),
            (
                "https://{a}/mcp",
                "a.example.com:8443",
                "https://a.example.com:8443/mcp",
            ),
            (
                "{a}/mcp",
                "https://a.example.com/v1",
                "https://a.example.com/v1/mcp",
            ),
        ] {
            assert_eq!(url(text, value).as_deref(), Ok(expected), "{text} {value}");
        }
        for value in ["a.example.com/", "a@b", "a:0", "a:x"] {
            assert!(url("https://{a}/", value).is_err(), "{value}");
        }
        for value in ["0", "65536", "+1", "1/", ""] {
            assert!(url("https://a:{a}/", value).is_err(), "{value}");
        }
        for value in [
            "file:///etc",
            "https://a?b",
            "https://a@b",
            "a",
            "https://a#",
        ] {
            assert!(url("{a}/", value).is_err(), "{value}");
        }
    }

    #[test]
    fn values_decide_only_what_is_bounded() {
        let parts = [UrlPart::Query, UrlPart::Path, UrlPart::Subdomain];
        assert!(parts.into_iter().all(UrlPart::is_bounded));
        let parts = [UrlPart::Port, UrlPart::Host, UrlPart::Base];
        assert!(!parts.into_iter().any(UrlPart::is_bounded));
    }
}
