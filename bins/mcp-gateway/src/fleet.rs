//! The servers that run, made of what the configuration says of them.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, OnceLock};

use mcp_gateway_core::bridge::Parking;
use mcp_gateway_core::runtime::{Process, Remote, WebClient};
use mcp_gateway_core::upstream::{PooledServer, RuntimeBackend, Server, ServerPool};

use crate::output::chain;
use mcp_gateway_config::file as config;

/// The servers that run.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    pool: ServerPool,
    members: Vec<Arc<Member>>,
    web: Web,
    /// Where calls wait whose clients are asked something; by default each server has a place of
    /// its own.
    parking: Option<Parking>,
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Member {
    definition: config::Server,
    server: Arc<Server>,
    pooled: Arc<PooledServer>,
}

/// Makes servers reachable over HTTP. Nothing is needed for it until there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Web(Arc<OnceLock<Arc<WebClient>>>);

/// What servers share that are made in this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host<'a> {
    /// The variables of the environment that programs do not get to know.
    pub(crate) secrets: &'a [String],
    pub(crate) web: &'a Web,
    pub(crate) parking: Option<&'a Parking>,
}

/// Servers that are ready, but not yet in the place of those that run.
#[derive(Debug)]
#[must_use = "nothing changes before it is put in place"]
pub(crate) struct Change {
    members: Vec<Arc<Member>>,
    /// The servers that go.
    retired: Vec<Arc<Member>>,
}

impl Fleet {
    /// Servers whose calls wait in `parking` while their clients are asked something.
    pub(crate) fn new(web: Web, parking: Parking) -> Self {
        Self {
            web,
            parking: Some(parking),
            ..Self::default()
        }
    }

    pub(crate) fn pool(&self) -> &ServerPool {
        &self.pool
    }

    pub(crate) fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// Makes the servers that `definitions` say. One of which nothing has changed is kept as it
    /// is. Programs do not get to know the variables `secrets`.
    ///
    /// # Errors
    ///
    /// When the system lacks something that is needed to reach servers.
    pub(crate) fn prepare(
        &self,
        definitions: &[config::Server],
        secrets: &[String],
    ) -> io::Result<Change> {
        let host = Host {
            secrets,
            web: &self.web,
            parking: self.parking.as_ref(),
        };
        let mut members = Vec::new();
        for definition in definitions {
            let same = self
                .members
                .iter()
                .find(|member| member.definition == *definition);
            members.push(match same {
                Some(member) => Arc::clone(member),
                None => Arc::new(Member::new(definition, host)?),
            });
        }
        let retired = self.members.iter().filter(|member| {
            let name = member.name();
            !members.iter().any(|other| other.name() == name)
        });
        Ok(Change {
            retired: retired.cloned().collect(),
            members,
        })
    }

    /// Puts the new servers in place; those that go stay until [`finish`](Self::finish).
    pub(crate) fn begin(&mut self, change: &Change) {
        self.members.clone_from(&change.members);
        self.pool
            .replace(entries(change.members.iter().chain(&change.retired)));
    }

    /// Takes the servers out that go. They finish the calls that they have.
    pub(crate) fn finish(&mut self, change: Change) {
        drop(change.retired);
        self.pool.replace(entries(&change.members));
    }
}

fn entries<'a>(
    members: impl IntoIterator<Item = &'a Arc<Member>>,
) -> HashMap<Arc<str>, Arc<PooledServer>> {
    let entry = |member: &Arc<Member>| (Arc::clone(member.name()), Arc::clone(&member.pooled));
    members.into_iter().map(entry).collect()
}

