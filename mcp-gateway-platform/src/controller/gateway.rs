//! Properties of a running gateway, which determine if it is kept or replaced.

use std::sync::Arc;

use http::HeaderName;
use mcp_gateway_core::auth::ProtectedResource;
use mcp_gateway_core::endpoint::Compatibility;
use mcp_gateway_core::host_policy::HostPolicy;
use mcp_gateway_core::layer::dispatch::ToolSearch;
use mcp_gateway_core::script::ScriptRunner;
use mcp_gateway_limits::{ActiveLimits, ActiveRetries};
use url::Url;

use crate::reload::policy::ReloadablePolicy;
use crate::reload::results::ReloadableResults;
use crate::reload::router::ReloadableRouter;
use crate::reload::verifier::ReloadableVerifier;
use crate::spec::{self, DynamicSpec};

/// Properties of a gateway besides its servers. A change replaces the gateway.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct GatewaySpec {
    /// Identifier, which is the name of the gateway in sessions, records and metrics.
    pub(super) id: Arc<str>,
    pub(super) forward_headers: Vec<HeaderName>,
    pub(super) page_size: Option<usize>,
    pub(super) tool_search: Option<ToolSearch>,
    pub(super) instructions: Option<Arc<str>>,
    pub(super) compatibility: Compatibility,
    pub(super) max_body: Option<usize>,
    hosts: Vec<String>,
    origins: Vec<String>,
    /// Challenges, for each segment of its paths.
    pub(super) protected: Vec<Option<ProtectedResource>>,
}

/// Parts of a gateway that follow the spec while calls are in flight.
///
/// A gateway that is built anew takes over those of the one that it replaces, so that open streams
/// follow them.
#[derive(Clone, Debug)]
pub(super) struct ReloadableParts {
    /// Verifier, which open streams watch.
    pub(super) access: Arc<ReloadableVerifier>,
    /// Router, whose changes open streams receive.
    pub(super) routing: Arc<ReloadableRouter>,
    /// Policy.
    pub(super) policy: Arc<ReloadablePolicy>,
    /// Rules about results.
    pub(super) results: Arc<ReloadableResults>,
    /// Limits on calls.
    pub(super) limits: ActiveLimits,
    /// Permissions to send calls again.
    pub(super) retries: ActiveRetries,
}

impl GatewaySpec {
    /// Returns the properties of `definition` in `spec`, for a platform at `base`.
    pub(super) fn of(definition: &spec::GatewaySpec, spec: &DynamicSpec, base: &Url) -> Self {
        Self {
            id: Arc::clone(definition.id()),
            forward_headers: definition.forward_headers.clone(),
            page_size: definition.page_size,
            tool_search: tool_search(definition, spec),
            instructions: definition.instructions.clone(),
            compatibility: definition.compatibility,
            max_body: spec.max_body,
            hosts: hosts(spec, base),
            origins: spec.origins.clone(),
            protected: vec![None],
        }
    }

    /// Returns the search that takes the place of the list, whose scripts `runner` runs.
    pub(super) fn tool_search(&self, runner: Option<&Arc<dyn ScriptRunner>>) -> Option<ToolSearch> {
        let search = self.tool_search.clone()?;
        Some(match runner {
            Some(runner) => search.with_script_runner(Arc::clone(runner)),
            None => {
                if search.has_scripts() {
                    tracing::warn!(
                        gateway = &*self.id,
                        "this build runs no scripts: clients see run_tool"
                    );
                }
                search
            }
        })
    }

    pub(super) fn host_policy(&self) -> HostPolicy {
        guarded(&self.hosts, &self.origins)
    }
}

/// Returns the search of `definition`, with the model of `spec`.
fn tool_search(definition: &spec::GatewaySpec, spec: &DynamicSpec) -> Option<ToolSearch> {
    let search = definition.tool_search.clone()?;
    Some(match &spec.search_model {
        Some(model) => search.with_model(Arc::clone(model)),
        None => search,
    })
}

/// Returns the host guard of `spec`, for a platform at `base`.
pub(super) fn guard(spec: &DynamicSpec, base: &Url) -> HostPolicy {
    guarded(&hosts(spec, base), &spec.origins)
}

/// Returns the allowed hosts: those of `spec`, and that of the public URL.
fn hosts(spec: &DynamicSpec, base: &Url) -> Vec<String> {
    let public = base.host_str().map(str::to_owned);
    spec.hosts.iter().cloned().chain(public).collect()
}

fn guarded(hosts: &[String], origins: &[String]) -> HostPolicy {
    let guard = hosts
        .iter()
        .fold(HostPolicy::new(), |guard, host| guard.with_host(host));
    origins
        .iter()
        .fold(guard, |guard, origin| guard.with_origin(origin))
}
