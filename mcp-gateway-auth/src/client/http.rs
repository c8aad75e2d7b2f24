//! Requests of the client through the restricted egress.

use ::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use ::http::{HeaderValue, Request};
use bytes::Bytes;
use serde_json::Value;
use url::{Host, Url};

use super::ClientError;
use crate::egress::{Egress, EgressError, FetchedDocument};

/// Addresses that a server may refer a client to.
///
/// They must be `https`, with one exception: a server on this machine may refer to `http` addresses
/// of this machine.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    egress: Egress,
    /// Set if the server is on this machine, and may refer to other addresses of it.
    is_local: bool,
}

impl Reach {
    /// Creates the restriction for the server at `url`.
    ///
    /// # Errors
    ///
    /// [`ClientError::Insecure`] if tokens for it would be readable in transit.
    pub(super) fn new(egress: Egress, url: &Url) -> Result<Self, ClientError> {
        let is_local = is_loopback(url);
        if url.scheme() != "https" && !(url.scheme() == "http" && is_local) {
            return Err(ClientError::Insecure(url.to_string()));
        }
        Ok(Self { egress, is_local })
    }

    pub(super) fn egress(&self) -> &Egress {
        &self.egress
    }

    /// Parses `text`, the value of the parameter `what` of a server.
    ///
    /// # Errors
    ///
    /// [`ClientError::Address`] if it is not a URL, has credentials or a fragment, or is not
    /// `https`.
    pub(super) fn url(&self, what: &'static str, text: &str) -> Result<Url, ClientError> {
        let invalid = |reason| ClientError::Address {
            what,
            address: super::error::printable(text),
            reason,
        };
        let url = Url::parse(text).map_err(|_| invalid("is not a URL"))?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(invalid("has credentials or a fragment"));
        }
        match (url.scheme(), self.is_local && is_loopback(&url)) {
            ("https", _) | ("http", true) => Ok(url),
            _ => Err(invalid("must be https")),
        }
    }

    /// Fetches a JSON document.
    pub(super) async fn get(&self, url: &Url) -> Result<Value, EgressError> {
        let fetched = self.egress.get_json(url.as_str(), MAX_BODY).await?;
        serde_json::from_slice(&fetched.body).map_err(|_| EgressError::ContentType)
    }

    /// Sends a JSON document with `POST`, authenticated by `token` if present.
    pub(super) async fn post_json(
        &self,
        url: &Url,
        document: &Value,
        token: Option<&str>,
    ) -> Result<FetchedDocument, EgressError> {
        let mut request = Request::new(Bytes::from(document.to_string()));
        *request.method_mut() = ::http::Method::POST;
        let headers = request.headers_mut();
        let accepted = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(ACCEPT, accepted);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(token) = token {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            let mut value = value.map_err(|_| EgressError::Unavailable)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        self.egress.send(url.as_str(), request, MAX_BODY).await
    }
}

/// Returns `true` if the host of `url` is `localhost` or a loopback address.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Maximum size of a response, in bytes.
const MAX_BODY: usize = 1024 * 1024;
