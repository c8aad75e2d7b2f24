//! The servers that run, made of what the configuration says of them.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use mcp_gateway_core::bridge::Parking;
use mcp_gateway_core::runtime::{Process, Remote, WebClient};
use mcp_gateway_core::upstream::{PooledServer, RuntimeBackend, Server, ServerPool};

use crate::spec;
use crate::status::ServerStatus;
use mcp_gateway_core::{Credential, error_chain};

/// The servers that run.
#[derive(Debug, Default)]
pub(crate) struct ServerSet {
    pool: ServerPool,
    members: Vec<Arc<ManagedServer>>,
    factory: ServerFactory,
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct ManagedServer {
    definition: spec::Server,
    server: Arc<Server>,
    pooled: Arc<PooledServer>,
}

/// Makes servers reachable over HTTP. Nothing is needed for it until there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Web(Arc<OnceLock<WebClient>>);

/// The servers that are built in, by name.
pub type Builtins = HashMap<Arc<str>, Arc<dyn RuntimeBackend>>;

/// Makes servers of their specs.
#[derive(Debug, Default)]
pub struct ServerFactory {
    builtins: Builtins,
    /// The variables of the environment that programs do not get to know.
    hidden: Vec<String>,
    web: Web,
    /// Where calls wait whose clients are asked something; by default each server has a place of
    /// its own.
    parking: Option<Parking>,
}

/// Servers that are ready, but not yet in the place of those that run.
#[derive(Debug)]
#[must_use = "nothing changes before it is put in place"]
pub(crate) struct StagedServers {
    members: Vec<Arc<ManagedServer>>,
    /// The servers that go.
    retired: Vec<Arc<ManagedServer>>,
}

/// The changes that a spec has caused.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Rollout {
    /// The servers that are new.
    pub added: Vec<Arc<str>>,
    /// The servers that have been replaced by others of their names.
    pub changed: Vec<Arc<str>>,
    /// The servers that are gone.
    pub removed: Vec<Arc<str>>,
    /// The keys of what takes effect only after a restart.
    pub restart: Vec<&'static str>,
}

impl Rollout {
    /// Returns `true` if any server was added, changed or removed.
    #[must_use]
    pub fn has_servers(&self) -> bool {
        !(self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty())
    }
}

impl fmt::Display for Rollout {
    /// Writes the names of the servers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("added", &self.added),
            ("changed", &self.changed),
            ("removed", &self.removed),
        ];
        let parts = parts.iter().filter(|(_, names)| !names.is_empty());
        let parts: Vec<_> = parts
            .map(|(what, names)| format!("{what}: {}", names.join(", ")))
            .collect();
        match parts.is_empty() {
            true => f.write_str("unchanged"),
            false => f.write_str(&parts.join("; ")),
        }
    }
}

impl ServerSet {
    /// Servers that `factory` makes.
    pub(crate) fn new(factory: ServerFactory) -> Self {
        Self {
            factory,
            ..Self::default()
        }
    }

    pub(crate) fn pool(&self) -> &ServerPool {
        &self.pool
    }

    pub(crate) fn members(&self) -> &[Arc<ManagedServer>] {
        &self.members
    }

    /// Makes the servers that `definitions` say. One of which nothing has changed is kept as it
    /// is. Programs do not get to know the variables `hidden`.
    ///
    /// # Errors
    ///
    /// When the system lacks something that is needed to reach servers.
    pub(crate) fn prepare(
        &mut self,
        definitions: &[spec::Server],
        hidden: &[String],
    ) -> io::Result<StagedServers> {
        self.factory.hidden = hidden.to_vec();
        let mut members = Vec::new();
        for definition in definitions {
            let same = self
                .members
                .iter()
                .find(|member| member.definition == *definition);
            members.push(match same {
                Some(member) => Arc::clone(member),
                None => Arc::new(ManagedServer::new(definition, &self.factory)?),
            });
        }
        let retired = self.members.iter().filter(|member| {
            let name = member.name();
            !members.iter().any(|other| other.name() == name)
        });
        Ok(StagedServers {
            retired: retired.cloned().collect(),
            members,
        })
    }

