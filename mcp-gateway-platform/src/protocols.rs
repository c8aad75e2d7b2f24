//! Detected protocols of servers in the state store.
//!
//! A restarted gateway begins with them instead of probing its servers again, and replicas share
//! them. They are hints: a server that does not answer in its stored protocol is detected anew, and
//! a store that is unavailable costs only the probe.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_lc_rs::hmac;
use mcp_gateway_core::BoxError;
use mcp_gateway_core::upstream::{DetectedProtocols, ProtocolStore, UpstreamProtocol};
use mcp_gateway_store::{Batch, Documents, Store};
use serde_json::json;

use crate::spec::{KubernetesServer, PodTransport, ServerRuntime, SessionKey};

/// Detected protocols of all servers, one document for each definition.
///
/// A document expires 30 days after the last start of a gateway that used it.
#[derive(Clone)]
pub(crate) struct ProtocolDocuments {
    /// Names of protocols by the era of the client.
    documents: Documents<BTreeMap<String, String>>,
    /// Key of the digests: definitions may contain secrets.
    key: hmac::Key,
}

/// Detected protocols of one server.
#[derive(Debug)]
struct ServerProtocols {
    /// Documents of all servers.
    all: ProtocolDocuments,
    /// Digest of the definition.
    id: String,
}

impl ProtocolDocuments {
    /// Uses the documents in `store`; `key` is that of the store.
    ///
    /// Replicas must have the same key, as they must for the rest of the state: they find no
    /// documents of another key.
    pub(crate) fn new(store: Arc<dyn Store>, key: &SessionKey) -> Self {
        // A key of its own for this purpose.
        let master = hmac::Key::new(hmac::HMAC_SHA256, key.bytes());
        let derived = hmac::sign(&master, PREFIX.as_bytes());
        Self {
            documents: Documents::new(store, PREFIX),
            key: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()),
        }
    }

    /// Returns the store for the server that `runtime` defines; `None` for a built-in server, whose
    /// detection costs nothing.
    pub(crate) fn of_server(&self, runtime: &ServerRuntime) -> Option<Arc<dyn ProtocolStore>> {
        let definition = definition(runtime)?;
        let digest = hmac::sign(&self.key, definition.as_bytes());
        let mut id = String::new();
        for byte in digest.as_ref() {
            // Writing to a string is infallible.
            let _ = write!(id, "{byte:02x}");
        }
        let all = self.clone();
        Some(Arc::new(ServerProtocols { all, id }))
    }
}

#[async_trait]
impl ProtocolStore for ServerProtocols {
    async fn load(&self) -> Result<Option<DetectedProtocols>, BoxError> {
        let Some(stored) = self.all.documents.get(&self.id).await? else {
            return Ok(None);
        };
        let of_era = |era: &str| stored.value.get(era).and_then(|name| protocol(name));
        let mut detected = DetectedProtocols::default();
        detected.modern = of_era(MODERN);
        detected.legacy = of_era(LEGACY);
        Ok(Some(detected))
    }

    async fn save(&self, detected: DetectedProtocols) -> Result<(), BoxError> {
        let documents = &self.all.documents;
        let value = [(LEGACY, detected.legacy), (MODERN, detected.modern)]
            .into_iter()
            .filter_map(|(era, protocol)| Some((era.to_owned(), name(protocol?)?.to_owned())))
            .collect();
        let expires = SystemTime::now() + LIFETIME;
        let batch = documents.put(Batch::new(), &self.id, &value, Some(expires))?;
        // Without a condition, it is always committed.
        let _ = documents.store().commit(batch).await?;
        Ok(())
    }
}

/// Returns the parts of a definition that identify a server, as JSON text; `None` for a built-in
/// server.
///
/// Values of variables and headers are left out: they are often credentials that rotate.
fn definition(runtime: &ServerRuntime) -> Option<String> {
    let definition = match runtime {
        ServerRuntime::Builtin(_) => return None,
        ServerRuntime::Process(process) => {
            let names: BTreeSet<_> = process.env.iter().map(|(name, _)| name).collect();
            let directory = process
                .directory
                .as_deref()
                .map(|path| path.to_string_lossy());
            json!({
                "command": process.command,
                "args": process.args,
                "env": names,
                "directory": directory,
            })
        }
        ServerRuntime::Kubernetes(server) => pod(server),
        ServerRuntime::Remote(remote) => json!({ "url": remote.address() }),
    };
    Some(definition.to_string())
}

/// Returns the parts of a definition that identify a server on a cluster.
///
/// The way to the process is one of them: the bridge speaks other versions than what it runs.
fn pod(server: &KubernetesServer) -> serde_json::Value {
    let names: BTreeSet<_> = server.env.iter().map(|(name, _)| name).collect();
    let transport = match &server.transport {
        PodTransport::Bridge => json!("bridge"),
        PodTransport::Attach => json!("attach"),
        PodTransport::Http { port, path } => json!({ "port": port, "path": path }),
    };
    json!({
        "image": server.image,
        "command": server.command,
        "args": server.args,
        "env": names,
        "transport": transport,
        "namespace": server.namespace,
    })
}

