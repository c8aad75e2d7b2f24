//! What is where: the paths of the gateway.
//!
//! | path | what | for |
//! |---|---|---|
//! | `/mcp`, `/v1/mcp` | the default gateway | its callers |
//! | `/v1/mcp/{name}` | the gateway of that name | its callers |
//! | `/livez`, `/readyz`, `/healthz` | whether the process lives, and takes calls | everybody |
//! | `/health/servers` | how each server is | callers |
//! | `/internal/replica` | what is passed on between replicas | other replicas |
//! | `/metrics` | what Prometheus may know | callers, and who has the token for it |
//!
//! Below each gateway are `/sse` and `/messages`, for clients of revision 2024-11-05.

mod operations;
mod path;

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use http::{Request, Response};
use mcp_gateway_auth::StaticTokens;
use mcp_gateway_core::bridge::{Errands, Replica};
use mcp_gateway_core::endpoint::Body;
use mcp_gateway_core::guard::Guard;
use mcp_gateway_core::{BoxError, Gateway};
use tower_service::Service;

pub(crate) use self::operations::Operations;
use self::path::Path;
use crate::fleet::Member;

/// What is served at the moment.
#[derive(Debug, Default)]
pub(crate) struct Site {
    pub(crate) gateways: HashMap<Arc<str>, Gateway>,
    /// The name of the default gateway.
    pub(crate) default: Arc<str>,
    pub(crate) members: Vec<Arc<Member>>,
    pub(crate) guard: Guard,
    /// Who may see the metrics besides callers; `None` where they have an address of their own.
    pub(crate) metrics_tokens: Option<StaticTokens>,
}

/// Answers every request. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    site: Arc<ArcSwap<Site>>,
    operations: Arc<Operations>,
    /// What is done for other replicas, if there are any.
    errands: Option<Errands>,
}

impl Front {
    pub(crate) fn new(site: Arc<ArcSwap<Site>>, operations: Arc<Operations>) -> Self {
        Self {
            site,
            operations,
            errands: None,
        }
    }

    /// Does what other replicas ask for.
    pub(crate) fn with_errands(self, errands: Option<Errands>) -> Self {
        Self { errands, ..self }
    }
}

type Answer = Result<Response<Body>, Infallible>;

impl<B> Service<Request<B>> for Front
where
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let site = self.site.load();
        let path = Path::of(request.uri().path());
        let gateway = match path {
            Path::Default => site.gateways.get(&site.default),
            Path::Named(name) => site.gateways.get(name),
            Path::Operation(_) => None,
        };
        if let Some(gateway) = gateway {
            return gateway.clone().call(request);
        }
        if request.uri().path() == Replica::PATH
            && let Some(errands) = &self.errands
        {
            return errands.clone().call(request);
        }
        let operation = path.to_operation();
        let (operations, site) = (Arc::clone(&self.operations), Arc::clone(&site));
        let (parts, _) = request.into_parts();
        Box::pin(async move { Ok(operations.answer(&parts, operation, &site).await) })
    }
}

/// Answers every request at an address that is for metrics alone. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct MetricsFront(Front);

impl MetricsFront {
    pub(crate) fn new(site: Arc<ArcSwap<Site>>, operations: Arc<Operations>) -> Self {
        Self(Front::new(site, operations))
    }
}

impl<B> Service<Request<B>> for MetricsFront {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self(Front {
            site, operations, ..
        }) = self;
        ready(Ok(match request.uri().path() {
            "/metrics" => operations.rendered(&site.load()),
            _ => operations::not_found(&request.into_parts().0),
        }))
    }
}
