//! The configuration file: what may stand in it, and what it means.
//!
//! The types here are what a file says, read and checked: addresses are addresses, names are known,
//! secrets have been looked up. What runs is made of them elsewhere. `docs/configuration.md`
//! describes every key.

mod auth;
mod forward;
mod gateway;
mod issuer;
mod limits;
mod log;
mod login;
mod metrics;
mod network;
mod oauth;
mod process;
pub mod remote;
mod secret;
mod server;
mod storage;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mcp_gateway_core::route::PrefixRouter;

pub use self::auth::{Anonymous, Auth, Token, open_to_all};
pub use self::forward::Forward;
pub use self::gateway::Gateway;
pub use self::issuer::{Introspection, Issuer};
pub use self::limits::{EndpointLimits, ParkedLimits, SessionLimits};
pub use self::log::{Log, LogFormat, directives};
pub use self::login::{GitHub, Login, Provider};
pub use self::metrics::Metrics;
pub use self::network::{Network, listen_address, web_url};
pub use self::oauth::{OAuth, default_grants, grant_type};
pub use self::process::Process;
pub use self::remote::{Remote, header_value};
pub use self::secret::{Secret, SessionKey};
pub use self::server::{Builtin, Server, Transport, is_name_char};
pub use self::storage::Storage;
use crate::document::{Field, Nothing, Outside, Read, Report, instead, yaml};
pub use crate::document::{Place, Problem, Problems, Severity};

/// What a configuration file says.
#[derive(Clone, Debug)]
pub struct Config {
    pub network: Network,
    pub auth: Auth,
    pub servers: Vec<Server>,
    pub gateways: Vec<Gateway>,
    /// The place of the default gateway among the gateways.
    pub default_gateway: usize,
    pub limits: EndpointLimits,
    pub session_key: Option<SessionKey>,
    pub store: Storage,
    pub metrics: Metrics,
    pub log: Log,
    pub shutdown_timeout: Duration,
}

/// Reads a configuration by itself: nothing that it refers to is looked at.
///
/// # Errors
///
/// Everything that is wrong with `text`, if it cannot be used.
///
/// # Example
///
/// ```
/// let problems = mcp_gateway_config::file::parse("servers:\n  - { nam: demo, builtin: demo }\n").unwrap_err();
/// let lines: Vec<_> = problems.lines("gateway.yaml").collect();
/// assert_eq!(lines, [
///     "gateway.yaml:2:5: servers[0]: \"name\" is missing",
///     "gateway.yaml:2:7: servers[0]: \"nam\" is not a key here; did you mean \"name\"? \
///      There are: name, prefix, builtin, process, remote, sessions, roots, limits, idle, connectTimeout",
/// ]);
/// ```
pub fn parse(text: &str) -> Result<Config, Problems> {
    Config::read_from(text, &Nothing).map(|(config, _)| config)
}

impl Config {
    /// Reads a configuration, and looks up what it refers to `outside`.
    ///
    /// With the configuration come the warnings that there are.
    pub fn read_from(text: &str, outside: &dyn Outside) -> Result<(Self, Problems), Problems> {
        let report = Report::new(outside);
        let node = yaml::parse(text, &report);
        let config = node.and_then(|node| report.root(&node).read());
        let problems = report.into_problems();
        match config {
            Some(config) if !problems.has_errors() => Ok((config, problems)),
            Some(_) | None => Err(problems),
        }
    }

    /// The configuration of a gateway over `servers` that nothing else is said about.
    pub fn over(servers: Vec<Server>) -> Self {
        Self {
            network: Network::default(),
            auth: Auth::default(),
            gateways: vec![Gateway::over(&servers)],
            servers,
            default_gateway: 0,
            limits: EndpointLimits::default(),
            session_key: None,
            store: Storage::default(),
            metrics: Metrics::default(),
            log: Log::default(),
            shutdown_timeout: DEFAULT_SHUTDOWN_TIMEOUT,
        }
    }

    /// Adds `servers` to the gateways that do not choose among the servers.
    pub fn add_servers(&mut self, servers: Vec<Server>) {
        for gateway in self.gateways.iter_mut().filter(|gateway| gateway.has_all) {
            let names = servers.iter().map(|server| Arc::clone(&server.name));
            gateway.servers.extend(names);
        }
        self.servers.extend(servers);
    }

    /// The server of the name.
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| *server.name == *name)
    }

    /// How clients know what the servers of `gateway` have.
    ///
    /// # Errors
    ///
    /// Why they could mistake one server for another.
    pub fn router(
        &self,
        gateway: &Gateway,
    ) -> Result<PrefixRouter, mcp_gateway_core::route::PrefixError> {
        let servers = gateway.servers.iter().filter_map(|name| self.server(name));
        PrefixRouter::new(
            servers.map(|server| (Arc::clone(&server.name), Arc::clone(&server.prefix))),
        )
    }
}

