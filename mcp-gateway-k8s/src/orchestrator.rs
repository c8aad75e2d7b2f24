//! Orchestrator on Kubernetes.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_lc_rs::rand;
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt as _;
use kube::api::Api;
use mcp_gateway_core::runtime::PooledHttpClient;
use mcp_gateway_core::upstream::RuntimeBackend;
use mcp_gateway_platform::orchestrator::{
    Declaration, DeploymentStatus, LogQuery, LogStream, Orchestrator, OrchestratorError,
};
use mcp_gateway_platform::spec::{Cluster, KubernetesServer, Reach};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::attach::Container;
use crate::backend::PodBackend;
use crate::client::{Access, Client, ClusterError};
use crate::custom::ObjectSource;
use crate::fleet::Fleet;
use crate::hold::Holds;
use crate::lease::Candidate;
use crate::logs::{self, Source};
use crate::manifest::{Clients, Common, Manifest};
use crate::names;
use crate::network::Network;
use crate::objects::{Objects, Refusal};
use crate::observed::Tracked as _;
use crate::reconcile::Reconciler;
use crate::route::Router;
use crate::watches;

/// Orchestrator that runs servers as Deployments of a Kubernetes cluster.
///
/// Dropping it ends its tasks, and leaves the servers running.
///
/// # Example
///
/// ```no_run
/// use mcp_gateway_k8s::KubernetesOrchestrator;
/// use mcp_gateway_platform::orchestrator::{Declaration, Orchestrator as _};
/// use mcp_gateway_platform::spec::Cluster;
///
/// # async fn example() -> Result<(), mcp_gateway_k8s::ClusterError> {
/// let orchestrator = KubernetesOrchestrator::start(&Cluster::default()).await?;
/// orchestrator.declare(Declaration::new(Vec::new()));
/// # Ok(())
/// # }
/// ```
pub struct KubernetesOrchestrator {
    client: Client,
    fleet: Arc<Fleet>,
    network: Network,
    holds: Option<Holds>,
    /// Containers to which it may attach, by the names of the servers: a changed server has another
    /// backend, and the same container for a while.
    containers: Mutex<HashMap<Arc<str>, Arc<tokio::sync::Mutex<Container>>>>,
    objects: Option<ObjectSource>,
    /// They end with it.
    _tasks: JoinSet<()>,
}

impl KubernetesOrchestrator {
    /// Starts the orchestrator on the current runtime. It sends no request before the cluster
    /// responds, and changes nothing before servers are declared.
    ///
    /// # Errors
    ///
    /// [`ClusterError`] if no access to a cluster is configured, or it is invalid.
    pub async fn start(cluster: &Cluster) -> Result<Self, ClusterError> {
        let access = Access {
            kubeconfig: cluster.kubeconfig.clone(),
            context: cluster.context.clone(),
        };
        let client = Client::connect(&access).await?;
        let is_forwarded = match cluster.reach {
            Some(Reach::Forward) => true,
            Some(_) => false,
            None => !client.is_inside,
        };
        let direct = match is_forwarded {
            true => None,
            false => Some(
                PooledHttpClient::new().map_err(|error| ClusterError::Invalid {
                    message: error.to_string(),
                })?,
            ),
        };
        Ok(Self::with_client(client, cluster, direct))
    }

    /// Returns all mistakes in the definition of the server `name` on `cluster`, each with the path of
    /// its field. A server with a mistake has no objects, and its calls fail.
    ///
    /// Needs no access to the cluster, whose own limits are not checked.
    #[must_use]
    pub fn mistakes(name: &Arc<str>, server: &KubernetesServer, cluster: &Cluster) -> Vec<String> {
        let namespace = cluster.namespace.clone().unwrap_or_default();
        let common = Common::new(cluster, namespace, None);
        let mistakes = Manifest::new(name, server, &common).err();
        let mistakes = mistakes.into_iter().flatten();
        mistakes.map(|mistake| mistake.to_string()).collect()
    }

