//! Accounts of callers at servers that require a login.
//!
//! Without a login, no caller has an account: the services exist only beside an authorization
//! server of the platform.

mod probe;
mod running;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use mcp_gateway_audit::AuditLog;
use mcp_gateway_auth::accounts::{
    AccountChange, AccountCredentials, AccountId, AccountObserver, AccountPages, AccountServer,
    ConnectLinks, ConnectedAccounts, ConnectionProbe, InputServer, PendingRevocations,
};
use mcp_gateway_auth::client::ClientIdentity;
use mcp_gateway_auth::egress::Egress;
use mcp_gateway_auth::login::LoginSessions;
use mcp_gateway_auth::{Clock, Keyring};
use mcp_gateway_store::Attachment;
use tokio::sync::watch;
use url::Url;

pub(crate) use self::probe::ServerProbe;
pub(crate) use self::running::{RunningServer, RunningServers};
use crate::audit;
use crate::error::PlatformError;
use crate::spec::{DynamicSpec, RemoteAuth, ServerRuntime, ServerSpec, Visibility};
use crate::state::StateStore;

/// Accounts of callers, and the pages on which they are connected.
#[derive(Debug)]
pub(crate) struct AccountServices {
    /// Accounts in the store.
    pub(crate) accounts: ConnectedAccounts,
    /// Resolver of the credentials of calls.
    pub(crate) credentials: Arc<AccountCredentials>,
    /// Receiver of the changes of the accounts.
    pub(crate) events: Arc<AccountEvents>,
    /// Endpoints on which users connect and disconnect accounts.
    pub(crate) pages: Router,
    /// Revocation of the tokens of removed accounts.
    pub(crate) revocations: PendingRevocations,
    /// Test of supplied values.
    pub(crate) probe: Arc<ServerProbe>,
    /// Running servers, whose connections are tested and ended.
    pub(crate) servers: Arc<RunningServers>,
}

impl AccountServices {
    /// Creates the services over the state in `vault`, for browsers that log in with `sessions` at
    /// `base`.
    ///
    /// # Errors
    ///
    /// [`PlatformError`] if the key is invalid, login is not possible at `base`, or an HTTP client
    /// cannot be created.
    pub(crate) fn open(
        vault: &StateStore,
        keyring: &Keyring,
        (sessions, base): (&LoginSessions, &Url),
        egress: &Egress,
        audit: Option<AuditLog>,
    ) -> Result<Self, PlatformError> {
        let servers = Arc::new(RunningServers::default());
        let events = Arc::new(AccountEvents {
            audit,
            servers: Arc::clone(&servers),
            subscribers: ArcSwap::default(),
        });
        let store = Arc::clone(&vault.store);
        let accounts = ConnectedAccounts::new(store, keyring, Clock::system());
        let accounts = accounts.map_err(|error| PlatformError::Key(error.into()))?;
        let accounts = accounts.with_observer(Arc::clone(&events) as Arc<dyn AccountObserver>);
        let host = base.origin().ascii_serialization();
        let links = ConnectLinks::new(&host, keyring.clone(), Arc::new(sessions.clone()));
        let links = links.map_err(|source| PlatformError::Login {
            host,
            source: source.into(),
        })?;
        let credentials = AccountCredentials::new(accounts.clone(), egress.clone());
        let credentials = credentials.with_links(links.clone());
        let pages = AccountPages::new(&credentials, links, sessions.clone());
        let probe = Arc::new(ServerProbe::new(Arc::clone(&servers)));
        let pages = pages.map_err(|error| PlatformError::Egress(error.into()))?;
        let pages = pages.with_probe(Arc::clone(&probe) as Arc<dyn ConnectionProbe>);
        Ok(Self {
            revocations: PendingRevocations::new(accounts.clone(), egress.clone()),
            accounts,
            credentials: Arc::new(credentials),
            events,
            pages: pages.router(),
            probe,
            servers,
        })
    }
}

