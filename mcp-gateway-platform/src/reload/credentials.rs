//! Upstream credentials of the current spec.

use std::sync::Arc;

use mcp_gateway_core::Credential;

use crate::servers::credential;
use crate::spec::ServerSpec;

/// Returns the credentials of `servers` by name. Servers without request headers are omitted.
pub(crate) fn configured(servers: &[ServerSpec]) -> impl Iterator<Item = (Arc<str>, Credential)> {
    servers.iter().filter_map(|server| {
        let credential = credential(&server.transport)?;
        Some((Arc::clone(&server.name), credential))
    })
}
