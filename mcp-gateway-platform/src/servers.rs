//! Running servers, created from their specs.

mod client_credentials;
mod credentials;
mod http_clients;
mod managed;
mod options;
mod secret_use;
mod service_client;
mod staged;
mod templated_remote;
mod token_exchange;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use mcp_gateway_audit::AuditLog;
use mcp_gateway_auth::egress::EgressPolicy;
use mcp_gateway_core::era::ParkedCalls;
use mcp_gateway_core::results::KeptResults;
use mcp_gateway_core::runtime::Remote;
use mcp_gateway_core::trace::SpanObserver;
use mcp_gateway_core::upstream::{PooledServer, RuntimeBackend, ServerPool, UpstreamServer};

pub(crate) use self::credentials::CredentialFactory;
use self::http_clients::GuardedHttpClient;
pub(crate) use self::http_clients::SharedHttpClient;
pub(crate) use self::managed::ManagedServer;
use self::secret_use::RecordedSecrets;
pub(crate) use self::staged::StagedServers;
use self::templated_remote::TemplatedRemote;
use crate::isolation::{IsolatedProcess, Program, StateRoot};
use crate::orchestrator::{Declaration, Orchestrator};
use crate::protocols::ProtocolDocuments;
use crate::spec;
use mcp_gateway_core::Credential;

/// Running servers.
#[derive(Debug, Default)]
pub(crate) struct ServerSet {
    pool: ServerPool,
    members: Vec<Arc<ManagedServer>>,
    factory: ServerFactory,
    credentials: CredentialFactory,
    /// Last declaration to the orchestrator; `None` before the first one.
    declared: Option<Declaration>,
}

/// Built-in servers by name.
pub type Builtins = HashMap<Arc<str>, Arc<dyn RuntimeBackend>>;

/// Factory of servers.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::servers::{Builtins, ServerFactory};
/// use mcp_gateway_platform::spec::{Process, ServerSpec, ServerRuntime};
///
/// let factory = ServerFactory::new(Builtins::new(), Vec::new());
/// let process = Process::new("uvx", ["mcp-server-time"]);
/// let time = ServerSpec::new("time", ServerRuntime::Process(process));
/// // Programs start with the first call.
/// assert!(factory.build(&time).is_ok());
/// let unknown = ServerSpec::new("demo", ServerRuntime::Builtin("demo".into()));
/// assert!(factory.build(&unknown).is_err());
/// ```
#[derive(Debug, Default)]
pub struct ServerFactory {
    /// Built-in servers by their names.
    builtins: Builtins,
    /// Environment variables that child processes do not inherit.
    hidden: Vec<String>,
    /// HTTP client of all servers.
    web: SharedHttpClient,
    /// HTTP client of servers whose hosts callers, or objects of a cluster, choose.
    guarded: GuardedHttpClient,
    /// Common store of parked calls; `None` for one in each server.
    parked_calls: Option<ParkedCalls>,
    /// Protocols that were detected; `None` without a state store.
    protocols: Option<ProtocolDocuments>,
    /// Common store of kept results.
    kept_results: KeptResults,
    /// Folder of the state of programs.
    states: StateRoot,
    /// Log of the use of secrets; `None` if it is disabled.
    audit: Option<AuditLog>,
    /// Program that runs servers on a cluster.
    orchestrator: Option<Arc<dyn Orchestrator>>,
    /// Observer of the ends of sessions.
    spans: Option<Arc<dyn SpanObserver>>,
}

impl ServerSet {
    /// Creates an empty set, whose servers `factory` creates, with credentials of `credentials`.
    pub(crate) fn new(factory: ServerFactory, credentials: CredentialFactory) -> Self {
        Self {
            factory,
            credentials,
            ..Self::default()
        }
    }

    pub(crate) fn pool(&self) -> &ServerPool {
        &self.pool
    }

    pub(crate) fn members(&self) -> &[Arc<ManagedServer>] {
        &self.members
    }

    /// Returns the running servers by name.
    fn by_name(&self) -> HashMap<&str, &Arc<ManagedServer>> {
        let members = self.members.iter();
        members.map(|member| (&**member.name(), member)).collect()
    }

