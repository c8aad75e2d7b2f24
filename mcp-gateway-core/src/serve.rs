//! HTTP server for a gateway on a listener, without a framework.
//!
//! Accepts connections, serves HTTP/1.1 and HTTP/2 on them, and drains them on shutdown. It does
//! not terminate TLS, bind ports or handle signals; those are up to the embedder. Gateways that are
//! mounted in axum or hyper do not need it.

mod body;
mod noise;
mod peer;
mod workers;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time;
use tower_service::Service;

pub use self::body::RequestBody;
use self::noise::NoiseReport;
use self::peer::WithPeer;
use self::workers::WorkerPermit;
pub use self::workers::Workers;
use crate::BoxError;
use crate::task::BackgroundTask;

/// An HTTP server on a bound listener.
///
/// # Example
///
/// ```no_run
/// use mcp_gateway_core::{Gateway, Serve};
///
/// # async fn example(gateway: Gateway) -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// let shutdown = async {
///     let _ = tokio::signal::ctrl_c().await;
/// };
/// Serve::new(listener).run(gateway, shutdown).await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Serve {
    listener: TcpListener,
    /// Maximum number of concurrent connections.
    max_connections: usize,
    /// Maximum duration of the drain.
    drain_timeout: Duration,
    /// Maximum idle time of a connection.
    idle_timeout: Duration,
    /// Threads that serve connections, instead of the current runtime.
    workers: Option<Workers>,
}

impl Serve {
    /// Creates a server on `listener` with the default limits.
    ///
    /// They are 100,000 concurrent connections, two minutes of idle time per connection, and thirty
    /// seconds for the drain.
    pub fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            max_connections: DEFAULT_MAX_CONNECTIONS,
            drain_timeout: DEFAULT_DRAIN_TIMEOUT,
            idle_timeout: DEFAULT_IDLE_TIMEOUT,
            workers: None,
        }
    }

    /// Serves connections on the threads of `workers` instead of the current runtime.
    pub fn with_workers(mut self, workers: Workers) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Sets the maximum number of concurrent connections. Default: 100,000.
    ///
    /// Further connections wait in the backlog of the listener until one closes.
    pub fn with_max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Sets the maximum time for in-flight requests to complete after the shutdown has begun.
    /// Default: 30 seconds.
    pub fn with_drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Sets the time after which a connection of HTTP/1.1 without the head of a next request is
    /// closed. Default: 2 minutes.
    ///
    /// It should be longer than the idle timeout of clients and proxies, because a request that is
    /// sent at the moment of the close is lost.
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Serves connections until `shutdown` resolves, then drains them.
    ///
    /// The drain ends when all in-flight requests have completed, or after the drain timeout.
    /// `service` is cloned for every connection.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the listener. Connections are background tasks and run on.
    pub async fn run<S, B>(self, service: S, shutdown: impl Future<Output = ()>)
    where
        S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let graceful = GracefulShutdown::new();
        let room = Arc::new(Semaphore::new(
            self.max_connections.min(Semaphore::MAX_PERMITS),
        ));
        let idle_timeout = self.idle_timeout;
        let noise = Arc::new(NoiseReport::default());
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let (stream, peer, permit) = tokio::select! {
                accepted = accept(&self.listener, &room) => accepted,
                () = &mut shutdown => break,
            };
            // Responses are small, and a client waits for each of them.
            let _ = stream.set_nodelay(true);
            let service = TowerToHyperService::new(WithPeer::new(service.clone(), peer));
            let (watcher, noise) = (graceful.watcher(), Arc::clone(&noise));
            let serve = async move |stream| {
                let connection = builder(idle_timeout)
                    .serve_connection(TokioIo::new(stream), service)
                    .into_owned();
                if let Err(error) = watcher.watch(connection).await {
                    noise.log(&*error, peer);
                }
                drop(permit);
            };
            match self.workers.as_ref().and_then(Workers::acquire) {
                None => BackgroundTask::detach(serve(stream)),
                Some((runtime, busy)) => {
                    if let Err(error) = hand_over(stream, runtime, busy, serve) {
                        tracing::debug!(%error, "connection closed before it was served");
                    }
                }
            }
        }
        drop(self.listener);
        if time::timeout(self.drain_timeout, graceful.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("drain timeout exceeded; closing in-flight requests");
        }
    }
}

/// Moves a connection to the runtime of a worker.
fn hand_over<F>(
    stream: TcpStream,
    runtime: &Handle,
    busy: WorkerPermit,
    serve: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> io::Result<()>
where
    F: Future<Output = ()> + Send,
{
    let stream = stream.into_std()?;
    runtime.spawn(async move {
        match TcpStream::from_std(stream) {
            Ok(stream) => serve(stream).await,
            Err(error) => tracing::warn!(%error, "failed to serve connection"),
        }
        drop(busy);
    });
    Ok(())
}

/// Configures the HTTP protocols with the limits below.
fn builder(idle_timeout: Duration) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // The timer starts at the end of the previous request.
        .header_read_timeout(idle_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HTTP2_PING)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_HTTP2);
    builder
}

/// Waits for a permit and then for a connection; retries failures of the system.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    let permit = Arc::clone(room).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            // Usually the process has too many open files, which is transient.
            Err(error) => {
                tracing::warn!(%error, "failed to accept connection");
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Delay after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Default time for the drain.
const DEFAULT_DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Default idle time. Load balancers keep connections for a minute, HTTP clients for up to 90
/// seconds.
const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// Default maximum number of concurrent connections.
const DEFAULT_MAX_CONNECTIONS: usize = 100_000;

/// Interval between pings on idle connections of HTTP/2.
const HTTP2_PING: Duration = Duration::from_secs(60);
/// Maximum number of headers of a request over HTTP/1.1.
const MAX_HEADERS: usize = 128;

/// Maximum size of the head of a request over HTTP/1.1; a session ID alone may have 6 KB.
const MAX_HEAD: usize = 64 * 1024;
/// Maximum size of the head of a request over HTTP/2.
const MAX_HEAD_HTTP2: u32 = 64 * 1024;

/// Maximum number of concurrent requests on one connection of HTTP/2.
const MAX_STREAMS: u32 = 1000;
