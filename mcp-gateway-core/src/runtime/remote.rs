//! Servers that are reached over HTTP.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::runtime::{self, Handle};

use crate::error::UpstreamError;
use crate::transport::{HttpBody, HttpClient, HttpTransport, Transport};
use crate::upstream::{Instance, RuntimeBackend, UpstreamServer, UpstreamServerBuilder};

/// A backend for a server that runs elsewhere and is reached over HTTP.
///
/// # Example
///
/// ```
/// use http::Uri;
/// use mcp_gateway_core::runtime::{PooledHttpClient, Remote};
/// use mcp_gateway_core::transport::Transport;
/// use mcp_gateway_core::upstream::{Instance, RuntimeBackend};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = PooledHttpClient::new()?;
/// let backend = Remote::new(Uri::from_static("https://mcp.example.com/mcp"), client);
/// assert!(backend.is_remote());
/// // The first request opens a connection.
/// let transport = backend.connect(&Instance::shared()).await?;
/// assert!(matches!(transport, Transport::Http(_)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[doc(alias("Streamable HTTP", "HTTP+SSE"))]
pub struct Remote(HttpTransport);

impl Remote {
    /// Creates a backend for the MCP endpoint at `uri`, reached through `client`.
    ///
    /// No connection is opened before the first call.
    #[must_use]
    pub fn new(uri: Uri, client: impl HttpClient) -> Self {
        Self(HttpTransport::new(uri, Arc::new(client)))
    }
}

/// Failure to create a server that is reached over HTTP.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The certificate authorities of the system cannot be read.
    #[error("cannot read the system certificates")]
    Certificates(#[from] std::io::Error),
    /// The address is not an absolute `http` or `https` URL.
    #[error("{url:?} is not an http or https URL")]
    Url {
        /// The address.
        url: String,
    },
}

impl UpstreamServer {
    /// Creates a builder for the server `name` at `url`, with an HTTP client of its own.
    ///
    /// # Errors
    ///
    /// [`RemoteError`] if `url` is not an absolute `http` or `https` URL, or the certificate
    /// authorities of the system cannot be read.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_core::UpstreamServer;
    ///
    /// let docs = UpstreamServer::http("docs", "https://mcp.example.com/mcp")?.build();
    /// assert_eq!(&**docs.name(), "docs");
    /// assert!(UpstreamServer::http("docs", "mcp.example.com").is_err());
    /// # Ok::<_, mcp_gateway_core::runtime::RemoteError>(())
    /// ```
    pub fn http(
        name: impl Into<Arc<str>>,
        url: &str,
    ) -> Result<UpstreamServerBuilder<Remote>, RemoteError> {
        let is_http = |uri: &Uri| [Some("http"), Some("https")].contains(&uri.scheme_str());
        let uri = url.parse().ok().filter(is_http);
        let uri = uri.ok_or_else(|| RemoteError::Url {
            url: url.to_owned(),
        })?;
        Ok(Self::builder(
            name,
            Remote::new(uri, PooledHttpClient::new()?),
        ))
    }
}

#[async_trait]
impl RuntimeBackend for Remote {
    async fn connect(&self, _: &Instance) -> Result<Transport, UpstreamError> {
        Ok(Transport::Http(self.0.clone()))
    }

    fn is_remote(&self) -> bool {
        true
    }
}

/// An HTTP client with pooled connections over HTTP/1.1 or HTTP/2, with or without TLS.
///
/// It connects to every address that the machine can reach, private ones included, so it is meant
/// for servers that an operator configures. It does not follow redirects and stores no cookies.
#[derive(Clone)]
#[doc(alias("connection pool"))]
pub struct PooledHttpClient {
    /// Pools for connections without TLS.
    plain: Arc<Pools>,
    /// Pools for connections with TLS.
    tls: Arc<Pools>,
}

/// Connection pools, one per runtime, so that a connection stays on the runtime that drives it, and
/// thereby on the thread of a worker.
struct Pools {
    /// Connector of all pools.
    connector: HttpsConnector<HttpConnector>,
    /// Maximum idle time of a connection.
    idle_timeout: Duration,
    /// Pools by runtime, oldest first; `None` for threads without a runtime.
    by_runtime: ArcSwap<Vec<(Option<runtime::Id>, Pooled)>>,
}

/// One connection pool.
type Pooled = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

impl PooledHttpClient {
    /// Creates a client that trusts the certificate authorities of the system.
    ///
    /// # Errors
    ///
    /// An I/O error if they cannot be read.
    pub fn new() -> std::io::Result<Self> {
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
        Ok(Self {
            plain: Arc::new(Pools::new(connector.clone(), IDLE_PLAIN)),
            tls: Arc::new(Pools::new(connector, IDLE_TLS)),
        })
    }

    /// Returns the pools for `uri`.
    fn pools(&self, uri: &Uri) -> &Pools {
        match uri.scheme() == Some(&Scheme::HTTPS) {
            true => &self.tls,
            false => &self.plain,
        }
    }
}

impl Pools {
    /// Creates an empty set of pools.
    fn new(connector: HttpsConnector<HttpConnector>, idle_timeout: Duration) -> Self {
        Self {
            connector,
            idle_timeout,
            by_runtime: ArcSwap::default(),
        }
    }

    /// Sends `request` on a connection of the current runtime.
    fn request(&self, request: Request<Bytes>) -> ResponseFuture {
        let request = request.map(Full::new);
        let runtime = Handle::try_current().ok().map(|handle| handle.id());
        let pools = self.by_runtime.load();
        match pools.iter().find(|(id, _)| *id == runtime) {
            Some((_, pooled)) => pooled.request(request),
            None => self.add(runtime).request(request),
        }
    }

    /// Adds a pool for `runtime`, evicting the oldest beyond the limit.
    fn add(&self, runtime: Option<runtime::Id>) -> Pooled {
        let pooled = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(self.idle_timeout)
            .build(self.connector.clone());
        self.by_runtime.rcu(|pools| {
            let rest = pools.len().saturating_sub(MAX_RUNTIMES - 1);
            let mut pools = pools[rest..].to_vec();
            pools.push((runtime, pooled.clone()));
            pools
        });
        pooled
    }
}

#[async_trait]
impl HttpClient for PooledHttpClient {
    async fn request(&self, request: Request<Bytes>) -> Result<Response<HttpBody>, UpstreamError> {
        match self.pools(request.uri()).request(request).await {
            Ok(response) => Ok(response.map(HttpBody::new)),
            Err(error) if error.is_connect() => Err(UpstreamError::connect(error)),
            Err(error) => {
                let cause = error.source().map(ToString::to_string);
                tracing::debug!(%error, cause, "upstream connection closed");
                Err(UpstreamError::Closed)
            }
        }
    }
}

impl fmt::Debug for PooledHttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledHttpClient").finish_non_exhaustive()
    }
}

/// Maximum number of pools; the oldest is evicted for a new one. A process has one runtime per worker
/// and a few others.
const MAX_RUNTIMES: usize = 256;

/// Maximum time for establishing a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Idle time after which the system probes a connection (TCP keep-alive).
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Maximum idle time of a connection without TLS.
///
/// A call on a connection that the server closes at the same moment fails, and it is unknown
/// whether the server has executed it. Such a server is mostly the program itself, and Node.js and
/// Python close idle connections after five seconds.
const IDLE_PLAIN: Duration = Duration::from_secs(4);

/// Maximum idle time of a connection with TLS.
///
/// Such a server is mostly behind a proxy, which keeps idle connections for a minute or longer, and
/// a new connection costs more.
const IDLE_TLS: Duration = Duration::from_secs(50);
