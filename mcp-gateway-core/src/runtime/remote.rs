use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::runtime::{self, Handle};

use crate::error::UpstreamError;
use crate::transport::{HttpBody, HttpClient, HttpLink, Link};
use crate::upstream::{Instance, RuntimeBackend};

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
    plain: Arc<Pools>,
    tls: Arc<Pools>,
}

/// The pools of connections, one for each runtime: a connection stays with the runtime that drives it,
/// and so with the thread of a worker.
struct Pools {
    connector: HttpsConnector<HttpConnector>,
    idle_timeout: Duration,
    by_runtime: ArcSwap<Vec<(Option<runtime::Id>, Pooled)>>,
}

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
        Ok(Arc::new(Self {
            plain: Arc::new(Pools::new(connector.clone(), IDLE_PLAIN)),
            tls: Arc::new(Pools::new(connector, IDLE_TLS)),
        }))
    }

    fn pools(&self, uri: &Uri) -> &Pools {
        match uri.scheme() == Some(&Scheme::HTTPS) {
            true => &self.tls,
            false => &self.plain,
        }
    }
}

impl Pools {
    fn new(connector: HttpsConnector<HttpConnector>, idle_timeout: Duration) -> Self {
        Self {
            connector,
            idle_timeout,
            by_runtime: ArcSwap::default(),
        }
    }

    /// Sends `request` on a connection of the current runtime.
    fn request(&self, request: Request<Full<Bytes>>) -> ResponseFuture {
        let runtime = Handle::try_current().ok().map(|handle| handle.id());
        let pools = self.by_runtime.load();
        match pools.iter().find(|(id, _)| *id == runtime) {
            Some((_, pooled)) => pooled.request(request),
            None => self.add(runtime).request(request),
        }
    }

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
impl HttpClient for WebClient {
    async fn request(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<HttpBody>, UpstreamError> {
        match self.pools(request.uri()).request(request).await {
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

/// How many runtimes have a pool each; the oldest loses its own to another one. A process has one
/// runtime for each worker, and a few besides.
const MAX_RUNTIMES: usize = 256;

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
