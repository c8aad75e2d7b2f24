//! HTTP client of one pod.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use mcp_gateway_core::BoxError;
use mcp_gateway_core::runtime::PooledHttpClient;
use mcp_gateway_core::transport::{HttpBody, HttpClient};
use mcp_gateway_core::upstream::UpstreamError;

use crate::forward::{ForwardClient, Target};
use crate::manifest::pod::TOKEN_KEY;
use crate::objects::{Objects, Refusal};
use crate::slot::{Activity, InUse, Slot};

/// Way to the pods of all servers.
#[derive(Clone)]
pub(crate) struct Network {
    kube: Client,
    /// Client for the network of the cluster; `None` outside of it.
    direct: Option<PooledHttpClient>,
    /// Tokens by namespace and name of the Secret.
    tokens: Arc<Mutex<HashMap<(String, String), HeaderValue>>>,
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
    fn forget(&self, token: &HeaderValue) {
        self.tokens().retain(|_, known| known != token);
    }
}

fn unreadable(name: &str, refusal: &Refusal) -> String {
    format!("the Secret {name} cannot be read: {}", refusal.text())
}

/// Client of one pod, which records the use of its server.
pub(crate) struct PodClient {
    http: Http,
    network: Network,
    slot: Arc<Slot>,
    activity: Arc<Activity>,
    pod: String,
    token: Option<HeaderValue>,
}

enum Http {
    Direct(PooledHttpClient),
    Forward(Box<ForwardClient>),
}

impl PodClient {
    /// Creates a client of `target`, which a pod of the server of `slot` listens at.
    pub(crate) fn new(
        network: &Network,
        slot: &Arc<Slot>,
        target: Target,
        token: Option<HeaderValue>,
    ) -> Result<Self, UpstreamError> {
        let pod = target.pod.clone();
        let http = match &network.direct {
            Some(client) => Http::Direct(client.clone()),
            None => Http::Forward(Box::new(ForwardClient::new(network.kube.clone(), target))),
        };
        Ok(Self {
            http,
            network: network.clone(),
            slot: Arc::clone(slot),
            activity: Arc::clone(&slot.activity),
            pod,
            token,
        })
    }

    /// Returns `true` unless the pod is known to be gone. Its address may belong to another by now.
    fn exists(&self) -> bool {
        self.slot.view.borrow().current.contains(&self.pod)
    }
}

#[async_trait]
impl HttpClient for PodClient {
    async fn request(
        &self,
        mut request: Request<Bytes>,
    ) -> Result<Response<HttpBody>, UpstreamError> {
        if !self.exists() {
            return Err(UpstreamError::connect("the pod is gone"));
        }
        let guard = self.activity.begin();
        if let Some(token) = &self.token {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        let response = match &self.http {
            Http::Direct(client) => client.request(request).await?,
            Http::Forward(client) => client.request(request).await?,
        };
        if response.status() == http::StatusCode::UNAUTHORIZED
            && let Some(token) = &self.token
        {
            self.network.forget(token);
            return Err(UpstreamError::connect(
                "the bridge has rejected the token of its Secret",
            ));
        }
        Ok(response.map(|body| {
            HttpBody::new(UsedBody {
                body,
                _guard: guard,
            })
        }))
    }
}

impl fmt::Debug for PodClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PodClient")
            .field("pod", &self.pod)
            .finish_non_exhaustive()
    }
}

/// Body of a response, during which its server is in use.
struct UsedBody {
    body: HttpBody,
    _guard: InUse,
}

impl Body for UsedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
