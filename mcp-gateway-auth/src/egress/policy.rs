//! The policy for outbound requests: schemes, networks and ports.

use std::net::IpAddr;

use ipnet::IpNet;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use url::{Host, Url};

use super::address::{is_metadata, special_use};

/// The addresses that [`Egress`](super::Egress) may reach.
///
/// By default, these are hosts on the public internet, with `https` on port 443. An address with
/// credentials in its authority is always rejected.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::egress::{Egress, EgressError, EgressPolicy};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // The identity provider is in the company's own network.
/// let policy = EgressPolicy::new().with_allowed_networks(["10.20.0.0/16".parse()?]);
/// let egress = Egress::new(policy)?;
///
/// // Another private network stays forbidden, and so does plain HTTP.
/// for url in ["https://10.30.0.1/keys", "http://10.20.0.1/keys"] {
///     let error = egress.get_json(url, 1024).await.unwrap_err();
///     assert!(matches!(error, EgressError::Unavailable), "{url}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[doc(alias("SSRF"))]
pub struct EgressPolicy {
    loopback: bool,
    networks: Vec<IpNet>,
    any_port: bool,
    ports: Vec<u16>,
    roots: Vec<CertificateDer<'static>>,
}

impl EgressPolicy {
    /// Permits the public internet only.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Permits this machine, with or without TLS, on all ports, under the names `localhost`,
    /// `127.0.0.1` and `[::1]`.
    ///
    /// For development: anybody who can name an address can then reach the local services.
    #[must_use]
    pub fn with_insecure_loopback(mut self) -> Self {
        self.loopback = true;
        self
    }

    /// Permits non-public networks, on all ports, still with `https` only.
    ///
    /// The metadata services of clouds remain forbidden, even inside these networks.
    #[must_use]
    pub fn with_allowed_networks(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.networks.extend(networks);
        self
    }

    /// Permits all ports on the public internet.
    ///
    /// For addresses of servers that the user of the program has chosen.
    #[must_use]
    pub fn with_any_port(mut self) -> Self {
        self.any_port = true;
        self
    }

    /// Permits another port on the public internet.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.ports.push(port);
        self
    }

    /// Trusts the certificate authority with the DER certificate `der`, in addition to those of the
    /// operating system.
    #[must_use]
    pub fn with_root_certificate(mut self, der: impl Into<Vec<u8>>) -> Self {
        self.roots.push(CertificateDer::from(der.into()));
        self
    }

    /// Trusts the certificate authorities in `pem` too.
    ///
    /// # Errors
    ///
    /// [`std::io::Error`] if `pem` contains no certificate, or an invalid one.
    pub fn with_root_certificates_pem(mut self, pem: &[u8]) -> std::io::Result<Self> {
        let known = self.roots.len();
        for found in CertificateDer::pem_slice_iter(pem) {
            self.roots.push(found.map_err(std::io::Error::other)?);
        }
        match self.roots.len() > known {
            true => Ok(self),
            false => Err(std::io::Error::other("no certificate in PEM")),
        }
    }

    /// Returns the additional certificate authorities.
    pub(super) fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }

    /// Validates an address before its host is resolved.
    ///
    /// # Errors
    ///
    /// The reason, for the log.
    pub(super) fn check_url(&self, url: &Url) -> Result<(), EgressDenied> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EgressDenied("credentials in the address"));
        }
        let host = url.host().ok_or(EgressDenied("no host"))?;
        let local = self.loopback && is_local(&host);
        match url.scheme() {
            "https" => {}
            "http" if local => {}
            _ => return Err(EgressDenied("scheme")),
        }
        let port = url.port_or_known_default().unwrap_or(0);
        match host {
            Host::Ipv4(ip) => self.check_ip(ip.into(), local, port),
            Host::Ipv6(ip) => self.check_ip(ip.into(), local, port),
            // The name may resolve to an address in a permitted network, where all ports are
            // permitted.
            Host::Domain(_) if local || !self.networks.is_empty() => Ok(()),
            Host::Domain(_) if self.is_public_port(port) => Ok(()),
            Host::Domain(_) => Err(EgressDenied("port")),
        }
    }

    /// Validates an address to which `host` was resolved, or which is `host` itself.
    pub(super) fn check_resolved(
        &self,
        host: &str,
        ip: IpAddr,
        port: u16,
    ) -> Result<(), EgressDenied> {
        let local = host == LOCALHOST || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        self.check_ip(ip, self.loopback && local, port)
    }

    /// Validates an IP address. `local` means that loopback is permitted and required.
    fn check_ip(&self, ip: IpAddr, local: bool, port: u16) -> Result<(), EgressDenied> {
        if is_metadata(ip) {
            return Err(EgressDenied("metadata service"));
        }
        if local {
            return match ip.is_loopback() {
                true => Ok(()),
                false => Err(EgressDenied("not loopback")),
            };
        }
        if self.networks.iter().any(|network| network.contains(&ip)) {
            return Ok(());
        }
        match special_use(ip) {
            Some(kind) => Err(EgressDenied(kind)),
            None if self.is_public_port(port) => Ok(()),
            None => Err(EgressDenied("port")),
        }
    }

    /// Returns `true` if the port is permitted on the public internet.
    fn is_public_port(&self, port: u16) -> bool {
        self.any_port || port == HTTPS || self.ports.contains(&port)
    }
}

