use std::sync::Arc;

use http::HeaderName;

use crate::Drain;
use crate::auth::{AuthVerifier, ProtectedResource};
use crate::credential::CredentialResolver;
use crate::endpoint::EndpointLayer;
use crate::guard::Guard;
use crate::layer::dispatch::{DispatchLayer, Identity};
use crate::observe::Observer;
use crate::policy::Policy;
use crate::route::ToolRouter;
use crate::session::Sessions;
use crate::upstream::ServerPool;

/// What a gateway is made of.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) verifier: Arc<dyn AuthVerifier>,
    pub(super) router: Arc<dyn ToolRouter>,
    pub(super) resolver: Arc<dyn CredentialResolver>,
    pub(super) pool: ServerPool,
    pub(super) sessions: Sessions,
    pub(super) policy: Arc<dyn Policy>,
    pub(super) observer: Option<Arc<dyn Observer>>,
    pub(super) name: Arc<str>,
    pub(super) identity: Identity,
    pub(super) guard: Guard,
    pub(super) drain: Drain,
    pub(super) max_body: Option<usize>,
    pub(super) headers: Vec<HeaderName>,
    pub(super) page_size: Option<usize>,
    pub(super) protected: Option<ProtectedResource>,
}

impl Settings {
    pub(super) fn dispatch(&self) -> DispatchLayer {
        let dispatch = DispatchLayer::new(Arc::clone(&self.router), Arc::clone(&self.policy))
            .with_identity(self.identity.clone());
        match self.page_size {
            Some(entries) => dispatch.with_page_size(entries),
            None => dispatch,
        }
    }

    pub(super) fn endpoint(&self) -> EndpointLayer {
        let endpoint = EndpointLayer::new(Arc::clone(&self.name), self.sessions.clone())
            .with_drain(self.drain.clone())
            .with_forwarded_headers(self.headers.iter().cloned());
        match self.max_body {
            Some(bytes) => endpoint.with_max_body(bytes),
            None => endpoint,
        }
    }
}
