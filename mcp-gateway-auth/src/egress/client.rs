//! The HTTP client for untrusted addresses.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use mcp_gateway_core::BoxError;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::Url;

use super::client_auth::{ClientAuth, sensitive};
use super::connector::GuardedConnector;
use super::pauses::Pauses;
use super::policy::EgressPolicy;
use super::{EgressError, FetchedDocument};

/// An HTTP client for untrusted addresses. Cheap to clone; all clones share connections and limits.
///
/// See the [module documentation](super) for the restrictions and an example.
///
/// # Cancel safety
///
/// Dropping a future closes its connection or returns it to the pool. Nothing is retried.
#[derive(Clone)]
pub struct Egress(Arc<Inner>);

/// The code of an `async fn` is compiled in each crate that awaits it, here the whole HTTP client.
/// A boxed future is compiled once.
type Exchange<'a> = Pin<Box<dyn Future<Output = Result<FetchedDocument, EgressError>> + Send + 'a>>;

struct Inner {
    client: Client<HttpsConnector<GuardedConnector>, Full<Bytes>>,
    pauses: Pauses,
    policy: Arc<EgressPolicy>,
    permits: Semaphore,
}

impl Egress {
    /// Creates a client that reaches the addresses which `policy` permits and trusts the
    /// certificate authorities of the operating system.
    ///
    /// # Errors
    ///
    /// If no certificate authority is trusted.
    pub fn new(policy: EgressPolicy) -> std::io::Result<Self> {
        let policy = Arc::new(policy);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(&policy)?)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(GuardedConnector::new(Arc::clone(&policy)));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(1)
            .http1_max_headers(MAX_HEADERS)
            .build(connector);
        Ok(Self(Arc::new(Inner {
            client,
            pauses: Pauses::default(),
            policy,
            permits: Semaphore::new(MAX_REQUESTS),
        })))
    }

    /// Returns the policy.
    pub(super) fn policy(&self) -> &EgressPolicy {
        &self.0.policy
    }

    /// Returns the HTTP client, which validates resolved addresses alone.
    pub(super) fn client(&self) -> &Client<HttpsConnector<GuardedConnector>, Full<Bytes>> {
        &self.0.client
    }

    /// Fetches a JSON document of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`EgressError::Unavailable`] if the address is forbidden, [`EgressError::Timeout`],
    /// [`EgressError::TooLarge`], [`EgressError::ContentType`] if the response is not JSON, and
    /// [`EgressError::Status`] for every status but 200.
    pub async fn get_json(&self, url: &str, limit: usize) -> Result<FetchedDocument, EgressError> {
        self.get(url, Request::new(Bytes::new()), limit).await
    }

    /// Fetches a JSON document with the access token `token`, as [`get_json`](Self::get_json) does.
    ///
    /// # Errors
    ///
    /// The same as those of [`get_json`](Self::get_json).
    pub async fn get_json_as(
        &self,
        url: &str,
        token: &str,
        limit: usize,
    ) -> Result<FetchedDocument, EgressError> {
        let mut request = Request::new(Bytes::new());
        let value = HeaderValue::try_from(format!("Bearer {token}"));
        let value = value.map_err(|_| EgressError::Unavailable)?;
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, sensitive(value));
        self.get(url, request, limit).await
    }

    /// Sends a GET request and accepts a JSON document with the status 200.
    async fn get(
        &self,
        url: &str,
        request: Request<Bytes>,
        limit: usize,
    ) -> Result<FetchedDocument, EgressError> {
        let fetched = self.send(url, request, limit).await?;
        match fetched.status {
            StatusCode::OK if fetched.is_json() => Ok(fetched),
            StatusCode::OK => Err(EgressError::ContentType),
            status => Err(EgressError::Status(status)),
        }
    }

    /// Posts a form and fetches a JSON document of at most `limit` bytes.
    ///
    /// JSON errors of the endpoint are returned as documents: check the [status](FetchedDocument::status).
    ///
    /// # Errors
    ///
    /// [`EgressError::Unavailable`] if the address is forbidden, [`EgressError::Timeout`],
    /// [`EgressError::TooLarge`], and [`EgressError::ContentType`] or [`EgressError::Status`] if
    /// the response is not JSON or is a redirect.
    pub async fn post_form(
        &self,
        url: &str,
        form: &[(&str, &str)],
        auth: &ClientAuth,
        limit: usize,
    ) -> Result<FetchedDocument, EgressError> {
        let request = auth.request(form)?;
        let fetched = self.send(url, request, limit).await?;
        match fetched.status {
            status if status.is_redirection() => Err(EgressError::Status(status)),
            _ if fetched.is_json() => Ok(fetched),
            status if status.is_success() => Err(EgressError::ContentType),
            status => Err(EgressError::Status(status)),
        }
    }

    /// Validates the address, and sends a request within the deadline.
    ///
    /// The body of a stream of events is left unread: it may not end.
    pub(crate) async fn send(
        &self,
        url: &str,
        mut request: Request<Bytes>,
        limit: usize,
    ) -> Result<FetchedDocument, EgressError> {
        let (address, uri) = self.address(url)?;
        self.0.pauses.check(&address)?;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        let json = HeaderValue::from_static("application/json");
        headers.entry(header::ACCEPT).or_insert(json);
        let agent = concat!("mcp-gateway/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        match timeout(DEADLINE, self.exchange(request.map(Full::new), limit)).await {
            Ok(result) => {
                let fetched = result?;
                self.0.pauses.record(&address, &fetched);
                Ok(fetched)
            }
            Err(_) => {
                tracing::warn!(%url, reason = "deadline exceeded", "outbound request failed");
                Err(EgressError::Timeout)
            }
        }
    }

    /// Rejects `url` if its endpoint has asked for a pause.
    ///
    /// # Errors
    ///
    /// [`EgressError::Paused`].
    #[cfg(feature = "client")]
    pub(crate) fn check_pause(&self, url: &Url) -> Result<(), EgressError> {
        self.0.pauses.check(url)
    }

    /// Parses `url`, if the policy permits it.
    fn address(&self, url: &str) -> Result<(Url, Uri), EgressError> {
        let parsed = Url::parse(url).map_err(|error| unavailable(&url, &error))?;
        let allowed = self.0.policy.check_url(&parsed);
        allowed.map_err(|refusal| unavailable(&url, &refusal))?;
        let uri = Uri::try_from(parsed.as_str());
        let uri = uri.map_err(|error| unavailable(&url, &error))?;
        Ok((parsed, uri))
    }

    /// Sends a request within the concurrency limit and reads the response.
    #[inline(never)]
    fn exchange(&self, request: Request<Full<Bytes>>, limit: usize) -> Exchange<'_> {
        Box::pin(async move {
            let uri = request.uri().clone();
            let permit = self.0.permits.acquire().await;
            let _permit = permit.map_err(|error| unavailable(&uri, &error))?;
            let response = self.0.client.request(request).await;
            let response = response.map_err(|error| unavailable(&uri, &ErrorChain(&error)))?;
            let encoding = response.headers().get(header::CONTENT_ENCODING);
            if encoding.is_some_and(|encoding| encoding != "identity") {
                return Err(EgressError::ContentType);
            }
            let (parts, body) = response.into_parts();
            let kind = parts.headers.get(header::CONTENT_TYPE);
            if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
                return Ok(FetchedDocument {
                    status: parts.status,
                    headers: parts.headers,
                    body: Bytes::new(),
                });
            }
            let body = collect(body, limit).await.map_err(|error| match error {
                Some(error) => unavailable(&uri, &ErrorChain(&*error)),
                None => EgressError::TooLarge { limit },
            })?;
            Ok(FetchedDocument {
                status: parts.status,
                headers: parts.headers,
                body,
            })
        })
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress")
            .field("policy", &self.0.policy)
            .finish_non_exhaustive()
    }
}