impl Read for Config {
    fn read(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let network = Network::read_keys(&mut table);
        let servers = table.field("servers");
        let gateways = table.field("gateways");
        let default_gateway = table.field("defaultGateway");
        let auth_field = table.field("auth");
        let auth: Auth = auth_field
            .as_ref()
            .and_then(Field::read)
            .unwrap_or_default();
        auth.check(&network, table.whole());
        let names = servers.as_ref().map(names).unwrap_or_default();
        let limits = table.get("limits").unwrap_or_default();
        let session_key = table.field("sessionKey");
        let mut config = Self {
            servers: servers.as_ref().and_then(Field::read).unwrap_or_default(),
            gateways: Vec::new(),
            default_gateway: 0,
            network,
            auth,
            limits,
            session_key: session_key.as_ref().and_then(Field::read),
            store: table.get("store").unwrap_or_default(),
            metrics: table.get("metrics").unwrap_or_default(),
            log: table.get("log").unwrap_or_default(),
            shutdown_timeout: table
                .get("shutdownTimeout")
                .unwrap_or(DEFAULT_SHUTDOWN_TIMEOUT),
        };
        if config.network.replica_url.is_some() && session_key.is_none() {
            field.problem("replicaUrl needs a sessionKey, which all replicas have in common");
        }
        if let Storage::Postgres(_) = config.store
            && session_key.is_none()
        {
            field.problem("store.postgres needs a sessionKey, which all replicas have in common");
        }
        config.read_gateways(gateways.as_ref(), &names);
        if let Some(field) = auth_field {
            Forward::check_names(&config.auth.forward, &config.gateways, &field);
        }
        config.check_prefixes(gateways.as_ref(), servers.as_ref().unwrap_or(field));
        if let Some(field) = default_gateway {
            config.choose_default(&field, gateways.as_ref());
        }
        table.finish();
        Some(config)
    }
}

impl Config {
    fn read_gateways(&mut self, field: Option<&Field<'_>>, servers: &[&str]) {
        let Some(field) = field else {
            self.gateways = vec![Gateway::over(&self.servers)];
            return;
        };
        let gateways = field.items().unwrap_or_default();
        if gateways.is_empty() {
            field.problem("there must be a gateway; leave the key out for one over all servers");
        }
        names(field);
        let read = gateways
            .iter()
            .filter_map(|field| Gateway::read(field, servers));
        self.gateways = read.collect();
    }

    /// Notes servers that clients of a gateway could mistake for one another.
    fn check_prefixes(&self, gateways: Option<&Field<'_>>, servers: &Field<'_>) {
        let fields = gateways.and_then(Field::items).unwrap_or_default();
        for gateway in &self.gateways {
            if let Err(error) = self.router(gateway) {
                let mut fields = fields.iter();
                let own = fields.find(|field| name_of(field) == Some(&*gateway.name));
                own.unwrap_or(servers).problem(error.to_string());
            }
        }
    }

    fn choose_default(&mut self, field: &Field<'_>, gateways: Option<&Field<'_>>) {
        let Some(name) = field.text() else {
            return;
        };
        let position = self
            .gateways
            .iter()
            .position(|gateway| *gateway.name == *name);
        self.default_gateway = position.unwrap_or_default();
        let known = match gateways {
            Some(written) => names_in(written),
            None => self.gateways.iter().map(|gateway| &*gateway.name).collect(),
        };
        if !known.contains(&name) {
            let instead = instead(name, &known);
            field.problem(format!("there is no gateway {name:?}; {instead}"));
        }
    }
}

/// The names of the entries of a list, also of those in which something else is wrong; notes names
/// that are there twice.
fn names<'a>(list: &Field<'a>) -> Vec<&'a str> {
    let mut first = HashMap::new();
    for entry in list.items().unwrap_or_default() {
        if let Some(name) = name_of(&entry) {
            match first.get(name) {
                Some(first) => entry.problem(format!("{name:?} is the name of {first} already")),
                None => {
                    first.insert(name, entry.path().to_owned());
                }
            }
        }
    }
    names_in(list)
}

fn names_in<'a>(list: &Field<'a>) -> Vec<&'a str> {
    let mut names = Vec::new();
    for name in list.items().unwrap_or_default().iter().filter_map(name_of) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn name_of<'a>(entry: &Field<'a>) -> Option<&'a str> {
    entry.peek("name")
}

/// Half a minute: what service managers and Kubernetes wait by default before they kill.
const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