/// The reason for which an address is forbidden. It is never shown to the party that named the
/// address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("forbidden address: {0}")]
pub(super) struct EgressDenied(pub(super) &'static str);

/// Returns `true` if the host is `localhost` or a loopback address.
fn is_local(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == LOCALHOST,
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}

const HTTPS: u16 = 443;
const LOCALHOST: &str = "localhost";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy: &EgressPolicy, url: &str) -> Result<(), &'static str> {
        let url = Url::parse(url).map_err(|_| "unreadable")?;
        policy.check_url(&url).map_err(|refusal| refusal.0)
    }

    #[test]
    fn o25_only_https_to_public_hosts_passes() {
        let table = [
            ("https://example.com/jwks", Ok(())),
            ("https://93.184.216.34/", Ok(())),
            ("https://example.com:443/", Ok(())),
            ("http://example.com/", Err("scheme")),
            ("ftp://example.com/", Err("scheme")),
            ("file:///etc/passwd", Err("no host")),
            ("data:application/json,{}", Err("no host")),
            ("gopher://example.com/", Err("scheme")),
            ("https://example.com:22/", Err("port")),
            ("https://93.184.216.34:6379/", Err("port")),
            ("https://a@example.com/", Err("credentials in the address")),
            ("https://:b@example.com/", Err("credentials in the address")),
            ("https://127.0.0.1/", Err("loopback")),
            ("https://2130706433/", Err("loopback")),
            ("https://0177.0.0.1/", Err("loopback")),
            ("https://0x7f.1/", Err("loopback")),
            ("https://0x7f000001/", Err("loopback")),
            ("https://127.1/", Err("loopback")),
            ("https://１２７.0.0.1/", Err("loopback")),
            ("https://127。0。0。1/", Err("loopback")),
            ("https://0/", Err("this network")),
            ("https://[::1]/", Err("loopback")),
            ("https://[::ffff:7f00:1]/", Err("IPv4-mapped")),
            ("https://[::ffff:10.0.0.1]/", Err("IPv4-mapped")),
            ("https://[64:ff9b::7f00:1]/", Err("NAT64")),
            ("https://169.254.169.254/", Err("metadata service")),
            ("https://[fd00:ec2::254]/", Err("metadata service")),
            ("https://10.0.0.1/", Err("private")),
            ("https://127.0.0.1.:443/", Err("loopback")),
            ("https://[::1%25eth0]/", Err("unreadable")),
        ];
        for (url, expected) in table {
            assert_eq!(check(&EgressPolicy::new(), url), expected, "{url}");
        }
    }

    #[test]
    fn o25_loopback_in_development_is_not_more_than_that() {
        let policy = EgressPolicy::new().with_insecure_loopback();
        let table = [
            ("http://localhost:8080/", Ok(())),
            ("http://127.0.0.1:8080/", Ok(())),
            ("http://[::1]:8080/", Ok(())),
            ("https://localhost/", Ok(())),
            ("http://localhost.example.com/", Err("scheme")),
            ("http://10.0.0.1/", Err("scheme")),
            ("https://10.0.0.1/", Err("private")),
            ("http://0.0.0.0/", Err("scheme")),
            ("http://[::ffff:127.0.0.1]/", Err("scheme")),
            ("http://example.com/", Err("scheme")),
        ];
        for (url, expected) in table {
            assert_eq!(check(&policy, url), expected, "{url}");
        }
        let loopback = "127.0.0.1".parse().unwrap();
        assert!(policy.check_resolved("localhost", loopback, 80).is_ok());
        assert!(
            policy
                .check_resolved("evil.example", loopback, 443)
                .is_err()
        );
        let public = "93.184.216.34".parse().unwrap();
        assert!(policy.check_resolved("localhost", public, 80).is_err());
    }

    #[test]
    fn o25_networks_that_are_allowed_do_not_open_others() {
        let networks = ["10.0.0.0/8", "169.254.0.0/16", "fd00::/8"];
        let policy = EgressPolicy::new()
            .with_allowed_networks(networks.map(|network| network.parse().unwrap()));
        let table = [
            ("https://10.1.2.3:8443/", Ok(())),
            ("https://[fd00::1]/", Ok(())),
            ("http://10.1.2.3/", Err("scheme")),
            ("https://192.168.0.1/", Err("private")),
            ("https://127.0.0.1/", Err("loopback")),
            ("https://169.254.169.254/", Err("metadata service")),
            ("https://[fd00:ec2::254]/", Err("metadata service")),
            ("https://[::ffff:10.1.2.3]/", Err("IPv4-mapped")),
        ];
        for (url, expected) in table {
            assert_eq!(check(&policy, url), expected, "{url}");
        }
        let public = "93.184.216.34".parse().unwrap();
        assert!(policy.check_resolved("a.example", public, 22).is_err());
        assert!(policy.check_resolved("a.example", public, 443).is_ok());
    }
}
