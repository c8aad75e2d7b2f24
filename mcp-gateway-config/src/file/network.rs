//! Keys of the addresses and host names of the gateway.
//!
//! | Key | Type |
//! |---|---|
//! | `listen` | IP address and port |
//! | `publicUrl` | URL |
//! | `hosts` | list of host names |
//! | `origins` | list of web origins |
//! | `replicaUrl` | URL without a path, or a reference to it |

use std::net::{Ipv4Addr, SocketAddr};

use http::uri::Authority;
use mcp_gateway_platform::spec::{DynamicSpec, StaticSpec};
use url::{Origin, ParseError, Url};

use super::Serving;
use super::secret::Setting;
use crate::document::{Field, FromField, Table};

/// Addresses and host names of the gateway.
#[derive(Debug)]
pub(super) struct Network {
    /// Listen address.
    pub(super) listen: SocketAddr,
    /// URL of the gateway for clients, if it differs from the listen address.
    pub(super) public_url: Option<Url>,
    /// Allowed host names.
    pub(super) hosts: Vec<String>,
    /// Allowed origins of web pages.
    pub(super) origins: Vec<String>,
    /// URL of this replica for other replicas.
    pub(super) replica_url: Option<Url>,
}

impl Network {
    /// Reads the network keys of a file.
    pub(super) fn read_keys(table: &mut Table<'_>) -> Self {
        let listen = table.get_with("listen", |field| field.parse("an address", listen_address));
        let public_url = table.field("publicUrl");
        let public = public_url.as_ref();
        let url = public.and_then(|field| field.parse("a URL", web_url));
        let hosts: Vec<HostName> = table.get("hosts").unwrap_or_default();
        let origins = table.field("origins");
        if let (Some(field), Some(url), None) = (&public_url, &url, &origins)
            && is_public(url)
        {
            field.warning(NO_ORIGINS);
        }
        let origins: Vec<WebOrigins> = origins.and_then(|field| field.read()).unwrap_or_default();
        Self {
            listen: listen.unwrap_or(DEFAULT_LISTEN),
            public_url: url,
            hosts: hosts.into_iter().map(|HostName(host)| host).collect(),
            origins: origins
                .into_iter()
                .flat_map(|WebOrigins(origins)| origins)
                .collect(),
            replica_url: table.get("replicaUrl").map(|ReplicaUrl(url)| url),
        }
    }
}

impl Network {
    /// Assigns the values to the specs.
    pub(super) fn assign(
        self,
        fixed: &mut StaticSpec,
        dynamic: &mut DynamicSpec,
        serving: &mut Serving,
    ) {
        serving.listen = self.listen;
        dynamic.hosts = self.hosts;
        dynamic.origins = self.origins;
        fixed.public_url = self.public_url;
        fixed.replica_url = self.replica_url;
    }
}

/// Host name without a port, in lower case.
struct HostName(String);

impl FromField for HostName {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        field.parse("the name of a host", |text| {
            let authority = text.parse::<Authority>();
            let bare = authority.is_ok_and(|authority| authority.host() == text);
            match bare {
                true => Ok(Self(text.to_ascii_lowercase())),
                false => Err(
                    "expected a name without scheme and port, such as mcp.example.com".to_owned(),
                ),
            }
        })
    }
}

/// URL of a replica, without path and query.
struct ReplicaUrl(Url);

impl FromField for ReplicaUrl {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        if field.is_scalar() {
            return field.parse("the URL of a replica", replica_url).map(Self);
        }
        // A reference: replicas that share one file differ in this value only.
        let Setting(text) = field.read()?;
        if text.expose().is_empty() {
            return None;
        }
        let url = replica_url(text.expose());
        url.map_err(|error| field.error(error)).ok().map(Self)
    }
}

