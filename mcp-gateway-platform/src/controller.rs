//! Control loop: makes the running servers and gateways match a spec.

mod apply;
mod client_state;
mod gateway;
mod held;
mod limits;
mod parts;
mod restricted;

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use hashbrown::HashMap;
use mcp_gateway_auth::StaticTokens;
use mcp_gateway_auth::accounts::AccountCredentials;
use mcp_gateway_auth::forward::{ForwardAuth, ProtectedUpstream};
use mcp_gateway_auth::server::{ProtectedResources, Resource};
use mcp_gateway_core::approval::Approvals;
use mcp_gateway_core::auth::{Principal, ProtectedResource};
use mcp_gateway_core::endpoint::ReplicaService;
use mcp_gateway_core::era::ParkedCalls;
use mcp_gateway_core::host_policy::HostPolicy;
use mcp_gateway_core::layer::dispatch::Implementation;
use mcp_gateway_core::script::ScriptRunner;
use mcp_gateway_core::session::Sessions;
use mcp_gateway_core::trace::SpanObserver;
use mcp_gateway_core::{Drain, Gateway};
use mcp_gateway_policy::{Rules, result::ResultRules};
use url::Url;

use self::client_state::ClientState;
use self::gateway::{GatewaySpec, ReloadableParts, guard};
use self::limits::RunningLimits;
use self::restricted::confined;
use crate::approvals;
use crate::audit::CallObserver;
use crate::auth::challenges::Challenges;
use crate::auth::resources::ResourceSet;
use crate::auth::{AuthorizationServices, Services, client_policy};
use crate::error::PlatformError;
use crate::http::cards::ServerCards;
use crate::http::hidden::HiddenGateways;
use crate::http::router::{HttpRouter, ManagementEndpoints, MetricsService, RouteTable};
use crate::reload::generations::Generations;
use crate::reload::pins::ReloadablePins;
use crate::reload::results::GovernResultsLayer;
use crate::reload::tool_names::ReloadableToolNames;
use crate::reload::trust::ReadTaintsLayer;
use crate::reload::verifier::{ReloadableVerifier, VerifierFactory};
use crate::servers::{Builtins, CredentialFactory, ServerFactory, ServerSet, SharedHttpClient};
use crate::spec::{Assignment, Auth, DynamicSpec, Metrics as Published, PlatformSpec};
use crate::state::StateStore;
use crate::status::ServerStatus;
use crate::taints::Taints;

/// Owner of the running servers, gateways and sessions.
#[derive(Debug)]
pub(crate) struct Controller {
    /// Verifier of the management endpoints.
    access: Arc<ReloadableVerifier>,
    /// Verifier of the admin API.
    admin_access: Arc<ReloadableVerifier>,
    /// Factory of the verifiers of the gateways.
    issuers: VerifierFactory,
    /// URL of the platform for clients.
    base: Url,
    /// Authorization server, if the platform has one.
    authority: Option<Arc<AuthorizationServices>>,
    /// Protected resource metadata (RFC 9728).
    protected: ProtectedResources,
    /// Accounts of callers; `None` if callers cannot log in.
    accounts: Option<Arc<AccountCredentials>>,
    /// Generations of the running state.
    generations: Arc<Generations>,
    /// Owners of pinned connections.
    pins: Arc<ReloadablePins>,
    /// Configured names of tools, which servers may not have.
    tool_names: Arc<ReloadableToolNames>,
    /// Runner of scripts, if the program has one.
    scripts: Option<Arc<dyn ScriptRunner>>,
    /// Rules about the calls of all gateways.
    rules: Option<Arc<Rules>>,
    /// Taints of callers.
    taints: Arc<Taints>,
    /// Rules about results of all gateways.
    results: Option<Arc<ResultRules>>,
    /// Limits on calls.
    limits: RunningLimits,
    /// Running servers.
    servers: ServerSet,
    /// Running gateways, in the order of the spec.
    gateways: Vec<RunningGateway>,
    /// Calls that wait for the input of a client.
    parked_calls: ParkedCalls,
    approvals: Arc<dyn Approvals>,
    /// Management endpoints, with the sessions and the drain of all gateways.
    operations: Arc<ManagementEndpoints>,
    /// Observer of all gateways.
    observer: CallObserver,
    /// Endpoint for requests of other replicas.
    replica_service: Option<ReplicaService>,
    /// Gateways and endpoints that are served.
    routes: Arc<ArcSwap<RouteTable>>,
}

