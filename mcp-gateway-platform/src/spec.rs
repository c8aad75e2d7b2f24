//! The desired state of a platform: data types only.
//!
//! A [`PlatformSpec`] has two halves. The [`StaticSpec`] is fixed when a platform starts; the
//! [`DynamicSpec`] is replaced while it runs. A source of specs fills in both, whether it reads a
//! file, a registry or Kubernetes objects.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_platform::spec::{PlatformSpec, Process, Secret, ServerSpec, Token, ServerRuntime};
//!
//! let mut spec = PlatformSpec::default();
//! let process = Process::new("uvx", ["mcp-server-time"]);
//! spec.dynamic.add_servers([ServerSpec::new("time", ServerRuntime::Process(process))]);
//! spec.dynamic.auth.tokens.push(Token::new("alice", Secret::new("wGQ2zX6pSVq0mUuR8a1c")));
//! assert_eq!(spec.dynamic.gateways[0].servers, ["time".into()]);
//! ```

mod assignment;
mod audit;
mod auth;
mod client_credentials;
mod cluster;
mod gateway;
mod isolation;
mod issuer;
mod kubernetes;
mod limits;
mod login;
mod metrics;
mod oauth;
mod objects;
mod pin_source;
mod placeholder;
mod policy;
mod process;
mod registry;
mod remote;
mod secret;
mod server;
mod static_spec;
mod storage;
mod token_exchange;
mod tool_filter;
mod visibility;
mod workload;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

pub use mcp_gateway_auth::InputFormat;
pub use mcp_gateway_auth::accounts::{Input, Template};
pub use mcp_gateway_auth::egress::UrlTemplate;
use mcp_gateway_core::layer::dispatch::EmbeddingModel;
use mcp_gateway_core::route::{PrefixError, PrefixRouter};
use url::Url;

pub use self::assignment::{AssignedConnection, Assignment};
pub use self::audit::Audit;
pub use self::auth::{Anonymous, Auth, Forward, StaticAuth, Token};
pub use self::client_credentials::{AssertionSource, ClientProof, RemoteClientCredentials};
pub use self::cluster::{Cluster, ObjectKinds, Reach};
pub use self::gateway::GatewaySpec;
pub use self::isolation::Isolation;
pub use self::issuer::{Claims, Introspection, Issuer};
pub use self::kubernetes::{
    EgressRule, FileSource, KeyReference, KubernetesServer, LABEL_DOMAIN, PodEgress, PodFiles,
    PodSettings, PodTransport, PodValue,
};
pub use self::limits::{
    CallLimits, KeptResultLimits, ParkedCallLimits, ServerLimits, SessionLimits,
};
pub use self::login::{GitHub, Login, Provider};
pub use self::metrics::Metrics;
pub use self::oauth::{
    AssertionIssuer, MetadataDocuments, OAuth, OAuthClients, RateLimits, Registration,
};
pub use self::objects::ClusterObjects;
pub use self::pin_source::PinSource;
pub use self::placeholder::{PLACEHOLDERS, input_of, placeholders, url_template};
pub(crate) use self::placeholder::{Piece, pieces};
pub use self::policy::PolicySpec;
pub use self::process::Process;
pub use self::registry::Registry;
pub use self::remote::{Remote, RemoteAuth, RemoteForward, RemoteOAuth};
pub use self::secret::{Secret, SessionKey};
pub use self::server::{PLATFORM_TOOLS, ServerRuntime, ServerSpec};
pub use self::storage::Storage;
pub use self::token_exchange::{
    ExchangeClient, ExchangeKind, RemoteTokenExchange, SubjectKind, SubjectSource,
};
pub use self::tool_filter::ToolFilter;
pub use self::visibility::Visibility;
pub use self::workload::{AdmittedWorkloads, WorkloadIssuer, WorkloadKeys};

