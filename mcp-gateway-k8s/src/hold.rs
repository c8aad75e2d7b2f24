//! Hold of one replica on a server, to which only one may be attached.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::Api;
use kube::{Client, Resource as _};
use mcp_gateway_core::upstream::UpstreamError;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::lease::{Candidate, Claim, Seen};
use crate::names;
use crate::route::Router;

/// Holds of this process, by Leases.
#[derive(Clone)]
pub(crate) struct Holds {
    pub(crate) kube: Client,
    /// Name of this process.
    pub(crate) identity: Arc<str>,
    /// Lifetime of the Leases.
    pub(crate) lifetime: Duration,
}

/// Hold on one server, renewed until it is released or dropped.
pub(crate) struct Hold {
    candidate: Candidate,
    held: watch::Receiver<bool>,
    /// They end with it.
    tasks: JoinSet<()>,
}

impl Holds {
    /// Takes the hold on the server of `router`, whose Lease was `seen` last. One that a process has
    /// left behind is taken after its lifetime.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if another process has it, or the Lease cannot be written.
    pub(crate) async fn take(
        &self,
        router: &Router,
        namespace: &str,
        seen: &mut Seen,
    ) -> Result<Hold, UpstreamError> {
        let instance = &router.fleet.common.instance;
        let server = &router.slot.name;
        let candidate = Candidate {
            leases: Api::namespaced(self.kube.clone(), namespace),
            name: format!("{}-attach", names::object_name(instance, server)),
            identity: Arc::clone(&self.identity),
            lifetime: self.lifetime,
            instance: instance.clone(),
            owner: owner(router),
        };
        match candidate.claim(seen).await {
            Ok(Claim::Taken) => {}
            Ok(Claim::Foreign) => {
                return Err(UpstreamError::not_running(
                    "AttachedElsewhere",
                    "another replica of the gateway is attached to its container; use transport: bridge, \
                     or one replica",
                ));
            }
            Err(refusal) => return Err(refusal.unreachable()),
        }
        let (sender, held) = watch::channel(true);
        let mut tasks = JoinSet::new();
        tasks.spawn(candidate.clone().run(sender));
        Ok(Hold {
            candidate,
            held,
            tasks,
        })
    }
}

/// Returns the reference to the Deployment, with which the Lease is deleted.
fn owner(router: &Router) -> Option<OwnerReference> {
    let key = router.fleet.key(&router.slot.name)?;
    router.fleet.observe_only(&key, |observed| {
        observed.deployment.as_ref()?.controller_owner_ref(&())
    })
}

impl Hold {
    /// Returns `true` unless another process may have the hold.
    pub(crate) fn is_held(&self) -> bool {
        *self.held.borrow()
    }

    /// Returns a future that waits until another process may have the hold.
    pub(crate) fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut held = self.held.clone();
        async move {
            // The sender is dropped with the hold.
            let _ = held.wait_for(|held| !held).await;
        }
    }

    /// Releases the hold, so that another process can have it at once.
    pub(crate) async fn release(mut self) {
        self.tasks.shutdown().await;
        if let Err(refusal) = self.candidate.release().await {
            tracing::debug!(
                lease = self.candidate.name,
                cause = refusal.text(),
                "lease not released"
            );
        }
    }
}