/// Running gateway.
#[derive(Clone, Debug)]
struct RunningGateway {
    /// Properties whose change builds the gateway anew.
    traits: GatewaySpec,
    /// Parts that are replaced without a new gateway.
    parts: ReloadableParts,
    /// Assignments, whose changes subscribers are notified of.
    assignments: Vec<Assignment>,
    /// Service for each segment of its paths.
    gateways: Vec<Gateway>,
}

impl Controller {
    /// Creates the servers and gateways of `spec`, with the built-in servers `builtins`.
    ///
    /// Without a configured or stored key, sessions are sealed with a random one, and end with it.
    ///
    /// # Errors
    ///
    /// [`PlatformError`] if keys or clients cannot be created, or the spec cannot be applied.
    pub(crate) fn new(
        spec: &PlatformSpec,
        builtins: Builtins,
        foundation: &Services,
    ) -> Result<Self, PlatformError> {
        let (fixed, dynamic) = (&spec.fixed, &spec.dynamic);
        let web = SharedHttpClient::default();
        let clients = ClientState::new(fixed, foundation.key.as_ref(), &web)?;
        let authority = foundation.authority.clone();
        let networks = &fixed.auth.allowed_networks;
        let identities = foundation.caller_identities(fixed);
        let credentials = CredentialFactory::new(foundation.accounts(), identities, networks);
        let mut issuers = VerifierFactory::new(authority.clone(), foundation.egress.clone())
            .with_proofs(foundation.proofs(fixed));
        let access = ReloadableVerifier::new(issuers.rules(&dynamic.auth, None, &[]));
        let admin_access = ReloadableVerifier::new(issuers.admin_rules(&dynamic.auth));
        let metrics = approvals::counted(foundation.approvals.as_ref());
        let observer =
            CallObserver::new(&metrics, foundation.audit.clone(), foundation.spans.clone());
        let spans = Arc::clone(observer.spans()) as Arc<dyn SpanObserver>;
        let factory = ServerFactory::new(builtins, Vec::new())
            .with_spans(Arc::clone(&spans))
            .with_web(web)
            .with_egress(client_policy(networks))
            .with_parked_calls(clients.parked_calls.clone())
            .with_protocols(foundation.protocols.clone())
            .with_kept_results(clients.kept_results)
            .with_audit(foundation.audit.clone())
            .with_orchestrator(foundation.orchestrator.clone())
            .with_data_folder(StateStore::folder_of(&fixed.store));
        let mut controller = Self {
            approvals: approvals::of_calls(foundation.approvals.as_ref()),
            observer,
            operations: Arc::new(ManagementEndpoints {
                access: Arc::clone(&access),
                admin_access: Arc::clone(&admin_access),
                drain: Drain::new(),
                metrics,
                sessions: clients.sessions.with_span_observer(spans),
            }),
            replica_service: clients.replica_service,
            access,
            admin_access,
            issuers,
            base: foundation.base.clone(),
            authority,
            protected: foundation.protected_resources(),
            scripts: foundation.scripts.clone(),
            accounts: credentials.accounts.clone(),
            generations: Arc::clone(&credentials.generations),
            pins: Arc::clone(&credentials.pins),
            servers: ServerSet::new(factory, credentials),
            tool_names: Arc::default(),
            rules: None,
            results: None,
            limits: RunningLimits::new(foundation.store.clone()),
            taints: Taints::new(foundation.store.clone(), fixed.sessions.lifetime()),
            gateways: Vec::new(),
            parked_calls: clients.parked_calls,
            routes: Arc::default(),
        };
        controller.apply(dynamic)?;
        Ok(controller)
    }