/// The desired state of a platform.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PlatformSpec {
    /// The part that is fixed when the platform starts.
    pub fixed: StaticSpec,
    /// The part that [`Platform::apply`](crate::Platform::apply) replaces.
    pub dynamic: DynamicSpec,
}

/// The part of a [`PlatformSpec`] that is fixed when a platform starts.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct StaticSpec {
    /// URL of the platform for clients, if it differs from the listen address.
    pub public_url: Option<Url>,
    /// URL of this replica for other replicas.
    pub replica_url: Option<Url>,
    /// Limits of client sessions.
    pub sessions: SessionLimits,
    /// Limits of parked calls.
    pub parked: ParkedCallLimits,
    /// Limits of kept results.
    pub kept_results: KeptResultLimits,
    /// Key that seals sessions and state; generated if `None`.
    pub session_key: Option<SessionKey>,
    /// The store of accounts, tokens and clients.
    pub store: Storage,
    /// The authorization server and the login.
    pub auth: StaticAuth,
    /// The audit log, if there is one.
    pub audit: Option<Audit>,
    /// The cluster on which servers run, if there is one.
    pub cluster: Option<Cluster>,
}

/// The part of a [`PlatformSpec`] that can be replaced while a platform runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DynamicSpec {
    /// The servers behind the gateways.
    pub servers: Vec<ServerSpec>,
    /// The endpoints over the servers.
    pub gateways: Vec<GatewaySpec>,
    /// The position of the default gateway among the gateways.
    pub default_gateway: usize,
    /// Allowed host names, besides `localhost`, IP addresses and the host of the public URL.
    pub hosts: Vec<String>,
    /// Allowed origins of web pages.
    pub origins: Vec<String>,
    /// Maximum size of a request body in bytes.
    pub max_body: Option<usize>,
    /// Authentication of callers.
    pub auth: Auth,
    /// Rules about calls.
    pub policy: PolicySpec,
    /// Limits on calls.
    pub call_limits: CallLimits,
    /// Access to the metrics.
    pub metrics: Metrics,
    /// Rules for servers in the store.
    pub registry: Registry,
    /// Model with which gateways with a search compare meanings.
    pub search_model: Option<Arc<dyn EmbeddingModel>>,
    /// Environment variables with secrets, which child processes do not inherit.
    pub hidden_variables: Vec<String>,
    /// Names of servers that exist, but whose definitions cannot be read now. Callers do not reach
    /// them, and an [`Orchestrator`](crate::orchestrator::Orchestrator) does not delete them.
    pub unreadable: Vec<Arc<str>>,
    /// The servers and gateways that objects of a cluster define.
    pub objects: ClusterObjects,
}

impl Default for DynamicSpec {
    /// Returns a spec with one gateway over all servers, and without servers.
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            gateways: vec![GatewaySpec::over(&[])],
            default_gateway: 0,
            hosts: Vec::new(),
            origins: Vec::new(),
            max_body: None,
            auth: Auth::default(),
            policy: PolicySpec::default(),
            call_limits: CallLimits::default(),
            metrics: Metrics::default(),
            registry: Registry::default(),
            search_model: None,
            hidden_variables: Vec::new(),
            unreadable: Vec::new(),
            objects: ClusterObjects::default(),
        }
    }
}

impl PlatformSpec {
    /// Creates a spec of both halves.
    #[must_use]
    pub fn new(fixed: StaticSpec, dynamic: DynamicSpec) -> Self {
        Self { fixed, dynamic }
    }

    /// Adds an authorization server.
    #[must_use]
    pub fn with_authorization_server(mut self, fixed: OAuth, clients: OAuthClients) -> Self {
        self.fixed.auth.oauth = Some(fixed);
        self.dynamic.auth.oauth = Some(clients);
        self
    }