/// Builds the TLS configuration with the system's certificate authorities and those of the policy.
fn tls(policy: &EgressPolicy) -> std::io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::debug!(%error, "system certificate authority skipped");
    }
    roots.add_parsable_certificates(native.certs);
    roots.add_parsable_certificates(policy.roots().iter().cloned());
    if roots.is_empty() {
        return Err(std::io::Error::other("no certificate authority is trusted"));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(std::io::Error::other)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Reads a body. The error is `None` if the body is larger than `limit`.
async fn collect<B>(mut body: B, limit: usize) -> Result<Bytes, Option<BoxError>>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |announced| announced > limit) {
        return Err(None);
    }
    let mut text = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|error| Some(error.into()))?.into_data() {
            if text.len() + data.len() > limit {
                return Err(None);
            }
            text.extend_from_slice(&data);
        }
    }
    Ok(text.freeze())
}

/// Logs the cause and returns an error without it.
fn unavailable(url: &dyn fmt::Display, reason: &dyn fmt::Display) -> EgressError {
    tracing::warn!(%url, %reason, "outbound request failed");
    EgressError::Unavailable
}

/// An error with its causes, separated by colons.
struct ErrorChain<'a>(&'a (dyn std::error::Error + 'static));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Deadline from the wait for a permit until the last byte of the response.
const DEADLINE: Duration = Duration::from_secs(10);

/// Maximum number of response headers.
const MAX_HEADERS: usize = 64;

/// Maximum number of concurrent requests. Others wait within their deadline.
const MAX_REQUESTS: usize = 32;

/// Idle timeout of pooled connections. It is shorter than the keep-alive of common servers, so that
/// they do not close a connection at the moment of its reuse.
const POOL_IDLE: Duration = Duration::from_secs(4);
