//! Choice of the pod of a server that answers a call.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use http::HeaderValue;
use http::uri::{Authority, Uri};
use mcp_gateway_core::upstream::{Instance, UpstreamError};
use mcp_gateway_platform::orchestrator::DeploymentState;
use tokio::time::Instant;

use crate::diagnosis::ReadyPod;
use crate::fleet::Fleet;
use crate::forward::Target;
use crate::hold::Holds;
use crate::network::{Network, PodHttp};
use crate::slot::{Endpoint, Slot, View};

/// Way to one pod.
pub(crate) struct Route {
    /// Name of the pod.
    pub(crate) pod: String,
    /// URL of the endpoint.
    pub(crate) uri: Uri,
    /// Address and port.
    pub(crate) authority: Authority,
    /// Client.
    pub(crate) http: PodHttp,
    /// Credential.
    pub(crate) token: Option<HeaderValue>,
}

/// Router to the pods of one server.
#[derive(Clone)]
pub(crate) struct Router {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) slot: Arc<Slot>,
    pub(crate) network: Network,
    /// Holds on servers to which only one replica may be attached; `None` if there is one replica.
    pub(crate) holds: Option<Holds>,
}

impl Router {
    /// Returns the way to a pod that answers, and waits for one. A server that sleeps is woken once,
    /// however many callers wait.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] as soon as the deployment has failed.
    pub(crate) async fn route(&self, instance: &Instance) -> Result<Arc<Route>, UpstreamError> {
        let (pod, endpoint) = self.ready(instance).await?;
        self.route_to(&pod, &endpoint).await
    }

    /// Returns the way to `pod`.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if the credential cannot be read.
    pub(crate) async fn route_to(
        &self,
        pod: &ReadyPod,
        endpoint: &Endpoint,
    ) -> Result<Arc<Route>, UpstreamError> {
        let token = match &endpoint.secret {
            Some(secret) => Some(self.network.token(&endpoint.namespace, secret).await?),
            None => None,
        };
        let address = match pod.ip.contains(':') {
            true => format!("[{}]", pod.ip),
            false => pod.ip.clone(),
        };
        let authority = format!("{address}:{}", endpoint.port);
        let uri = format!("http://{authority}{}", endpoint.path);
        let target = Target {
            namespace: endpoint.namespace.clone(),
            pod: pod.name.clone(),
            port: endpoint.port,
        };
        Ok(Arc::new(Route {
            pod: pod.name.clone(),
            uri: uri.parse().map_err(UpstreamError::connect)?,
            authority: authority.parse().map_err(UpstreamError::connect)?,
            http: self.network.http(target),
            token,
        }))
    }

    /// Returns `true` unless the pod of `route` is known to be gone. Its address may belong to another
    /// by now.
    pub(crate) fn is_current(&self, route: &Route) -> bool {
        self.has(&route.pod)
    }

    /// Returns `true` unless the pod of the name is known to be gone.
    pub(crate) fn has(&self, pod: &str) -> bool {
        self.slot
            .view
            .borrow()
            .current
            .iter()
            .any(|name| name == pod)
    }

    /// Waits for a pod that answers.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] as soon as the deployment has failed.
    pub(crate) async fn ready(
        &self,
        instance: &Instance,
    ) -> Result<(ReadyPod, Arc<Endpoint>), UpstreamError> {
        // A server for which a caller waits is in use, and does not fall asleep while it starts.
        let _in_use = self.slot.activity.begin();
        let mut view = self.slot.view.subscribe();
        let begun = Instant::now();
        let mut has_waited = false;
        loop {
            // Nothing is held while it waits.
            let now = outcome(&view.borrow_and_update(), instance);
            match now {
                Now::Ready(pod, endpoint) => {
                    if has_waited {
                        tracing::debug!(server = &*self.slot.name, pod = pod.name, elapsed = ?begun.elapsed(), "pod waited for");
                    }
                    return Ok((pod, endpoint));
                }
                Now::Failed(error) => return Err(error),
                Now::Asleep => self.fleet.wake(&self.slot),
                Now::Pending => {}
            }
            has_waited = true;
            if view.changed().await.is_err() {
                return Err(UpstreamError::connect("the gateway is shutting down"));
            }
        }
    }
}

/// State of a server for a caller.
enum Now {
    Ready(ReadyPod, Arc<Endpoint>),
    Failed(UpstreamError),
    Asleep,
    Pending,
}

fn outcome(view: &View, instance: &Instance) -> Now {
    let (Some(status), Some(endpoint)) = (&view.status, &view.endpoint) else {
        return match &view.status {
            Some(status) if status.state == DeploymentState::Failed => Now::Failed(status.error()),
            _ => Now::Pending,
        };
    };
    if let Some(pod) = choose(&view.ready, instance) {
        return Now::Ready(pod.clone(), Arc::clone(endpoint));
    }
    match status.state {
        DeploymentState::Failed => Now::Failed(status.error()),
        DeploymentState::Asleep | DeploymentState::NotCreated => Now::Asleep,
        _ => Now::Pending,
    }
}

/// Returns the pod for `instance`: of the newest template, and always the same one while it is ready.
fn choose<'a>(ready: &'a [ReadyPod], instance: &Instance) -> Option<&'a ReadyPod> {
    let newest = ready.first()?;
    let same: Vec<_> = ready
        .iter()
        .filter(|pod| pod.template == newest.template)
        .collect();
    let mut hasher = DefaultHasher::new();
    instance.key().hash(&mut hasher);
    let weight = |pod: &&&ReadyPod| {
        let mut hasher = hasher.clone();
        pod.name.hash(&mut hasher);
        hasher.finish()
    };
    same.iter().max_by_key(weight).copied()
}

#[cfg(test)]
mod tests {
    use mcp_gateway_core::upstream::{InstanceKey, InstanceOwner};

    use super::*;

    fn pod(name: &str, template: &str) -> ReadyPod {
        ReadyPod {
            name: name.to_owned(),
            ip: "10.0.0.1".to_owned(),
            template: template.to_owned(),
            created: String::new(),
        }
    }

    #[test]
    fn instances_keep_their_pod_and_spread() {
        let pods = [pod("c", "2"), pod("b", "2"), pod("a", "1")];
        let mut chosen = std::collections::BTreeSet::new();
        for number in 0..50 {
            let key = InstanceKey::Session(number.to_string().into());
            let instance = Instance::new(key, InstanceOwner::AllCallers);
            let first = choose(&pods, &instance).unwrap();
            assert_eq!(choose(&pods, &instance), Some(first));
            // Another pod that goes changes nothing.
            assert_eq!(
                choose(&[first.clone(), pod("d", "1")], &instance),
                Some(first)
            );
            chosen.insert(first.name.clone());
        }
        assert_eq!(chosen, ["b", "c"].map(ToOwned::to_owned).into());
    }
}
