//! Servers behind the gateways.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mcp_gateway_core::catalog::lint::LintPolicy;
use mcp_gateway_core::results::ResultBudgets;
use mcp_gateway_core::upstream::{RootsPolicy, SessionPolicy, Turns, UpstreamProtocol};
use mcp_gateway_pins::Pins;

use super::{
    Input, KubernetesServer, PinSource, PodTransport, Process, Remote, RemoteAuth,
    RemoteTokenExchange, ServerLimits, SubjectSource, ToolFilter,
};

/// MCP server behind the gateways.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::upstream::SessionPolicy;
/// use mcp_gateway_platform::spec::{Process, ServerSpec, ServerRuntime};
///
/// let process = ServerRuntime::Process(Process::new("uvx", ["mcp-server-time"]));
/// let server = ServerSpec::new("time", process);
/// assert_eq!(server.prefix, server.name);
/// assert_eq!(server.sessions, SessionPolicy::PerPrincipal);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ServerSpec {
    /// Name.
    pub name: Arc<str>,
    /// Prefix of the names of its tools and prompts.
    pub prefix: Arc<str>,
    /// Transport.
    pub transport: ServerRuntime,
    /// Values that each owner of a connection supplies; see [`Template`](super::Template).
    pub inputs: Vec<Input>,
    /// Sharing of its sessions or processes.
    pub sessions: SessionPolicy,
    /// Roots of callers that reach it; `None` for the default.
    pub roots: Option<RootsPolicy>,
    /// Tools that gateways offer.
    pub tools: ToolFilter,
    /// Aliases of tools by their names; gateways add the prefix to an alias, too.
    pub tool_aliases: BTreeMap<Arc<str>, Arc<str>>,
    /// Place of its approved definitions; `None` if all are approved.
    pub pinned: Option<PinSource>,
    /// Its approved definitions, if it is pinned.
    pub pins: Arc<Pins>,
    /// Treatment of tools that the interfaces of models reject.
    pub lint: LintPolicy,
    /// Limits.
    pub limits: ServerLimits,
    /// Budgets for the results of its tools.
    pub results: ResultBudgets,
    /// Idle timeout of its sessions.
    pub idle: Option<Duration>,
    /// Timeout for connecting to it.
    pub connect_timeout: Option<Duration>,
    /// Entry of the registry from which it has been installed, as `NAME@VERSION`.
    pub entry: Option<Arc<str>>,
}

/// Name of the built-in server whose tools administer the platform.
pub const PLATFORM_TOOLS: &str = "platform";

/// Transport of a server.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ServerRuntime {
    /// Built-in server of this name.
    Builtin(Arc<str>),
    /// Child process.
    Process(Process),
    /// Pods of a cluster.
    Kubernetes(Arc<KubernetesServer>),
    /// HTTP.
    Remote(Remote),
}

