//! Content of the API server in memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{FakeBody, Fault};
use crate::manifest::merge;

/// Name of an object: kind, namespace, name.
pub(super) type Id = (String, String, String);

pub(super) struct Watcher {
    kind: String,
    namespace: String,
    selector: String,
    sender: mpsc::UnboundedSender<Bytes>,
}

/// Content of the cluster.
#[derive(Default)]
pub(crate) struct World {
    pub(super) revision: u64,
    pub(crate) objects: BTreeMap<Id, Value>,
    events: Vec<(u64, String, Id, Value)>,
    pub(super) watchers: Vec<Watcher>,
    /// Revision before which watches cannot begin.
    pub(super) compacted: u64,
    /// Faults of the next requests that change something.
    pub(crate) faults: VecDeque<Fault>,
    /// Times, methods and paths of requests, but for those of watches.
    pub(crate) requests: Vec<(Instant, Method, String)>,
    /// Set if pods do not become ready.
    pub(crate) unready: bool,
    /// Kinds that the cluster does not know.
    pub(crate) unknown: BTreeSet<String>,
    /// Set while no watch gets anything.
    pub(crate) is_stalled: bool,
}

impl World {
    /// Stores an object with a new version.
    pub(super) fn store(&mut self, id: &Id, mut object: Value, event: &str) {
        self.revision += 1;
        let before = self.objects.get(id);
        let metadata = &mut object["metadata"];
        metadata["resourceVersion"] = self.revision.to_string().into();
        let generation =
            before.map_or(0, |old| old["metadata"]["generation"].as_i64().unwrap_or(0));
        let spec_changed = before.is_none_or(|old| old["spec"] != object["spec"]);
        object["metadata"]["generation"] = (generation + i64::from(spec_changed)).into();
        self.objects.insert(id.clone(), object.clone());
        self.emit(id, event, &object);
    }