impl Change {
    /// What changes in comparison with `fleet`, in words.
    pub(crate) fn describe(&self, fleet: &Fleet) -> Option<String> {
        let names = |members: Vec<&Arc<Member>>| {
            let names: Vec<_> = members.iter().map(|member| &**member.name()).collect();
            names.join(", ")
        };
        let existed = |member: &&Arc<Member>| {
            fleet
                .members
                .iter()
                .any(|other| other.name() == member.name())
        };
        let kept =
            |member: &&Arc<Member>| fleet.members.iter().any(|other| Arc::ptr_eq(other, member));
        let (old, added): (Vec<_>, Vec<_>) = self.members.iter().partition(existed);
        let replaced = old.into_iter().filter(|member| !kept(member)).collect();
        let removed = self.retired.iter().collect();
        let parts = [
            ("added", names(added)),
            ("changed", names(replaced)),
            ("removed", names(removed)),
        ];
        let parts = parts.iter().filter(|(_, names)| !names.is_empty());
        let parts: Vec<_> = parts
            .map(|(what, names)| format!("{what}: {names}"))
            .collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

impl Member {
    fn new(definition: &config::Server, host: Host<'_>) -> io::Result<Self> {
        let server = server(definition, host)?;
        let pooled = PooledServer::new(Arc::clone(&server) as _, definition.limits.calls.clone());
        Ok(Self {
            definition: definition.clone(),
            server,
            pooled,
        })
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.definition.name
    }

    pub(crate) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Why the server is not well, as far as it was called lately.
    pub(crate) fn failure(&self) -> Option<String> {
        match self.server.last_failure() {
            Some(error) => Some(chain(&error)),
            None if self.pooled.is_failing() => Some("its calls fail".to_owned()),
            None => None,
        }
    }
}

impl Web {
    pub(crate) fn client(&self) -> io::Result<Arc<WebClient>> {
        if let Some(client) = self.0.get() {
            return Ok(Arc::clone(client));
        }
        let client = WebClient::new()?;
        Ok(Arc::clone(self.0.get_or_init(|| client)))
    }
}

/// The server that `definition` says, with which no conversation goes on yet.
///
/// # Errors
///
/// When the system lacks something that is needed to reach it.
pub(crate) fn server(definition: &config::Server, host: Host<'_>) -> io::Result<Arc<Server>> {
    let name = &definition.name;
    let mut builder = Server::builder(Arc::clone(name), backend(definition, host)?)
        .with_sessions(definition.sessions);
    if let config::Transport::Remote(remote) = &definition.transport
        && let Some(protocol) = remote.protocol
    {
        builder = builder.with_protocol(protocol);
    }
    if let Some(roots) = &definition.roots {
        builder = builder.with_roots(roots.clone());
    }
    if let Some(parking) = host.parking {
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

fn backend(definition: &config::Server, host: Host<'_>) -> io::Result<Arc<dyn RuntimeBackend>> {
    Ok(match &definition.transport {
        config::Transport::Builtin(config::Builtin::Demo) => demo()?,
        config::Transport::Process(process) => program(&definition.name, process, host.secrets),
        config::Transport::Remote(remote) => Remote::new(remote.url.clone(), host.web.client()?),
    })
}

fn program(
    name: &Arc<str>,
    definition: &config::Process,
    secrets: &[String],
) -> Arc<dyn RuntimeBackend> {
    let mut process =
        Process::new(Arc::clone(name), &definition.command).with_args(&definition.args);
    for name in secrets {
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
    process.build()
}

#[cfg(feature = "demo")]
#[expect(
    clippy::unnecessary_wraps,
    reason = "a build without the demo has none"
)]
fn demo() -> io::Result<Arc<dyn RuntimeBackend>> {
    Ok(crate::demo::backend())
}

#[cfg(not(feature = "demo"))]
fn demo() -> io::Result<Arc<dyn RuntimeBackend>> {
    Err(io::Error::other("this build of the gateway has no demo"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_gateway_config::file::Config;

    fn servers(text: &str) -> Vec<config::Server> {
        config::parse(text).unwrap().servers
    }

    fn apply(fleet: &mut Fleet, text: &str) -> Option<String> {
        let change = fleet.prepare(&servers(text), &[]).unwrap();
        let description = change.describe(fleet);
        fleet.begin(&change);
        fleet.finish(change);
        description
    }

    #[tokio::test]
    async fn only_what_has_changed_is_replaced() {
        let mut fleet = Fleet::default();
        let before =
            "servers: [{ name: a, process: { command: a } }, { name: b, process: { command: b } }]";
        assert_eq!(apply(&mut fleet, before).as_deref(), Some("added: a, b"));
        let (a, b) = (
            fleet.pool().get("a").unwrap(),
            fleet.pool().get("b").unwrap(),
        );

        let after = "servers: [{ name: c, process: { command: c } }, { name: a, process: { command: a } }, { name: b, process: { command: b, args: [x] } }]";
        assert_eq!(
            apply(&mut fleet, after).as_deref(),
            Some("added: c; changed: b")
        );
        assert!(Arc::ptr_eq(&a, &fleet.pool().get("a").unwrap()));
        assert!(!Arc::ptr_eq(&b, &fleet.pool().get("b").unwrap()));
        assert_eq!(apply(&mut fleet, after), None);

        let less = "servers: [{ name: a, process: { command: a } }]";
        assert_eq!(apply(&mut fleet, less).as_deref(), Some("removed: c, b"));
        assert_eq!(fleet.pool().names(), ["a".into()]);
    }

    #[tokio::test]
    async fn a_server_that_goes_stays_until_nobody_is_sent_there() {
        let mut fleet = Fleet::default();
        apply(
            &mut fleet,
            "servers: [{ name: a, process: { command: a } }]",
        );
        let change = fleet
            .prepare(&Config::over(Vec::new()).servers, &[])
            .unwrap();
        fleet.begin(&change);
        assert!(fleet.pool().get("a").is_some());
        fleet.finish(change);
        assert!(fleet.pool().get("a").is_none());
    }
}
