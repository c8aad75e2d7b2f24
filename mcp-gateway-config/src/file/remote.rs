//! Key `servers[].remote`: servers over HTTP.
//!
//! | Key | Type |
//! |---|---|
//! | `url` | URL, which may refer to inputs; required |
//! | `headers` | map of settings; credentials must be secrets or refer to inputs |
//! | `bearer` | secret, or setting that refers to inputs |
//! | `protocol` | `auto`, `modern`, `legacy` or `sse` |
//! | `auth.oauth` | [`RemoteOAuth`]: `clientId`, `clientSecret`, `resourceIndicator`, `scopes` |
//! | `auth.forward` | [`RemoteForward`]: `audiences`, required, and `issuers` |
//! | `auth.clientCredentials` | [`RemoteClientCredentials`](mcp_gateway_platform::spec::RemoteClientCredentials) |
//! | `auth.tokenExchange` | [`RemoteTokenExchange`], alone or with `auth.oauth` |

use std::net::IpAddr;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Uri};
use mcp_gateway_core::endpoint::is_forwardable;
use mcp_gateway_core::upstream::UpstreamProtocol;
use mcp_gateway_platform::spec::{
    DynamicSpec, Remote, RemoteAuth, RemoteForward, RemoteOAuth, RemoteTokenExchange, Secret,
    Template, UrlTemplate, url_template,
};

use super::input::template;
use super::name_of;
use super::network::web_url;
use super::secret::Setting;
use crate::document::{Field, FromField};

impl FromField for Remote {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let url = table.required("url", |field| field.parse("a URL", address));
        let mut headers = table.get_with("headers", headers).unwrap_or_default();
        if let Some(field) = table.field("bearer") {
            headers.extend(bearer(&field));
            if headers.iter().filter(|one| one.is_authorization()).count() > 1 {
                field.error("bearer and headers.authorization are mutually exclusive");
            }
        }
        let protocol = table.get_with("protocol", |field| field.choice(&PROTOCOLS));
        let auth = table.field("auth");
        if let (Some(field), true) = (&auth, headers.iter().any(Header::is_authorization)) {
            field.error("auth and a configured authorization are mutually exclusive");
        }
        table.finish();
        let (url, template) = url?;
        let mut remote = Self::new(url);
        remote.url_template = template;
        if let Some(field) = auth {
            check_secure(&remote.url, "auth", &field);
            (remote.auth, remote.exchange) = authentication(&field);
        }
        for header in headers {
            match header {
                Header::Fixed(name, value) => remote.headers.push((name, value)),
                Header::Template(name, template) => remote.templates.push((name, template)),
            }
        }
        if !remote.templates.is_empty() || remote.url_template.is_some() {
            check_secure(&remote.url, "an input", field);
        }
        remote.protocol = protocol.flatten();
        Some(remote)
    }
}

/// Request header.
enum Header {
    /// The same for all callers.
    Fixed(HeaderName, HeaderValue),
    /// With the values of inputs.
    Template(HeaderName, Template),
}

impl Header {
    fn is_authorization(&self) -> bool {
        let (Self::Fixed(name, _) | Self::Template(name, _)) = self;
        name == AUTHORIZATION
    }
}

/// Reads the authentication at a server, and the exchange of the identities of callers.
///
/// A server has one of both, or accounts of callers beside an exchange: gateways choose then.
fn authentication(field: &Field<'_>) -> (Option<RemoteAuth>, Option<Box<RemoteTokenExchange>>) {
    let Some(mut table) = field.table() else {
        return (None, None);
    };
    let exchange = table.field("tokenExchange");
    let others = ["clientCredentials", "forward"].map(|key| (key, table.field(key)));
    let oauth = table.field("oauth");
    let mut others = others
        .into_iter()
        .filter_map(|(key, field)| Some((key, field?)));
    let auth = match (others.next(), oauth, &exchange) {
        (None, Some(oauth), _) => oauth.read().map(RemoteAuth::OAuth),
        (None, None, Some(_)) => None,
        (None, None, None) => {
            field.error(format!("missing one of: {KINDS}"));
            None
        }
        (Some((key, field)), None, None) if others.next().is_none() => match key {
            "forward" => field.read().map(RemoteAuth::Forward),
            _ => field.read().map(RemoteAuth::ClientCredentials),
        },
        _ => {
            field.error(format!(
                "only one of these is allowed, except for oauth with tokenExchange: {KINDS}"
            ));
            None
        }
    };
    table.finish();
    (auth, exchange.and_then(|field| field.read().map(Box::new)))
}

impl FromField for RemoteForward {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let audiences: Option<Vec<String>> = table.required("audiences", Field::read);
        let issuers = table.get("issuers").unwrap_or_default();
        if audiences.as_ref().is_some_and(Vec::is_empty) {
            table
                .whole()
                .error("at least one audience of the server is required");
        }
        table.finish();
        let mut forward = Self::new(audiences?);
        forward.issuers = issuers;
        Some(forward)
    }
}

impl FromField for RemoteOAuth {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let mut oauth = Self::default();
        oauth.client_id = table.get("clientId");
        oauth.client_secret = table.get("clientSecret");
        oauth.resource_indicator = table.get("resourceIndicator").unwrap_or(true);
        oauth.scopes = table.get("scopes").unwrap_or_default();
        if oauth.client_secret.is_some() && oauth.client_id.is_none() {
            table.whole().error("clientSecret requires clientId");
        }
        table.finish();
        Some(oauth)
    }
}

