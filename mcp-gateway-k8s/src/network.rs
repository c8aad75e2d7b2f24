//! Way to the pods of all servers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use mcp_gateway_core::runtime::PooledHttpClient;
use mcp_gateway_core::transport::{HttpBody, HttpClient as _};
use mcp_gateway_core::upstream::UpstreamError;

use crate::forward::{ForwardClient, Target};
use crate::manifest::pod::TOKEN_KEY;
use crate::objects::{Objects, Refusal};

/// Way to the pods of all servers.
#[derive(Clone)]
pub(crate) struct Network {
    kube: Client,
    /// Client for the network of the cluster; `None` outside of it.
    direct: Option<PooledHttpClient>,
    /// Tokens by namespace and name of the Secret.
    tokens: Arc<Mutex<HashMap<(String, String), HeaderValue>>>,
}

/// HTTP client for one pod.
pub(crate) enum PodHttp {
    Direct(PooledHttpClient),
    Forward(Box<ForwardClient>),
}

impl PodHttp {
    /// Sends `request` to the pod.
    pub(crate) async fn request(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<HttpBody>, UpstreamError> {
        match self {
            Self::Direct(client) => client.request(request).await,
            Self::Forward(client) => client.request(request).await,
        }
    }
}

impl Network {
    /// Creates the way over the network of the cluster through `direct`, or over the API server.
    pub(crate) fn new(kube: Client, direct: Option<PooledHttpClient>) -> Self {
        Self {
            kube,
            direct,
            tokens: Arc::default(),
        }
    }

    /// Returns the client of the API server.
    pub(crate) fn kube(&self) -> &Client {
        &self.kube
    }

    /// Returns a client for the pod of `target`.
    pub(crate) fn http(&self, target: Target) -> PodHttp {
        match &self.direct {
            Some(client) => PodHttp::Direct(client.clone()),
            None => PodHttp::Forward(Box::new(ForwardClient::new(self.kube.clone(), target))),
        }
    }

    /// Returns the credential of the server with the Secret `name`. It is read once.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Connect`] if it cannot be read.
    pub(crate) async fn token(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<HeaderValue, UpstreamError> {
        let key = (namespace.to_owned(), name.to_owned());
        if let Some(token) = self.tokens().get(&key).cloned() {
            return Ok(token);
        }
        let secret: Secret = Objects(self.kube.clone())
            .get(namespace, name)
            .await
            .map_err(|refusal| UpstreamError::connect(unreadable(name, &refusal)))?;
        let token = secret.data.as_ref().and_then(|data| data.get(TOKEN_KEY));
        let token = token.and_then(|token| std::str::from_utf8(&token.0).ok());
        let header = token.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
        let Some(mut header) = header else {
            return Err(UpstreamError::connect(format!(
                "the Secret {name} has no token"
            )));
        };
        header.set_sensitive(true);
        self.tokens().insert(key, header.clone());
        Ok(header)
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<(String, String), HeaderValue>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the credential with which a server was called, and which it has rejected.
    pub(crate) fn forget(&self, token: &HeaderValue) {
        self.tokens().retain(|_, known| known != token);
    }
}

fn unreadable(name: &str, refusal: &Refusal) -> String {
    format!("the Secret {name} cannot be read: {}", refusal.text())
}