/// Parses the URL of a replica.
///
/// # Errors
///
/// The violated rule, and the expected form of a URL.
fn replica_url(text: &str) -> Result<Url, String> {
    let url = web_url(text)?;
    match url.path() == "/" && url.query().is_none() {
        true => Ok(url),
        false => Err("expected a URL without a path, such as http://10.0.0.7:8080".to_owned()),
    }
}

/// Serialized origins of web pages: one, or those of a hosted client.
struct WebOrigins(Vec<String>);

impl FromField for WebOrigins {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        field.parse("the origin of a web page", |text| {
            let hosted = HOSTED.iter().find(|(name, _)| *name == text);
            if let Some((_, origins)) = hosted {
                return Ok(Self(
                    origins.iter().map(|&origin| origin.to_owned()).collect(),
                ));
            }
            let url = web_url(text)?;
            match url.origin() {
                origin @ Origin::Tuple(..) if url.path() == "/" => {
                    Ok(Self(vec![origin.ascii_serialization()]))
                }
                Origin::Tuple(..) | Origin::Opaque(_) => {
                    Err("expected a URL without a path, such as https://app.example.com".to_owned())
                }
            }
        })
    }
}

/// Parses a listen address. `localhost` is accepted for `127.0.0.1`.
///
/// # Errors
///
/// The expected form of an address.
///
/// # Example
///
/// ```
/// use mcp_gateway_config::file::listen_address;
///
/// assert_eq!(listen_address("localhost:8080").unwrap().to_string(), "127.0.0.1:8080");
/// assert!(listen_address("8080").unwrap_err().starts_with("expected an IP address and a port"));
/// ```
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let address = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    address.parse().map_err(|_| {
        "expected an IP address and a port, such as 127.0.0.1:8080, or 0.0.0.0:8080 for all interfaces"
            .to_owned()
    })
}

/// Parses an `http` or `https` URL without credentials.
///
/// # Errors
///
/// The violated rule and the expected form of a URL.
///
/// # Example
///
/// ```
/// use mcp_gateway_config::file::web_url;
///
/// assert_eq!(web_url("https://mcp.example.com").unwrap().path(), "/");
/// assert!(web_url("ftp://mcp.example.com").unwrap_err().starts_with("must begin with http://"));
/// assert_eq!(web_url("https://a:b@c.example").unwrap_err(), "must not contain credentials");
/// ```
pub fn web_url(text: &str) -> Result<Url, String> {
    let hint = "expected a URL such as https://mcp.example.com/mcp";
    let scheme = || format!("must begin with http:// or https://; {hint}");
    let url = Url::parse(text).map_err(|error| match error {
        ParseError::RelativeUrlWithoutBase => scheme(),
        error => format!("{error}; {hint}"),
    })?;
    match url.scheme() {
        "http" | "https" if url.username().is_empty() && url.password().is_none() => Ok(url),
        "http" | "https" => Err("must not contain credentials".to_owned()),
        _ => Err(scheme()),
    }
}

/// Default listen address. Other machines cannot reach it, which prevents accidental exposure.
pub(super) const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Hosted clients, with the origins of their web pages.
const HOSTED: [(&str, &[&str]); 2] = [
    ("claude", &["https://claude.ai", "https://claude.com"]),
    (
        "chatgpt",
        &["https://chatgpt.com", "https://chat.openai.com"],
    ),
];

/// Warning for a public URL without origins.
const NO_ORIGINS: &str =
    "web pages of hosted clients are rejected; add origins: [claude, chatgpt], or origins: []";

/// Returns `true` if hosted clients can reach `url`.
fn is_public(url: &Url) -> bool {
    let private = |name: &str| {
        let suffixes = [".internal", ".local", ".localhost", ".lan", ".test"];
        !name.contains('.') || suffixes.iter().any(|suffix| name.ends_with(suffix))
    };
    match url.host() {
        Some(url::Host::Domain(name)) => url.scheme() == "https" && !private(name),
        Some(url::Host::Ipv4(_) | url::Host::Ipv6(_)) | None => false,
    }
}
