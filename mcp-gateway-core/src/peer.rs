//! Address of the peer of a request.

use std::net::SocketAddr;

/// Socket address of the peer of a request.
///
/// `Serve` inserts it into the extensions of each request. Behind a reverse proxy it is the address
/// of the proxy.
///
/// # Example
///
/// ```
/// use std::net::SocketAddr;
///
/// use mcp_gateway_core::PeerAddr;
///
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(PeerAddr(SocketAddr::from(([127, 0, 0, 1], 4711))));
/// let peer = request.extensions().get::<PeerAddr>();
/// assert!(peer.is_some_and(|peer| peer.0.ip().is_loopback()));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "it will never be more than an address"
)]
pub struct PeerAddr(pub SocketAddr);
