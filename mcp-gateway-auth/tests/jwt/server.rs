use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A local server with configurable responses that counts requests.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    answers: Mutex<HashMap<String, Answer>>,
    hits: watch::Sender<Vec<Hit>>,
}

/// A received request.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    pub(crate) head: Parts,
    pub(crate) body: Bytes,
}

/// The response of a path.
#[derive(Clone)]
pub(crate) enum Answer {
    Hang,
    Reply(Response<Full<Bytes>>),
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            _tasks: tasks,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Replaces the response of `path`.
    pub(crate) fn answer(&self, path: &str, answer: Answer) {
        let mut answers = self.shared.answers.lock().unwrap();
        answers.insert(path.to_owned(), answer);
    }

    /// Serves this document at `path`.
    pub(crate) fn json(&self, path: &str, document: &Value) {
        self.answer(path, reply(200, "application/json", document.to_string()));
    }

    /// Returns the number of requests for `path`.
    pub(crate) fn hits(&self, path: &str) -> usize {
        let hits = self.shared.hits.borrow();
        hits.iter()
            .filter(|hit| hit.head.uri.path() == path)
            .count()
    }

    pub(crate) fn last(&self) -> Hit {
        self.shared.hits.borrow().last().unwrap().clone()
    }

    /// Waits for `count` requests in total.
    pub(crate) async fn until(&self, count: usize) {
        let mut hits = self.shared.hits.subscribe();
        hits.wait_for(|hits| hits.len() >= count).await.unwrap();
    }
}

pub(crate) fn reply(status: u16, kind: &str, body: impl Into<Bytes>) -> Answer {
    Answer::Reply(
        Response::builder()
            .status(status)
            .header(header::CONTENT_TYPE, kind)
            .body(Full::new(body.into()))
            .unwrap(),
    )
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(|request| handle(&shared, request));
            // A client that disconnects is no failure of the test.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn handle(
    shared: &Shared,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let body = body.collect().await.unwrap().to_bytes();
    shared
        .hits
        .send_modify(|hits| hits.push(Hit { head, body }));
    let answer = shared.answers.lock().unwrap().get(&path).cloned();
    match answer {
        Some(Answer::Reply(response)) => Ok(response),
        Some(Answer::Hang) => std::future::pending().await,
        None => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NOT_FOUND;
            Ok(response)
        }
    }
}