    /// Starts the orchestrator with `client`, and with `direct` as the way to pods, if they are not
    /// forwarded.
    pub(crate) fn with_client(
        client: Client,
        cluster: &Cluster,
        direct: Option<PooledHttpClient>,
    ) -> Self {
        let own = &client.namespace;
        let namespace = cluster.namespace.as_ref().unwrap_or(own).clone();
        let clients = direct.is_some().then(|| Clients {
            namespace: (*own != namespace).then(|| own.clone()),
            labels: cluster.gateway_labels.clone(),
        });
        let common = Common::new(cluster, namespace.clone(), clients);
        let fleet = Arc::new(Fleet::new(common));
        let identity = identity();
        let holds = cluster.lease.map(|lifetime| Holds {
            kube: client.kube.clone(),
            identity: Arc::clone(&identity),
            lifetime,
        });
        let (sender, leads) = watch::channel(cluster.lease.is_none());
        let mut tasks = JoinSet::new();
        if let Some(lifetime) = cluster.lease {
            let candidate = Candidate {
                leases: Api::namespaced(client.kube.clone(), &namespace),
                name: names::object_name(&cluster.instance, "leader"),
                identity: Arc::clone(&identity),
                lifetime,
                instance: cluster.instance.clone(),
                owner: None,
            };
            tasks.spawn(candidate.run(sender));
        }
        let kinds = &cluster.source;
        let objects = (!kinds.is_empty()).then(|| {
            let source = ObjectSource::new(&client.kube, &namespace, kinds);
            source.start(&mut tasks, &fleet, &leads);
            source
        });
        let reconciler = Reconciler {
            fleet: Arc::clone(&fleet),
            objects: Objects(client.kube.clone()),
            leads,
        };
        tasks.spawn(reconciler.run());
        let (kube, watched) = (client.kube.clone(), Arc::clone(&fleet));
        tasks.spawn(async move { watches::run(&kube, &watched).await });
        Self {
            network: Network::new(client.kube.clone(), direct),
            client,
            fleet,
            holds,
            containers: Mutex::default(),
            objects,
            _tasks: tasks,
        }
    }

    /// Returns the state that callers of the server `name` wait for.
    #[cfg(test)]
    pub(crate) fn slot(&self, name: &str) -> Arc<crate::slot::Slot> {
        self.fleet.slot(&name.into())
    }

    /// Returns the objects of the cluster, if they are a source of servers or gateways.
    #[must_use]
    pub fn object_source(&self) -> Option<ObjectSource> {
        self.objects.clone()
    }

    /// Returns the number of requests to the API server since the start.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.client.requests.total()
    }
}

impl fmt::Debug for KubernetesOrchestrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesOrchestrator")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Orchestrator for KubernetesOrchestrator {
    fn declare(&self, declaration: Declaration) {
        self.fleet
            .declare(&declaration.servers, &declaration.unreadable);
    }

    fn backend(&self, name: &Arc<str>) -> Arc<dyn RuntimeBackend> {
        let mut containers = self
            .containers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let container = Arc::clone(containers.entry(Arc::clone(name)).or_default());
        let router = Router {
            fleet: Arc::clone(&self.fleet),
            slot: self.fleet.slot(name),
            network: self.network.clone(),
            holds: self.holds.clone(),
        };
        Arc::new(PodBackend { router, container })
    }

    fn deployment(&self, name: &str) -> Option<DeploymentStatus> {
        self.fleet.status(name)
    }

    async fn restart(&self, name: &str) -> Result<(), OrchestratorError> {
        let unknown = || OrchestratorError::Unknown { name: name.into() };
        let key = self.fleet.key(name).ok_or_else(unknown)?;
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let annotations = json!({names::RESTARTED: seconds.to_string()});
        let object = names::object_name(&self.fleet.common.instance, name);
        // The name alone may be that of an object of somebody else.
        let uid = self
            .fleet
            .observe_only(&key, |observed| Deployment::find(observed, &object)?.uid());
        let uid = uid.ok_or_else(|| logs::error(name, &Refusal::NotFound))?;
        let change = json!({
            "metadata": {"uid": uid},
            "spec": {"template": {"metadata": {"annotations": annotations}}},
        });
        let marked = Objects(self.client.kube.clone())
            .mark(&key.namespace, &object, &change)
            .await;
        marked
            .map(drop)
            .map_err(|refusal| logs::error(name, &refusal))
    }

    async fn logs(&self, name: &str, query: LogQuery) -> Result<LogStream, OrchestratorError> {
        let unknown = || OrchestratorError::Unknown { name: name.into() };
        let key = self.fleet.key(name).ok_or_else(unknown)?;
        let source = self.fleet.observe_only(&key, Source::of);
        let Some(source) = source else {
            let status = self.fleet.status(name);
            let message = status.and_then(|status| status.message);
            return Err(OrchestratorError::NotStarted {
                name: name.into(),
                message: message.unwrap_or_else(|| "it has no pod".into()),
            });
        };
        logs::open(self.client.kube.clone(), name, &source, query).await
    }
}

/// Returns a name of this process that no other has.
fn identity() -> Arc<str> {
    let mut bytes = [0; 8];
    // Zeros after a failure are the identity of nobody else, unless that fails there, too.
    let _ = rand::fill(&mut bytes);
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "mcp-gateway".to_owned());
    format!("{host}_{}", names::hex(&bytes)).into()
}