    pub(super) fn create(&mut self, id: &Id, mut object: Value) {
        object["metadata"]["name"] = id.2.clone().into();
        object["metadata"]["namespace"] = id.1.clone().into();
        object["metadata"]["uid"] = format!("uid-{}", self.revision + 1).into();
        object["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
        if id.0 == "deployments" && object["spec"]["replicas"].is_null() {
            object["spec"]["replicas"] = 1.into();
        }
        self.store(id, object, "ADDED");
    }

    pub(super) fn delete(&mut self, id: &Id) {
        if let Some(mut object) = self.objects.remove(id) {
            self.revision += 1;
            object["metadata"]["resourceVersion"] = self.revision.to_string().into();
            self.emit(id, "DELETED", &object);
        }
    }

    fn emit(&mut self, id: &Id, event: &str, object: &Value) {
        self.events
            .push((self.revision, event.to_owned(), id.clone(), object.clone()));
        if self.is_stalled {
            return;
        }
        self.watchers.retain(|watcher| {
            let is_of = watcher.kind == id.0 && watcher.namespace == id.1;
            if is_of && selects(&watcher.selector, object) {
                return watcher.sender.send(line(event, object)).is_ok();
            }
            !watcher.sender.is_closed()
        });
    }

    /// Makes pods as Deployments require.
    pub(super) fn control(&mut self) {
        let deployments: Vec<_> = self
            .objects
            .iter()
            .filter(|(id, _)| id.0 == "deployments")
            .map(|(id, one)| (id.clone(), one.clone()))
            .collect();
        let mut wanted = BTreeMap::new();
        for (id, deployment) in &deployments {
            for number in 0..deployment["spec"]["replicas"].as_i64().unwrap_or(1) {
                let name = format!("{}-5d-{number}", id.2);
                wanted.insert(("pods".to_owned(), id.1.clone(), name), deployment.clone());
            }
        }
        let existing: Vec<_> = self
            .objects
            .keys()
            .filter(|id| id.0 == "pods")
            .cloned()
            .collect();
        for id in existing.iter().filter(|id| !wanted.contains_key(*id)) {
            self.delete(id);
        }
        for (id, deployment) in wanted {
            if !self.objects.contains_key(&id) {
                let ready = if self.unready { "False" } else { "True" };
                self.create(&id, json!({
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {"labels": deployment["spec"]["template"]["metadata"]["labels"]},
                    "status": {
                        "phase": "Running",
                        "podIP": "127.0.0.1",
                        "conditions": [{"type": "Ready", "status": ready}],
                    },
                }));
            }
        }
    }

    pub(super) fn watch(
        &mut self,
        path: &Path,
        query: &BTreeMap<String, String>,
    ) -> Response<FakeBody> {
        if self.unknown.contains(&path.kind) {
            let (code, body) = status(404, "NotFound");
            return answer(code, &body);
        }
        let (sender, receiver) = mpsc::unbounded_channel();
        let from: u64 = query
            .get("resourceVersion")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let selector = query.get("labelSelector").cloned().unwrap_or_default();
        if from < self.compacted {
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410,
                "reason": "Expired", "message": "too old resource version",
            });
            let _ = sender.send(line("ERROR", &status));
        } else {
            let missed = self.events.iter().filter(|(revision, _, id, object)| {
                *revision > from
                    && id.0 == path.kind
                    && id.1 == path.namespace
                    && selects(&selector, object)
            });
            for (_, event, _, object) in missed.filter(|_| !self.is_stalled) {
                let _ = sender.send(line(event, object));
            }
            self.watchers.push(Watcher {
                kind: path.kind.clone(),
                namespace: path.namespace.clone(),
                selector,
                sender,
            });
        }
        let lines = stream::unfold(receiver, |mut receiver| async move {
            let line = receiver.recv().await?;
            Some((Ok::<_, Infallible>(Frame::data(line)), receiver))
        });
        Response::new(StreamBody::new(lines).boxed_unsync())
    }

    pub(super) fn list(&self, path: &Path, query: &BTreeMap<String, String>) -> Response<FakeBody> {
        if self.unknown.contains(&path.kind) {
            let (code, body) = status(404, "NotFound");
            return answer(code, &body);
        }
        let selector = query.get("labelSelector").cloned().unwrap_or_default();
        let items = self.objects.iter().filter(|(id, object)| {
            id.0 == path.kind && id.1 == path.namespace && selects(&selector, object)
        });
        let items: Vec<_> = items.map(|(_, object)| object.clone()).collect();
        answer(
            StatusCode::OK,
            &json!({
                "kind": "List", "apiVersion": "v1",
                "metadata": {"resourceVersion": self.revision.to_string()},
                "items": items,
            }),
        )
    }

    /// Returns the versions of an API group; the cluster knows all but those in [`Self::unknown`].
    pub(super) fn group(&self, group: &str) -> Response<FakeBody> {
        if self.unknown.contains(group) {
            let (code, body) = status(404, "NotFound");
            return answer(code, &body);
        }
        let version = json!({"groupVersion": format!("{group}/v1beta1"), "version": "v1beta1"});
        let body = json!({
            "kind": "APIGroup", "apiVersion": "v1", "name": group,
            "versions": [version], "preferredVersion": version,
        });
        answer(StatusCode::OK, &body)
    }

    /// Performs a request about one object, or a creation.
    pub(super) fn perform(
        &mut self,
        method: &Method,
        path: &Path,
        content: &str,
        body: &Value,
    ) -> (StatusCode, Value) {
        let written = || body["metadata"]["name"].as_str().map(ToOwned::to_owned);
        let name = path.name.clone().or_else(written).unwrap_or_default();
        let id = (path.kind.clone(), path.namespace.clone(), name);
        let current = self.objects.get(&id).cloned();
        let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
        match (method.as_str(), current) {
            ("GET", Some(object)) => return (StatusCode::OK, object),
            ("POST", Some(_)) => return status(409, "AlreadyExists"),
            ("POST", None) => self.create(&id, body.clone()),
            ("PATCH", None) if !body["metadata"]["uid"].is_null() => {
                return status(409, "Conflict");
            }
            ("PATCH", None) if content.contains("apply") => self.create(&id, body.clone()),
            ("DELETE", Some(object)) => {
                let uid = &body["preconditions"]["uid"];
                if !uid.is_null() && *uid != object["metadata"]["uid"] {
                    return status(409, "Conflict");
                }
                self.delete(&id);
                return (
                    StatusCode::OK,
                    json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}),
                );
            }
            ("PUT" | "PATCH", Some(object)) => {
                let uid = &body["metadata"]["uid"];
                if method == Method::PATCH && !uid.is_null() && *uid != object["metadata"]["uid"] {
                    return status(422, "metadata.uid: Invalid");
                }
                let expected = version(body);
                if !expected.is_null() && expected != version(&object) {
                    return status(409, "Conflict");
                }
                let mut changed = object.clone();
                let unkeyed = !content.contains("strategic") && !content.contains("apply");
                if method == Method::PUT {
                    changed.clone_from(body);
                    changed["metadata"]["uid"] = object["metadata"]["uid"].clone();
                } else if unkeyed {
                    json_merge(&mut changed, body);
                } else {
                    merge(&mut changed, body);
                }
                if changed != object {
                    self.store(&id, changed, "MODIFIED");
                }
            }
            _ => return status(404, "NotFound"),
        }
        let object = self.objects.get(&id).cloned().unwrap_or_default();
        match path.is_scale {
            true => (StatusCode::OK, scale_of(&id.2, &object)),
            false => (StatusCode::OK, object),
        }
    }
}

fn scale_of(name: &str, object: &Value) -> Value {
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {"name": name}, "spec": {"replicas": object["spec"]["replicas"]},
    })
}

fn json_merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        target.clone_from(patch);
        return;
    };
    for (name, change) in changes {
        match (change, &mut *target) {
            (Value::Null, Value::Object(members)) => drop(members.remove(name)),
            _ => json_merge(&mut target[name.as_str()], change),
        }
    }
}

fn selects(selector: &str, object: &Value) -> bool {
    selector
        .split(',')
        .filter(|part| !part.is_empty())
        .all(|part| {
            let (key, value) = part.split_once('=').unwrap();
            object["metadata"]["labels"][key] == value
        })
}

fn line(event: &str, object: &Value) -> Bytes {
    format!("{}\n", json!({"type": event, "object": object})).into()
}

pub(super) fn status(code: u16, reason: &str) -> (StatusCode, Value) {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "code": code, "reason": reason, "message": format!("{reason} of the fake"),
    });
    (StatusCode::from_u16(code).unwrap(), body)
}

pub(super) fn answer(status: StatusCode, body: &Value) -> Response<FakeBody> {
    let body = Full::new(Bytes::from(body.to_string())).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// Place of a request.
pub(super) struct Path {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: Option<String>,
    is_scale: bool,
}

impl Path {
    pub(super) fn parse(path: &str) -> Self {
        let (_, rest) = path.split_once("/namespaces/").unwrap();
        let mut parts = rest.split('/').map(ToOwned::to_owned);
        Self {
            namespace: parts.next().unwrap(),
            kind: parts.next().unwrap(),
            name: parts.next(),
            is_scale: parts.next().is_some_and(|part| part == "scale"),
        }
    }
}