/// Returns the name of a protocol in the store.
fn name(protocol: UpstreamProtocol) -> Option<&'static str> {
    let (name, _) = NAMES.iter().find(|(_, known)| *known == protocol)?;
    Some(name)
}

/// Returns the protocol of a name in the store; `None` for one of another version of the gateway.
fn protocol(name: &str) -> Option<UpstreamProtocol> {
    let (_, protocol) = NAMES.iter().find(|(known, _)| *known == name)?;
    Some(*protocol)
}

impl fmt::Debug for ProtocolDocuments {
    /// Omits the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProtocolDocuments")
            .field(&self.documents)
            .finish()
    }
}

/// Time after which a document expires.
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Name of the legacy era.
const LEGACY: &str = "legacy";

/// Name of the modern era.
const MODERN: &str = "modern";

/// Names of the protocols.
const NAMES: [(&str, UpstreamProtocol); 3] = [
    (LEGACY, UpstreamProtocol::Legacy),
    (MODERN, UpstreamProtocol::Modern),
    ("sse", UpstreamProtocol::Sse),
];

/// Prefix of the keys in the store.
const PREFIX: &str = "detected-protocol/";

#[cfg(test)]
mod tests {
    use mcp_gateway_store::MemoryStore;

    use super::*;
    use crate::spec::{PodValue, Process, Remote, Secret};

    fn documents(store: &Arc<MemoryStore>, key: u8) -> ProtocolDocuments {
        let key = SessionKey::new([key; 32]);
        ProtocolDocuments::new(Arc::clone(store) as _, &key)
    }

    fn remote(url: &str) -> ServerRuntime {
        ServerRuntime::Remote(Remote::new(url.parse().unwrap()))
    }

    fn detected() -> DetectedProtocols {
        let mut detected = DetectedProtocols::default();
        detected.legacy = Some(UpstreamProtocol::Sse);
        detected
    }

    #[tokio::test]
    async fn replicas_share_what_one_has_detected() {
        let store = Arc::new(MemoryStore::new());
        let server = remote("https://a.example/mcp?key=secret");
        let of = |key| documents(&store, key).of_server(&server).unwrap();
        assert_eq!(of(1).load().await.unwrap(), None);
        of(1).save(detected()).await.unwrap();
        assert_eq!(of(1).load().await.unwrap(), Some(detected()));
        assert_eq!(
            of(2).load().await.unwrap(),
            None,
            "the digest depends on the key"
        );
        let listed = store.list("", None, 10).await.unwrap();
        let [only] = &listed[..] else {
            panic!("{listed:?}");
        };
        assert!(!only.key.contains("secret"));
        assert!(store.list(PREFIX, None, 10).await.unwrap().len() == 1);
    }

    #[tokio::test]
    async fn a_document_belongs_to_one_definition() {
        let store = Arc::new(MemoryStore::new());
        let process = |args: &[&str], token: &str| {
            let mut process = Process::new("npx", args.iter().copied());
            process.env.push(("TOKEN".to_owned(), Secret::new(token)));
            ServerRuntime::Process(process)
        };
        let of = |runtime| documents(&store, 1).of_server(&runtime).unwrap();
        of(process(&["a", "b"], "one"))
            .save(detected())
            .await
            .unwrap();
        assert_eq!(
            of(process(&["a", "b"], "two")).load().await.unwrap(),
            Some(detected())
        );
        for other in [
            process(&["a b"], "one"),
            process(&["a"], "one"),
            remote("https://a.example/mcp"),
        ] {
            assert_eq!(of(other).load().await.unwrap(), None);
        }
        let builtin = ServerRuntime::Builtin("demo".into());
        assert!(documents(&store, 1).of_server(&builtin).is_none());
    }

    #[tokio::test]
    async fn a_document_belongs_to_one_way_to_a_pod() {
        let store = Arc::new(MemoryStore::new());
        let of = |change: fn(&mut KubernetesServer)| {
            let mut server = KubernetesServer::new("example/time:1");
            change(&mut server);
            let runtime = ServerRuntime::Kubernetes(Arc::new(server));
            documents(&store, 1).of_server(&runtime).unwrap()
        };
        of(|_| {}).save(detected()).await.unwrap();
        assert_eq!(of(|_| {}).load().await.unwrap(), Some(detected()));
        let others: [fn(&mut KubernetesServer); 4] = [
            |server| server.transport = PodTransport::Attach,
            |server| {
                server.transport = PodTransport::Http {
                    port: 80,
                    path: "/mcp".to_owned(),
                }
            },
            |server| server.namespace = Some("other".to_owned()),
            |server| {
                let value = PodValue::Text(Secret::new("one"));
                server.env.push(("TOKEN".to_owned(), value));
            },
        ];
        for other in others {
            assert_eq!(of(other).load().await.unwrap(), None);
        }
    }
}
