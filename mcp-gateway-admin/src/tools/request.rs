//! Requests to the API.

use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, ETAG, IF_MATCH};
use axum::http::{Request, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::arguments::{Arguments, scalar};
use super::run::Acting;
use crate::api::operation::Operation;

/// Request of an operation.
#[derive(Debug)]
pub(super) struct ApiRequest {
    operation: &'static Operation,
    path: String,
    query: Vec<(String, String)>,
    body: Option<Value>,
    version: Option<String>,
}

/// Response of the API.
#[derive(Debug)]
pub(super) struct ApiResponse {
    pub(super) status: StatusCode,
    /// Version of the object, without quotes.
    pub(super) version: Option<String>,
    /// JSON, or the text of a body that is not JSON; `null` without a body.
    pub(super) body: Value,
}

impl ApiRequest {
    /// Creates the request of `operation` with `arguments`: parameters of the path and the query, and
    /// all others in the body.
    pub(super) fn of(operation: &'static Operation, mut arguments: Arguments) -> Self {
        let body = operation.body();
        // An entry of the registry has a version of its own.
        let has_own = |body: &Value| !body["properties"]["version"].is_null();
        let version = match body.as_ref().is_some_and(has_own) {
            true => None,
            false => arguments.take("version").as_ref().map(scalar),
        };
        let path = operation.path(|name| {
            let value = arguments.0.get(name).map(scalar).unwrap_or_default();
            utf8_percent_encode(&value, NON_ALPHANUMERIC).to_string()
        });
        for parameter in operation.parameters("path") {
            arguments.0.remove(parameter.name);
        }
        let mut query = Vec::new();
        for parameter in operation.parameters("query") {
            if let Some(value) = arguments.take(parameter.name) {
                query.push((parameter.name.to_owned(), scalar(&value)));
            }
        }
        Self {
            operation,
            path,
            query,
            body: body.map(|_| Value::Object(arguments.0)),
            version,
        }
    }

    /// Sets the version that the object must have.
    pub(super) fn with_version(mut self, version: Option<String>) -> Self {
        self.version = version;
        self
    }

    /// Sets the body.
    pub(super) fn with_body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Adds a parameter of the query.
    pub(super) fn with_query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// Returns the URI: path and query.
    fn uri(&self) -> String {
        let mut uri = self.path.clone();
        for (at, (name, value)) in self.query.iter().enumerate() {
            let separator = if at == 0 { '?' } else { '&' };
            let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
            uri.push_str(&format!("{separator}{name}={value}"));
        }
        uri
    }

    /// Sends the request on behalf of `acting`.
    pub(super) async fn send(self, acting: &Acting<'_>) -> ApiResponse {
        let mut request = Request::builder()
            .method(self.operation.method.clone())
            .uri(self.uri());
        if let Some(version) = &self.version {
            let tag = match version.as_str() {
                "*" => "*".to_owned(),
                version => format!("\"{}\"", version.trim_matches('"')),
            };
            request = request.header(IF_MATCH, tag);
        }
        let body = match &self.body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        match request.body(body) {
            Ok(request) => acting.send(request).await,
            // A version or an identifier that no header and no path can have.
            Err(_) => ApiResponse {
                status: StatusCode::NOT_FOUND,
                version: None,
                body: serde_json::json!({ "detail": "no such resource" }),
            },
        }
    }
}

impl ApiResponse {
    /// Returns `true` if the request was executed.
    pub(super) fn is_success(&self) -> bool {
        self.status.is_success()
    }
}

impl Acting<'_> {
    /// Sends `request`, and reads the response.
    async fn send(&self, request: Request<Body>) -> ApiResponse {
        let response = self.api.call(self.principal.clone(), request).await;
        let (parts, body) = response.into_parts();
        let version = parts.headers.get(ETAG).and_then(|tag| tag.to_str().ok());
        let text = to_bytes(body, MAX_RESPONSE).await.unwrap_or_default();
        let read = |text: &[u8]| {
            let lossy = || Value::from(String::from_utf8_lossy(text).into_owned());
            serde_json::from_slice(text).unwrap_or_else(|_| lossy())
        };
        ApiResponse {
            status: parts.status,
            version: version.map(|tag| tag.trim_matches('"').to_owned()),
            body: match text.is_empty() {
                true => Value::Null,
                false => read(&text),
            },
        }
    }
}

/// Maximum size of a response in bytes.
const MAX_RESPONSE: usize = 16 << 20;