    /// Prepares the servers of `definitions`. Those that are started and reached as before keep
    /// running, whatever gateways show of them.
    ///
    /// Child processes do not inherit the variables `hidden`.
    ///
    /// # Errors
    ///
    /// If a built-in server is unknown, there is no orchestrator for a server, or the HTTP client
    /// cannot be created.
    pub(crate) fn prepare(
        &mut self,
        definitions: &[spec::ServerSpec],
        hidden: &[String],
    ) -> io::Result<StagedServers> {
        self.factory.hidden = hidden.to_vec();
        let running = self.by_name();
        let mut members = Vec::with_capacity(definitions.len());
        for definition in definitions {
            let running = running.get(&*definition.name);
            let running = running.filter(|member| member.definition.runs_like(definition));
            members.push(match running {
                Some(member) if member.definition == *definition => Arc::clone(member),
                Some(member) => {
                    Arc::new(member.with_definition(definition, &self.factory.kept_results))
                }
                None => {
                    let credentials = &self.credentials;
                    Arc::new(ManagedServer::new(definition, &self.factory, credentials)?)
                }
            });
        }
        let names: HashSet<_> = definitions.iter().map(|server| &*server.name).collect();
        let retired = self.members.iter();
        let retired = retired.filter(|member| !names.contains(&**member.name()));
        Ok(StagedServers {
            retired: retired.cloned().collect(),
            members,
            unreadable: Vec::new(),
        })
    }

    /// Adds and replaces servers. Removed ones stay until [`complete`](Self::complete).
    pub(crate) fn start(&mut self, change: &StagedServers) {
        let members = change.members.iter().chain(&change.retired);
        self.declare(members, &change.unreadable);
        self.members.clone_from(&change.members);
        self.pool
            .replace(entries(change.members.iter().chain(&change.retired)));
    }

    /// Removes servers. Their in-flight calls finish.
    pub(crate) fn complete(&mut self, change: StagedServers) {
        let StagedServers {
            members,
            retired,
            unreadable,
        } = change;
        drop(retired);
        self.pool.replace(entries(&members));
        self.declare(&members, &unreadable);
    }

    /// Declares those of `members` that run on a cluster, unless they are declared already.
    fn declare<'a>(
        &mut self,
        members: impl IntoIterator<Item = &'a Arc<ManagedServer>>,
        unreadable: &[Arc<str>],
    ) {
        let Some(orchestrator) = &self.factory.orchestrator else {
            return;
        };
        let members = members.into_iter();
        let servers = members.filter_map(|member| member.declaration());
        let mut declaration = Declaration::new(servers.collect());
        declaration.unreadable = unreadable.to_vec();
        if self.declared.as_ref() != Some(&declaration) {
            orchestrator.declare(declaration.clone());
            self.declared = Some(declaration);
        }
    }
}

/// Returns the entries of the pool.
fn entries<'a>(
    members: impl IntoIterator<Item = &'a Arc<ManagedServer>>,
) -> impl Iterator<Item = (Arc<str>, Arc<PooledServer>)> {
    let entry =
        |member: &Arc<ManagedServer>| (Arc::clone(member.name()), Arc::clone(&member.pooled));
    members.into_iter().map(entry)
}

impl ServerFactory {
    /// Creates a factory with the built-in servers `builtins`.
    ///
    /// Child processes do not inherit the environment variables `hidden`.
    #[must_use]
    pub fn new(builtins: Builtins, hidden: Vec<String>) -> Self {
        Self {
            builtins,
            hidden,
            ..Self::default()
        }
    }

    /// Sets the data folder, in which programs keep state. Default: a temporary folder.
    ///
    /// The state folders of programs are in the folder `programs` below it; see
    /// [`StateFolders`](crate::isolation::StateFolders).
    #[must_use]
    pub fn with_data_folder(mut self, folder: Option<PathBuf>) -> Self {
        self.states = folder.into();
        self
    }

    /// Sets the program that runs servers on a cluster. Default: none.
    #[must_use]
    pub fn with_orchestrator(mut self, orchestrator: Option<Arc<dyn Orchestrator>>) -> Self {
        self.orchestrator = orchestrator;
        self
    }

