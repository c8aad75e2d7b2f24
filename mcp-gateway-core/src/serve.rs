mod peer;
mod workers;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time;
use tower_service::Service;

use self::peer::WithPeer;
use self::workers::Busy;
pub use self::workers::Workers;
use crate::BoxError;
use crate::task::Task;

/// How a listener is served.
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
    max_connections: usize,
    drain_timeout: Duration,
    idle_timeout: Duration,
    workers: Option<Workers>,
}

impl Serve {
    /// Serves `listener`, with up to 100,000 connections at a time, each for up to two minutes
    /// without a request, and thirty seconds to finish when it ends.
    pub fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            max_connections: DEFAULT_MAX_CONNECTIONS,
            drain_timeout: DEFAULT_DRAIN_TIMEOUT,
            idle_timeout: DEFAULT_IDLE_TIMEOUT,
            workers: None,
        }
    }

    /// Serves connections on the threads of `workers`, and not on the current runtime.
    pub fn with_workers(mut self, workers: Workers) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Serves up to `connections` at a time; further ones wait until one ends.
    pub fn with_max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Gives requests up to `timeout` to finish after the end has begun.
    pub fn with_drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Closes a connection of HTTP/1.1 on which the head of the next request is not there after
    /// `timeout`; two minutes by default.
    ///
    /// Make this longer than clients and proxies keep connections that they do not use: a request
    /// that they send at the moment of the end is lost.
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Serves until `shutdown` is there, and then until all requests have finished or the time for
    /// that is over.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes all connections.
    pub async fn run<S, B>(self, service: S, shutdown: impl Future<Output = ()>)
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let graceful = GracefulShutdown::new();
        let room = Arc::new(Semaphore::new(
            self.max_connections.min(Semaphore::MAX_PERMITS),
        ));
        let idle_timeout = self.idle_timeout;
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let (stream, peer, permit) = tokio::select! {
                accepted = accept(&self.listener, &room) => accepted,
                () = &mut shutdown => break,
            };
            // The answers are small, and somebody waits for each of them.
            let _ = stream.set_nodelay(true);
            let service = TowerToHyperService::new(WithPeer::new(service.clone(), peer));
            let watcher = graceful.watcher();
            let serve = async move |stream| {
                let connection = builder(idle_timeout)
                    .serve_connection(TokioIo::new(stream), service)
                    .into_owned();
                if let Err(error) = watcher.watch(connection).await {
                    tracing::debug!(error = &*error, "a connection ended early");
                }
                drop(permit);
            };
            match self.workers.as_ref().and_then(Workers::take) {
                None => Task::detach(serve(stream)),
                Some((runtime, busy)) => {
                    if let Err(error) = hand_over(stream, runtime, busy, serve) {
                        tracing::debug!(%error, "a connection ended before it was served");
                    }
                }
            }
        }
        drop(self.listener);
        if time::timeout(self.drain_timeout, graceful.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("some requests have not finished in time");
        }
    }
}

/// Lets a worker serve a connection.
fn hand_over<F>(
    stream: TcpStream,
    runtime: &Handle,
    busy: Busy,
    serve: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> io::Result<()>
where
    F: Future<Output = ()> + Send,
{
    let stream = stream.into_std()?;
    runtime.spawn(async move {
        match TcpStream::from_std(stream) {
            Ok(stream) => serve(stream).await,
            Err(error) => tracing::warn!(%error, "a connection cannot be served"),
        }
        drop(busy);
    });
    Ok(())
}

fn builder(idle_timeout: Duration) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // It begins with the end of the request before.
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

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    let permit = Arc::clone(room).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            // Usually the process has too many files open, which passes.
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const DEFAULT_DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Load balancers keep connections for a minute, and HTTP clients for up to ninety seconds.
const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(120);
const DEFAULT_MAX_CONNECTIONS: usize = 100_000;

const HTTP2_PING: Duration = Duration::from_secs(60);
const MAX_HEADERS: usize = 128;

/// How large the head of a request may be: a session identifier alone may have six kilobytes.
const MAX_HEAD: usize = 64 * 1024;
const MAX_HEAD_HTTP2: u32 = 64 * 1024;

/// How many requests a connection of HTTP/2 may carry at a time.
const MAX_STREAMS: u32 = 1000;