    /// Puts the new servers in place; those that go stay until [`finish`](Self::finish).
    pub(crate) fn begin(&mut self, change: &StagedServers) {
        self.members.clone_from(&change.members);
        self.pool
            .replace(entries(change.members.iter().chain(&change.retired)));
    }

    /// Takes the servers out that go. They finish the calls that they have.
    pub(crate) fn finish(&mut self, change: StagedServers) {
        drop(change.retired);
        self.pool.replace(entries(&change.members));
    }
}

fn entries<'a>(
    members: impl IntoIterator<Item = &'a Arc<ManagedServer>>,
) -> HashMap<Arc<str>, Arc<PooledServer>> {
    let entry =
        |member: &Arc<ManagedServer>| (Arc::clone(member.name()), Arc::clone(&member.pooled));
    members.into_iter().map(entry).collect()
}

impl StagedServers {
    /// What changes in comparison with `fleet`.
    pub(crate) fn rollout(&self, fleet: &ServerSet) -> Rollout {
        let names = |members: Vec<&Arc<ManagedServer>>| {
            let names = members.iter().map(|member| Arc::clone(member.name()));
            names.collect()
        };
        let existed = |member: &&Arc<ManagedServer>| {
            fleet
                .members
                .iter()
                .any(|other| other.name() == member.name())
        };
        let kept = |member: &&Arc<ManagedServer>| {
            fleet.members.iter().any(|other| Arc::ptr_eq(other, member))
        };
        let (old, added): (Vec<_>, Vec<_>) = self.members.iter().partition(existed);
        let replaced = old.into_iter().filter(|member| !kept(member)).collect();
        Rollout {
            added: names(added),
            changed: names(replaced),
            removed: names(self.retired.iter().collect()),
            restart: Vec::new(),
        }
    }
}

impl ManagedServer {
    fn new(definition: &spec::Server, factory: &ServerFactory) -> io::Result<Self> {
        let server = factory.build(definition)?;
        let limits = definition.limits.calls.clone();
        let pooled = Arc::new(PooledServer::new(Arc::clone(&server) as _, limits));
        Ok(Self {
            definition: definition.clone(),
            server,
            pooled,
        })
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.definition.name
    }

    /// How the server is, as far as it was called lately.
    pub(crate) fn status(&self) -> ServerStatus {
        ServerStatus {
            name: Arc::clone(self.name()),
            conversations: self.server.conversations(),
            failure: self.failure(),
        }
    }

    fn failure(&self) -> Option<String> {
        match self.server.last_failure() {
            Some(error) => Some(error_chain(&error)),
            None if self.pooled.is_failing() => Some("its calls fail".to_owned()),
            None => None,
        }
    }
}

impl Web {
    pub(crate) fn client(&self) -> io::Result<WebClient> {
        if let Some(client) = self.0.get() {
            return Ok(client.clone());
        }
        let client = WebClient::new()?;
        Ok(self.0.get_or_init(|| client).clone())
    }
}

impl ServerFactory {
    /// Makes servers, among them those of `builtins`. Programs do not get to know the variables
    /// `hidden` of the environment.
    #[must_use]
    pub fn new(builtins: Builtins, hidden: Vec<String>) -> Self {
        Self {
            builtins,
            hidden,
            ..Self::default()
        }
    }

    /// The same, where calls wait in `parking` while their clients are asked something.
    pub(crate) fn with_parking(mut self, parking: Parking) -> Self {
        self.parking = Some(parking);
        self
    }

    /// The same with another client.
    pub(crate) fn with_web(mut self, web: Web) -> Self {
        self.web = web;
        self
    }

