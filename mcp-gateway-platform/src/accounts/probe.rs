//! Test of supplied values at the running servers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use mcp_gateway_auth::accounts::{ConnectionProbe, InputServer, ProbeError};
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::call::Prepared;
use mcp_gateway_core::catalog::{ListKind, Listing};
use mcp_gateway_core::jsonrpc::{Id, Request};
use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
use mcp_gateway_core::route::{Feature, Target};
use mcp_gateway_core::upstream::{UpstreamError, UpstreamServer};
use mcp_gateway_core::{Call, Caller, ClientInfo, Credential, error_chain};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use super::running::RunningServers;

/// Running servers, whose tools are listed with supplied values.
///
/// The circuit breakers and limits of the servers do not apply: invalid values of one person are no
/// evidence for the calls of others. A few tests run at a time, and each ends the program that it has
/// started.
#[derive(Debug)]
pub(crate) struct ServerProbe {
    servers: Arc<RunningServers>,
    slots: Arc<Semaphore>,
    tests: Mutex<JoinSet<()>>,
}

impl ServerProbe {
    /// Creates a test of `servers`.
    pub(crate) fn new(servers: Arc<RunningServers>) -> Self {
        Self {
            servers,
            slots: Arc::new(Semaphore::new(MAX_TESTS)),
            tests: Mutex::default(),
        }
    }

    /// Starts a test, which ends its program also if nobody waits for it any more.
    fn test(
        &self,
        server: Arc<UpstreamServer>,
        call: Call<Prepared>,
    ) -> oneshot::Receiver<Result<Arc<Listing>, UpstreamError>> {
        let (done, result) = oneshot::channel();
        let slots = Arc::clone(&self.slots);
        let mut tests = self.tests.lock().unwrap_or_else(PoisonError::into_inner);
        while tests.try_join_next().is_some() {}
        tests.spawn(async move {
            let _slot = slots.acquire_owned().await;
            let listed = server.list_on_trial(ListKind::Tools, call, LIMIT).await;
            let _ = done.send(listed);
        });
        result
    }
}

#[async_trait]
impl ConnectionProbe for ServerProbe {
    async fn probe(
        &self,
        principal: Principal,
        server: &InputServer,
        credential: Credential,
    ) -> Result<(), ProbeError> {
        // The one that the values are for: an apply may be replacing it.
        let running = self.servers.recipient(server);
        let running = running.ok_or_else(|| unreachable("the server is being replaced"))?;
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        let caller = Arc::new(Caller::new(principal, "connect", client));
        let request = Request::new(&Id::from("connect"), &Method::ToolsList, "{}");
        let stage = Prepared::trusted(Target::new(&**server.name(), Feature::Server), credential);
        let call = Call::trusted(request, caller).prepared(stage);
        match self.test(running, call).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(UpstreamError::Timeout)) => {
                Err(unreachable("the server did not respond in time"))
            }
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(unreachable("the test was interrupted")),
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
/// Number of tests at the same time.
const MAX_TESTS: usize = 4;

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use mcp_gateway_core::credential::Challenge;

    use super::*;
    use crate::accounts::running::RunningServer;

    #[test]
    fn a_rejection_is_told_from_an_outage() {
        let challenge = Challenge::new(StatusCode::UNAUTHORIZED, &HeaderMap::new());
        let rejected = failure(&UpstreamError::Unauthorized { challenge });
        assert!(matches!(rejected, ProbeError::Rejected(text) if text.contains("401")));
        let refused = failure(&UpstreamError::connect("connection refused"));
        assert!(matches!(refused, ProbeError::Unreachable(text) if text.contains("refused")));
    }

    /// MCP server of the legacy era, which leaves a file when its input ends.
    const PROGRAM: &str = r#"while read -r line; do
        id=$(printf %s "$line" | sed -n 's/.*"id":\("[^"]*"\|[0-9]*\).*/\1/p')
        case $line in
            *'"initialize"'*) answer='"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"n","version":"1"}}' ;;
            *'"tools/list"'*) answer='"result":{"tools":[]}' ;;
            *) answer='"error":{"code":-32601,"message":"unknown method"}' ;;
        esac
        [ -z "$id" ] || echo "{\"jsonrpc\":\"2.0\",\"id\":$id,$answer}"
    done
    touch "$0""#;

    /// Returns the input server `notes`.
    fn notes() -> InputServer {
        InputServer::new("notes", [], "program")
    }

    /// Returns a test of `server`.
    fn probe_of(server: &Arc<UpstreamServer>) -> ServerProbe {
        let running = RunningServer {
            inputs: Some(notes()),
            server: Arc::downgrade(server),
        };
        let servers = RunningServers::default();
        servers.replace([("notes".into(), running)].into_iter());
        ServerProbe::new(Arc::new(servers))
    }

    #[tokio::test]
    async fn o87_a_test_ends_the_program_that_it_has_started() {
        let folder = tempfile::tempdir().unwrap();
        let ended = folder.path().join("ended");
        let arguments = ["-c", PROGRAM, ended.to_str().unwrap()];
        let server = UpstreamServer::process("notes", "sh").args(arguments);
        let server: Arc<UpstreamServer> = server.into();
        let probe = probe_of(&server);
        let notes = notes();
        let tried = probe.probe(Principal::new("ada"), &notes, Credential::none());
        tried.await.unwrap();
        let end = async {
            while !ended.exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LIMIT, end).await.unwrap();
        assert_eq!(server.connections(), 0);
    }

    #[tokio::test]
    async fn category_quoted_secret_a_test_quotes_no_value() {
        let program = r#"echo "no access with $TOKEN" >&2; read -r line
            id=$(printf %s "$line" | sed -n 's/.*"id":\("[^"]*"\|[0-9]*\).*/\1/p')
            echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"error\":{\"code\":-1,\"message\":\"no $TOKEN\"}}""#;
        let process = UpstreamServer::process("notes", "sh").args(["-c", program]);
        let server: Arc<UpstreamServer> = process.env("TOKEN", "k3y-of-ada").into();
        let (probe, notes) = (probe_of(&server), notes());
        let credential = Credential::new("ada").with_value("token", "k3y-of-ada");
        let tried = probe.probe(Principal::new("ada"), &notes, credential).await;
        let shown = tried.unwrap_err().to_string();
        let logged = server.last_failure_details().unwrap();
        for text in [shown, logged] {
            assert!(
                text.contains("no ***") && !text.contains("k3y-of-ada"),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn a_removed_server_cannot_be_tried() {
        let probe = ServerProbe::new(Arc::default());
        let notes = notes();
        let tried = probe.probe(Principal::new("ada"), &notes, Credential::none());
        assert!(matches!(tried.await, Err(ProbeError::Unreachable(_))));
    }
}