    /// Returns the keys of the changes in `after` that require a restart.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_platform::spec::PlatformSpec;
    ///
    /// let before = PlatformSpec::default();
    /// let mut after = before.clone();
    /// after.dynamic.hosts.push("mcp.example.com".to_owned());
    /// assert!(before.restart_keys(&after).is_empty());
    /// after.fixed.replica_url = Some("http://10.0.0.7:8080".parse().unwrap());
    /// assert_eq!(before.restart_keys(&after), ["replicaUrl"]);
    /// ```
    #[must_use]
    pub fn restart_keys(&self, after: &Self) -> Vec<&'static str> {
        let (asked, auth) = (self.asks_others(), &after.dynamic.auth);
        // Egress is created at the start only.
        let late = [
            ("auth.introspection", !asked && auth.introspection.is_some()),
            ("auth.issuers", !asked && !auth.issuers.is_empty()),
        ];
        let mut keys = self.fixed.changed_keys(&after.fixed);
        keys.retain(|key| *key != "publicUrl" || after.asks_others());
        keys.extend(changed(late));
        keys.sort_unstable_by_key(|key| (!key.starts_with("auth."), *key));
        keys
    }

    /// Returns the address at which other machines reach a platform with [`Anonymous::Local`] that
    /// listens at `address`; `None` if the spec is safe.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_platform::spec::{Anonymous, PlatformSpec};
    ///
    /// let mut spec = PlatformSpec::default();
    /// spec.dynamic.auth.anonymous = Anonymous::Local;
    /// assert_eq!(spec.opens("127.0.0.1:8080".parse().unwrap()), None);
    /// assert!(spec.opens("0.0.0.0:8080".parse().unwrap()).is_some());
    /// ```
    #[must_use]
    pub fn opens(&self, address: SocketAddr) -> Option<String> {
        (self.dynamic.auth.anonymous == Anonymous::Local)
            .then(|| self.fixed.beyond_this_machine(address))
            .flatten()
    }

    /// Returns `true` if authentication requires requests to other machines.
    #[must_use]
    pub fn asks_others(&self) -> bool {
        self.fixed.auth.oauth.is_some() || self.dynamic.auth.others().next().is_some()
    }

    /// Returns `true` if no caller can be authenticated.
    #[must_use]
    pub fn has_no_callers(&self) -> bool {
        self.fixed.auth.oauth.is_none() && self.dynamic.auth.is_empty()
    }
}

