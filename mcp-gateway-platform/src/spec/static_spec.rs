//! Comparison of static specs, and the URL of a platform.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{StaticSpec, changed};

impl StaticSpec {
    /// Returns the keys of the fields that differ in `after`.
    pub(super) fn changed_keys(&self, after: &Self) -> Vec<&'static str> {
        // Destructured, so that a new field does not compile without a key here.
        let Self {
            public_url,
            replica_url,
            sessions,
            parked,
            kept_results,
            session_key,
            store,
            auth,
            audit,
            cluster,
        } = self;
        let changes = [
            ("audit", *audit != after.audit),
            ("kubernetes", *cluster != after.cluster),
            ("limits.parked", *parked != after.parked),
            ("limits.results", *kept_results != after.kept_results),
            ("limits.sessions", *sessions != after.sessions),
            ("publicUrl", *public_url != after.public_url),
            ("replicaUrl", *replica_url != after.replica_url),
            ("store", *store != after.store),
            ("sessionKey", *session_key != after.session_key),
        ];
        let mut keys = auth.changed_keys(&after.auth);
        keys.extend(changed(changes));
        keys
    }

    /// Returns the address at which other machines reach a platform that listens at `address`.
    pub(super) fn beyond_this_machine(&self, address: SocketAddr) -> Option<String> {
        if !address.ip().is_loopback() {
            return Some(address.to_string());
        }
        // A reverse proxy on this machine may listen there.
        let url = self.public_url.as_ref()?;
        let local = match url.host()? {
            url::Host::Domain(name) => name == "localhost",
            url::Host::Ipv4(ip) => ip.is_loopback(),
            url::Host::Ipv6(ip) => ip.is_loopback(),
        };
        (!local).then(|| url.to_string())
    }

    /// Returns the URL for clients of a platform that listens at `address`, without a trailing `/`.
    ///
    /// An unspecified address is replaced by that of this machine.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_platform::spec::StaticSpec;
    ///
    /// let mut spec = StaticSpec::default();
    /// assert_eq!(spec.base_url("0.0.0.0:80".parse().unwrap()), "http://127.0.0.1:80");
    /// spec.public_url = Some("https://mcp.example.com/".parse().unwrap());
    /// assert_eq!(spec.base_url("0.0.0.0:80".parse().unwrap()), "https://mcp.example.com");
    /// ```
    #[must_use]
    pub fn base_url(&self, address: SocketAddr) -> String {
        if let Some(url) = &self.public_url {
            return url.as_str().trim_end_matches('/').to_owned();
        }
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(ip, address.port()))
    }
}
