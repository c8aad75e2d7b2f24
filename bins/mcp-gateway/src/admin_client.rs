//! Client of the admin API of a running gateway.

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyDataStream, BodyExt as _};
use mcp_gateway_config::file::header_value;
use mcp_gateway_core::runtime::PooledHttpClient;
use mcp_gateway_core::transport::{HttpBody, HttpClient as _};
use serde_json::Value;
use url::Url;

use crate::source::TOKEN_VARIABLE;

/// Client of the admin API.
#[derive(Debug)]
pub(crate) struct AdminClient {
    /// URL of the gateway.
    base: Url,
    authorization: Option<HeaderValue>,
    http: PooledHttpClient,
}

impl AdminClient {
    /// Creates a client of the gateway at `url`, with the bearer token `token`.
    ///
    /// # Errors
    ///
    /// Fails if the URL or the token is invalid.
    pub(crate) fn new(url: &str, token: Option<&str>) -> anyhow::Result<Self> {
        let origin = url.trim_end_matches('/').trim_end_matches("/mcp");
        let base = Url::parse(origin).ok().filter(|url| url.has_host());
        let authorization = token.map(|token| {
            let value = header_value(&format!("Bearer {token}"));
            value.context("the token is not valid in a header")
        });
        Ok(Self {
            base: base.ok_or_else(|| anyhow!("{url:?} is not the URL of a gateway"))?,
            authorization: authorization.transpose()?,
            http: PooledHttpClient::new()?,
        })
    }

    /// Sends a request for the resource whose path below `/api/v1` has `segments`, and returns the
    /// body of the response.
    ///
    /// # Errors
    ///
    /// Fails if the gateway is unreachable or rejects the request.
    pub(crate) async fn send(
        &self,
        method: Method,
        segments: &[&str],
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let url = self.url(segments, &[])?;
        let (_, body) = self.request(method, &url, None, body).await?;
        Ok(body)
    }

    /// Changes the entry of the resource at `segments`, and returns the changed resource.
    ///
    /// # Errors
    ///
    /// Fails if `change` fails, the gateway is unreachable or rejects the request, or somebody else
    /// has changed the entry in the meantime.
    pub(crate) async fn update(
        &self,
        segments: &[&str],
        change: impl FnOnce(&mut Value) -> anyhow::Result<()>,
    ) -> anyhow::Result<Value> {
        self.replace(segments, |resource| {
            let mut entry = resource["entry"].take();
            if entry.is_null() {
                return Err(anyhow!(
                    "it is defined in the configuration file; change it there"
                ));
            }
            change(&mut entry)?;
            *resource = entry;
            Ok(())
        })
        .await
    }

    /// Replaces the resource at `segments` by what `change` makes of it, and returns the changed one.
    ///
    /// # Errors
    ///
    /// Fails if `change` fails, the gateway is unreachable or rejects the request, or somebody else
    /// has changed the resource in the meantime.
    pub(crate) async fn replace(
        &self,
        segments: &[&str],
        change: impl FnOnce(&mut Value) -> anyhow::Result<()>,
    ) -> anyhow::Result<Value> {
        let url = self.url(segments, &[])?;
        let (headers, mut resource) = self.request(Method::GET, &url, None, None).await?;
        change(&mut resource)?;
        let version = headers.get(ETAG);
        let changed = self.request(Method::PUT, &url, version, Some(&resource));
        changed.await.map(|(_, body)| body)
    }

    /// Adds `entry` to the list at `segments`, with the parameters of `query` that have a value, and
    /// returns the resource.
    ///
    /// # Errors
    ///
    /// Fails if the gateway is unreachable or rejects the request.
    pub(crate) async fn create(
        &self,
        segments: &[&str],
        query: &[(&str, Option<&str>)],
        entry: &Value,
    ) -> anyhow::Result<Value> {
        let url = self.url(segments, query)?;
        let created = self.request(Method::POST, &url, None, Some(entry));
        created.await.map(|(_, body)| body)
    }

    /// Sends a request without a body, with the parameters of `query` that have a value.
    ///
    /// # Errors
    ///
    /// Fails if the gateway is unreachable or rejects the request.
    pub(crate) async fn query(
        &self,
        method: Method,
        segments: &[&str],
        query: &[(&str, Option<&str>)],
    ) -> anyhow::Result<Value> {
        let url = self.url(segments, query)?;
        let (_, body) = self.request(method, &url, None, None).await?;
        Ok(body)
    }

