//! Builder of a gateway.

mod observers;
mod options;

use std::sync::Arc;

use http::HeaderName;
use tower::util::option_layer;
use tower::{ServiceBuilder, ServiceExt};
use tower_layer::{Identity as NoLayer, Layer, Stack};
use tower_service::Service;

use self::options::Options;
use super::{BoxCallService, Gateway, Owned};
use crate::approval::Approvals;
use crate::auth::{AuthVerifier, ProtectedResource};
use crate::call::{Permitted, Routed};
use crate::credential::{ConnectionSignals, CredentialResolver};
use crate::endpoint::Compatibility;
use crate::era::ParkedCalls;
use crate::host_policy::HostPolicy;
use crate::layer::approve::ApproveLayer;
use crate::layer::attach_credentials::{AttachCredentials, AttachCredentialsLayer};
use crate::layer::authenticate::AuthenticateLayer;
use crate::layer::authorize::Authorize;
use crate::layer::cors::CorsLayer;
use crate::layer::dispatch::{Dispatch, Implementation, ToolSearch};
use crate::layer::drain_body::DrainBodyLayer;
use crate::layer::elicit_connections::ElicitConnectionsLayer;
use crate::layer::forward::Forward;
use crate::layer::host_guard::HostGuardLayer;
use crate::layer::observe::Observe;
use crate::policy::Policy;
use crate::route::{PrefixError, ToolRouter};
use crate::seal::SealError;
use crate::session::Sessions;
use crate::upstream::{ServerPool, UpstreamServer};
use crate::{Call, Drain, Error, Reply};

/// Builder of a [`Gateway`].
///
/// The decision who may call is the argument of [`Gateway::builder`]. Everything else has a
/// default:
///
/// | option | default |
/// |---|---|
/// | [`server`](Self::server), [`with_servers`](Self::with_servers) | no servers |
/// | [`with_router`](Self::with_router) | the name of each server is the prefix of its features |
/// | [`with_policy`](Self::with_policy) | callers may use everything |
/// | [`with_credentials`](Self::with_credentials) | servers receive no credential |
/// | [`with_elicited_connections`](Self::with_elicited_connections) | clients are not asked for accounts |
/// | [`with_approvals`](Self::with_approvals) | calls that require approval are rejected |
/// | [`with_sessions`](Self::with_sessions) | sessions end with the process |
/// | [`with_host_policy`](Self::with_host_policy) | local hosts only |
///
/// # Example
///
/// ```
/// use http::{Request, StatusCode};
/// use mcp_gateway_core::host_policy::HostPolicy;
/// use mcp_gateway_core::runtime::InProcess;
/// use mcp_gateway_core::{Gateway, UpstreamServer};
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let gateway = Gateway::anonymous()
///     .server(UpstreamServer::builder("files", InProcess::new(async |_| Ok(()))))
///     .with_name("team")
///     .with_host_policy(HostPolicy::new().with_host("mcp.example.com"))
///     .with_max_body(1024 * 1024)
///     .build()?;
///
/// let request = Request::post("/mcp").header("host", "rebound.example.net");
/// let response = gateway.clone().oneshot(request.body(String::new())?).await?;
/// assert_eq!(response.status(), StatusCode::FORBIDDEN);
/// gateway.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct GatewayBuilder<C = NoLayer, R = NoLayer, P = NoLayer> {
    options: Options,
    calls: ServiceBuilder<C>,
    routed: ServiceBuilder<R>,
    permitted: ServiceBuilder<P>,
}

