//! Way of calls to the pods of a server.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use async_trait::async_trait;
use http::Uri;
use mcp_gateway_core::transport::{HttpTransport, Transport};
use mcp_gateway_core::upstream::{Instance, RuntimeBackend, UpstreamError};
use mcp_gateway_platform::orchestrator::DeploymentState;

use crate::diagnosis::ReadyPod;
use crate::fleet::Fleet;
use crate::forward::Target;
use crate::pod_client::{Network, PodClient};
use crate::slot::{Endpoint, Slot, View};

/// Backend of one server.
pub(crate) struct PodBackend {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) slot: Arc<Slot>,
    pub(crate) network: Network,
}

impl fmt::Debug for PodBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PodBackend")
            .field("server", &self.slot.name)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl RuntimeBackend for PodBackend {
    async fn connect(&self, instance: &Instance) -> Result<Transport, UpstreamError> {
        let (pod, endpoint) = self.ready(instance).await?;
        let token = match &endpoint.secret {
            Some(secret) => Some(self.network.token(&endpoint.namespace, secret).await?),
            None => None,
        };
        let address = match pod.ip.contains(':') {
            true => format!("[{}]", pod.ip),
            false => pod.ip.clone(),
        };
        let uri = format!("http://{address}:{}{}", endpoint.port, endpoint.path);
        let uri: Uri = uri.parse().map_err(UpstreamError::connect)?;
        let target = Target {
            namespace: endpoint.namespace.clone(),
            pod: pod.name,
            port: endpoint.port,
        };
        let client = PodClient::new(&self.network, &self.slot, target, token)?;
        Ok(Transport::Http(HttpTransport::new(uri, Arc::new(client))))
    }

    fn is_remote(&self) -> bool {
        true
    }
}

impl PodBackend {
    /// Waits for a pod that answers. The server is woken once, however many callers wait.
    async fn ready(&self, instance: &Instance) -> Result<(ReadyPod, Arc<Endpoint>), UpstreamError> {
        let mut view = self.slot.view.subscribe();
        loop {
            // Nothing is held while it waits.
            let now = outcome(&view.borrow_and_update(), instance);
            match now {
                Now::Ready(pod, endpoint) => return Ok((pod, endpoint)),
                Now::Failed(error) => return Err(error),
                Now::Asleep => self.fleet.wake(&self.slot),
                Now::Pending => {}
            }
            self.slot.activity.touch();
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
