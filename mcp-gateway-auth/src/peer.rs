//! The client address of a request behind trusted proxies.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use http::request::Parts;
use ipnet::IpNet;
use mcp_gateway_core::PeerAddr;

/// The proxies whose `X-Forwarded-For` is accepted. Cheap to clone.
///
/// There are none by default: every client can send this header. Entries are evaluated from the
/// last one to the first, as long as the address before is a trusted proxy. A client therefore
/// cannot choose its address by sending entries of its own.
///
/// # Example
///
/// ```
/// use std::net::SocketAddr;
///
/// use http::Request;
/// use mcp_gateway_auth::TrustedProxies;
/// use mcp_gateway_core::PeerAddr;
///
/// let proxies = TrustedProxies::new(["10.0.0.0/8".parse().unwrap()]);
/// let client = |peer: &str| {
///     let mut request = Request::new(());
///     request.headers_mut().insert("x-forwarded-for", "1.1.1.1, 2.2.2.2".parse().unwrap());
///     request.extensions_mut().insert(PeerAddr(peer.parse::<SocketAddr>().unwrap()));
///     proxies.client_address(&request.into_parts().0).unwrap().to_string()
/// };
/// assert_eq!(client("10.0.0.1:5000"), "2.2.2.2");
/// assert_eq!(client("9.9.9.9:5000"), "9.9.9.9");
/// ```
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    /// Trusts the proxies in `networks`.
    #[must_use]
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().collect())
    }

    /// Returns the client address of `request`, or `None` if the request has no peer address.
    #[must_use]
    pub fn client_address(&self, request: &Parts) -> Option<IpAddr> {
        let extensions = &request.extensions;
        let peer = extensions.get::<PeerAddr>().map(|peer| peer.0);
        let peer = peer.or_else(|| {
            let info = extensions.get::<ConnectInfo<SocketAddr>>();
            info.map(|info| info.0)
        });
        let mut address = peer?.ip().to_canonical();
        // Each proxy appends the address of its peer: the last entry comes from the nearest proxy.
        let values = request.headers.get_all("x-forwarded-for");
        let values: Vec<_> = values
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        let entries = values.iter().rev().flat_map(|value| value.rsplit(','));
        for entry in entries {
            if !self.trusts(address) {
                break;
            }
            let Ok(next) = entry.trim().parse::<IpAddr>() else {
                break;
            };
            address = next.to_canonical();
        }
        Some(address)
    }

    /// Returns `true` if `address` is a trusted proxy.
    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}
