//! A collector that keeps what it receives.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Time in which spans arrive.
const SOON: Duration = Duration::from_secs(60);

/// A collector over HTTP and gRPC, until it is dropped.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) url: String,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    received: watch::Sender<Received>,
    /// Status of the next responses, the last one first; 200 without any.
    statuses: Mutex<Vec<u16>>,
}

/// All that has been received.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    pub(crate) requests: Vec<(String, HeaderMap)>,
    pub(crate) resource: BTreeMap<String, String>,
    pub(crate) spans: Vec<ReceivedSpan>,
}

/// A span in a readable form.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedSpan {
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) state: String,
    pub(crate) links: Vec<String>,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) is_error: bool,
    pub(crate) nanoseconds: u64,
}

impl Sink {
    pub(crate) async fn start() -> Self {
        Self::answering(&[]).await
    }

    /// Starts a collector whose first responses have these statuses.
    pub(crate) async fn answering(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            received: watch::Sender::default(),
            statuses: Mutex::new(statuses.iter().rev().copied().collect()),
        });
        let mut serving = JoinSet::new();
        let serve = Arc::clone(&shared);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serve);
                let service = service_fn(move |request| respond(Arc::clone(&shared), request));
                connections.spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            url,
            shared,
            _serving: serving,
        }
    }

    /// Waits for at least so many spans.
    pub(crate) async fn spans(&self, count: usize) -> Vec<ReceivedSpan> {
        self.wait(|received| received.spans.len() >= count)
            .await
            .spans
    }

    /// Waits for the condition.
    pub(crate) async fn wait(&self, is_met: impl Fn(&Received) -> bool) -> Received {
        let mut receiver = self.shared.received.subscribe();
        let waiting = receiver.wait_for(|received| is_met(received));
        match tokio::time::timeout(SOON, waiting).await {
            Ok(received) => received.unwrap().clone(),
            Err(_) => panic!("only {:?}", self.received()),
        }
    }

    pub(crate) fn received(&self) -> Received {
        self.shared.received.borrow().clone()
    }
}

async fn respond(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let is_grpc = head.headers["content-type"] == "application/grpc";
    let message = match is_grpc {
        true => {
            assert_eq!(head.version, http::Version::HTTP_2);
            body.slice(5..)
        }
        false => body,
    };
    let status = shared.statuses.lock().unwrap().pop().unwrap_or(200);
    let message = ExportTraceServiceRequest::decode(message).unwrap();
    shared.received.send_modify(|received| {
        received
            .requests
            .push((head.uri.path().to_owned(), head.headers.clone()));
        if status == 200 {
            received.add(message);
        }
    });
    let mut response = Response::new(BoxBody::default());
    if is_grpc {
        let mut trailers = HeaderMap::new();
        let status = if status == 200 { "0" } else { "14" };
        trailers.insert("grpc-status", HeaderValue::from_static(status));
        let frames = [
            Ok::<_, Infallible>(Frame::data(BytesMut::zeroed(5).freeze())),
            Ok(Frame::trailers(trailers)),
        ];
        let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames));
        *response.body_mut() = BoxBody::new(body);
    } else {
        *response.status_mut() = status.try_into().unwrap();
        *response.body_mut() = BoxBody::new(Full::new(Bytes::new()));
    }
    Ok(response)
}

impl Received {
    fn add(&mut self, message: ExportTraceServiceRequest) {
        for resource in message.resource_spans {
            let attributes = resource.resource.unwrap_or_default().attributes;
            self.resource = attributes.into_iter().map(pair).collect();
            for scope in resource.scope_spans {
                assert_eq!(scope.scope.unwrap().name, "mcp-gateway");
                self.spans
                    .extend(scope.spans.into_iter().map(ReceivedSpan::new));
            }
        }
    }
}

impl ReceivedSpan {
    fn new(span: Span) -> Self {
        let link = |link: opentelemetry_proto::tonic::trace::v1::span::Link| {
            format!("{}-{}", hex(&link.trace_id), hex(&link.span_id))
        };
        Self {
            kind: span.kind(),
            name: span.name,
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            state: span.trace_state,
            links: span.links.into_iter().map(link).collect(),
            attributes: span.attributes.into_iter().map(pair).collect(),
            is_error: span.status.is_some_and(|status| status.code == 2),
            nanoseconds: span.end_time_unix_nano - span.start_time_unix_nano,
        }
    }
}

fn pair(attribute: KeyValue) -> (String, String) {
    let value = match attribute.value.and_then(|value| value.value).unwrap() {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    (attribute.key, value)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
