//! The address of the peer of a connection.

use std::net::SocketAddr;

/// The address that a request has come from, among the extensions of requests that
/// `Serve` has taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "an address is all that it is")]
pub struct PeerAddr(pub SocketAddr);