/// Receiver of the changes of accounts: records them, and notifies the clients of gateways.
#[derive(Debug)]
pub(crate) struct AccountEvents {
    /// Log of the changes; `None` if it is disabled.
    audit: Option<AuditLog>,
    /// Running servers, whose connections end.
    servers: Arc<RunningServers>,
    /// Notifiers of the clients of the gateways of each server.
    ///
    /// Replaced as a whole by each apply, and read without a lock.
    subscribers: ArcSwap<HashMap<Arc<str>, Vec<watch::Sender<()>>>>,
}

impl AccountEvents {
    /// Replaces the gateways by the names of their servers, each with the notifier of its clients.
    ///
    /// A notifier belongs to a gateway, not to a client: a notification reaches all clients of the
    /// gateway, whose lists may differ by caller.
    pub(crate) fn replace_gateways<'a>(
        &self,
        gateways: impl Iterator<Item = (&'a [Arc<str>], watch::Sender<()>)>,
    ) {
        let mut subscribers: HashMap<_, Vec<_>> = HashMap::new();
        for (servers, notifier) in gateways {
            for server in servers {
                let of_server = subscribers.entry(Arc::clone(server)).or_default();
                of_server.push(notifier.clone());
            }
        }
        self.subscribers.store(Arc::new(subscribers));
    }
}

impl AccountObserver for AccountEvents {
    /// Does nothing: the record is part of the change.
    fn on_change(&self, _: &AccountId, _: AccountChange, _: Option<&str>) {}

    /// Returns the record of the change.
    fn attachment(
        &self,
        account: &AccountId,
        change: AccountChange,
        actor: Option<&str>,
    ) -> Attachment {
        let Some(log) = self.audit.clone() else {
            return Attachment::default();
        };
        let record = audit::account_changed(account, change, actor);
        Attachment::new(move |batch, _| log.attach(batch, &record))
    }

    fn on_connection_end(&self, account: &AccountId, current: Option<&str>) {
        self.servers.end(account, current);
    }

    /// Notifies the clients of all gateways with `server`, which may list other features now.
    ///
    /// Never waits: a notifier has no queue, and notifications that are not received yet are
    /// merged.
    fn on_connections_change(&self, server: &str) {
        let subscribers = self.subscribers.load();
        for notifier in subscribers.get(server).into_iter().flatten() {
            notifier.send_replace(());
        }
    }
}

/// Returns the servers of `spec` that are called with the accounts of callers.
pub(crate) fn account_servers(spec: &DynamicSpec) -> impl Iterator<Item = AccountServer> {
    spec.servers.iter().filter_map(|definition| {
        let server = account_server(definition)?;
        Some(match audience(spec, &definition.name) {
            Some((teams, users)) => server.with_teams(teams).with_users(users),
            None => server,
        })
    })
}

/// Returns the account server of `definition`, for all users; `None` unless it is remote and
/// requires a login.
pub(crate) fn account_server(definition: &ServerSpec) -> Option<AccountServer> {
    let ServerRuntime::Remote(remote) = &definition.transport else {
        return None;
    };
    let Some(RemoteAuth::OAuth(oauth)) = &remote.auth else {
        return None;
    };
    let url = Url::parse(&remote.url.to_string()).ok()?;
    let mut server = AccountServer::new(Arc::clone(&definition.name), url);
    if let Some(client) = &oauth.client_id {
        server = server.with_client(match &oauth.client_secret {
            Some(secret) => ClientIdentity::confidential(client, secret.expose()),
            None => ClientIdentity::public(client),
        });
    }
    if !oauth.resource_indicator {
        server = server.without_resource_indicator();
    }
    if !oauth.scopes.is_empty() {
        server = server.with_scope(oauth.scopes.join(" "));
    }
    let headers = remote.headers.iter().cloned();
    Some(headers.fold(server, |server, (name, value)| {
        server.with_header(name, value)
    }))
}