/// Failure to build a gateway.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The names of the servers are no prefixes, and no router is set.
    #[error("invalid server name")]
    Name(#[from] PrefixError),
    /// The system provides no randomness, and no sessions are set.
    #[error("failed to create sessions")]
    Sessions(#[from] SealError),
}

impl GatewayBuilder {
    /// Creates a builder with the default options.
    pub(super) fn new(verifier: Arc<dyn AuthVerifier>) -> Self {
        Self {
            options: Options::new(verifier),
            calls: ServiceBuilder::new(),
            routed: ServiceBuilder::new(),
            permitted: ServiceBuilder::new(),
        }
    }
}

impl<C, R, P> GatewayBuilder<C, R, P> {
    /// Adds a server with the default limits, replacing one of the same name.
    pub fn server(mut self, server: impl Into<Arc<UpstreamServer>>) -> Self {
        self.options.pool = self.options.pool.with_server(server);
        self
    }

    /// Sets the servers. Several gateways may share them; [`Gateway::close`] closes them for all.
    pub fn with_servers(mut self, pool: ServerPool) -> Self {
        self.options.pool = pool;
        self
    }

    /// Sets the router between the names that clients see and the features of servers. Default:
    /// [`PrefixRouter::by_name`](crate::route::PrefixRouter::by_name) over the servers that are
    /// present at [`build`](Self::build).
    pub fn with_router(mut self, router: impl ToolRouter) -> Self {
        self.options.router = Some(Arc::new(router));
        self
    }

    /// Sets the resolver of upstream credentials. Default:
    /// [`NoCredentials`](crate::credential::NoCredentials).
    pub fn with_credentials(mut self, resolver: impl CredentialResolver) -> Self {
        self.options.resolver = Arc::new(resolver);
        self
    }

    /// Asks the users of clients that can open URLs to connect missing accounts, and resumes their
    /// calls upon `signals`. Default: such a call fails at once.
    ///
    /// Calls that wait count among `parked_calls`, which should be those of the servers. See
    /// [`ElicitConnectionsLayer`].
    pub fn with_elicited_connections(
        mut self,
        signals: Arc<dyn ConnectionSignals>,
        parked_calls: ParkedCalls,
    ) -> Self {
        let layer = ElicitConnectionsLayer::new(signals, parked_calls);
        self.options.elicit_connections = Some(layer);
        self
    }

    /// Obtains approvals of the calls that require them, and waits among the `parked` calls of the
    /// servers; see [`ApproveLayer`]. Default: such calls are rejected.
    pub fn with_approvals(mut self, approvals: Arc<dyn Approvals>, parked: ParkedCalls) -> Self {
        self.options.approve = Some(ApproveLayer::new(approvals, parked));
        self
    }

    /// Sets the sessions of legacy clients. Default: [`Sessions::ephemeral`].
    pub fn with_sessions(mut self, sessions: Sessions) -> Self {
        self.options.sessions = Some(sessions);
        self
    }

    /// Sets the name of the gateway. Default: `default`. Sessions of one gateway are rejected by
    /// others.
    pub fn with_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.options.name = name.into();
        self
    }

    /// Sets the name, version and instructions that clients receive.
    pub fn with_implementation(mut self, identity: Implementation) -> Self {
        self.options.identity = identity;
        self
    }

    /// Sets the policy that authorizes calls and filters lists. Default:
    /// [`AllowAll`](crate::policy::AllowAll).
    pub fn with_policy(mut self, policy: impl Policy) -> Self {
        self.options.policy = Arc::new(policy);
        self
    }

    /// Sets the allowlist of hosts and origins. Default: local hosts only, see [`HostPolicy`].
    pub fn with_host_policy(mut self, policy: HostPolicy) -> Self {
        self.options.host_policy = Arc::new(policy);
        self
    }

    /// Sets the signal upon which long-lived streams end. Default: one of its own.
    pub fn with_drain(mut self, drain: Drain) -> Self {
        self.options.drain = drain;
        self
    }

    /// Sets the maximum size of a body in bytes. Default: 16 MiB.
    pub fn with_max_body(mut self, bytes: usize) -> Self {
        self.options.max_body = Some(bytes);
        self
    }

    /// Tells clients of HTTP+SSE the absolute path for messages; see
    /// [`EndpointLayer::with_absolute_endpoint`](crate::endpoint::EndpointLayer::with_absolute_endpoint).
    pub fn with_absolute_endpoint(mut self) -> Self {
        self.options.absolute_endpoint = true;
        self
    }

    /// Sets the departures from the specification that are accepted. Default: none.
    pub fn with_compatibility(mut self, accepted: Compatibility) -> Self {
        self.options.compatibility = accepted;
        self
    }

    /// Sets the allowlist of headers that are forwarded to HTTP servers. Default: none.
    pub fn with_forwarded_headers(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.options.forwarded_headers = headers.into_iter().collect();
        self
    }

    /// Sets the maximum number of entries of a list page; see
    /// [`DispatchLayer::with_page_size`](crate::layer::dispatch::DispatchLayer::with_page_size).
    pub fn with_page_size(mut self, entries: usize) -> Self {
        self.options.page_size = Some(entries);
        self
    }

    /// Lists a search instead of the tools; see
    /// [`DispatchLayer::with_tool_search`](crate::layer::dispatch::DispatchLayer::with_tool_search).
    pub fn with_tool_search(mut self, search: ToolSearch) -> Self {
        self.options.tool_search = Some(search);
        self
    }

    /// Sets the metadata that tells rejected clients where to obtain a token.
    pub fn with_protected_resource(mut self, resource: ProtectedResource) -> Self {
        self.options.respond_errors = self
            .options
            .respond_errors
            .with_protected_resource(resource);
        self
    }

    /// Adds a layer that receives every call of an authenticated caller, before it is routed.
    ///
    /// Layers receive a call in the order in which they were added.
    pub fn on_call<L>(self, layer: L) -> GatewayBuilder<Stack<L, C>, R, P> {
        GatewayBuilder {
            options: self.options,
            calls: self.calls.layer(layer),
            routed: self.routed,
            permitted: self.permitted,
        }
    }

    /// Adds a layer that receives every call whose target is known, before it is authorized.
    ///
    /// Layers receive a call in the order in which they were added.
    ///
    /// # Example
    ///
    /// The type of its request determines where a layer fits. This one requires the target:
    ///
    /// ```
    /// use mcp_gateway_core::call::{Call, Routed};
    /// use mcp_gateway_core::{Gateway, GatewayBuilder};
    /// use tower::util::MapRequestLayer;
    ///
    /// fn logged(builder: GatewayBuilder) -> Gateway {
    ///     let log = MapRequestLayer::new(|call: Call<Routed>| {
    ///         println!("{} calls {}", call.principal().subject(), call.target().server);
    ///         call
    ///     });
    ///     builder.on_routed(log).build().unwrap()
    /// }
    /// ```
    ///
    /// A layer that needs the target of the call does not compile here:
    ///
    /// ```compile_fail,E0631
    /// # use mcp_gateway_core::call::{Call, Routed};
    /// # use mcp_gateway_core::{Gateway, GatewayBuilder};
    /// # use tower::util::MapRequestLayer;
    /// fn logged(builder: GatewayBuilder) -> Gateway {
    ///     let log = MapRequestLayer::new(|call: Call<Routed>| {
    ///         println!("{} calls {}", call.principal().subject(), call.target().server);
    ///         call
    ///     });
    ///     builder.on_call(log).build().unwrap()
    /// }
    /// ```
    pub fn on_routed<L>(self, layer: L) -> GatewayBuilder<C, Stack<L, R>, P> {
        GatewayBuilder {
            options: self.options,
            calls: self.calls,
            routed: self.routed.layer(layer),
            permitted: self.permitted,
        }
    }

    /// Adds a layer that receives every call that the policy permits, before it has a credential,
    /// and the reply of its server.
    ///
    /// For limits, and for rules about results: what is denied neither counts nor has one. Layers
    /// receive a call in the order in which they were added.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_core::call::{Call, Permitted};
    /// use mcp_gateway_core::{Gateway, GatewayBuilder};
    /// use tower::util::MapRequestLayer;
    ///
    /// fn counted(builder: GatewayBuilder) -> Gateway {
    ///     let count = MapRequestLayer::new(|call: Call<Permitted>| {
    ///         println!("{} uses {}", call.principal().subject(), call.target().server);
    ///         call
    ///     });
    ///     builder.on_permitted(count).build().unwrap()
    /// }
    /// ```
    pub fn on_permitted<L>(self, layer: L) -> GatewayBuilder<C, R, Stack<L, P>> {
        GatewayBuilder {
            options: self.options,
            calls: self.calls,
            routed: self.routed,
            permitted: self.permitted.layer(layer),
        }
    }

    /// Builds the gateway. Nothing is connected or started.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if a default is not possible.
    pub fn build<SC, SR, SP>(self) -> Result<Gateway, BuildError>
    where
        P: Layer<AttachCredentials<Forward>, Service = SP>,
        SP: Service<Call<Permitted>, Response = Reply, Error = Error>,
        SP: Clone + Send + Sync + 'static,
        SP::Future: Send,
        R: Layer<Authorize<SP>, Service = SR>,
        SR: Service<Call<Routed>, Response = Reply, Error = Error>,
        SR: Clone + Send + Sync + 'static,
        SR::Future: Send,
        C: Layer<Dispatch<Observe<SR>>, Service = SC>,
        SC: Service<Call, Response = Reply, Error = Error>,
        SC: Clone + Send + Sync + 'static,
        SC::Future: Send,
    {
        let options = self.options;
        let sessions = match options.sessions.clone() {
            Some(sessions) => sessions,
            None => Sessions::ephemeral()?,
        };
        let attach_credentials = AttachCredentialsLayer::new(Arc::clone(&options.resolver))
            .with_pool(options.pool.clone());
        let prepared = Forward::new(options.pool.clone());
        let permitted = self.permitted.service(attach_credentials.layer(prepared));
        let routed = self.routed.service(options.authorize().layer(permitted));
        let dispatch = options.dispatch(&sessions)?;
        let dispatch = dispatch.layer(options.observe().layer(routed));
        let calls = option_layer(options.elicit_connections()).layer(self.calls.service(dispatch));
        let calls = options
            .trace()
            .layer(option_layer(options.approve()).layer(calls));
        let calls = BoxCallService(Arc::new(move |call| Box::pin(calls.clone().oneshot(call))));
        let stack = ServiceBuilder::new()
            .layer(CorsLayer::new(Arc::clone(&options.host_policy)))
            .layer(DrainBodyLayer::new())
            .layer(options.respond_errors.clone())
            .layer(HostGuardLayer::new(Arc::clone(&options.host_policy)))
            .layer(AuthenticateLayer::new(Arc::clone(&options.verifier)))
            .layer(options.endpoint(sessions.clone()))
            .service(calls.clone());
        let owned = Owned {
            calls,
            drain: options.drain,
            pool: options.pool,
            sessions,
        };
        Ok(Gateway {
            stack,
            owned: Arc::new(owned),
        })
    }
}
