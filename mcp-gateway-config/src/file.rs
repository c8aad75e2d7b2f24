//! The configuration file.
//!
//! A file is read into a [`Config`]: the [`PlatformSpec`], and the settings of the process that
//! serves it. Its values are validated: addresses are parsed, names exist, and secrets have been
//! looked up. `docs/configuration.md` describes every key.
//!
//! | Key | Module |
//! |---|---|
//! | `listen`, `publicUrl`, `hosts`, `origins`, `replicaUrl` | `network` |
//! | `servers` | `server`, `process`, `remote`, `kubernetes` |
//! | `gateways`, `defaultGateway` | `gateway`, `assignment` |
//! | `auth` | `auth`, `oauth`, `login`, `issuer`, `forward` |
//! | `limits` | `limits`, `call_limits` |
//! | `sessionKey` and all secrets | `secret` |
//! | `store` | `storage` |
//! | `audit` | `audit` |
//! | `policy` | `policy` |
//! | `pins` | `pins` |
//! | `registry` | `registry` |
//! | `search` | `search` |
//! | `kubernetes` | `cluster` |
//! | `metrics` | `metrics` |
//! | `log` | `log` |
//! | `traces` | `traces` |
//! | `shutdownTimeout` | `serving` |

mod assignment;
mod audit;
mod auth;
mod call_limits;
mod checks;
mod client;
mod client_credentials;
mod cluster;
mod forward;
pub(crate) mod gateway;
mod input;
mod issuer;
mod kubernetes;
mod limits;
mod log;
mod login;
mod metrics;
mod network;
mod oauth;
mod pins;
pub(crate) mod policy;
mod process;
mod registry;
pub mod remote;
mod results;
mod search;
mod secret;
mod server;
mod serving;
mod storage;
mod token_exchange;
mod traces;
mod workload;

use std::collections::HashMap;
use std::path::PathBuf;

use mcp_gateway_platform::spec::{DynamicSpec, GatewaySpec, PlatformSpec, ServerSpec, StaticSpec};

use self::auth::AuthSection;
use self::gateway::KnownServers;
use self::limits::LimitsSection;
use self::metrics::MetricsSection;
use self::network::Network;
use self::pins::PinsSection;
use self::search::SearchSection;
use self::serving::DEFAULT_SHUTDOWN_TIMEOUT;
use crate::document::{
    DiagnosticSink, Environment, Field, FromField, LookupScope, NoEnvironment, suggestion, yaml,
};

pub use self::auth::open_to_all;
pub use self::log::{Log, LogFormat, directives};
pub use self::network::{listen_address, web_url};
pub use self::oauth::grant_type;
pub use self::pins::LockSource;
pub use self::remote::header_value;
pub(crate) use self::server::is_name_char;
pub use self::serving::Serving;
pub use self::traces::{TraceProtocol, Traces};
pub use crate::document::{Diagnostic, Diagnostics, Position, Severity};

/// Content of a configuration file.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Config {
    /// Desired state of the platform.
    pub platform: PlatformSpec,
    /// Settings of the process that serves it.
    pub serving: Serving,
    /// Lock file with the approved definitions of pinned servers; `None` if no server needs it.
    pub lock: Option<LockSource>,
    /// Folder of the embedding model of the search, relative to the configuration file.
    pub search_model: Option<PathBuf>,
}

/// Reads a configuration without lookups in the environment or in other files.
///
/// # Errors
///
/// All diagnostics if `text` is invalid.
///
/// # Example
///
/// ```
/// let problems = mcp_gateway_config::file::parse("servers:\n  - { nam: demo, builtin: demo }\n").unwrap_err();
/// let lines: Vec<_> = problems.lines("gateway.yaml").collect();
/// assert_eq!(lines[0], "gateway.yaml:2:5: servers[0]: missing key \"name\"");
/// let second = "gateway.yaml:2:7: servers[0]: unknown key \"nam\"; did you mean \"name\"?";
/// assert!(lines[1].starts_with(second));
/// ```
pub fn parse(text: &str) -> Result<Config, Diagnostics> {
    Config::read_from(text, &NoEnvironment).map(|(config, _)| config)
}

impl Config {
    /// Reads a configuration, and resolves its references in `environment`.
    ///
    /// Returns the configuration and the warnings.
    ///
    /// # Errors
    ///
    /// All diagnostics if `text` is invalid.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_config::document::NoEnvironment;
    /// use mcp_gateway_config::file::Config;
    ///
    /// let text = "servers: [{ name: a, process: { command: npx -y a } }]\n";
    /// let (config, warnings) = Config::read_from(text, &NoEnvironment).unwrap();
    /// assert_eq!(*config.platform.dynamic.servers[0].name, *"a");
    /// assert!(warnings.to_string().contains("arguments belong in args"));
    /// ```
    pub fn read_from(
        text: &str,
        environment: &dyn Environment,
    ) -> Result<(Self, Diagnostics), Diagnostics> {
        Self::read_within(LookupScope::All, text, environment)
    }

