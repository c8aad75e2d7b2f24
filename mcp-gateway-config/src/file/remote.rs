//! Servers that run elsewhere.

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Uri};
use mcp_gateway_core::endpoint::is_forwardable;
use mcp_gateway_core::upstream::Protocol;
use mcp_gateway_platform::spec::{Remote, Secret};

use super::network::web_url;
use super::secret::Setting;
use crate::document::{Field, Read};

impl Read for Remote {
    fn read(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let url = table.required("url", |field| field.parse("a URL", endpoint));
        let mut headers = table.get_with("headers", headers).unwrap_or_default();
        if let Some(field) = table.field("bearer") {
            headers.extend(bearer(&field));
            if headers
                .iter()
                .filter(|(name, _)| name == AUTHORIZATION)
                .count()
                > 1
            {
                field.problem("headers has the authorization already");
            }
        }
        let protocol = table.get_with("protocol", |field| field.choice(&PROTOCOLS));
        table.finish();
        let mut remote = Self::new(url?);
        remote.headers = headers;
        remote.protocol = protocol.flatten();
        Some(remote)
    }
}

/// Reads where a server answers.
///
/// # Errors
///
/// What is wrong with `text`.
pub fn endpoint(text: &str) -> Result<Uri, String> {
    let url = web_url(text)?;
    url.as_str()
        .parse()
        .map_err(|_| "it cannot be requested".to_owned())
}

fn headers(field: &Field<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let entries = field.entries()?;
    let headers = entries
        .iter()
        .filter_map(|(name, field)| header(name, field));
    Some(headers.collect())
}

fn header(name: &str, field: &Field<'_>) -> Option<(HeaderName, HeaderValue)> {
    let name = match header_name(name) {
        Ok(name) => name,
        Err(message) => {
            field.problem(message);
            return None;
        }
    };
    let secret = match SECRET.contains(&name.as_str()) {
        true => field.read::<Secret>()?,
        false => field.read::<Setting>()?.0,
    };
    Some((name, read_value(secret.expose(), field)?))
}

fn bearer(field: &Field<'_>) -> Option<(HeaderName, HeaderValue)> {
    let secret: Secret = field.read()?;
    let value = read_value(&format!("Bearer {}", secret.expose()), field)?;
    Some((AUTHORIZATION, value))
}

/// Reads the name of a header to present.
pub(crate) fn header_name(name: &str) -> Result<HeaderName, String> {
    let name = HeaderName::try_from(name);
    let name = name.map_err(|_| "this is no name of a header".to_owned())?;
    // A credential is the gateway's own here, not the caller's.
    let own = SECRET.contains(&name.as_str()) || is_forwardable(&name);
    match own {
        true => Ok(name),
        false => Err("this header belongs to the connection or the protocol".to_owned()),
    }
}

/// Reads the value of a header to present, which may be secret.
pub(crate) fn read_value(text: &str, field: &Field<'_>) -> Option<HeaderValue> {
    let value = header_value(text);
    if value.is_none() {
        field.problem("this cannot be the value of a header");
    }
    value
}

/// The value of a header that is not to be shown.
#[must_use]
pub fn header_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

const PROTOCOLS: [(&str, Option<Protocol>); 4] = [
    ("auto", None),
    ("modern", Some(Protocol::Modern)),
    ("legacy", Some(Protocol::Legacy)),
    ("sse", Some(Protocol::Sse)),
];

/// Headers whose values are secrets, whatever a file says.
const SECRET: [&str; 5] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
    "x-auth-token",
];
