use std::sync::Arc;

use http::HeaderName;
use mcp_gateway_core::auth::ProtectedResource;
use mcp_gateway_core::guard::Guard;

use mcp_gateway_config::file::{self as config, Config, Network};

/// What a gateway is besides its servers. When this changes, another takes its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Traits {
    pub(super) name: Arc<str>,
    pub(super) forward_headers: Vec<HeaderName>,
    pub(super) page_size: Option<usize>,
    pub(super) instructions: Option<Arc<str>>,
    pub(super) max_body: Option<usize>,
    hosts: Vec<String>,
    origins: Vec<String>,
    pub(super) protected: Option<ProtectedResource>,
}

impl Traits {
    pub(super) fn of(definition: &config::Gateway, config: &Config) -> Self {
        Self {
            name: Arc::clone(&definition.name),
            forward_headers: definition.forward_headers.clone(),
            page_size: definition.page_size,
            instructions: definition.instructions.clone(),
            max_body: config.limits.max_body,
            hosts: hosts(&config.network),
            origins: config.network.origins.clone(),
            protected: None,
        }
    }

    pub(super) fn guard(&self) -> Guard {
        guarded(&self.hosts, &self.origins)
    }
}

/// Lets requests through that are for `network`.
pub(super) fn guard(network: &Network) -> Guard {
    guarded(&hosts(network), &network.origins)
}

/// The names of the hosts that the gateway is.
fn hosts(network: &Network) -> Vec<String> {
    let public = network.public_url.as_ref().and_then(|url| url.host_str());
    let hosts = network.hosts.iter().map(String::as_str).chain(public);
    hosts.map(str::to_owned).collect()
}

fn guarded(hosts: &[String], origins: &[String]) -> Guard {
    let guard = hosts
        .iter()
        .fold(Guard::new(), |guard, host| guard.with_host(host));
    origins
        .iter()
        .fold(guard, |guard, origin| guard.with_origin(origin))
}