    /// Reads a configuration, and resolves its references within `scope` in `environment`.
    ///
    /// Returns the configuration and the warnings. Secrets outside of the scope are empty.
    ///
    /// # Errors
    ///
    /// All diagnostics if `text` is invalid.
    pub fn read_within(
        scope: LookupScope,
        text: &str,
        environment: &dyn Environment,
    ) -> Result<(Self, Diagnostics), Diagnostics> {
        let report = DiagnosticSink::within(scope, environment);
        let node = yaml::parse(text, &report);
        let config = node.and_then(|node| report.root(&node).read());
        let problems = report.into_diagnostics();
        match config {
            Some(config) if !problems.has_errors() => Ok((config, problems)),
            Some(_) | None => Err(problems),
        }
    }

    /// Creates the default configuration of a gateway over `servers`.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_config::file::Config;
    /// use mcp_gateway_platform::spec::{ServerSpec, ServerRuntime};
    ///
    /// let config = Config::from_servers(vec![ServerSpec::new("demo", ServerRuntime::Builtin("demo".into()))]);
    /// assert_eq!(config.platform.dynamic.gateways[0].servers, ["demo".into()]);
    /// ```
    #[must_use]
    pub fn from_servers(servers: Vec<ServerSpec>) -> Self {
        let mut config = Self::default();
        config.platform.dynamic.add_servers(servers);
        config
    }

    /// Returns the keys of the changes in `after` that require a restart.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_config::file::parse;
    ///
    /// let before = parse("listen: 127.0.0.1:8080\n").unwrap();
    /// let after = parse("listen: 127.0.0.1:9090\nhosts: [mcp.example.com]\n").unwrap();
    /// assert_eq!(before.restart_keys(&after), ["listen"]);
    /// ```
    #[must_use]
    pub fn restart_keys(&self, after: &Self) -> Vec<&'static str> {
        let mut keys = self.platform.restart_keys(&after.platform);
        keys.extend(self.serving.restart_keys(&after.serving));
        keys
    }

    /// Returns the address at which other machines reach a gateway that accepts anonymous callers
    /// of this machine only; `None` if the configuration is safe.
    #[must_use]
    pub fn anonymous_address(&self) -> Option<String> {
        self.platform.opens(self.serving.listen)
    }
}

impl FromField for Config {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let network = Network::read_keys(&mut table);
        let servers = table.field("servers");
        let gateways = table.field("gateways");
        let default_gateway = table.field("defaultGateway");
        let auth_field = table.field("auth");
        let auth = auth_field.as_ref().and_then(Field::read);
        let auth: AuthSection = auth.unwrap_or_default();
        let names = servers.as_ref().map(names).unwrap_or_default();
        let limits_field = table.field("limits");
        let limits = LimitsSection::of(limits_field.as_ref());
        let session_key = table.field("sessionKey");
        let (mut fixed, mut dynamic) = (StaticSpec::default(), DynamicSpec::default());
        let mut serving = Serving::default();
        dynamic.servers = servers.as_ref().and_then(Field::read).unwrap_or_default();
        fixed.session_key = session_key.as_ref().and_then(Field::read);
        fixed.store = table.get("store").unwrap_or_default();
        fixed.audit = table.get("audit");
        fixed.cluster = table.get("kubernetes");
        let metrics: MetricsSection = table.get("metrics").unwrap_or_default();
        serving.log = table.get("log").unwrap_or_default();
        serving.traces = table.get("traces");
        serving.shutdown_timeout = table
            .get("shutdownTimeout")
            .unwrap_or(DEFAULT_SHUTDOWN_TIMEOUT);
        (fixed.auth, dynamic.auth) = (auth.fixed, auth.dynamic);
        let policy = table.field("policy");
        dynamic.policy = policy.as_ref().and_then(Field::read).unwrap_or_default();
        dynamic.registry = table.get("registry").unwrap_or_default();
        let pins = table.get("pins");
        let search: SearchSection = table.get("search").unwrap_or_default();
        let lock = PinsSection::assign(pins, &mut dynamic.servers, servers.as_ref());
        (dynamic.metrics, serving.metrics) = (metrics.audience, metrics.listen);
        network.assign(&mut fixed, &mut dynamic, &mut serving);
        limits.assign(&mut fixed, &mut dynamic, &mut serving);
        let mut config = Self {
            platform: PlatformSpec::new(fixed, dynamic),
            serving,
            lock,
            search_model: search.model,
        };
        config.check_replicas(field, session_key.is_some());
        config.check_address(table.whole());
        config.read_gateways(gateways.as_ref(), &names);
        call_limits::check(&config.platform, limits_field.as_ref());
        policy::check_rules(&config.platform, policy.as_ref());
        let dynamic = &config.platform.dynamic;
        if let Some(field) = auth_field {
            forward::check_names(&dynamic.auth.forward, &dynamic.gateways, &field);
            workload::check_gateways(dynamic, &field);
        }
        if let Some(servers) = &servers {
            config.check_needs(servers);
        }
        config.check_servers(gateways.as_ref(), servers.as_ref().unwrap_or(field));
        if let Some(field) = default_gateway {
            config.choose_default(&field, gateways.as_ref());
        }
        table.finish();
        Some(config)
    }
}