/// Returns the servers of `spec` that are called with supplied values.
pub(crate) fn input_servers(spec: &DynamicSpec) -> impl Iterator<Item = InputServer> {
    spec.servers.iter().filter_map(|definition| {
        let server = input_server(definition)?;
        Some(match audience(spec, &definition.name) {
            Some((teams, users)) => server.with_teams(teams).with_users(users),
            None => server,
        })
    })
}

/// Returns the server of `definition`, for all users; `None` unless callers supply values for it.
pub(crate) fn input_server(definition: &ServerSpec) -> Option<InputServer> {
    if definition.inputs.is_empty() {
        return None;
    }
    let recipient = recipient(&definition.transport);
    let inputs = definition.inputs.iter().cloned();
    let mut server = InputServer::new(Arc::clone(&definition.name), inputs, &recipient);
    let ServerRuntime::Remote(remote) = &definition.transport else {
        return Some(server);
    };
    for (name, value) in &remote.headers {
        server = server.with_header(name.clone(), value.clone());
    }
    for (name, template) in &remote.templates {
        server = server.with_template(name.clone(), template.clone());
    }
    Some(server)
}

/// Returns a description of what supplied values are sent to: the address or the program.
fn recipient(transport: &ServerRuntime) -> String {
    match transport {
        ServerRuntime::Builtin(name) => format!("builtin {name}"),
        ServerRuntime::Process(process) => {
            let (program, folder) = ((&process.command, &process.args), &process.directory);
            format!("process {program:?} {folder:?}")
        }
        ServerRuntime::Kubernetes(server) => format!("image {}", server.image),
        ServerRuntime::Remote(remote) => format!("remote {}", remote.address()),
    }
}

/// Teams and users who may see a server.
type Audience = (Vec<Arc<str>>, Vec<Arc<str>>);

/// Returns the teams and users of the gateways with `server`; `None` if one of them is for
/// everybody.
///
/// The lists are empty, so that they admit nobody, if no gateway has the server.
fn audience(spec: &DynamicSpec, server: &Arc<str>) -> Option<Audience> {
    let gateways = spec.gateways.iter();
    let mut gateways = gateways.filter(|gateway| gateway.servers.contains(server));
    gateways.try_fold(Audience::default(), |(mut teams, mut users), gateway| {
        match &gateway.visibility {
            Visibility::Organization => return None,
            Visibility::Teams(more) => teams.extend(more.iter().cloned()),
            Visibility::User(user) => users.push(Arc::clone(user)),
        }
        Some((teams, users))
    })
}

#[cfg(test)]
mod tests {
    use mcp_gateway_auth::UserInfo;

    use super::*;
    use crate::spec::{GatewaySpec, Remote, RemoteOAuth};

    #[test]
    fn a_server_is_for_the_teams_of_its_gateways() {
        let mut remote = Remote::new("https://mcp.example.com/mcp".parse().unwrap());
        remote.auth = Some(RemoteAuth::OAuth(RemoteOAuth::default()));
        let server = ServerSpec::new("notes", ServerRuntime::Remote(remote));
        let mut spec = DynamicSpec::default();
        spec.add_servers([server]);
        let mut ada = UserInfo::new("usr_1", "Ada");
        let allows = |spec: &DynamicSpec, user: &UserInfo| {
            let mut servers = account_servers(spec);
            servers.next().unwrap().allows(user)
        };
        assert!(allows(&spec, &ada));
        spec.gateways[0].visibility = Visibility::User("usr_1".into());
        assert!(allows(&spec, &ada));
        assert!(!allows(&spec, &UserInfo::new("usr_2", "Bob")));
        spec.gateways[0].visibility = Visibility::Teams(vec!["platform".into()]);
        assert!(!allows(&spec, &ada));
        ada.teams.push("platform".into());
        assert!(allows(&spec, &ada));
        let all = GatewaySpec::over(&spec.servers);
        spec.gateways.push(all);
        assert!(allows(&spec, &UserInfo::new("usr_2", "Bob")));
    }
}
