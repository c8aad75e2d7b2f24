//! Requests to the admin API on behalf of the person on a page.

use axum::body::Body;
use http::header::{CONTENT_TYPE, ETAG, IF_MATCH};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Limited};
use mcp_gateway_admin::LocalApi;
use mcp_gateway_core::auth::Principal;
use serde_json::Value;

use crate::failure::{Failure, Problem};
use crate::path::with_query;

/// The admin API, as one person uses it.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    api: LocalApi,
    principal: Principal,
}

/// Document of the API.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// Document; null without one.
    pub(crate) value: Value,
    /// Version of its entry in the store; empty without one.
    pub(crate) version: String,
}

/// Page of a list of the API.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listed {
    pub(crate) items: Vec<Value>,
    /// Cursor of the next page.
    pub(crate) next: Option<String>,
    /// Reason for which the gateway has no such objects.
    pub(crate) absent: Option<String>,
}

impl Caller {
    pub(crate) fn new(api: LocalApi, principal: Principal) -> Self {
        Self { api, principal }
    }

    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Returns the document at `path`.
    pub(crate) async fn get(&self, path: &str) -> Result<Found, Failure> {
        self.send(Method::GET, path, None, "").await
    }

    /// Returns a page of the list at `path`. A list that the gateway does not have is empty.
    pub(crate) async fn list(&self, path: &str, query: &[(&str, &str)]) -> Result<Listed, Failure> {
        match self.get(&with_query(path, query)).await {
            Ok(Found { mut value, .. }) => Ok(Listed {
                next: value["next"].as_str().map(str::to_owned),
                items: match value["items"].take() {
                    Value::Array(items) => items,
                    _ => Vec::new(),
                },
                absent: None,
            }),
            Err(Failure::Problem(problem)) if problem.status == 404 => Ok(Listed {
                absent: Some(problem.sentence()),
                ..Listed::default()
            }),
            Err(failure) => Err(failure),
        }
    }

    /// Sends a change to `path`.
    pub(crate) async fn change(
        &self,
        method: Method,
        path: &str,
        body: Value,
        version: &str,
    ) -> Result<Found, Failure> {
        self.send(method, path, Some(body), version).await
    }

    /// Sends a change without a body to `path`.
    pub(crate) async fn act(
        &self,
        method: Method,
        path: &str,
        version: &str,
    ) -> Result<Found, Failure> {
        self.send(method, path, None, version).await
    }

    /// Returns the response to a request for `path`, whatever it is.
    pub(crate) async fn open(&self, path: &str) -> Result<Response<Body>, Failure> {
        let request = Request::get(path).body(Body::empty());
        let request = request.map_err(|_| Failure::NotFound)?;
        Ok(self.api.call(self.principal.clone(), request).await)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        version: &str,
    ) -> Result<Found, Failure> {
        let mut request = Request::builder().method(method).uri(path);
        if !version.is_empty() {
            request = request.header(IF_MATCH, version);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.body(body).map_err(|_| Failure::NotFound)?;
        let response = self.api.call(self.principal.clone(), request).await;
        read(response).await
    }
}

/// Reads a document, or the problem in place of one.
async fn read(response: Response<Body>) -> Result<Found, Failure> {
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, MAX_DOCUMENT).collect().await;
    let body = body.map_err(|_| Failure::Unavailable)?.to_bytes();
    let value = match body.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&body).map_err(|_| Failure::Unavailable)?,
    };
    if !parts.status.is_success() {
        return Err(Failure::Problem(Problem::read(parts.status, &value)));
    }
    let version = parts.headers.get(ETAG);
    let version = version.and_then(|version| version.to_str().ok());
    Ok(Found {
        value,
        version: version.unwrap_or_default().to_owned(),
    })
}

/// Maximum size of a document in bytes: 500 entries of the largest kind.
const MAX_DOCUMENT: usize = 128 * 1024 * 1024;