/// Records errors of `servers` that are called with identity tokens that no caller can present.
pub(super) fn check_forwarding(spec: &DynamicSpec, servers: &Field<'_>) {
    for field in servers.items().unwrap_or_default() {
        let server = name_of(&field).and_then(|name| spec.server(name));
        let auth = server.and_then(|server| server.transport.auth());
        let Some(RemoteAuth::Forward(forward)) = auth else {
            continue;
        };
        let issuers = &spec.auth.issuers;
        let is_known = |wanted: &&String| issuers.iter().any(|one| one.issuer == **wanted);
        if issuers.is_empty() {
            field.error("auth.forward requires callers with tokens of auth.issuers");
        } else if let Some(issuer) = forward.issuers.iter().find(|one| !is_known(one)) {
            field.error(format!("auth.forward: {issuer} is not one of auth.issuers"));
        }
    }
}

/// Records an error if tokens of callers, which `what` requires, would be readable in transit to
/// `url`.
fn check_secure(url: &Uri, what: &str, field: &Field<'_>) {
    let host = url.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = host.parse().ok();
    let is_local = host == "localhost" || address.is_some_and(|address| address.is_loopback());
    if url.scheme_str() != Some("https") && !is_local {
        field.error(format!(
            "{what} requires a url with https: tokens would be readable in transit"
        ));
    }
}

/// Parses the URL of an MCP endpoint.
///
/// # Errors
///
/// The violated rule of [`web_url`].
///
/// # Example
///
/// ```
/// use mcp_gateway_config::file::remote::endpoint;
///
/// assert_eq!(endpoint("https://mcp.example.com/mcp").unwrap().path(), "/mcp");
/// assert!(endpoint("mcp.example.com").is_err());
/// ```
pub fn endpoint(text: &str) -> Result<Uri, String> {
    let url = web_url(text)?;
    url.as_str()
        .parse()
        .map_err(|_| "not a valid request target".to_owned())
}

/// Parses the URL of an MCP endpoint that may refer to inputs.
///
/// # Errors
///
/// Those of [`endpoint`], and a message if an input could decide to whom requests are sent.
fn address(text: &str) -> Result<(Uri, Option<UrlTemplate>), String> {
    let Some(template) = url_template(text).map_err(|error| error.to_string())? else {
        return Ok((endpoint(text)?, None));
    };
    let mut values = template.values();
    if let Some((name, _)) = values.find(|(_, part)| !part.is_bounded()) {
        return Err(format!(
            "the input {name:?} would decide the host; expected it before a fixed domain, such as \
             https://${{input:{name}}}.example.com, in the path or in the query"
        ));
    }
    let sample = endpoint(&template.sample())?;
    drop(values);
    Ok((sample, Some(template)))
}

fn headers(field: &Field<'_>) -> Option<Vec<Header>> {
    let entries = field.entries()?;
    let headers = entries
        .iter()
        .filter_map(|(name, field)| header(name, field));
    Some(headers.collect())
}

/// Reads a request header. Values of the headers in [`SECRET`] must be secrets, or refer to inputs.
fn header(name: &str, field: &Field<'_>) -> Option<Header> {
    let name = match header_name(name) {
        Ok(name) => name,
        Err(message) => {
            field.error(message);
            return None;
        }
    };
    if let Some(template) = template(field) {
        let Setting(text) = field.read()?;
        read_value(text.expose(), field)?;
        return Some(Header::Template(name, template));
    }
    let secret = match SECRET.contains(&name.as_str()) {
        true => field.read::<Secret>()?,
        false => field.read::<Setting>()?.0,
    };
    let value = read_value(secret.expose(), field)?;
    Some(Header::Fixed(name, value))
}

/// Reads a bearer token as an `Authorization` header.
fn bearer(field: &Field<'_>) -> Option<Header> {
    if template(field).is_some() {
        let Setting(text) = field.read()?;
        let text = format!("Bearer {}", text.expose());
        read_value(&text, field)?;
        return Some(Header::Template(AUTHORIZATION, Template::parse(&text)));
    }
    let secret: Secret = field.read()?;
    let value = read_value(&format!("Bearer {}", secret.expose()), field)?;
    Some(Header::Fixed(AUTHORIZATION, value))
}

/// Parses the name of a request header for a server.
///
/// # Errors
///
/// A message if the name is invalid or the header cannot be configured.
pub(crate) fn header_name(name: &str) -> Result<HeaderName, String> {
    let name = HeaderName::try_from(name);
    let name = name.map_err(|_| "not a valid header name".to_owned())?;
    // Credentials are allowed: these belong to the gateway instead of the caller.
    let own = SECRET.contains(&name.as_str()) || is_forwardable(&name);
    match own {
        true => Ok(name),
        false => Err("the header belongs to the connection or the protocol".to_owned()),
    }
}

/// Parses a header value, which may be secret, and records an error without the value.
pub(crate) fn read_value(text: &str, field: &Field<'_>) -> Option<HeaderValue> {
    let value = header_value(text);
    if value.is_none() {
        field.error("not a valid header value");
    }
    value
}

/// Returns a header value that is marked as sensitive; `None` if `text` is invalid.
///
/// # Example
///
/// ```
/// use mcp_gateway_config::file::header_value;
///
/// assert!(header_value("Bearer a").is_some_and(|value| value.is_sensitive()));
/// assert_eq!(header_value("line\nbreak"), None);
/// ```
#[must_use]
pub fn header_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Kinds of `auth`.
const KINDS: &str = "clientCredentials, forward, oauth, tokenExchange";

/// Values of `protocol`.
const PROTOCOLS: [(&str, Option<UpstreamProtocol>); 4] = [
    ("auto", None),
    ("modern", Some(UpstreamProtocol::Modern)),
    ("legacy", Some(UpstreamProtocol::Legacy)),
    ("sse", Some(UpstreamProtocol::Sse)),
];

/// Headers whose values must be secrets.
const SECRET: [&str; 5] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
    "x-auth-token",
];
