//! Egress policy of programs whose user chooses the server.

use tokio::net::lookup_host;
use url::Url;

use super::http::is_loopback;
use crate::egress::{EgressPolicy, special_use};

/// Returns the policy for a client whose user has chosen the server at `url`.
///
/// A server on the public internet may refer to public addresses, on any port. A server on this
/// machine or in a private network may also refer to private addresses, because its user can reach
/// them anyway. The host of `url` is resolved for this decision; a host that cannot be resolved
/// counts as public.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::client::{ClientError, OAuthClient, policy_for};
/// use mcp_gateway_auth::egress::Egress;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let url = "http://127.0.0.1:1/mcp".parse()?;
/// let egress = Egress::new(policy_for(&url).await)?;
/// let client = OAuthClient::new(egress, url)?;
/// // The address is allowed, but nothing listens there.
/// assert!(matches!(client.challenge().await, Err(ClientError::Egress { .. })));
/// # Ok(())
/// # }
/// ```
pub async fn policy_for(url: &Url) -> EgressPolicy {
    let policy = EgressPolicy::new().with_any_port();
    if !is_private(url).await {
        return policy;
    }
    let policy = policy.with_allowed_networks(PRIVATE.iter().filter_map(|text| text.parse().ok()));
    match is_loopback(url) {
        true => policy.with_insecure_loopback(),
        false => policy,
    }
}

/// Returns `true` if the host of `url` resolves to an address that is not public.
async fn is_private(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().unwrap_or(443);
    match lookup_host((host, port)).await {
        Ok(mut found) => found.any(|address| special_use(address.ip()).is_some()),
        Err(_) => false,
    }
}

/// Networks of this machine and of organizations (RFC 1918, RFC 4193, RFC 6598).
const PRIVATE: [&str; 7] = [
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
];

#[cfg(test)]
mod tests {
    use ipnet::IpNet;

    use super::*;

    #[test]
    fn networks_are_valid() {
        assert!(PRIVATE.iter().all(|text| text.parse::<IpNet>().is_ok()));
    }
}