impl Config {
    /// Records an error if other machines reach a gateway that accepts anonymous callers.
    fn check_address(&self, whole: &Field<'_>) {
        if let Some(address) = self.anonymous_address() {
            whole.error(open_to_all(&address));
        }
    }

    /// Reads the gateways; without the key, one over all servers.
    fn read_gateways(&mut self, field: Option<&Field<'_>>, servers: &[&str]) {
        let Some(field) = field else {
            let dynamic = &mut self.platform.dynamic;
            dynamic.gateways = vec![GatewaySpec::over(&dynamic.servers)];
            return;
        };
        let gateways = field.items().unwrap_or_default();
        if gateways.is_empty() {
            field.error("at least one gateway is required; omit the key for one over all servers");
        }
        names(field);
        let read = gateways
            .iter()
            .filter_map(|field| gateway::read(field, KnownServers::File(servers)));
        self.platform.dynamic.gateways = read.collect();
    }

    /// Records conflicts between the prefixes of the servers of a gateway, and pinned connections of
    /// servers without any.
    fn check_servers(&self, gateways: Option<&Field<'_>>, servers: &Field<'_>) {
        let fields = gateways.and_then(Field::items).unwrap_or_default();
        let dynamic = &self.platform.dynamic;
        for gateway in &dynamic.gateways {
            let mut own = fields.iter();
            let own = own.find(|field| name_of(field) == Some(&*gateway.name));
            let own = own.unwrap_or(servers);
            if let Err(error) = dynamic.router(gateway) {
                own.error(error.to_string());
            }
            for name in &gateway.servers {
                let server = dynamic.server(name);
                let reason = server.and_then(|server| gateway.unusable(name, Some(server)));
                if let Some(reason) = reason {
                    own.error(format!("{name:?}: {reason}"));
                }
            }
        }
    }

    /// Reads the name of the default gateway, which must exist.
    fn choose_default(&mut self, field: &Field<'_>, gateways: Option<&Field<'_>>) {
        let Some(name) = field.text() else {
            return;
        };
        let dynamic = &mut self.platform.dynamic;
        let position = dynamic
            .gateways
            .iter()
            .position(|gateway| *gateway.name == *name);
        dynamic.default_gateway = position.unwrap_or_default();
        let known = match gateways {
            Some(written) => names_in(written),
            None => dynamic
                .gateways
                .iter()
                .map(|gateway| &*gateway.name)
                .collect(),
        };
        if !known.contains(&name) {
            let instead = suggestion(name, &known);
            field.error(format!("unknown gateway {name:?}; {instead}"));
        }
    }
}

/// Returns the names of the entries of a list, including invalid entries, and records duplicates.
fn names<'a>(list: &Field<'a>) -> Vec<&'a str> {
    let mut first = HashMap::new();
    for entry in list.items().unwrap_or_default() {
        if let Some(name) = name_of(&entry) {
            match first.get(name) {
                Some(first) => {
                    entry.error(format!("duplicate name {name:?}; first used by {first}"))
                }
                None => {
                    first.insert(name, entry.path().to_owned());
                }
            }
        }
    }
    names_in(list)
}

/// Returns the distinct names of the entries of a list.
fn names_in<'a>(list: &Field<'a>) -> Vec<&'a str> {
    let mut names = Vec::new();
    for name in list.items().unwrap_or_default().iter().filter_map(name_of) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Returns the name of an entry.
fn name_of<'a>(entry: &Field<'a>) -> Option<&'a str> {
    entry.peek("name")
}

#[cfg(test)]
mod tests;