    /// Makes the server that `definition` says, with which no conversation goes on yet.
    ///
    /// # Errors
    ///
    /// When the system lacks something that is needed to reach it.
    pub fn build(&self, definition: &spec::Server) -> io::Result<Arc<Server>> {
        let name = &definition.name;
        let mut builder = Server::builder(Arc::clone(name), self.backend(definition)?)
            .with_sessions(definition.sessions);
        if let spec::Transport::Remote(remote) = &definition.transport
            && let Some(protocol) = remote.protocol
        {
            builder = builder.with_protocol(protocol);
        }
        if let Some(roots) = &definition.roots {
            builder = builder.with_roots(roots.clone());
        }
        if let Some(parking) = &self.parking {
            builder = builder.with_parking(parking.clone());
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

    fn backend(&self, definition: &spec::Server) -> io::Result<Arc<dyn RuntimeBackend>> {
        Ok(match &definition.transport {
            spec::Transport::Builtin(name) => {
                let known = self.builtins.get(name).cloned();
                known.ok_or_else(|| io::Error::other(format!("no server {name:?} is built in")))?
            }
            spec::Transport::Process(process) => program(&definition.name, process, &self.hidden),
            spec::Transport::Remote(remote) => {
                Arc::new(Remote::new(remote.url.clone(), self.web.client()?))
            }
        })
    }
}

fn program(
    name: &Arc<str>,
    definition: &spec::Process,
    hidden: &[String],
) -> Arc<dyn RuntimeBackend> {
    let mut process =
        Process::new(Arc::clone(name), &definition.command).with_args(&definition.args);
    for name in hidden {
        process = process.without_env(name);
    }
    for (name, value) in &definition.env {
        process = process.with_env(name, value.expose());
    }
    if definition.clear_environment {
        process = process.with_clear_env();
    }
    if let Some(directory) = &definition.directory {
        process = process.with_directory(directory);
    }
    if let Some(grace) = definition.grace {
        process = process.with_grace(grace);
    }
    Arc::new(process)
}

/// What is presented to a server that is reached by `transport`.
#[must_use]
pub fn credential(transport: &spec::Transport) -> Option<Credential> {
    match transport {
        spec::Transport::Remote(remote) if !remote.headers.is_empty() => {
            let headers = remote.headers.iter().cloned();
            let credential = Credential::new("configuration");
            Some(headers.fold(credential, |credential, (name, value)| {
                credential.with_header(name, value)
            }))
        }
        spec::Transport::Builtin(_) | spec::Transport::Process(_) | spec::Transport::Remote(_) => {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Process, Transport};

    fn server(name: &str, args: &[&str]) -> spec::Server {
        let process = Process::new(name, args.iter().copied());
        spec::Server::new(name, Transport::Process(process))
    }

    fn apply(fleet: &mut ServerSet, servers: &[spec::Server]) -> String {
        let change = fleet.prepare(servers, &[]).unwrap();
        let rollout = change.rollout(fleet);
        fleet.begin(&change);
        fleet.finish(change);
        rollout.to_string()
    }

    #[tokio::test]
    async fn only_what_has_changed_is_replaced() {
        let mut fleet = ServerSet::default();
        let before = [server("a", &[]), server("b", &[])];
        assert_eq!(apply(&mut fleet, &before), "added: a, b");
        let (a, b) = (
            fleet.pool().get("a").unwrap(),
            fleet.pool().get("b").unwrap(),
        );

        let after = [server("c", &[]), server("a", &[]), server("b", &["x"])];
        assert_eq!(apply(&mut fleet, &after), "added: c; changed: b");
        assert!(Arc::ptr_eq(&a, &fleet.pool().get("a").unwrap()));
        assert!(!Arc::ptr_eq(&b, &fleet.pool().get("b").unwrap()));
        assert_eq!(apply(&mut fleet, &after), "unchanged");

        let less = [server("a", &[])];
        assert_eq!(apply(&mut fleet, &less), "removed: c, b");
        assert_eq!(fleet.pool().names(), ["a".into()]);
    }

    #[tokio::test]
    async fn a_server_that_goes_stays_until_nobody_is_sent_there() {
        let mut fleet = ServerSet::default();
        apply(&mut fleet, &[server("a", &[])]);
        let change = fleet.prepare(&[], &[]).unwrap();
        fleet.begin(&change);
        assert!(fleet.pool().get("a").is_some());
        fleet.finish(change);
        assert!(fleet.pool().get("a").is_none());
    }
}
