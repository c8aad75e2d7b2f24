//! Test of supplied values at the running servers.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use mcp_gateway_auth::accounts::{ConnectionProbe, ProbeError};
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::call::Prepared;
use mcp_gateway_core::catalog::ListKind;
use mcp_gateway_core::jsonrpc::{Id, Request};
use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
use mcp_gateway_core::route::{Feature, Target};
use mcp_gateway_core::upstream::{Upstream as _, UpstreamError, UpstreamServer};
use mcp_gateway_core::{Call, Caller, ClientInfo, Credential, error_chain};
use tokio::time::timeout;

/// Running servers, whose tools are listed with supplied values.
///
/// The circuit breakers and limits of the servers do not apply: invalid values of one person are no
/// evidence for the calls of others.
#[derive(Debug, Default)]
pub(crate) struct ServerProbe(ArcSwap<HashMap<Arc<str>, Weak<UpstreamServer>>>);

impl ServerProbe {
    /// Replaces the running servers.
    pub(crate) fn replace(&self, servers: impl Iterator<Item = (Arc<str>, Weak<UpstreamServer>)>) {
        self.0.store(Arc::new(servers.collect()));
    }
}

#[async_trait]
impl ConnectionProbe for ServerProbe {
    async fn probe(
        &self,
        principal: Principal,
        server: &str,
        credential: Credential,
    ) -> Result<(), ProbeError> {
        let running = self.0.load().get(server).and_then(Weak::upgrade);
        let running = running.ok_or_else(|| unreachable("the server has been removed"))?;
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        let caller = Arc::new(Caller::new(principal, "connect", client));
        let request = Request::new(&Id::from("connect"), &Method::ToolsList, "{}");
        let stage = Prepared::trusted(Target::new(server, Feature::Server), credential);
        let call = Call::trusted(request, caller).prepared(stage);
        match timeout(LIMIT, running.list(ListKind::Tools, call)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(unreachable("the server did not respond in time")),
        }
    }
}

/// Returns the failure of a probe for the person who has supplied the values.
fn failure(error: &UpstreamError) -> ProbeError {
    match error {
        UpstreamError::Unauthorized { challenge } => {
            let status = challenge.status();
            ProbeError::Rejected(format!("The server does not accept it: status {status}"))
        }
        UpstreamError::Invalid { .. } => {
            ProbeError::Rejected(format!("The server does not work with it: {error}"))
        }
        error => unreachable(&error_chain(error)),
    }
}

fn unreachable(reason: &str) -> ProbeError {
    ProbeError::Unreachable(format!("The server could not be tried: {reason}"))
}

/// Time of a test; programs may be downloaded first.
const LIMIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use mcp_gateway_core::credential::Challenge;

    use super::*;

    #[test]
    fn a_rejection_is_told_from_an_outage() {
        let challenge = Challenge::new(StatusCode::UNAUTHORIZED, &HeaderMap::new());
        let rejected = failure(&UpstreamError::Unauthorized { challenge });
        assert!(matches!(rejected, ProbeError::Rejected(text) if text.contains("401")));
        let refused = failure(&UpstreamError::connect("connection refused"));
        assert!(matches!(refused, ProbeError::Unreachable(text) if text.contains("refused")));
    }

    #[tokio::test]
    async fn a_removed_server_cannot_be_tried() {
        let probe = ServerProbe::default();
        let tried = probe.probe(Principal::new("ada"), "notes", Credential::none());
        assert!(matches!(tried.await, Err(ProbeError::Unreachable(_))));
    }
}
