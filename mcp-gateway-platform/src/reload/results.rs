//! Rules about results of the current spec, and the layer that applies them.

use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwapOption;
use mcp_gateway_core::Call;
use mcp_gateway_core::call::Permitted;
use mcp_gateway_core::upstream::ServerPool;
use mcp_gateway_policy::result::{ResultRules, TaintRecorder};
use tower_layer::Layer;
use tower_service::Service;

use crate::taints::Taints;

/// Rules about the results of a gateway, replaceable while calls are in flight.
///
/// A call in flight keeps those that were in force when it was permitted.
#[derive(Debug, Default)]
pub(crate) struct ReloadableResults(ArcSwapOption<GatewayResults>);

/// Rules about the results of a gateway. They are those of all gateways, and shared by them.
#[derive(Debug)]
struct GatewayResults {
    /// Name by which rules refer to the gateway.
    gateway: Arc<str>,
    rules: Arc<ResultRules>,
}

impl ReloadableResults {
    /// Replaces the rules of the gateway that rules call `gateway`.
    pub(crate) fn replace(&self, gateway: &Arc<str>, rules: Option<Arc<ResultRules>>) {
        let gateway = Arc::clone(gateway);
        let results = rules.map(|rules| GatewayResults { gateway, rules });
        self.0.store(results.map(Arc::new));
    }
}

/// Layer that attaches the filter of its reply to each call that rules about results concern.
#[derive(Clone, Debug)]
pub(crate) struct GovernResultsLayer {
    results: Arc<ReloadableResults>,
    pool: ServerPool,
    taints: Arc<dyn TaintRecorder>,
}

impl GovernResultsLayer {
    /// Creates a layer that finds annotations of tools in the lists of the servers in `pool`.
    pub(crate) fn new(
        results: &Arc<ReloadableResults>,
        pool: &ServerPool,
        taints: &Arc<Taints>,
    ) -> Self {
        Self {
            results: Arc::clone(results),
            pool: pool.clone(),
            taints: Arc::clone(taints) as _,
        }
    }
}

impl<S> Layer<S> for GovernResultsLayer {
    type Service = GovernResults<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let layer = self.clone();
        GovernResults { inner, layer }
    }
}

/// A service that attaches filters of replies.
#[derive(Clone, Debug)]
pub(crate) struct GovernResults<S> {
    inner: S,
    layer: GovernResultsLayer,
}

impl<S: Service<Call<Permitted>>> Service<Call<Permitted>> for GovernResults<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut call: Call<Permitted>) -> Self::Future {
        let layer = &self.layer;
        let results = layer.results.0.load();
        let filter = results.as_ref().and_then(|results| {
            let parts = (&layer.pool, &layer.taints);
            results.rules.filter(&results.gateway, &call, parts)
        });
        if let Some(filter) = filter {
            call.extensions_mut().insert(filter);
        }
        self.inner.call(call)
    }
}
