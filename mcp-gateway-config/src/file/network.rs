//! Addresses and names of the gateway.

use std::net::{Ipv4Addr, SocketAddr};

use http::uri::Authority;
use mcp_gateway_platform::spec::{DynamicSpec, StaticSpec};
use url::{Origin, Url};

use super::Serving;
use crate::document::{Field, Read, Table};

/// Where the gateway listens, and by which names it is known.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) listen: SocketAddr,
    /// Where clients reach the gateway, if that is not where it listens.
    pub(super) public_url: Option<Url>,
    /// The host names under which the gateway is called.
    pub(super) hosts: Vec<String>,
    /// The origins whose web pages may call the gateway.
    pub(super) origins: Vec<String>,
    /// Where other replicas of the gateway reach this one, if there are any.
    pub(super) replica_url: Option<Url>,
}

impl Network {
    /// Reads the keys of a file that are about the network.
    pub(super) fn read_keys(table: &mut Table<'_>) -> Self {
        let listen = table.get_with("listen", |field| field.parse("an address", listen_address));
        let public_url = table.get_with("publicUrl", |field| field.parse("a URL", web_url));
        let hosts: Vec<Host> = table.get("hosts").unwrap_or_default();
        let origins: Vec<WebOrigin> = table.get("origins").unwrap_or_default();
        Self {
            listen: listen.unwrap_or(DEFAULT_LISTEN),
            public_url,
            hosts: hosts.into_iter().map(|Host(host)| host).collect(),
            origins: origins
                .into_iter()
                .map(|WebOrigin(origin)| origin)
                .collect(),
            replica_url: table.get("replicaUrl").map(|ReplicaUrl(url)| url),
        }
    }
}

impl Network {
    /// Puts each key in its place.
    pub(super) fn assign(
        self,
        fixed: &mut StaticSpec,
        dynamic: &mut DynamicSpec,
        serving: &mut Serving,
    ) {
        serving.listen = self.listen;
        dynamic.hosts = self.hosts;
        let public = self.public_url.as_ref().and_then(|url| url.host_str());
        dynamic.hosts.extend(public.map(str::to_owned));
        dynamic.origins = self.origins;
        fixed.public_url = self.public_url;
        fixed.replica_url = self.replica_url;
    }
}

struct Host(String);

impl Read for Host {
    fn read(field: &Field<'_>) -> Option<Self> {
        field.parse("the name of a host", |text| {
            let authority = text.parse::<Authority>();
            let bare = authority.is_ok_and(|authority| authority.host() == text);
            match bare {
                true => Ok(Self(text.to_ascii_lowercase())),
                false => Err("write the name alone, such as mcp.example.com".to_owned()),
            }
        })
    }
}

struct ReplicaUrl(Url);

impl Read for ReplicaUrl {
    fn read(field: &Field<'_>) -> Option<Self> {
        field.parse("the URL of a replica", |text| {
            let url = web_url(text)?;
            match url.path() == "/" && url.query().is_none() {
                true => Ok(Self(url)),
                false => Err("write it without a path, such as http://10.0.0.7:8080".to_owned()),
            }
        })
    }
}

struct WebOrigin(String);

impl Read for WebOrigin {
    fn read(field: &Field<'_>) -> Option<Self> {
        field.parse("the origin of a web page", |text| {
            let url = web_url(text)?;
            match url.origin() {
                origin @ Origin::Tuple(..) if url.path() == "/" => {
                    Ok(Self(origin.ascii_serialization()))
                }
                Origin::Tuple(..) | Origin::Opaque(_) => {
                    Err("write it without a path, such as https://app.example.com".to_owned())
                }
            }
        })
    }
}

/// Reads an address to listen at.
///
/// # Errors
///
/// A hint about the form of an address.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let address = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    address.parse().map_err(|_| {
        "write an IP address and a port, such as 127.0.0.1:8080, or 0.0.0.0:8080 for all networks"
            .to_owned()
    })
}

/// Reads the URL of something that is reached over HTTP.
///
/// # Errors
///
/// A hint about the form of a URL.
pub fn web_url(text: &str) -> Result<Url, String> {
    let hint = "write it as https://mcp.example.com/mcp";
    let url = Url::parse(text).map_err(|error| format!("{error}; {hint}"))?;
    match url.scheme() {
        "http" | "https" if url.username().is_empty() && url.password().is_none() => Ok(url),
        "http" | "https" => Err("leave out the user and the password".to_owned()),
        _ => Err(format!("it must begin with http:// or https://; {hint}")),
    }
}

/// Only this machine can reach it, so that nobody runs an open gateway by accident.
pub(super) const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
