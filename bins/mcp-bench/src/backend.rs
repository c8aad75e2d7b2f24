//! `mcp-bench backend`: a correct MCP server that is as cheap as possible.
//!
//! Everything possible is prepared, messages are read in one pass without copying, and responses
//! are assembled as text.

mod body;
mod legacy;
mod message;
mod modern;
mod reply;
mod sessions;
mod tools;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;

use self::body::Body;
use self::message::Message;
use self::reply::Reply;
use self::sessions::Sessions;
use self::tools::Tools;
use crate::cli::serve::{BackendArguments, Eras, Form};
use crate::serve::{PATH, serve};
use crate::wire;

/// Header with the protocol version.
const VERSION_HEADER: &str = "mcp-protocol-version";

/// Serves until the process receives a signal to terminate.
///
/// # Errors
///
/// Fails when the address cannot be listened on.
pub(crate) async fn run(arguments: &BackendArguments) -> anyhow::Result<()> {
    let backend = Arc::new(Backend::new(arguments));
    let service = service_fn(move |request| {
        let backend = Arc::clone(&backend);
        async move { Ok::<_, Infallible>(backend.respond(request).await) }
    });
    serve(&arguments.server, service).await
}

/// MCP server.
#[derive(Debug)]
struct Backend {
    eras: Eras,
    form: Form,
    delay: Duration,
    tools: Tools,
    sessions: Sessions,
}

impl Backend {
    fn new(arguments: &BackendArguments) -> Self {
        Self {
            eras: arguments.era,
            form: arguments.answer.answer,
            delay: arguments.answer.delay,
            tools: Tools::new(arguments.answer.tools, arguments.answer.result_bytes),
            sessions: Sessions::default(),
        }
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        if parts.uri.path() != PATH {
            return reply::empty(StatusCode::NOT_FOUND);
        }
        if !is_local(&parts.headers) {
            return reply::empty(StatusCode::FORBIDDEN);
        }
        if parts.method == Method::POST {
            return match body.collect().await {
                Ok(body) => self.post(&parts.headers, &body.to_bytes()).await,
                Err(_) => reply::empty(StatusCode::BAD_REQUEST),
            };
        }
        // Only the legacy era knows other methods than POST.
        match parts.method {
            Method::GET if self.eras != Eras::Modern => legacy::listen(self, &parts.headers),
            Method::DELETE if self.eras != Eras::Modern => legacy::end(self, &parts.headers),
            _ => reply::empty(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    /// Handles a message.
    async fn post(&self, headers: &HeaderMap, body: &Bytes) -> Response<Body> {
        let Ok(message) = serde_json::from_slice::<Message<'_>>(body) else {
            let reply = Reply::error(StatusCode::BAD_REQUEST, -32700, "Parse error");
            return reply.into_response(None, Form::Json);
        };
        if message.is_call("tools/call") && !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        let reply = if self.is_modern(headers, &message) {
            modern::reply(self, headers, &message)
        } else {
            legacy::reply(self, headers, &message)
        };
        reply.into_response(message.id(), self.form)
    }

    /// Returns `true` if a message is of the modern era.
    fn is_modern(&self, headers: &HeaderMap, message: &Message<'_>) -> bool {
        match self.eras {
            Eras::Legacy => false,
            Eras::Modern => true,
            Eras::Dual => {
                let version = headers.get(VERSION_HEADER);
                version.is_some_and(|version| version == wire::modern::VERSION)
                    || message.version().is_some()
            }
        }
    }
}

/// Returns `true` if a request has no `Origin` or one of this machine.
///
/// Others are refused, as the specification demands of all servers.
fn is_local(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let uri = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.parse::<Uri>().ok());
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests;
