//! Client of a collector.
//!
//! It does not follow redirects, uses no proxy and verifies the certificate of the collector, like all
//! requests of the gateway to addresses that an operator has configured.

mod grpc;
mod tls;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time;

use crate::settings::{Protocol, Settings};
use crate::start_error::StartError;

/// Client of a collector of traces.
pub(crate) struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
    headers: HeaderMap,
    protocol: Protocol,
    timeout: Duration,
}

/// Failure to deliver a message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    /// The collector cannot be reached, or the connection broke.
    #[error("cannot reach the collector")]
    Connection(#[source] legacy::Error),
    /// The collector did not respond in time.
    #[error("no response in time")]
    Timeout,
    /// The response cannot be read.
    #[error("unreadable response: {0}")]
    Response(String),
    /// The collector responded with another status than that of success.
    #[error("status {status}")]
    Status {
        status: StatusCode,
        retry_after: Option<Duration>,
    },
    /// The collector responded with an error of gRPC.
    #[error("gRPC status {0}")]
    Grpc(u32),
}

impl Collector {
    /// Creates a client. No connection is opened before the first message.
    pub(crate) fn new(settings: &Settings) -> Result<Self, StartError> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(settings.timeout));
        let builder = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client_config(&settings.certificates)?)
            .https_or_http();
        let connector = match settings.protocol {
            Protocol::Grpc => builder.enable_http2().wrap_connector(http),
            Protocol::HttpProtobuf => builder.enable_all_versions().wrap_connector(http),
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(1)
            .http2_only(settings.protocol == Protocol::Grpc)
            .build(connector);
        let mut headers = settings.headers.clone();
        let agent = concat!("mcp-gateway/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        Ok(Self {
            client,
            uri: settings.endpoint.clone(),
            headers,
            protocol: settings.protocol,
            timeout: settings.timeout,
        })
    }

    /// Sends a message, and returns the response.
    ///
    /// # Errors
    ///
    /// [`ExportError`] unless the collector has accepted it.
    ///
    /// # Cancel safety
    ///
    /// The collector may have received the message although the future was dropped.
    pub(crate) async fn export(&self, message: Bytes) -> Result<Bytes, ExportError> {
        let exchange = time::timeout(self.timeout, self.exchange(message));
        exchange.await.map_err(|_| ExportError::Timeout)?
    }

    async fn exchange(&self, message: Bytes) -> Result<Bytes, ExportError> {
        let message = match self.protocol {
            Protocol::Grpc => grpc::framed(&message),
            Protocol::HttpProtobuf => message,
        };
        let mut request = Request::new(Full::new(message));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        match self.protocol {
            Protocol::Grpc => grpc::set_headers(request.headers_mut()),
            Protocol::HttpProtobuf => {
                let protobuf = HeaderValue::from_static("application/x-protobuf");
                request.headers_mut().insert(CONTENT_TYPE, protobuf);
            }
        }
        let sent = self.client.request(request).await;
        let response = sent.map_err(ExportError::Connection)?;
        if !response.status().is_success() {
            return Err(rejected(&response));
        }
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_RESPONSE).collect().await;
        let body = body.map_err(|error| ExportError::Response(error.to_string()))?;
        match self.protocol {
            Protocol::Grpc => {
                let trailers = body.trailers().cloned();
                grpc::message(&head.headers, trailers.as_ref(), &body.to_bytes())
            }
            Protocol::HttpProtobuf => Ok(body.to_bytes()),
        }
    }
}

impl ExportError {
    /// Returns `true` if the same message may be accepted later.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Connection(_) | Self::Timeout => true,
            Self::Response(_) => false,
            Self::Status { status, .. } => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::Grpc(status) => grpc::may_pass(*status),
        }
    }

    /// Returns the time that the collector demands to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Connection(_) | Self::Timeout | Self::Response(_) | Self::Grpc(_) => None,
        }
    }
}

/// Returns the error for a response whose status is not that of success.
fn rejected<B>(response: &Response<B>) -> ExportError {
    let after = response.headers().get(RETRY_AFTER);
    let seconds = after.and_then(|value| value.to_str().ok()?.parse().ok());
    ExportError::Status {
        status: response.status(),
        retry_after: seconds.map(Duration::from_secs),
    }
}

/// Without the headers, which contain credentials.
impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").finish_non_exhaustive()
    }
}

/// Idle time after which the connection is closed.
const IDLE: Duration = Duration::from_secs(30);

/// Maximum size of a response in bytes.
const MAX_RESPONSE: usize = 64 * 1024;
