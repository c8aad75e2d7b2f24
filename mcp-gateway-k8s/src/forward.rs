//! HTTP over connections that the API server forwards to a pod.

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::Api;
use mcp_gateway_core::transport::HttpBody;
use mcp_gateway_core::upstream::UpstreamError;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tower::Service;

use crate::objects::bounded;

/// Port of a pod.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) port: u16,
}

/// Client of one port of one pod.
///
/// A connection ends where this client ends it: the end of the pod's is reported a second late, and
/// half of one cannot be closed without its rest.
pub(crate) struct ForwardClient(legacy::Client<Connector, Full<Bytes>>);

impl ForwardClient {
    pub(crate) fn new(client: Client, target: Target) -> Self {
        let connector = Connector {
            pods: Api::namespaced(client, &target.namespace),
            target: Arc::new(target),
        };
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Self(client)
    }

    pub(crate) async fn request(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<HttpBody>, UpstreamError> {
        match self.0.request(request.map(Full::new)).await {
            Ok(response) => Ok(response.map(HttpBody::new)),
            Err(error) if error.is_connect() => Err(UpstreamError::connect(error)),
            Err(error) => {
                let cause = error.source().map(ToString::to_string);
                tracing::debug!(%error, cause, "forwarded connection closed");
                Err(UpstreamError::Closed)
            }
        }
    }
}

/// Opens connections to a pod.
#[derive(Clone)]
struct Connector {
    pods: Api<Pod>,
    target: Arc<Target>,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Forwarded>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Forwarded>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (pods, target) = (self.pods.clone(), Arc::clone(&self.target));
        Box::pin(async move {
            let ports = [target.port];
            let opening = pods.portforward(&target.pod, &ports);
            let forwarder = bounded(opening).await;
            let mut forwarder =
                forwarder.map_err(|refusal| io::Error::other(refusal.text().to_owned()))?;
            // The task of the forwarder ends with the stream.
            let stream = forwarder.take_stream(target.port);
            let stream = stream.ok_or_else(|| io::Error::other("no stream was forwarded"))?;
            Ok(TokioIo::new(Forwarded(stream)))
        })
    }
}

/// Forwarded connection.
struct Forwarded(DuplexStream);

impl Connection for Forwarded {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Forwarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Forwarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Maximum idle time of a connection. Servers close theirs after five seconds.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
