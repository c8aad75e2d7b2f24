//! Audit records of the use of configured secrets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use mcp_gateway_audit::{AuditLog, Change};
use mcp_gateway_core::transport::Transport;
use mcp_gateway_core::upstream::{Instance, RuntimeBackend, UpstreamError};

use crate::audit;
use crate::spec::{RemoteAuth, RemoteTokenExchange, ServerRuntime, ServerSpec};

/// Backend of a server with configured secrets, whose first use in this process is recorded.
#[derive(Debug)]
pub(super) struct RecordedSecrets {
    backend: Arc<dyn RuntimeBackend>,
    log: AuditLog,
    /// Record of the use.
    used: Change,
    is_recorded: AtomicBool,
}

impl RecordedSecrets {
    /// Returns `backend`, which records in `log` that the secrets of `server` are used, if it has
    /// any.
    pub(super) fn wrap(
        backend: Arc<dyn RuntimeBackend>,
        server: &ServerSpec,
        log: &AuditLog,
    ) -> Arc<dyn RuntimeBackend> {
        let names = secrets(&server.transport);
        if names.is_empty() {
            return backend;
        }
        let used = Change::new("secret.use", format!("server/{}", server.name));
        Arc::new(Self {
            backend,
            log: log.clone(),
            used: names.into_iter().fold(used, Change::with_field),
            is_recorded: AtomicBool::new(false),
        })
    }
}

#[async_trait]
impl RuntimeBackend for RecordedSecrets {
    async fn connect(&self, instance: &Instance) -> Result<Transport, UpstreamError> {
        if !self.is_recorded.swap(true, Ordering::Relaxed) {
            self.log.append(&audit::change(self.used.clone()));
        }
        self.backend.connect(instance).await
    }

    fn is_remote(&self) -> bool {
        self.backend.is_remote()
    }
}

/// Returns the names of the request headers or environment variables that a server receives, and of
/// the client whose secret or key its authorization server receives.
fn secrets(transport: &ServerRuntime) -> Vec<String> {
    match transport {
        ServerRuntime::Builtin(_) => Vec::new(),
        ServerRuntime::Process(process) => {
            let variables = process.env.iter();
            variables
                .map(|(name, _)| format!("variable {name}"))
                .collect()
        }
        ServerRuntime::Kubernetes(server) => {
            let variables = server.env.iter();
            variables
                .map(|(name, _)| format!("variable {name}"))
                .collect()
        }
        ServerRuntime::Remote(remote) => {
            let headers = remote.headers.iter();
            let headers = headers.map(|(name, _)| format!("header {name}"));
            let client = match &remote.auth {
                Some(RemoteAuth::ClientCredentials(client)) => Some(&client.client_id),
                Some(RemoteAuth::Forward(_) | RemoteAuth::OAuth(_)) | None => None,
            };
            let exchange = remote.exchange.as_deref().into_iter();
            let exchange = exchange.flat_map(RemoteTokenExchange::clients);
            let clients = client.into_iter().chain(exchange.map(|client| &client.id));
            headers
                .chain(clients.map(|id| format!("client {id}")))
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use mcp_gateway_audit::{AuditEvent, AuditKey, AuditQuery};
    use mcp_gateway_store::MemoryStore;

    use super::*;
    use crate::servers::{Builtins, ServerFactory};
    use crate::spec::{ClientProof, Process, Remote, RemoteClientCredentials, Secret};

    #[test]
    fn the_client_of_a_server_has_a_secret() {
        let secret = Secret::new("s3cr3t");
        let method = None;
        let proof = ClientProof::Secret { secret, method };
        let mut remote = Remote::new("https://a.example".parse().unwrap());
        let client = RemoteClientCredentials::new("gateway", proof);
        remote.auth = Some(RemoteAuth::ClientCredentials(client));
        assert_eq!(secrets(&ServerRuntime::Remote(remote)), ["client gateway"]);
    }

    #[tokio::test]
    async fn the_first_use_of_secrets_is_recorded() {
        let store = Arc::new(MemoryStore::new());
        let log = AuditLog::builder(store.clone(), AuditKey::new(&[7; 32]));
        let log = log.open().await.unwrap();
        let factory = ServerFactory::new(Builtins::new(), Vec::new()).with_audit(Some(log.clone()));
        let mut process = Process::new("/nonexistent", [""; 0]);
        for (name, value) in [("plain", None), ("secret", Some("s3cr3t"))] {
            let secrets = value.map(|value| ("TOKEN".to_owned(), Secret::new(value)));
            process.env = secrets.into_iter().collect();
            let spec = ServerSpec::new(name, ServerRuntime::Process(process.clone()));
            let backend = factory.backend(&spec).unwrap();
            for _ in 0..3 {
                assert!(backend.connect(&Instance::shared()).await.is_err());
            }
        }
        log.close().await.unwrap();
        let page = AuditQuery::new().run(&*store).await.unwrap();
        let [record] = &page.records[..] else {
            panic!("{:?}", page.records);
        };
        let expected = Change::new("secret.use", "server/secret").with_field("variable TOKEN");
        assert_eq!(record.event, AuditEvent::Change(expected));
    }
}
