//! `/events`.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{Method, Request};
use axum::response::Response;
use axum::response::sse::Event;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use mcp_gateway_core::auth::Principal;
use mcp_gateway_store::{Store, WatchEvent};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::json;

use super::access::{Member, permits};
use super::lease::Lease;
use super::problem::{ApiError, Problem};
use super::{AdminApi, BASE, stream as sse};
use crate::LocalApi;

/// Change of an object.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ChangeEvent {
    /// Kind, such as `server`.
    kind: &'static str,
    /// Identifier, as in the path of the object.
    id: String,
    /// Version, which is its `ETag`; `null` if it is deleted, and for objects without a version.
    version: Option<String>,
}

/// Kind of objects whose changes are reported.
#[derive(Debug)]
struct Kind {
    name: &'static str,
    /// Prefix of the keys of their documents.
    prefix: &'static str,
    /// Segments of the path above an object.
    path: &'static str,
    /// `true` if the version of the document is the tag of the object.
    is_versioned: bool,
    /// `true` if an object has a path of its own.
    is_readable: bool,
}

/// Change of a document.
#[derive(Debug)]
enum Seen {
    Change(&'static Kind, String, Option<u64>),
    Deletion(&'static Kind, String),
    Reset(&'static Kind),
}

/// Returns changes of objects by all replicas, as server-sent events: `change` and `delete` with kind,
/// identifier and version, and `reset` with a kind whose changes may have been missed.
///
/// The stream begins with a `reset` of each kind, also after `Last-Event-ID`, which has no effect: the
/// client lists what it needs after that event. Only objects that the sender can see are
/// reported; others than administrators learn of the end of those that the stream has reported before.
/// The stream ends with the credential, and when its principal has another role.
#[utoipa::path(
    get, path = "/events", tag = "events", operation_id = "watchObjects",
    responses((status = 200, body = String, content_type = "text/event-stream"), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn watch(
    State(api): State<AdminApi>,
    member: Member,
    lease: Lease,
) -> Result<Response, ApiError> {
    let store = api.0.events.clone();
    let store = store.ok_or(ApiError::Absent("the gateway has no store for objects"))?;
    let slot = api.0.stream_slots.take()?;
    let principal = member.principal().clone();
    let visible = match member.is_admin() {
        true => None,
        false => Some(Visible {
            api: api.local(),
            principal: principal.clone(),
            reported: HashSet::new(),
        }),
    };
    let changes = changes(&*store, &principal);
    let events = stream::unfold(
        (changes, visible),
        |(mut changes, mut visible)| async move {
            loop {
                let seen = changes.next().await?;
                let is_shown = match &mut visible {
                    Some(visible) => visible.shows(&seen).await,
                    None => true,
                };
                if is_shown {
                    return Some((event(seen), (changes, visible)));
                }
            }
        },
    );
    Ok(sse::response(events, lease, slot))
}

/// Returns the changes of all kinds that `principal` may list.
fn changes(store: &dyn Store, principal: &Principal) -> BoxStream<'static, Seen> {
    let kinds = KINDS.iter().filter(|kind| {
        let path = format!("{BASE}/{}", kind.path);
        permits(principal, &Method::GET, &path)
    });
    let watched = kinds.map(|kind| {
        let events = store.watch(kind.prefix);
        events.map(move |event| seen(kind, event)).boxed()
    });
    stream::select_all(watched).boxed()
}

/// Returns what `event` tells about an object of `kind`.
fn seen(kind: &'static Kind, event: WatchEvent) -> Seen {
    let id = |key: &Arc<str>| {
        let id = key.strip_prefix(kind.prefix).unwrap_or_default();
        // A document of an entry has the version of the entry in its key.
        let id = match kind.name {
            "entry" => id.rsplit_once('@').map_or(id, |(name, _)| name),
            _ => id,
        };
        id.to_owned()
    };
    match event {
        WatchEvent::Deleted(key) => Seen::Deletion(kind, id(&key)),
        WatchEvent::Put(written) => {
            let version = kind.is_versioned.then_some(written.document.version.0);
            Seen::Change(kind, id(&written.key), version)
        }
        _ => Seen::Reset(kind),
    }
}

/// Returns the event for the client.
fn event(seen: Seen) -> Event {
    let (name, change) = match seen {
        Seen::Reset(kind) => return sse::event("reset", &json!({ "kind": kind.name })),
        Seen::Change(kind, id, version) => {
            let version = version.map(|version| version.to_string());
            ("change", (kind, id, version))
        }
        Seen::Deletion(kind, id) => ("delete", (kind, id, None)),
    };
    let (kind, id, version) = change;
    let kind = kind.name;
    sse::event(name, &ChangeEvent { kind, id, version })
}

/// Objects that a principal can see, who is no administrator.
struct Visible {
    api: LocalApi,
    principal: Principal,
    /// Objects that have been reported.
    reported: HashSet<(&'static str, String)>,
}

impl Visible {
    /// Returns `true` if the principal may learn of a change.
    async fn shows(&mut self, seen: &Seen) -> bool {
        match seen {
            Seen::Reset(_) => true,
            Seen::Deletion(kind, id) => self.reported.remove(&(kind.name, id.clone())),
            Seen::Change(kind, id, _) => {
                let is_seen = kind.is_readable && self.reads(kind, id).await;
                if is_seen && self.reported.len() < MAX_REPORTED {
                    self.reported.insert((kind.name, id.clone()));
                }
                is_seen
            }
        }
    }

    /// Returns `true` if the principal may read an object, as a request of its own shows.
    async fn reads(&self, kind: &Kind, id: &str) -> bool {
        let id = utf8_percent_encode(id, NON_ALPHANUMERIC);
        let uri = format!("{BASE}/{}/{id}", kind.path);
        match Request::get(uri).body(axum::body::Body::empty()) {
            Ok(request) => {
                let response = self.api.call(self.principal.clone(), request).await;
                response.status().is_success()
            }
            Err(_) => false,
        }
    }
}

/// Creates an entry of the table.
const fn kind(
    (name, path): (&'static str, &'static str),
    prefix: &'static str,
    (is_versioned, is_readable): (bool, bool),
) -> Kind {
    Kind {
        name,
        prefix,
        path,
        is_versioned,
        is_readable,
    }
}

/// All kinds. The prefixes are those of the components that write the documents.
const KINDS: &[Kind] = &[
    kind(("server", "servers"), "registry/servers/", (true, true)),
    kind(("gateway", "gateways"), "registry/gateways/", (true, true)),
    kind(("rule", "policy/rules"), "policy/rules/", (true, true)),
    kind(("entry", "entries"), "registry/entry/", (true, true)),
    kind(("request", "requests"), "registry/request/", (false, true)),
    kind(("user", "users"), "auth/user/", (true, true)),
    kind(("token", "tokens"), "auth/api-token/", (false, true)),
    kind(("client", "clients"), "auth/client/", (false, true)),
    kind(
        ("connection", "connections"),
        "account/connected/",
        (false, true),
    ),
    kind(("approval", "approvals"), "approval/record/", (false, true)),
    kind(("pin", "pins"), "registry/pins/", (false, false)),
    kind(("taint", "taints"), crate::TAINTS, (false, false)),
];

/// Maximum number of reported objects whose deletions are reported, too.
const MAX_REPORTED: usize = 10_000;
