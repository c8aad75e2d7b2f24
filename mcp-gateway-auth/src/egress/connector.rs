//! The TCP connector of [`Egress`](super::Egress), which enforces the policy on resolved addresses.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_util::rt::TokioIo;
use mcp_gateway_core::BoxError;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tower_service::Service;

use super::policy::{EgressDenied, EgressPolicy};

/// A connector to addresses that the policy permits.
///
/// A name is resolved once, each of its addresses is validated, and the connection uses one of
/// them. There is no second lookup that could return another address (DNS rebinding).
#[derive(Clone, Debug)]
pub(super) struct GuardedConnector(Arc<EgressPolicy>);

impl GuardedConnector {
    /// Creates a connector with `policy`.
    pub(super) fn new(policy: Arc<EgressPolicy>) -> Self {
        Self(policy)
    }
}

impl Service<Uri> for GuardedConnector {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let policy = Arc::clone(&self.0);
        Box::pin(async move {
            let addresses = resolve(&policy, &uri).await?;
            let stream = connect(&addresses).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(stream))
        })
    }
}

/// Resolves `uri`, and fails if one of its addresses is forbidden. A name with a public and a
/// private address is an attack, or a mistake.
async fn resolve(policy: &EgressPolicy, uri: &Uri) -> Result<Vec<SocketAddr>, BoxError> {
    let host = uri.host().ok_or(EgressDenied("no host"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let default = match uri.scheme() == Some(&Scheme::HTTP) {
        true => 80,
        false => 443,
    };
    let port = uri.port_u16().unwrap_or(default);
    let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => lookup_host((host, port))
            .await?
            .take(MAX_ADDRESSES)
            .collect(),
    };
    for address in &addresses {
        policy.check_resolved(host, address.ip(), port)?;
    }
    Ok(addresses)
}

/// Connects to the first address that accepts the connection.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, BoxError> {
    let mut last: BoxError = Box::new(NoAddress);
    for address in addresses {
        match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error.into(),
            Err(elapsed) => last = elapsed.into(),
        }
    }
    Err(last)
}

/// A name without addresses.
#[derive(Debug)]
struct NoAddress;

impl fmt::Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no address for the name")
    }
}

impl std::error::Error for NoAddress {}

/// Timeout per address. It leaves time within the deadline for the next address if one is dead.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Maximum number of addresses that are used from one lookup.
const MAX_ADDRESSES: usize = 16;