    /// Publishes the metadata of `resources` with their authorization servers.
    fn protect(&self, spec: &DynamicSpec, resources: &ResourceSet) {
        self.protected.set_hidden(resources.hidden.clone());
        if let Some(authority) = &self.authority {
            authority.apply(spec, resources);
        } else {
            self.protected.set_resources(resources.all());
            let issuers = spec.auth.others().map(str::to_owned);
            self.protected.set_authorization_servers(issuers);
        }
    }

    /// Creates a gateway of `parts`, with the challenge `protected`.
    fn create(
        &self,
        traits: &GatewaySpec,
        parts: &ReloadableParts,
        protected: Option<&ProtectedResource>,
    ) -> Result<Gateway, PlatformError> {
        let ManagementEndpoints {
            drain, sessions, ..
        } = &*self.operations;
        let mut identity = Implementation::default();
        if let Some(instructions) = &traits.instructions {
            identity = identity.with_instructions(Arc::clone(instructions));
        }
        let mut builder = Gateway::builder(Arc::clone(&parts.access))
            .with_router(Arc::clone(&parts.routing))
            .with_policy(Arc::clone(&parts.policy))
            .with_servers(self.servers.pool().clone())
            .with_sessions(sessions.clone())
            .with_name(Arc::clone(&traits.id))
            .with_implementation(identity)
            .with_observer(self.observer.clone())
            .with_span_observer(Arc::clone(self.observer.spans()))
            .with_host_policy(traits.host_policy())
            .with_drain(drain.clone())
            .with_absolute_endpoint()
            .with_compatibility(traits.compatibility)
            .with_forwarded_headers(traits.forward_headers.iter().cloned());
        if let Some(bytes) = traits.max_body {
            builder = builder.with_max_body(bytes);
        }
        if let Some(entries) = traits.page_size {
            builder = builder.with_page_size(entries);
        }
        if let Some(search) = traits.tool_search(self.scripts.as_ref()) {
            builder = builder.with_tool_search(search);
        }
        if let Some(accounts) = self.accounts() {
            builder = builder.with_elicited_connections(accounts, self.parked_calls.clone());
        }
        builder = builder.with_approvals(Arc::clone(&self.approvals), self.parked_calls.clone());
        if let Some(protected) = protected {
            builder = builder.with_protected_resource(protected.clone());
        }
        // The router and the sessions are set, so that nothing is missing.
        let results = GovernResultsLayer::new(&parts.results, self.servers.pool(), &self.taints);
        builder
            .on_routed(ReadTaintsLayer::new(&parts.policy, &self.taints))
            .on_permitted(results)
            .on_permitted(parts.limit_layer(self.servers.pool()))
            .on_permitted(parts.retry_layer(self.servers.pool()))
            .build()
            .map_err(|e| PlatformError::Sealer(e.into()))
    }

    /// Creates the route table, with forward authentication of the resources `forward`, and names
    /// without a gateway, if they are `hidden`.
    fn routes(
        &mut self,
        spec: &DynamicSpec,
        (forward, hidden): (&[Resource], Option<HiddenGateways>),
    ) -> RouteTable {
        let guard = guard(spec, &self.base);
        let hosts = forward
            .iter()
            .filter_map(|resource| resource.uri.host_str());
        let metadata_guard = hosts.fold(guard.clone(), HostPolicy::with_host);
        let forward = self.forward(spec, forward);
        let restricted = self.restricted(spec);
        let gateways = spec.gateways.iter().zip(&self.gateways);
        let gateways = gateways.flat_map(|(definition, running)| {
            let segments = definition.segments().cloned();
            segments.zip(running.gateways.iter().cloned())
        });
        let gateways: HashMap<_, _> = gateways.collect();
        let default = spec.gateways.get(spec.default_gateway);
        RouteTable {
            gateways,
            default: default
                .map(|gateway| Arc::clone(&gateway.name))
                .unwrap_or_default(),
            members: self.servers.members().to_vec(),
            cards: ServerCards::new(spec, &self.base),
            metadata_guard,
            guard,
            forward,
            metrics_tokens: metrics_tokens(&spec.metrics),
            confined: confined(spec, &restricted),
            hidden,
            restricted,
            metadata: self
                .is_described(&spec.auth)
                .then(|| self.protected.router()),
            router: self
                .authority
                .as_ref()
                .map(|authority| authority.router.clone()),
        }
    }

