//! MCP servers of a gateway on Kubernetes.
//!
//! [`KubernetesOrchestrator`] runs the servers that a platform declares, each as a Deployment with a
//! network policy and, if it needs one, a Secret. It starts, scales, wakes and deletes them, and
//! reaches their pods over HTTP: servers with stdio run under `mcp-bridge`, which an init container
//! copies into the pod, or the gateway attaches to their containers.
//!
//! | module | contents |
//! |---|---|
//! | `manifest` | definition to objects, a pure function, with validation |
//! | `watches`, `observed`, `follow` | objects of all servers, one watch for each kind |
//! | `diagnosis` | objects to a state with its cause, a pure function |
//! | `fleet` | declared servers, observed objects, and the state that callers wait for |
//! | `plan`, `drift` | next step for a server, a pure function |
//! | `reconcile`, `queue` | loop that performs the steps, with delays and a bound on requests |
//! | `lease` | election of the process that changes objects |
//! | `backend`, `pod_client`, `route`, `network`, `forward` | way of calls to pods over HTTP |
//! | `attach`, `hold` | way of calls to containers that the gateway attaches to |
//! | `logs` | logs of pods |
//! | `custom` | objects of the kinds `MCPServer` and `MCPGateway` as a source of servers and gateways, and their status |
//!
//! It knows nothing of MCP beyond the traits of the platform and the data plane, or of who calls.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod attach;
mod backend;
mod client;
mod custom;
mod diagnosis;
mod drift;
mod fleet;
mod follow;
mod forward;
mod hold;
mod lease;
mod logs;
mod manifest;
mod names;
mod network;
mod objects;
mod observed;
mod orchestrator;
mod plan;
mod pod_client;
mod queue;
mod reconcile;
mod route;
mod slot;
mod watches;

pub use self::client::ClusterError;
pub use self::custom::{
    ClusterObject, GatewayOutcome, Listing, ObjectOutcomes, ObjectSource, OperatedServer,
    Rejection, ServerOutcome,
};
pub use self::orchestrator::KubernetesOrchestrator;
