//! API server in memory: objects, watches, a controller of Deployments, and faults.

mod world;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use kube::client::Body;
use serde_json::Value;
use tokio::time::Instant;
use tower::{Layer as _, Service};

use self::world::{Id, Path, World, answer, status};
use crate::client::{Client, RequestCount};

type FakeBody = UnsyncBoxBody<Bytes, Infallible>;

/// Fault of one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// A response with this status, without an effect.
    Status(u16),
    /// No response, without an effect.
    Hang,
    /// A response with status 500, after the effect.
    LostResponse,
}

/// Handle of the API server.
#[derive(Clone, Default)]
pub(crate) struct FakeCluster(Arc<Mutex<World>>);

impl FakeCluster {
    /// Returns a client.
    pub(crate) fn client(&self) -> Client {
        let requests = RequestCount::default();
        let service = requests.layer(self.clone());
        Client {
            kube: kube::Client::new(service, "mcp"),
            requests,
            namespace: "mcp".to_owned(),
            is_inside: true,
        }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// Returns the names of the objects of `kind`.
    pub(crate) fn names(&self, kind: &str) -> Vec<String> {
        let world = self.world();
        let ids = world.objects.keys().filter(|id| id.0 == kind);
        ids.map(|id| id.2.clone()).collect()
    }

    /// Returns the object `name` of `kind`.
    pub(crate) fn find(&self, kind: &str, name: &str) -> Option<Value> {
        self.world().objects.get(&id(kind, name)).cloned()
    }

    /// Changes an object as somebody else does.
    pub(crate) fn meddle(&self, kind: &str, name: &str, change: impl FnOnce(&mut Value)) {
        let mut world = self.world();
        let id = id(kind, name);
        if let Some(mut object) = world.objects.get(&id).cloned() {
            change(&mut object);
            world.store(&id, object, "MODIFIED");
            world.control();
        }
    }

    /// Adds an object.
    pub(crate) fn add(&self, kind: &str, name: &str, object: Value) {
        let mut world = self.world();
        world.create(&id(kind, name), object);
        world.control();
    }

    /// Deletes an object as somebody else does.
    pub(crate) fn remove(&self, kind: &str, name: &str) {
        let mut world = self.world();
        world.delete(&id(kind, name));
        world.control();
    }

    /// Breaks all watches; with `compact`, they cannot go on where they ended.
    pub(crate) fn break_watches(&self, compact: bool) {
        let mut world = self.world();
        world.watchers.clear();
        if compact {
            world.compacted = world.revision;
        }
    }

    /// Delivers what watches did not get.
    pub(crate) fn resume(&self) {
        let mut world = self.world();
        world.is_stalled = false;
        world.watchers.clear();
    }
}

fn id(kind: &str, name: &str) -> Id {
    (kind.to_owned(), "mcp".to_owned(), name.to_owned())
}

impl Service<Request<Body>> for FakeCluster {
    type Response = Response<FakeBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let cluster = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            if let Some(group) = parts.uri.path().strip_prefix("/apis/")
                && !group.contains('/')
            {
                return Ok(cluster.world().group(group));
            }
            let path = Path::parse(parts.uri.path());
            let query = parts.uri.query().unwrap_or_default();
            let query: BTreeMap<_, _> = url_query(query);
            if query.get("watch").is_some_and(|value| value == "true") {
                return Ok(cluster.world().watch(&path, &query));
            }
            let fault = {
                let mut world = cluster.world();
                let entry = (
                    Instant::now(),
                    parts.method.clone(),
                    parts.uri.path().to_owned(),
                );
                world.requests.push(entry);
                let is_lease = path.kind == "leases";
                if is_lease {
                    None
                } else {
                    world.faults.pop_front()
                }
            };
            if let Some(Fault::Hang) = fault {
                pending::<()>().await;
            }
            if let Some(Fault::Status(code)) = fault {
                let (code, body) = status(code, "Injected");
                return Ok(answer(code, &body));
            }
            let mut world = cluster.world();
            if parts.method == Method::GET && path.name.is_none() {
                return Ok(world.list(&path, &query));
            }
            let content = parts
                .headers
                .get("content-type")
                .map_or("", |value| value.to_str().unwrap());
            let (code, body) = world.perform(&parts.method, &path, content, &body);
            world.control();
            if fault == Some(Fault::LostResponse) {
                let (code, body) = status(500, "Lost");
                return Ok(answer(code, &body));
            }
            Ok(answer(code, &body))
        })
    }
}

fn url_query(query: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| {
        text.replace("%3D", "=")
            .replace("%2C", ",")
            .replace("%2F", "/")
    };
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(key, value)| (key.to_owned(), decode(value)))
        .collect()
}
