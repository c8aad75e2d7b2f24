//! Client of the API server.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::Config;
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::config::{KubeConfigOptions, Kubeconfig};
use tower::{Layer, Service, ServiceBuilder};

/// Failure to find a cluster, or to create a client for it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// There is no usable configuration of the access.
    #[error("no access to a cluster is configured: {message}")]
    NoAccess {
        /// Cause.
        message: String,
    },
    /// The configuration of the access is invalid.
    #[error("invalid access to the cluster: {message}")]
    Invalid {
        /// Cause.
        message: String,
    },
}

/// Place of the configuration of the access to a cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    /// Kubeconfig file.
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig.
    pub(crate) context: Option<String>,
}

/// Client of a cluster.
#[derive(Clone)]
pub(crate) struct Client {
    /// Client that all requests use.
    pub(crate) kube: kube::Client,
    /// Number of requests that were sent.
    pub(crate) requests: RequestCount,
    /// Namespace of the kubeconfig or of the pod.
    pub(crate) namespace: String,
    /// Set if this process runs in the cluster.
    pub(crate) is_inside: bool,
}

impl Client {
    /// Creates a client, without a request.
    ///
    /// # Errors
    ///
    /// [`ClusterError`] if no access is configured, or it is invalid.
    pub(crate) async fn connect(access: &Access) -> Result<Self, ClusterError> {
        let (config, is_inside) = config(access).await?;
        if config.proxy_url.is_some() {
            return Err(ClusterError::Invalid {
                message: "a proxy-url is not supported".to_owned(),
            });
        }
        let namespace = config.default_namespace.clone();
        let requests = RequestCount::default();
        let kube = client(&config, &requests).map_err(|error| ClusterError::Invalid {
            message: error.to_string(),
        })?;
        Ok(Self {
            kube,
            requests,
            namespace,
            is_inside,
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("namespace", &self.namespace)
            .field("is_inside", &self.is_inside)
            .finish_non_exhaustive()
    }
}

/// Returns the configuration of the access, and whether it is that of a pod.
async fn config(access: &Access) -> Result<(Config, bool), ClusterError> {
    let options = KubeConfigOptions {
        context: access.context.clone(),
        ..KubeConfigOptions::default()
    };
    if let Some(path) = &access.kubeconfig {
        let file = Kubeconfig::read_from(path).map_err(no_access)?;
        let config = Config::from_custom_kubeconfig(file, &options).await;
        return Ok((config.map_err(no_access)?, false));
    }
    if access.context.is_none()
        && let Ok(config) = Config::incluster()
    {
        return Ok((config, true));
    }
    let config = Config::from_kubeconfig(&options).await;
    Ok((config.map_err(no_access)?, false))
}

fn no_access(error: impl std::error::Error) -> ClusterError {
    ClusterError::NoAccess {
        message: error.to_string(),
    }
}

/// Creates the client. That of the library delays small packets, and notices a lost connection only
/// by their loss.
fn client(config: &Config, requests: &RequestCount) -> kube::Result<kube::Client> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.set_keepalive(Some(KEEP_ALIVE));
    connector.set_keepalive_interval(Some(KEEP_ALIVE_INTERVAL));
    connector.set_keepalive_retries(Some(KEEP_ALIVE_RETRIES));
    let connector = config.rustls_https_connector_with_connector(connector)?;
    let http: legacy::Client<_, Body> = legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .build(connector);
    let service = ServiceBuilder::new()
        .layer(requests.clone())
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(tower::BoxError::from)
        .service(http);
    Ok(ClientBuilder::new(service, config.default_namespace.clone()).build())
}

/// Number of requests, as a layer that counts them.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestCount(Arc<AtomicU64>);

impl RequestCount {
    /// Returns the number of requests since the start.
    pub(crate) fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<S> Layer<S> for RequestCount {
    type Service = CountRequests<S>;

    fn layer(&self, inner: S) -> CountRequests<S> {
        CountRequests {
            inner,
            count: self.clone(),
        }
    }
}

/// Service of [`RequestCount`].
#[derive(Clone, Debug)]
pub(crate) struct CountRequests<S> {
    inner: S,
    count: RequestCount,
}

impl<S, R> Service<Request<Body>> for CountRequests<S>
where
    S: Service<Request<Body>, Response = Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> S::Future {
        self.count.0.fetch_add(1, Ordering::Relaxed);
        tracing::trace!(method = %request.method(), path = request.uri().path(), "request to the cluster");
        self.inner.call(request)
    }
}

/// Maximum time for establishing a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Idle time after which the system probes a connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Interval of the probes.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// Number of unanswered probes after which a connection is lost.
const KEEP_ALIVE_RETRIES: u32 = 3;
/// Maximum idle time of a connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_missing_kubeconfig_is_named() {
        let access = Access {
            kubeconfig: Some("/nonexistent/kubeconfig".into()),
            context: None,
        };
        let error = Client::connect(&access).await.unwrap_err().to_string();
        assert!(error.contains("/nonexistent/kubeconfig"), "{error}");
    }
}