/// Returns the keys of the changed fields.
fn changed<const N: usize>(
    fields: [(&'static str, bool); N],
) -> impl Iterator<Item = &'static str> {
    let changed = fields.into_iter().filter(|(_, changed)| *changed);
    changed.map(|(key, _)| key)
}

impl DynamicSpec {
    /// Adds `servers`, and adds them to the gateways that have all servers.
    pub fn add_servers(&mut self, servers: impl IntoIterator<Item = ServerSpec>) {
        for server in servers {
            for gateway in self.gateways.iter_mut().filter(|gateway| gateway.has_all) {
                gateway.servers.push(Arc::clone(&server.name));
            }
            self.servers.push(server);
        }
    }

    /// Takes servers that are [not for all](ServerSpec::is_for_all) from gateways that have all
    /// servers.
    pub(crate) fn hide_platform_tools(&mut self) {
        let hidden = self.servers.iter().filter(|server| !server.is_for_all());
        let hidden: Vec<_> = hidden.map(|server| Arc::clone(&server.name)).collect();
        for gateway in self.gateways.iter_mut().filter(|gateway| gateway.has_all) {
            gateway.servers.retain(|name| !hidden.contains(name));
        }
    }

    /// Returns the server `name`.
    #[must_use]
    pub fn server(&self, name: &str) -> Option<&ServerSpec> {
        self.servers.iter().find(|server| *server.name == *name)
    }

    /// Returns the servers of `gateway` that it can call, in its order.
    pub(crate) fn servers_of(&self, gateway: &GatewaySpec) -> Vec<&ServerSpec> {
        let known = self.servers.iter().map(|server| (&*server.name, server));
        let known: HashMap<_, _> = known.collect();
        let servers = gateway.servers.iter().filter_map(|name| {
            let server = known.get(&**name).copied();
            server.filter(|_| gateway.unusable(name, server).is_none())
        });
        servers.collect()
    }

    /// Returns the router of `gateway`, over those of its servers that it can call.
    ///
    /// # Errors
    ///
    /// [`PrefixError`] if the prefixes of its servers conflict.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_platform::spec::{DynamicSpec, ServerSpec, ServerRuntime};
    ///
    /// let mut spec = DynamicSpec::default();
    /// spec.add_servers([ServerSpec::new("a", ServerRuntime::Builtin("demo".into()))]);
    /// assert!(spec.router(&spec.gateways[0]).is_ok());
    /// let mut other = ServerSpec::new("b", ServerRuntime::Builtin("demo".into()));
    /// other.prefix = "a".into();
    /// spec.add_servers([other]);
    /// assert!(spec.router(&spec.gateways[0]).is_err());
    /// ```
    pub fn router(&self, gateway: &GatewaySpec) -> Result<PrefixRouter, PrefixError> {
        let servers = self.servers_of(gateway);
        let prefixes = servers
            .iter()
            .map(|server| (Arc::clone(&server.name), Arc::clone(&server.prefix)));
        let mut router = PrefixRouter::new(prefixes)?;
        let scopes = self.tool_scopes(gateway);
        for server in servers {
            let assigned = gateway.assignment(&server.name);
            let assigned = assigned.filter(|assigned| assigned.tools.is_some());
            let is_named = scopes.iter().any(|scope| scope.names_server(&server.name));
            if assigned.is_some() || !server.tools.is_empty() || is_named {
                router = router.with_listed_tools_only(Arc::clone(&server.name));
            }
            if self.auth.has_one_caller() || server.has_process_per_caller() {
                router = router.with_isolated_tasks(Arc::clone(&server.name));
            }
            let aliases = server.tool_aliases.iter().filter(|(name, _)| {
                server.tools.allows(name) && assigned.is_none_or(|one| one.has_tool(name))
            });
            for (name, alias) in aliases {
                router = router.with_tool_alias(&server.name, Arc::clone(name), Arc::clone(alias));
            }
        }
        let router = router.with_tool_prefix(gateway.tool_prefix);
        Ok(match gateway.max_tool_name {
            Some(max) => router.with_max_tool_name(max),
            None => router,
        })
    }
}

#[cfg(test)]
mod tests {
    use mcp_gateway_core::route::{ListedTool, ToolRouter};
    use mcp_gateway_core::upstream::SessionPolicy;
    use mcp_gateway_limits::{Bound, Limit};
    use mcp_gateway_policy::condition::Condition;
    use mcp_gateway_policy::result::{ResultEffect, ResultRule};
    use mcp_gateway_policy::{Effect, Rule, Scope};

    use super::*;

    fn router(change: impl FnOnce(&mut ServerSpec)) -> PrefixRouter {
        let mut server = ServerSpec::new("a", ServerRuntime::Builtin("demo".into()));
        change(&mut server);
        let mut spec = DynamicSpec::default();
        spec.add_servers([server]);
        spec.router(&spec.gateways[0]).unwrap()
    }

    #[test]
    fn only_listed_tools_of_a_filtered_server_resolve() {
        assert!(router(|_| {}).resolve_tool("a__X").is_some());
        let denied = router(|server| {
            server.tools = ToolFilter::default().with_denied(["x".into()]);
        });
        let allowed = router(|server| {
            server.tools = ToolFilter::default().with_allowed(["x*".into()]);
        });
        for router in [denied, allowed] {
            assert!(router.resolve_tool("a__xy").is_none());
            assert_eq!(router.pending_servers("a__xy"), ["a".into()]);
        }
    }

    #[test]
    fn category_tool_spelling_only_listed_tools_of_a_server_with_rules_resolve() {
        let resolves = |change: &dyn Fn(&mut DynamicSpec)| {
            let mut spec = DynamicSpec::default();
            let servers = ["a", "b"];
            let servers =
                servers.map(|name| ServerSpec::new(name, ServerRuntime::Builtin("demo".into())));
            spec.add_servers(servers);
            change(&mut spec);
            let router = spec.router(&spec.gateways[0]).unwrap();
            ["a__X", "b__X"].map(|name| router.resolve_tool(name).is_some())
        };
        let denial = |rule: fn(Rule) -> Rule| {
            let denial = rule(Rule::new("x", Effect::Deny { reason: None }));
            resolves(&move |spec| spec.policy.rules = vec![denial.clone()])
        };
        let condition =
            |rule: Rule| rule.with_condition(Condition::parse("tool.name == 'x'").unwrap());
        assert_eq!(denial(|rule| rule.with_servers(["a"])), [true, true]);
        assert_eq!(
            denial(|rule| rule.with_gateways(["other"]).with_tools(["x"])),
            [true, true]
        );
        assert_eq!(
            denial(|rule| rule.with_servers(["a"]).with_tools(["x"])),
            [false, true]
        );
        assert_eq!(denial(|rule| rule.with_tools(["x"])), [false, false]);
        assert_eq!(denial(condition), [false, false]);
        let scope = Scope::new().with_servers(["b"]).with_tools(["x"]);
        let block = ResultRule::new("x", ResultEffect::Distrust).with_scope(scope.clone());
        assert_eq!(
            resolves(&|spec| spec.policy.results = vec![block.clone()]),
            [true, false]
        );
        let limit = Limit::new("x", Bound::InFlight(1.try_into().unwrap())).with_scope(scope);
        assert_eq!(
            resolves(&|spec| spec.call_limits.limits = vec![limit.clone()]),
            [true, false]
        );
    }

    #[test]
    fn a6_tasks_are_isolated_by_processes_of_their_callers() {
        let isolates = |transport: ServerRuntime, change: &dyn Fn(&mut DynamicSpec)| {
            let mut spec = DynamicSpec::default();
            spec.add_servers([ServerSpec::new("a", transport)]);
            change(&mut spec);
            spec.router(&spec.gateways[0]).unwrap().isolates_tasks("a")
        };
        let builtin = || ServerRuntime::Builtin("demo".into());
        let process = || ServerRuntime::Process(Process::new("x", ["y"; 0]));
        assert!(isolates(process(), &|_| {}));
        assert!(!isolates(process(), &|spec| {
            spec.servers[0].sessions = SessionPolicy::Shared;
        }));
        assert!(!isolates(builtin(), &|_| {}));
        let pods = ServerRuntime::Kubernetes(Arc::new(KubernetesServer::new("image")));
        assert!(!isolates(pods, &|_| {}), "a pod has one process for all");
        // Sessions of their own are the choice of the gateway, not of the server.
        assert!(!isolates(builtin(), &|spec| {
            spec.servers[0].sessions = SessionPolicy::PerPrincipal;
        }));
        let anonymous = |spec: &mut DynamicSpec| spec.auth.anonymous = Anonymous::Local;
        assert!(isolates(builtin(), &anonymous));
        assert!(!isolates(builtin(), &|spec| {
            anonymous(spec);
            spec.auth.issuers.push(Issuer::new("https://idp.example"));
        }));
    }

    #[test]
    fn an_alias_of_a_hidden_tool_takes_no_name() {
        let router = router(|server| {
            server.tools = ToolFilter::default().with_denied(["secret".into()]);
            server.tool_aliases.insert("secret".into(), "search".into());
        });
        let listed = ["secret", "search"].map(Into::into);
        let mut tools = listed
            .iter()
            .map(|name| ListedTool::new(name, **name != *"secret"));
        router.record_tools("a", &mut tools, true);
        assert_eq!(router.resolve_tool("a__search").unwrap().name, "search");
        assert!(router.tool_collisions().is_empty());
    }
}
