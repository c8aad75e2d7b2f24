//! Server cards of the gateways that everybody may know, and the catalog of these cards.
//!
//! The drafts are SEP-2127, whose discovery document of 2026-07-24 is implemented: a card at
//! `{url of the gateway}/server-card`, and an AI Catalog at `/.well-known/ai-catalog.json`. A gateway
//! of teams has no card, and its path answers like one that does not exist.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use mcp_gateway_core::endpoint::Body;
use mcp_gateway_core::protocol::ProtocolVersion;
use serde_json::{Value, json};
use url::Url;

use crate::spec::{DynamicSpec, Visibility};

/// Public documents about the gateways of a spec.
#[derive(Debug)]
pub(crate) struct ServerCards {
    catalog: Document,
    /// Cards by the names of gateways.
    cards: HashMap<Arc<str>, Document>,
    /// Name of the default gateway.
    default: Arc<str>,
}

/// Path of a document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum CardPath<'a> {
    /// Catalog.
    Catalog,
    /// Card of the default gateway.
    Default,
    /// Card of the gateway of this name.
    Named(&'a str),
}

/// Document with its validator.
#[derive(Debug)]
struct Document {
    media_type: &'static str,
    body: Bytes,
    tag: HeaderValue,
}

impl<'a> CardPath<'a> {
    /// Parses a request path.
    fn of(path: &'a str) -> Option<Self> {
        match path {
            "/.well-known/ai-catalog.json" => Some(Self::Catalog),
            "/mcp/server-card" => Some(Self::Default),
            _ => {
                let name = path
                    .strip_prefix("/v1/mcp/")?
                    .strip_suffix("/server-card")?;
                (!name.contains('/')).then_some(Self::Named(name))
            }
        }
    }
}

impl ServerCards {
    /// Creates the documents of `spec`, whose platform is at `base`; `None` if they are disabled.
    pub(crate) fn new(spec: &DynamicSpec, base: &Url) -> Option<Self> {
        if !spec.registry.cards {
            return None;
        }
        let (host, namespace) = publisher(base);
        let (mut cards, mut entries) = (HashMap::new(), Vec::new());
        let public = spec.gateways.iter().enumerate();
        for (at, gateway) in
            public.filter(|(_, gateway)| gateway.visibility == Visibility::Organization)
        {
            let path = match at == spec.default_gateway {
                true => "/mcp".to_owned(),
                false => format!("/v1/mcp/{}", gateway.name),
            };
            let url = base.join(&path).ok()?;
            let card = card(&namespace, &gateway.name, &url);
            cards.insert(Arc::clone(&gateway.name), Document::new(CARD, &card));
            entries.push(json!({
                "identifier": format!("urn:air:{host}:mcp:{}", gateway.name),
                "type": CARD,
                "url": format!("{url}/server-card"),
            }));
        }
        let default = spec.gateways.get(spec.default_gateway);
        Some(Self {
            catalog: Document::new(
                CATALOG,
                &json!({ "specVersion": "1.0", "entries": entries }),
            ),
            cards,
            default: default.map(|it| Arc::clone(&it.name)).unwrap_or_default(),
        })
    }

    /// Returns the response to `request`; `None` if nothing public is at its path.
    pub(super) fn response(&self, request: &Parts) -> Option<Response<Body>> {
        let document = match CardPath::of(request.uri.path())? {
            CardPath::Catalog => &self.catalog,
            CardPath::Default => self.cards.get(&self.default)?,
            CardPath::Named(name) => self.cards.get(name)?,
        };
        Some(document.response(request))
    }
}

impl Document {
    /// Renders a document, and the entity tag that follows from its text.
    fn new(media_type: &'static str, document: &Value) -> Self {
        let body = Bytes::from(document.to_string());
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let tag = HeaderValue::try_from(format!("\"{:016x}\"", hasher.finish()));
        Self {
            media_type,
            body,
            tag: tag.unwrap_or(HeaderValue::from_static("\"\"")),
        }
    }

