//! Options of a gateway.

use std::sync::Arc;

use http::HeaderName;

use crate::Drain;
use crate::auth::AuthVerifier;
use crate::credential::{CredentialResolver, NoCredentials};
use crate::endpoint::{Compatibility, EndpointLayer};
use crate::host_policy::HostPolicy;
use crate::layer::approve::ApproveLayer;
use crate::layer::authorize::AuthorizeLayer;
use crate::layer::dispatch::{DispatchLayer, Implementation, ToolSearch};
use crate::layer::elicit_connections::ElicitConnectionsLayer;
use crate::layer::observe::ObserveLayer;
use crate::layer::respond_errors::RespondErrorsLayer;
use crate::layer::trace::TraceLayer;
use crate::observe::Observer;
use crate::policy::{AllowAll, Policy};
use crate::route::{PrefixError, PrefixRouter, ToolRouter};
use crate::session::Sessions;
use crate::trace::SpanObserver;
use crate::upstream::ServerPool;

/// Options of a gateway.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) verifier: Arc<dyn AuthVerifier>,
    pub(super) router: Option<Arc<dyn ToolRouter>>,
    pub(super) policy: Arc<dyn Policy>,
    pub(super) resolver: Arc<dyn CredentialResolver>,
    pub(super) approve: Option<ApproveLayer>,
    pub(super) elicit_connections: Option<ElicitConnectionsLayer>,
    pub(super) observer: Option<Arc<dyn Observer>>,
    pub(super) spans: Option<Arc<dyn SpanObserver>>,
    pub(super) pool: ServerPool,
    pub(super) sessions: Option<Sessions>,
    pub(super) host_policy: Arc<HostPolicy>,
    pub(super) drain: Drain,
    pub(super) name: Arc<str>,
    pub(super) identity: Implementation,
    pub(super) page_size: Option<usize>,
    pub(super) tool_search: Option<ToolSearch>,
    pub(super) max_body: Option<usize>,
    pub(super) absolute_endpoint: bool,
    pub(super) compatibility: Compatibility,
    pub(super) forwarded_headers: Vec<HeaderName>,
    pub(super) respond_errors: RespondErrorsLayer,
}

impl Options {
    /// Creates the default options.
    pub(super) fn new(verifier: Arc<dyn AuthVerifier>) -> Self {
        Self {
            verifier,
            router: None,
            policy: Arc::new(AllowAll::new()),
            resolver: Arc::new(NoCredentials::new()),
            approve: None,
            elicit_connections: None,
            observer: None,
            spans: None,
            pool: ServerPool::new(),
            sessions: None,
            host_policy: Arc::new(HostPolicy::new()),
            drain: Drain::new(),
            name: "default".into(),
            identity: Implementation::default(),
            page_size: None,
            tool_search: None,
            absolute_endpoint: false,
            compatibility: Compatibility::default(),
            max_body: None,
            forwarded_headers: Vec::new(),
            respond_errors: RespondErrorsLayer::new(),
        }
    }

    /// Returns the layer that authorizes calls.
    pub(super) fn authorize(&self) -> AuthorizeLayer {
        let layer = AuthorizeLayer::new(Arc::clone(&self.policy)).with_pool(self.pool.clone());
        match &self.approve {
            Some(_) => layer.with_approvals(),
            None => layer,
        }
    }

    /// Returns the layer that obtains approvals, if it is configured.
    pub(super) fn approve(&self) -> Option<ApproveLayer> {
        let layer = self.approve.clone()?;
        Some(layer.with_drain(self.drain.clone()))
    }

    /// Returns the layer that routes calls.
    pub(super) fn dispatch(&self, sessions: &Sessions) -> Result<DispatchLayer, PrefixError> {
        let router = match &self.router {
            Some(router) => Arc::clone(router),
            None => Arc::new(PrefixRouter::by_name(self.pool.names())?),
        };
        let layer = DispatchLayer::new(router, Arc::clone(&self.policy))
            .with_sealer(Arc::clone(sessions.sealer()))
            .with_implementation(self.identity.clone());
        let layer = match &self.tool_search {
            Some(search) => layer.with_tool_search(search.clone()),
            None => layer,
        };
        Ok(match self.page_size {
            Some(entries) => layer.with_page_size(entries),
            None => layer,
        })
    }

    /// Returns the layer that asks users to connect accounts, if it is configured.
    pub(super) fn elicit_connections(&self) -> Option<ElicitConnectionsLayer> {
        let layer = self.elicit_connections.clone()?;
        Some(layer.with_drain(self.drain.clone()))
    }

    /// Returns the layer that serves HTTP.
    pub(super) fn endpoint(&self, sessions: Sessions) -> EndpointLayer {
        let layer = EndpointLayer::new(Arc::clone(&self.name), sessions)
            .with_drain(self.drain.clone())
            .with_compatibility(self.compatibility)
            .with_forwarded_headers(self.forwarded_headers.iter().cloned());
        let layer = match self.absolute_endpoint {
            true => layer.with_absolute_endpoint(),
            false => layer,
        };
        match self.max_body {
            Some(bytes) => layer.with_max_body(bytes),
            None => layer,
        }
    }

    /// Returns the layer that records the spans of calls.
    pub(super) fn trace(&self) -> TraceLayer {
        let layer = TraceLayer::new();
        match &self.spans {
            Some(observer) => layer.with_observer(Arc::clone(observer)),
            None => layer,
        }
    }

    /// Returns the layer that reports calls.
    pub(super) fn observe(&self) -> ObserveLayer {
        let layer = ObserveLayer::new(self.pool.clone());
        match &self.observer {
            Some(observer) => layer.with_observer(Arc::clone(observer)),
            None => layer,
        }
    }
}
