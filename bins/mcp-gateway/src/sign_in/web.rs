use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use mcp_gateway_core::runtime::WebClient;
use mcp_gateway_core::transport::HttpClient as _;
use serde_json::Value;
use tokio::time::timeout;
use url::{Host, Url};

use crate::output::{chain, plain};
use mcp_gateway_config::file::header_value;

/// Reaches what a server leads to.
#[derive(Debug)]
pub(super) struct Web {
    client: Arc<WebClient>,
    /// Whether the server is on this machine, so that what it leads to may be there as well.
    is_local: bool,
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Bytes,
}

impl Web {
    /// Reaches the server at `url`, and what it leads to.
    ///
    /// # Errors
    ///
    /// When what is sent there could be read on the way.
    pub(super) fn new(url: &Url) -> anyhow::Result<Self> {
        let is_local = is_loopback(url);
        if url.scheme() != "https" && !is_local {
            bail!("{url} is not https: whoever is on the way could take the token");
        }
        let client = WebClient::new().context("the certificates of the system cannot be read")?;
        Ok(Self { client, is_local })
    }

    /// `text` as a URL that may be reached.
    ///
    /// # Errors
    ///
    /// When it is none, or leads to where a server has no business to send people.
    pub(super) fn url(&self, what: &str, text: &str) -> anyhow::Result<Url> {
        let url = mcp_gateway_config::file::web_url(text);
        let url = url.map_err(|error| anyhow::anyhow!("{what}: {text:?}: {error}"))?;
        match (url.scheme(), self.is_local && is_loopback(&url)) {
            ("https", _) | ("http", true) => Ok(url),
            _ => bail!("{what}: {text:?} has to be https"),
        }
    }

    pub(super) async fn get(&self, url: &Url) -> anyhow::Result<Answer> {
        self.send(Request::get(url.as_str()), Bytes::new()).await
    }

    pub(super) async fn post_json(
        &self,
        url: &Url,
        document: &Value,
        token: Option<&str>,
    ) -> anyhow::Result<Answer> {
        let mut request = Request::post(url.as_str()).header(CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            let value = header_value(&format!("Bearer {token}"));
            request = request.header(AUTHORIZATION, value.context("the token cannot be sent")?);
        }
        self.send(request, document.to_string().into()).await
    }

    pub(super) async fn post_form(
        &self,
        url: &Url,
        form: &[(&str, &str)],
    ) -> anyhow::Result<Answer> {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(form);
        let kind = "application/x-www-form-urlencoded";
        let request = Request::post(url.as_str()).header(CONTENT_TYPE, kind);
        self.send(request, body.finish().into()).await
    }

    async fn send(&self, request: http::request::Builder, body: Bytes) -> anyhow::Result<Answer> {
        let agent = concat!("mcp-gateway/", env!("CARGO_PKG_VERSION"));
        let request = request
            .header(ACCEPT, "application/json, text/event-stream")
            .header(USER_AGENT, HeaderValue::from_static(agent))
            .body(Full::new(body))?;
        let uri = request.uri().clone();
        let exchange = async {
            let response = self.client.request(request).await;
            let response = response.map_err(|error| anyhow::anyhow!("{uri}: {}", chain(&error)))?;
            let (parts, body) = response.into_parts();
            let is_stream = parts
                .headers
                .get(CONTENT_TYPE)
                .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
            let body = match is_stream {
                // Whoever streams something has let us in, and may not end.
                true => Bytes::new(),
                false => match Limited::new(body, MAX_BODY).collect().await {
                    Ok(body) => body.to_bytes(),
                    Err(error) => bail!("{uri}: the answer cannot be read: {error}"),
                },
            };
            Ok(Answer {
                status: parts.status,
                headers: parts.headers,
                body,
            })
        };
        let answered = timeout(DEADLINE, exchange).await;
        answered.with_context(|| format!("{uri} does not answer"))?
    }
}

impl Answer {
    /// The JSON document in it, if it is one.
    pub(super) fn document(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The document in the answer of something that has to succeed.
    ///
    /// # Errors
    ///
    /// What the server says is wrong.
    pub(super) fn success(&self, what: &str) -> anyhow::Result<Value> {
        let document = self.document();
        if self.status.is_success() {
            return document.with_context(|| format!("{what} is not answered with JSON"));
        }
        let document = document.unwrap_or_default();
        let text = |key: &str| document[key].as_str().map(plain);
        let reason: Vec<_> = ["error", "error_description"]
            .into_iter()
            .filter_map(text)
            .collect();
        bail!(
            "{what} is refused with {}: {}",
            self.status,
            reason.join(": ")
        )
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::from(ip).is_loopback(),
        None => false,
    }
}

const DEADLINE: Duration = Duration::from_secs(30);

const MAX_BODY: usize = 1024 * 1024;
