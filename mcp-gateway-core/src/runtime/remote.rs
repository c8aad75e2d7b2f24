use std::error::Error as _;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::error::UpstreamError;
use crate::transport::{HttpBody, HttpClient, HttpLink, Link};
use crate::upstream::{Instance, RuntimeBackend};
use crate::worker;

/// Reaches a server that runs elsewhere, over HTTP.
///
/// # Example
///
/// ```no_run
/// use http::Uri;
/// use mcp_gateway_core::runtime::{Remote, WebClient};
///
/// # fn main() -> std::io::Result<()> {
/// let client = WebClient::new()?;
/// let backend = Remote::new(Uri::from_static("https://mcp.example.com/mcp"), client);
/// # let _ = backend;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Remote(HttpLink);

impl Remote {
    /// The server whose MCP endpoint is at `uri`, reached through `client`.
    #[must_use]
    pub fn new(uri: Uri, client: Arc<dyn HttpClient>) -> Arc<Self> {
        Arc::new(Self(HttpLink::new(uri, client)))
    }
}

#[async_trait]
impl RuntimeBackend for Remote {
    async fn connect(&self, _: &Instance) -> Result<Link, UpstreamError> {
        Ok(Link::Http(self.0.clone()))
    }

    fn is_remote(&self) -> bool {
        true
    }
}

/// Sends requests over pooled connections, of HTTP/1.1 or HTTP/2, with or without TLS.
///
/// It reaches every address that the machine reaches, so it is for servers that an operator has
/// configured. It does not follow redirects, and sends no cookies.
#[derive(Clone)]
pub struct WebClient {
    plain: Pools,
    tls: Pools,
}

/// One for each worker, so that a connection stays with the thread that opened it; the first is for
/// all other threads.
type Pools = Box<[Pooled]>;

type Pooled = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

impl WebClient {
    /// A client that trusts the certificate authorities that the system trusts.
    ///
    /// # Errors
    ///
    /// When those cannot be read.
    pub fn new() -> std::io::Result<Arc<Self>> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        http.set_keepalive(Some(KEEP_ALIVE));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(provider)?
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(http);
        let workers = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let pools = |idle_timeout| {
            let client = |_| {
                Client::builder(TokioExecutor::new())
                    .pool_timer(TokioTimer::new())
                    .timer(TokioTimer::new())
                    .pool_idle_timeout(idle_timeout)
                    .build(connector.clone())
            };
            (0..=workers).map(client).collect()
        };
        Ok(Arc::new(Self {
            plain: pools(IDLE_PLAIN),
            tls: pools(IDLE_TLS),
        }))
    }

    fn client(&self, uri: &Uri) -> &Pooled {
        let is_tls = uri.scheme() == Some(&Scheme::HTTPS);
        let pools = if is_tls { &self.tls } else { &self.plain };
        &pools[worker::current() % pools.len()]
    }
}

#[async_trait]
impl HttpClient for WebClient {
    async fn request(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<HttpBody>, UpstreamError> {
        match self.client(request.uri()).request(request).await {
            Ok(response) => Ok(response.map(|body| body.map_err(Into::into).boxed_unsync())),
            Err(error) if error.is_connect() => Err(UpstreamError::connect(error)),
            Err(error) => {
                let cause = error.source().map(ToString::to_string);
                tracing::debug!(%error, cause, "the connection to a server ended");
                Err(UpstreamError::Closed)
            }
        }
    }
}

impl fmt::Debug for WebClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebClient").finish_non_exhaustive()
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// After how much silence a connection is probed by the system.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// For how long an unused connection without TLS is kept.
///
/// A call on a connection that the server closes at the same moment fails, and nobody knows whether
/// it was done. At the other end there is mostly the program itself, and those of Node.js and Python
/// close connections after five seconds.
const IDLE_PLAIN: Duration = Duration::from_secs(4);

/// For how long an unused connection with TLS is kept.
///
/// At the other end there is mostly a proxy, which waits for a minute or longer, and a new connection
/// costs more.
const IDLE_TLS: Duration = Duration::from_secs(50);