    /// Sets the HTTP client.
    pub(crate) fn with_web(mut self, web: SharedHttpClient) -> Self {
        self.web = web;
        self
    }

    /// Sets the addresses of hosts that callers choose. Default: the public internet.
    pub(crate) fn with_egress(mut self, policy: EgressPolicy) -> Self {
        self.guarded.policy = policy;
        self
    }

    /// Creates the server of `definition`, without connecting to it.
    ///
    /// # Errors
    ///
    /// If a built-in server is unknown or the HTTP client cannot be created.
    pub fn build(&self, definition: &spec::ServerSpec) -> io::Result<Arc<UpstreamServer>> {
        let name = &definition.name;
        let backend = self.backend(definition)?;
        let mut builder = UpstreamServer::builder(Arc::clone(name), backend)
            .with_session_policy(definition.sessions)
            .with_lint(definition.lint);
        if let Some(protocol) = definition.transport.protocol() {
            builder = builder.with_protocol(protocol);
        }
        if let Some(roots) = &definition.roots {
            builder = builder.with_roots(roots.clone());
        }
        if let Some(parked_calls) = &self.parked_calls {
            builder = builder.with_parked_calls(parked_calls.clone());
        }
        if let Some(spans) = &self.spans {
            builder = builder.with_span_observer(Arc::clone(spans));
        }
        let protocols = self.protocols.as_ref();
        if let Some(store) = protocols.and_then(|all| all.of_server(&definition.transport)) {
            builder = builder.with_protocol_store(store);
        }
        if let Some(idle) = definition.idle {
            builder = builder.with_idle(idle);
        }
        if let Some(timeout) = definition.connect_timeout {
            builder = builder.with_connect_timeout(timeout);
        }
        if let Some(bytes) = definition.limits.max_message {
            builder = builder.with_max_message(bytes);
        }
        Ok(builder.build())
    }

    /// Returns the program that runs the server of `definition`, if it is on a cluster.
    fn orchestrator_of(&self, definition: &spec::ServerSpec) -> Option<Arc<dyn Orchestrator>> {
        match &definition.transport {
            spec::ServerRuntime::Kubernetes(_) => self.orchestrator.clone(),
            _ => None,
        }
    }

    /// Returns the backend of the transport.
    fn backend(&self, definition: &spec::ServerSpec) -> io::Result<Arc<dyn RuntimeBackend>> {
        let backend: Arc<dyn RuntimeBackend> = match &definition.transport {
            spec::ServerRuntime::Builtin(name) => {
                let known = self.builtins.get(name).cloned();
                known
                    .ok_or_else(|| io::Error::other(format!("unknown built-in server {name:?}")))?
            }
            spec::ServerRuntime::Process(process) => {
                let program = Program::new(&definition.name, process, &self.hidden);
                match process.isolation {
                    Some(_) => {
                        let states = self.states.clone();
                        Arc::new(IsolatedProcess::new(program, definition.sessions, states))
                    }
                    None => Arc::new(program.literal()),
                }
            }
            spec::ServerRuntime::Kubernetes(_) => {
                let orchestrator = self.orchestrator.as_ref().ok_or_else(|| {
                    io::Error::other("it runs on Kubernetes, which only a running gateway reaches")
                })?;
                orchestrator.backend(&definition.name)
            }
            spec::ServerRuntime::Remote(remote) => match &remote.url_template {
                None if remote.is_guarded => {
                    Arc::new(Remote::new(remote.url.clone(), self.guarded.client()?))
                }
                None => Arc::new(Remote::new(remote.url.clone(), self.web.client()?)),
                Some(template)
                    if !remote.is_guarded && TemplatedRemote::has_fixed_host(template) =>
                {
                    Arc::new(TemplatedRemote::new(template.clone(), self.web.client()?))
                }
                Some(template) => Arc::new(TemplatedRemote::new(
                    template.clone(),
                    self.guarded.client()?,
                )),
            },
        };
        Ok(match &self.audit {
            Some(log) => RecordedSecrets::wrap(backend, definition, log),
            None => backend,
        })
    }
}