    /// Returns `true` if clients can discover an authorization server.
    fn is_described(&self, auth: &Auth) -> bool {
        self.authority.is_some() || auth.others().next().is_some()
    }

    /// Returns the challenges for clients.
    fn challenges(&self, auth: &Auth) -> Challenges {
        Challenges {
            protected: self.is_described(auth).then(|| self.protected.clone()),
            are_all_scopes_wanted: self.authority.is_none(),
        }
    }

    /// Returns the forward authentication of `resources`.
    fn forward(&mut self, spec: &DynamicSpec, resources: &[Resource]) -> Option<Router> {
        let mut forward = ForwardAuth::new();
        for (definition, resource) in spec.auth.forward.iter().zip(resources) {
            let rules = self.issuers.rules(&spec.auth, Some(resource), &[]);
            // A protected server requires an authenticated caller.
            let access = ReloadableVerifier::new(rules.without_anonymous());
            let mut guarded = ProtectedUpstream::new(resource.clone(), access);
            let scopes = definition.scopes.iter().map(|(name, _)| name.as_str());
            let are_wanted = !definition.scopes.is_empty();
            for scope in scopes {
                guarded = guarded.with_required_scope(scope);
            }
            if let Some(challenge) = self.challenges(&spec.auth).of(resource, are_wanted) {
                guarded = guarded.with_challenge(challenge);
            }
            forward = forward.with_resource(guarded);
        }
        (!resources.is_empty()).then(|| forward.router())
    }

    /// Returns the service over all paths, which follows each apply.
    pub(crate) fn front(&self) -> HttpRouter {
        HttpRouter::new(Arc::clone(&self.routes), Arc::clone(&self.operations))
            .with_errands(self.replica_service.clone())
    }

    /// Returns the verifier of the admin API.
    pub(crate) fn admin_access(&self) -> &Arc<ReloadableVerifier> {
        &self.admin_access
    }

    /// Returns the service for a separate address of the metrics.
    pub(crate) fn metrics_front(&self) -> MetricsService {
        MetricsService::new(Arc::clone(&self.routes), Arc::clone(&self.operations))
    }

    /// Returns the switch for a graceful shutdown.
    pub(crate) fn drain(&self) -> &Drain {
        &self.operations.drain
    }

    /// Returns the observed state of all servers.
    pub(crate) fn status(&self) -> Vec<ServerStatus> {
        let members = self.servers.members().iter();
        members.map(|member| member.status()).collect()
    }

    /// Returns the accounts of callers, if they can log in.
    pub(crate) fn accounts(&self) -> Option<Arc<AccountCredentials>> {
        self.accounts.clone()
    }

    /// Returns the observed state of the server `name`.
    pub(crate) fn server_status(&self, name: &str) -> Option<ServerStatus> {
        let mut members = self.servers.members().iter();
        let found = members.find(|member| **member.name() == *name)?;
        Some(found.status())
    }

    /// Returns the client sessions of all gateways.
    pub(crate) fn sessions(&self) -> &Sessions {
        &self.operations.sessions
    }
}

/// Returns the tokens of scrapers; `None` if the metrics have a separate address.
fn metrics_tokens(published: &Published) -> Option<StaticTokens> {
    match published {
        Published::Separate => None,
        Published::Shared => Some(StaticTokens::new()),
        Published::Token(token) => {
            let scraper = Principal::new("metrics");
            Some(StaticTokens::new().with_token(token.expose(), scraper))
        }
    }
}

#[cfg(test)]
mod tests;
