//! Running servers, of which connections are tested and ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwap;
use mcp_gateway_auth::accounts::{AccountId, InputServer};
use mcp_gateway_core::upstream::UpstreamServer;
use tokio::task::JoinSet;

/// Running servers by name, replaced by each apply.
#[derive(Debug, Default)]
pub(crate) struct RunningServers {
    servers: ArcSwap<HashMap<Arc<str>, RunningServer>>,
    /// Connections that are being ended.
    endings: Mutex<JoinSet<()>>,
}

/// Running server.
#[derive(Clone, Debug)]
pub(crate) struct RunningServer {
    /// Server with supplied values; `None` if callers supply none.
    pub(crate) inputs: Option<InputServer>,
    /// Connections to the server, which end with it.
    pub(crate) server: Weak<UpstreamServer>,
}

impl RunningServers {
    /// Replaces the running servers.
    pub(crate) fn replace(&self, servers: impl Iterator<Item = (Arc<str>, RunningServer)>) {
        self.servers.store(Arc::new(servers.collect()));
    }

    /// Returns the running server that receives the values of `wanted`: the one with the same name,
    /// unless it has another address or program.
    pub(super) fn recipient(&self, wanted: &InputServer) -> Option<Arc<UpstreamServer>> {
        let servers = self.servers.load();
        let found = servers.get(wanted.name())?;
        let inputs = found.inputs.as_ref();
        let is_same = inputs.is_some_and(|inputs| inputs.has_recipient_of(wanted));
        found.server.upgrade().filter(|_| is_same)
    }

    /// Ends what runs for earlier connections of `account` than the one with the credentials
    /// `current`. Calls in flight finish first.
    pub(super) fn end(&self, account: &AccountId, current: Option<&str>) {
        let server = self.servers.load().get(&account.server).cloned();
        let Some(server) = server.and_then(|running| running.server.upgrade()) else {
            return;
        };
        let (account, current) = (account.clone(), current.map(str::to_owned));
        let mut endings = self.endings.lock().unwrap_or_else(PoisonError::into_inner);
        while endings.try_join_next().is_some() {}
        endings.spawn(async move {
            let is_outdated =
                |name: &str| account.has_credential(name) && current.as_deref() != Some(name);
            server.end_accounts(is_outdated).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mcp_gateway_auth::accounts::Owner;
    use mcp_gateway_core::auth::Principal;
    use mcp_gateway_core::call::Prepared;
    use mcp_gateway_core::catalog::ListKind;
    use mcp_gateway_core::jsonrpc::{Id, Request};
    use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
    use mcp_gateway_core::route::{Feature, Target};
    use mcp_gateway_core::upstream::Upstream as _;
    use mcp_gateway_core::{Call, Caller, ClientInfo, Credential};

    use super::*;

    /// MCP server of the legacy era, which answers slowly, and leaves a file when its input ends.
    const PROGRAM: &str = r#"while read -r line; do
        id=$(printf %s "$line" | sed -n 's/.*"id":\("[^"]*"\|[0-9]*\).*/\1/p')
        case $line in
            *'"initialize"'*) answer='"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"n","version":"1"}}' ;;
            *'"tools/list"'*) touch "$0.called"; sleep 2; answer='"result":{"tools":[]}' ;;
            *) answer='"error":{"code":-32601,"message":"unknown method"}' ;;
        esac
        [ -z "$id" ] || echo "{\"jsonrpc\":\"2.0\",\"id\":$id,$answer}"
    done
    touch "$0""#;

    /// Returns a list request with the credential `account`.
    fn request(account: &str) -> Call<Prepared> {
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        let caller = Arc::new(Caller::new(Principal::new("ada"), "main", client));
        let request = Request::new(&Id::from("1"), &Method::ToolsList, "{}");
        let target = Target::new("notes", Feature::Server);
        let stage = Prepared::trusted(target, Credential::new(account));
        Call::trusted(request, caller).prepared(stage)
    }

    #[tokio::test]
    async fn category_replaced_connection_its_program_ends_after_calls_in_flight() {
        let folder = tempfile::tempdir().unwrap();
        let ended = folder.path().join("ended");
        let called = folder.path().join("ended.called");
        let arguments = ["-c", PROGRAM, ended.to_str().unwrap()];
        let server = UpstreamServer::process("notes", "sh").args(arguments);
        let server: Arc<UpstreamServer> = server.into();
        let servers = RunningServers::default();
        let running = RunningServer {
            inputs: None,
            server: Arc::downgrade(&server),
        };
        servers.replace([("notes".into(), running)].into_iter());
        let exists = async |path: &std::path::Path| {
            let exists = async {
                while !path.exists() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(60), exists)
                .await
                .unwrap();
        };
        let calling = Arc::clone(&server);
        let call = async move {
            calling
                .list(ListKind::Tools, request("user/ada@notes#1"))
                .await
        };
        let mut calls = JoinSet::new();
        calls.spawn(call);
        exists(&called).await;
        let account = AccountId::new(Owner::User("ada".into()), "notes");
        // Another connection, of somebody else: nothing ends.
        servers.end(&AccountId::new(Owner::User("bob".into()), "notes"), None);
        servers.end(&account, Some("user/ada@notes#1"));
        servers.end(&account, Some("user/ada@notes#2"));
        let listed = calls.join_next().await.unwrap().unwrap();
        assert!(listed.is_ok(), "{listed:?}");
        exists(&ended).await;
        assert_eq!(server.connections(), 0);
    }

    #[test]
    fn category_replaced_connection_only_the_same_recipient_is_tested() {
        let server: Arc<UpstreamServer> = UpstreamServer::process("notes", "true").into();
        let servers = RunningServers::default();
        let of = |recipient: &str| InputServer::new("notes", [], recipient);
        let running = RunningServer {
            inputs: Some(of("old")),
            server: Arc::downgrade(&server),
        };
        servers.replace([("notes".into(), running)].into_iter());
        assert!(servers.recipient(&of("old")).is_some());
        assert!(servers.recipient(&of("new")).is_none());
    }
}