    /// Returns the response to a request of any origin: cards are public, and have no secrets.
    fn response(&self, request: &Parts) -> Response<Body> {
        let is_current = request.headers.get(IF_NONE_MATCH) == Some(&self.tag);
        let (status, body) = match request.method {
            Method::GET | Method::HEAD if is_current => (StatusCode::NOT_MODIFIED, Body::empty()),
            Method::GET | Method::HEAD => (StatusCode::OK, Body::full(self.body.clone())),
            Method::OPTIONS => (StatusCode::NO_CONTENT, Body::empty()),
            _ => (StatusCode::METHOD_NOT_ALLOWED, Body::empty()),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if status == StatusCode::OK {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        }
        headers.insert(ETAG, self.tag.clone());
        for (name, value) in [
            (ALLOW, "GET, HEAD, OPTIONS"),
            (CACHE_CONTROL, "public, max-age=3600"),
            (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (ACCESS_CONTROL_ALLOW_METHODS, "GET"),
            (ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type, If-None-Match"),
            (ACCESS_CONTROL_EXPOSE_HEADERS, "ETag"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// Returns the card of the gateway `name` at `url`. It says nothing about its servers.
fn card(namespace: &str, name: &str, url: &Url) -> Value {
    let versions = ProtocolVersion::ALL.iter().map(|version| version.as_str());
    json!({
        "$schema": "https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json",
        "name": format!("{namespace}/{name}"),
        "version": env!("CARGO_PKG_VERSION"),
        "description": format!("MCP gateway {name}"),
        "remotes": [{
            "type": "streamable-http",
            "url": url.as_str(),
            "supportedProtocolVersions": versions.collect::<Vec<_>>(),
        }],
    })
}

/// Returns the host of `base`, and its name in reverse order.
fn publisher(base: &Url) -> (String, String) {
    let host = base.host_str().unwrap_or("localhost");
    match base.domain() {
        Some(domain) => {
            let labels: Vec<_> = domain.split('.').rev().collect();
            (domain.to_owned(), labels.join("."))
        }
        // The characters of an IPv6 address are not those of a name.
        None => {
            let host = host.trim_matches(['[', ']']).replace(':', "-");
            (host.clone(), host)
        }
    }
}

/// Media type of a card.
const CARD: &str = "application/mcp-server-card+json";

/// Media type of a catalog.
const CATALOG: &str = "application/ai-catalog+json";

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::spec::GatewaySpec;

    fn cards(enabled: bool) -> Option<ServerCards> {
        let mut spec = DynamicSpec::default();
        let mut ops = GatewaySpec::new("ops");
        ops.visibility = Visibility::Teams(vec!["ops".into()]);
        spec.gateways = vec![GatewaySpec::new("main"), ops, GatewaySpec::new("dev")];
        spec.registry.cards = enabled;
        ServerCards::new(&spec, &"https://mcp.example.com".parse().unwrap())
    }

    fn answer(path: &str, method: &str, tag: &str) -> Option<Response<Body>> {
        let request = Request::builder().method(method).uri(path);
        let (parts, ()) = request
            .header(IF_NONE_MATCH, tag)
            .body(())
            .unwrap()
            .into_parts();
        cards(true).unwrap().response(&parts)
    }

    #[test]
    fn r15_gateways_of_teams_have_no_card() {
        assert!(cards(false).is_none());
        let cards = cards(true).unwrap();
        let catalog: Value = serde_json::from_slice(&cards.catalog.body).unwrap();
        let urls: Vec<_> = catalog["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["url"])
            .collect();
        assert_eq!(
            urls,
            [
                "https://mcp.example.com/mcp/server-card",
                "https://mcp.example.com/v1/mcp/dev/server-card"
            ]
        );
        assert_eq!(
            catalog["entries"][1]["identifier"],
            "urn:air:mcp.example.com:mcp:dev"
        );
        assert!(!format!("{cards:?}").contains("ops"));
        for path in [
            "/v1/mcp/ops/server-card",
            "/v1/mcp/none/server-card",
            "/v1/mcp/server-card",
            "/mcp",
        ] {
            assert!(answer(path, "GET", "").is_none(), "{path}");
        }
    }

    #[test]
    fn cards_are_cached_by_their_tag() {
        let first = answer("/mcp/server-card", "GET", "").unwrap();
        assert_eq!(
            (first.status().as_u16(), &first.headers()[CONTENT_TYPE]),
            (200, &HeaderValue::from_static(CARD))
        );
        let tag = first.headers()[ETAG].to_str().unwrap();
        assert_eq!(
            answer("/mcp/server-card", "GET", tag).unwrap().status(),
            304
        );
        assert_eq!(
            answer("/v1/mcp/dev/server-card", "GET", tag)
                .unwrap()
                .status(),
            200
        );
        assert_eq!(
            answer("/mcp/server-card", "OPTIONS", "").unwrap().status(),
            204
        );
        assert_eq!(
            answer("/.well-known/ai-catalog.json", "POST", "")
                .unwrap()
                .status(),
            405
        );
    }

    #[test]
    fn publishers_are_named_in_reverse_order() {
        for (base, expected) in [
            ("https://mcp.example.com", "com.example.mcp"),
            ("http://localhost:8080", "localhost"),
            ("http://127.0.0.1:8080", "127.0.0.1"),
            ("http://[::1]:8080", "--1"),
        ] {
            assert_eq!(publisher(&base.parse().unwrap()).1, expected);
        }
    }
}