/// Returns the configured credential of a server: its request headers, if it has any.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::servers::credential;
/// use mcp_gateway_platform::spec::{Remote, ServerRuntime};
///
/// let mut remote = Remote::new("https://mcp.example.com/mcp".parse().unwrap());
/// assert!(credential(&ServerRuntime::Remote(remote.clone())).is_none());
/// remote.headers.push((http::header::AUTHORIZATION, "Bearer a".parse().unwrap()));
/// assert!(credential(&ServerRuntime::Remote(remote)).is_some());
/// ```
#[must_use]
pub fn credential(transport: &spec::ServerRuntime) -> Option<Credential> {
    match transport {
        spec::ServerRuntime::Remote(remote) if !remote.headers.is_empty() => {
            let headers = remote.headers.iter().cloned();
            let credential = Credential::new("configuration");
            Some(headers.fold(credential, |credential, (name, value)| {
                credential.with_header(name, value)
            }))
        }
        spec::ServerRuntime::Builtin(_)
        | spec::ServerRuntime::Process(_)
        | spec::ServerRuntime::Kubernetes(_)
        | spec::ServerRuntime::Remote(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use mcp_gateway_core::results::{ResultBudget, ResultBudgets};

    use super::*;
    use crate::spec::{Process, ServerRuntime};

    fn server(name: &str, args: &[&str]) -> spec::ServerSpec {
        let process = Process::new(name, args.iter().copied());
        spec::ServerSpec::new(name, ServerRuntime::Process(process))
    }

    fn apply(servers: &mut ServerSet, specs: &[spec::ServerSpec]) -> String {
        let change = servers.prepare(specs, &[]).unwrap();
        let rollout = change.rollout(servers);
        servers.start(&change);
        servers.complete(change);
        rollout.to_string()
    }

    #[tokio::test]
    async fn only_what_has_changed_is_replaced() {
        let mut servers = ServerSet::default();
        let before = [server("a", &[]), server("b", &[])];
        assert_eq!(apply(&mut servers, &before), "added: a, b");
        let (a, b) = (
            servers.pool().get("a").unwrap(),
            servers.pool().get("b").unwrap(),
        );

        let after = [server("c", &[]), server("a", &[]), server("b", &["x"])];
        assert_eq!(apply(&mut servers, &after), "added: c; changed: b");
        assert!(Arc::ptr_eq(&a, &servers.pool().get("a").unwrap()));
        assert!(!Arc::ptr_eq(&b, &servers.pool().get("b").unwrap()));
        assert_eq!(apply(&mut servers, &after), "unchanged");

        let shown = {
            let mut shown = after.clone();
            shown[1].prefix = "x".into();
            shown[1].tools = spec::ToolFilter::default().with_denied(["t".into()]);
            shown
        };
        assert_eq!(apply(&mut servers, &shown), "changed: a");
        assert!(Arc::ptr_eq(&a, &servers.pool().get("a").unwrap()));
        assert_eq!(apply(&mut servers, &after), "changed: a");

        let less = [server("a", &[])];
        assert_eq!(apply(&mut servers, &less), "removed: c, b");
        assert_eq!(servers.pool().names(), ["a".into()]);
    }

    #[tokio::test]
    async fn budgets_change_while_a_server_runs() {
        let mut servers = ServerSet::default();
        let mut specs = [server("a", &[])];
        apply(&mut servers, &specs);
        let before = Arc::clone(&servers.members()[0]);
        specs[0].results = ResultBudgets::new(ResultBudget::new().with_max_bytes(2048));
        assert_eq!(apply(&mut servers, &specs), "changed: a");
        let after = &servers.members()[0];
        assert!(Arc::ptr_eq(&before.server, &after.server));
        assert!(!Arc::ptr_eq(&before.pooled, &after.pooled));
    }

    #[tokio::test]
    async fn a_server_that_goes_stays_until_nobody_is_sent_there() {
        let mut servers = ServerSet::default();
        apply(&mut servers, &[server("a", &[])]);
        let change = servers.prepare(&[], &[]).unwrap();
        servers.start(&change);
        assert!(servers.pool().get("a").is_some());
        servers.complete(change);
        assert!(servers.pool().get("a").is_none());
    }
}