impl ServerSpec {
    /// Creates a server with default settings.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, transport: ServerRuntime) -> Self {
        let name = name.into();
        Self {
            prefix: Arc::clone(&name),
            name,
            inputs: Vec::new(),
            sessions: transport.default_sessions(),
            transport,
            roots: None,
            tools: ToolFilter::default(),
            tool_aliases: BTreeMap::new(),
            pinned: None,
            pins: Arc::default(),
            lint: LintPolicy::default(),
            limits: ServerLimits::default(),
            results: ResultBudgets::default(),
            idle: None,
            connect_timeout: None,
            entry: None,
        }
    }

    /// Returns `true` if gateways that have all servers have it: all but the built-in server
    /// [`PLATFORM_TOOLS`], which a gateway has only by its name.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_platform::spec::{PLATFORM_TOOLS, ServerRuntime, ServerSpec};
    ///
    /// let builtin = |name: &str| ServerSpec::new("a", ServerRuntime::Builtin(name.into()));
    /// assert!(builtin("demo").is_for_all());
    /// assert!(!builtin(PLATFORM_TOOLS).is_for_all());
    /// ```
    #[must_use]
    pub fn is_for_all(&self) -> bool {
        !matches!(&self.transport, ServerRuntime::Builtin(name) if **name == *PLATFORM_TOOLS)
    }

    /// Returns `true` if a program runs for each caller, or for each of its sessions. The sessions of
    /// a pod reach one process.
    pub(super) fn has_process_per_caller(&self) -> bool {
        matches!(self.transport, ServerRuntime::Process(_))
            && self.sessions != SessionPolicy::Shared
    }

    /// Returns `true` if the server of `other` is started and reached in the same way as this one,
    /// and may differ only in what gateways show of it and in the limits of its calls.
    #[must_use]
    pub fn runs_like(&self, other: &Self) -> bool {
        // Fields that are added later count, unless they are named here.
        let shown = Self {
            prefix: Arc::clone(&self.prefix),
            transport: self.transport_like(other),
            tools: self.tools.clone(),
            tool_aliases: self.tool_aliases.clone(),
            pinned: self.pinned,
            pins: Arc::clone(&self.pins),
            results: self.results.clone(),
            entry: self.entry.clone(),
            limits: ServerLimits {
                calls: self.limits.calls.clone(),
                ..other.limits.clone()
            },
            ..other.clone()
        };
        shown == *self
    }

    /// Returns the transport of `other`, or that of this server if it differs only in what the
    /// orchestrator changes while the server runs.
    fn transport_like(&self, other: &Self) -> ServerRuntime {
        match (&self.transport, &other.transport) {
            (ServerRuntime::Kubernetes(own), ServerRuntime::Kubernetes(others))
                if own.answers_like(others) =>
            {
                self.transport.clone()
            }
            (_, others) => others.clone(),
        }
    }

    /// Returns the callers whose calls are sent one at a time; `None` if calls are concurrent.
    ///
    /// Calls that could use the same state wait for each other: those of all callers if they share
    /// the process or its state folder, and otherwise those of each principal.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_core::upstream::{SessionPolicy, Turns};
    /// use mcp_gateway_platform::spec::{Process, ServerRuntime, ServerSpec};
    ///
    /// let mut process = Process::new("npx", ["-y", "server"]);
    /// process.one_at_a_time = true;
    /// let mut server = ServerSpec::new("memory", ServerRuntime::Process(process));
    /// assert_eq!(server.turns(), Some(Turns::PerPrincipal));
    /// server.sessions = SessionPolicy::Shared;
    /// assert_eq!(server.turns(), Some(Turns::Shared));
    /// ```
    #[must_use]
    pub fn turns(&self) -> Option<Turns> {
        let ServerRuntime::Process(process) = &self.transport else {
            return None;
        };
        let isolation = process.isolation.as_ref();
        let shares_state = isolation.is_some_and(|isolation| isolation.shared_state);
        process.one_at_a_time.then(|| {
            match shares_state || self.sessions == SessionPolicy::Shared {
                true => Turns::Shared,
                false => Turns::PerPrincipal,
            }
        })
    }

    /// Returns `true` if its callers connect an account or supply values.
    #[must_use]
    pub fn is_connected_by_callers(&self) -> bool {
        self.transport.requires_account() || !self.inputs.is_empty()
    }

    /// Returns `true` if tools have a filter or aliases.
    #[must_use]
    pub fn has_tool_names(&self) -> bool {
        !self.tools.is_empty() || !self.tool_aliases.is_empty()
    }

    /// Returns the names and patterns of its filter, aliases and result budgets that none of the
    /// tools `listed` has.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_core::results::ResultBudget;
    /// use mcp_gateway_platform::spec::{ServerSpec, ServerRuntime, ToolFilter};
    ///
    /// let mut server = ServerSpec::new("demo", ServerRuntime::Builtin("demo".into()));
    /// server.tools = ToolFilter::default().with_denied(["ech*".into(), "delete".into()]);
    /// assert_eq!(server.unknown_tools(&["echo"]), ["delete".into()]);
    /// server.results = server.results.with_tool("ad", ResultBudget::new());
    /// assert_eq!(server.unknown_tools(&["echo"]), ["delete".into(), "ad".into()]);
    /// ```
    #[must_use]
    pub fn unknown_tools(&self, listed: &[&str]) -> Vec<Arc<str>> {
        let names = self.tool_aliases.keys().chain(self.results.tools());
        let names = names.filter(|name| !listed.contains(&&***name));
        let mut unknown: Vec<_> = self.tools.unmatched(listed).cloned().collect();
        for name in names {
            if !unknown.contains(name) {
                unknown.push(Arc::clone(name));
            }
        }
        unknown
    }
}

impl ServerRuntime {
    /// Returns the configured protocol; `None` if it is detected.
    #[must_use]
    pub fn protocol(&self) -> Option<UpstreamProtocol> {
        match self {
            Self::Builtin(_) => None,
            Self::Process(process) => process.protocol,
            Self::Kubernetes(server) => server.protocol,
            Self::Remote(remote) => remote.protocol,
        }
    }

    /// Returns `true` if each caller needs an account of the server, which requires a login.
    #[must_use]
    pub fn requires_account(&self) -> bool {
        matches!(self.auth(), Some(RemoteAuth::OAuth(_)))
    }

    /// Returns `true` if the server is called with the identity token that the caller has presented
    /// to the gateway, or with one for which that is exchanged.
    #[must_use]
    pub fn requires_identity_token(&self) -> bool {
        let is_presented = |it: &RemoteTokenExchange| it.source == SubjectSource::Presented;
        matches!(self.auth(), Some(RemoteAuth::Forward(_)))
            || self.exchange().is_some_and(is_presented)
    }

    /// Returns the authentication at the server, if there is one besides its request headers.
    #[must_use]
    pub fn auth(&self) -> Option<&RemoteAuth> {
        match self {
            Self::Builtin(_) | Self::Process(_) | Self::Kubernetes(_) => None,
            Self::Remote(remote) => remote.auth.as_ref(),
        }
    }

    /// Returns the exchange of the identities of callers, if there is one.
    #[must_use]
    pub fn exchange(&self) -> Option<&RemoteTokenExchange> {
        match self {
            Self::Builtin(_) | Self::Process(_) | Self::Kubernetes(_) => None,
            Self::Remote(remote) => remote.exchange.as_deref(),
        }
    }

    /// Returns the default sharing of sessions.
    ///
    /// It is one for each principal for child processes, also those in pods, and one for all callers
    /// for built-in and HTTP servers, and for a process in a pod to which the gateway attaches.
    #[must_use]
    pub fn default_sessions(&self) -> SessionPolicy {
        match self {
            // Programs often keep state between calls, which must not leak to other principals.
            Self::Process(_) => SessionPolicy::PerPrincipal,
            Self::Kubernetes(server) => match server.transport {
                PodTransport::Bridge => SessionPolicy::PerPrincipal,
                PodTransport::Attach | PodTransport::Http { .. } => SessionPolicy::Shared,
            },
            Self::Builtin(_) | Self::Remote(_) => SessionPolicy::Shared,
        }
    }
}