    /// Returns the text at `segments`, with the parameters of `query` that have a value, as it
    /// arrives.
    ///
    /// # Errors
    ///
    /// Fails if the gateway is unreachable or rejects the request.
    pub(crate) async fn text(
        &self,
        segments: &[&str],
        query: &[(&str, Option<&str>)],
    ) -> anyhow::Result<impl Stream<Item = anyhow::Result<Bytes>> + Unpin + use<>> {
        let url = self.url(segments, query)?;
        let (head, body) = self.open(Method::GET, &url, None, None).await?;
        if !head.status.is_success() {
            let body = self.collect(body).await?;
            return Err(rejection(head.status, &body));
        }
        let pieces = BodyDataStream::new(body);
        Ok(pieces.map(|piece| piece.map_err(|error| anyhow!("{error}"))))
    }

    /// Returns all entries of the list at `segments`.
    ///
    /// # Errors
    ///
    /// Fails if the gateway is unreachable or rejects the request.
    pub(crate) async fn list(&self, segments: &[&str]) -> anyhow::Result<Vec<Value>> {
        self.list_by(segments, &[]).await
    }

    /// Returns all entries of the list at `segments`, with the parameters of `query` that have a
    /// value.
    ///
    /// # Errors
    ///
    /// Fails if the gateway is unreachable or rejects the request.
    pub(crate) async fn list_by(
        &self,
        segments: &[&str],
        query: &[(&str, Option<&str>)],
    ) -> anyhow::Result<Vec<Value>> {
        let (mut entries, first) = (Vec::new(), self.url(segments, query)?);
        let mut url = first.clone();
        loop {
            let (_, mut page) = self.request(Method::GET, &url, None, None).await?;
            if let Some(items) = page["items"].as_array_mut() {
                entries.append(items);
            }
            let Some(next) = page["next"].as_str() else {
                return Ok(entries);
            };
            url = first.clone();
            url.query_pairs_mut().append_pair("after", next);
        }
    }

    fn url(&self, segments: &[&str], query: &[(&str, Option<&str>)]) -> anyhow::Result<Url> {
        let mut url = self.base.clone();
        let path = url.path_segments_mut();
        let mut path = path.map_err(|()| anyhow!("{} has no paths below it", self.base))?;
        path.pop_if_empty().extend(["api", "v1"]).extend(segments);
        drop(path);
        let given = query.iter();
        let given = given.filter_map(|(name, value)| value.map(|value| (name, value)));
        for (name, value) in given {
            url.query_pairs_mut().append_pair(name, value);
        }
        Ok(url)
    }

    async fn request(
        &self,
        method: Method,
        url: &Url,
        version: Option<&HeaderValue>,
        body: Option<&Value>,
    ) -> anyhow::Result<(HeaderMap, Value)> {
        let (head, body) = self.open(method, url, version, body).await?;
        let body = self.collect(body).await?;
        match head.status.is_success() {
            true => Ok((head.headers, body)),
            false => Err(rejection(head.status, &body)),
        }
    }

    /// Sends a request, and returns the head and the unread body of its response.
    async fn open(
        &self,
        method: Method,
        url: &Url,
        version: Option<&HeaderValue>,
        body: Option<&Value>,
    ) -> anyhow::Result<(Parts, HttpBody)> {
        let mut request = Request::builder().method(method).uri(url.as_str());
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(version) = version {
            request = request.header(IF_MATCH, version);
        }
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let sent = self.http.request(request.body(body)?).await;
        let sent = sent.with_context(|| format!("no gateway at {}", self.base))?;
        Ok(sent.into_parts())
    }

    /// Reads a body, as JSON if it is such.
    async fn collect(&self, body: HttpBody) -> anyhow::Result<Value> {
        let body = body.collect().await;
        let body = body.map_err(|_| anyhow!("the response of {} is incomplete", self.base))?;
        Ok(serde_json::from_slice(&body.to_bytes()).unwrap_or_default())
    }
}

/// Returns the error of a problem document.
fn rejection(status: StatusCode, problem: &Value) -> anyhow::Error {
    let detail = problem["detail"].as_str().unwrap_or_default();
    match status {
        StatusCode::UNAUTHORIZED => {
            return anyhow!("set {TOKEN_VARIABLE} to a valid token of the gateway, or use --token");
        }
        // Other reasons are those of what was asked for, such as the approvers of a call.
        StatusCode::FORBIDDEN if ["", NOT_ADMIN].contains(&detail) => {
            return anyhow!("the token of --token or {TOKEN_VARIABLE} is not that of an admin");
        }
        _ => {}
    }
    let mut lines = vec![match problem["detail"].as_str() {
        Some(detail) => detail.to_owned(),
        None => format!("the gateway has no admin API (status {status})"),
    }];
    for error in problem["errors"].as_array().into_iter().flatten() {
        let (path, message) = (error["path"].as_str(), error["message"].as_str());
        let message = message.unwrap_or_default();
        lines.push(match path.filter(|path| !path.is_empty()) {
            Some(path) => format!("{path}: {message}"),
            None => message.to_owned(),
        });
    }
    anyhow!(lines.join("\n"))
}

/// Detail of a response to callers who are no administrators.
const NOT_ADMIN: &str = "the role admin is required";
