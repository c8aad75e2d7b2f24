//! Names of tasks, which are prefixed like those of tools.
//!
//! Callers that share a credential are one and the same to a server, which returns a task to
//! whoever names it. The name that a caller receives is therefore bound to its principal and the
//! gateway by a tag; nobody else can use it. The list of all tasks is not served. Both pass as they
//! are if the gateway has one server, which [isolates](ToolRouter::isolates_tasks) the tasks of its
//! callers.
//!
//! See [the tasks extension](https://modelcontextprotocol.io/seps/2663-tasks-extension) and [MCP
//! 2025-11-25,
//! tasks](https://modelcontextprotocol.io/specification/2025-11-25/basic/utilities/tasks).

use std::ops::Range;
use std::sync::Arc;

use futures_util::StreamExt;
use serde_json::{Map, Value};

use super::Shared;
use crate::json::{Edits, each_item, each_member, string_json};
use crate::jsonrpc::{Notification, Response};
use crate::protocol::{Era, Method};
use crate::reply::{self, ReplyEvent};
use crate::route::{ResolvedName, ToolRouter};
use crate::{Call, Error, Reply, Sealer};

/// Returns `true` if the reply to `call` may name tasks.
pub(super) fn may_name_tasks(call: &Call) -> bool {
    let request = call.request();
    #[expect(clippy::wildcard_enum_match_arm, reason = "few methods concern tasks")]
    match request.method() {
        Method::TasksCancel
        | Method::TasksGet
        | Method::TasksList
        | Method::TasksResult
        | Method::TasksUpdate => true,
        Method::ToolsCall => match call.client().era() {
            Era::Legacy => request.param("task").is_some(),
            Era::Modern => call.client().capabilities().as_json().contains(EXTENSION),
        },
        _ => false,
    }
}

/// Removes what clients of `era` cannot use from the merged `capabilities` of several servers.
///
/// Tasks differ between the eras and are not translated.
pub(super) fn remove_unserved(capabilities: &mut Map<String, Value>, era: Era) {
    match era {
        Era::Modern => {
            capabilities.remove("tasks");
        }
        Era::Legacy => {
            let object = |value: &mut Value, key| value.as_object_mut()?.remove(key);
            let _ = capabilities
                .get_mut("extensions")
                .and_then(|value| object(value, EXTENSION));
        }
    }
}

/// Removes the capability to list tasks from `capabilities`.
pub(super) fn remove_list(capabilities: &mut Map<String, Value>) {
    let tasks = capabilities.get_mut("tasks").and_then(Value::as_object_mut);
    let _ = tasks.and_then(|tasks| tasks.remove("list"));
}

/// Names of the tasks of a caller.
#[derive(Clone, Debug)]
pub(super) struct TaskNames {
    router: Arc<dyn ToolRouter>,
    /// Key that binds names to the caller, if they are.
    sealer: Option<Arc<Sealer>>,
    gateway: Box<str>,
    subject: Box<str>,
}

impl Shared {
    /// Returns the names of the tasks of the caller.
    pub(super) fn task_names<S>(&self, call: &Call<S>) -> TaskNames {
        TaskNames {
            router: Arc::clone(&self.router),
            sealer: self.sealer.clone().filter(|_| !self.isolates_tasks()),
            gateway: call.caller().gateway().into(),
            subject: call.principal().subject().into(),
        }
    }

    /// Returns `true` if names and lists of tasks pass as they are.
    ///
    /// Tasks of several servers have no common order for the pages of a list.
    pub(super) fn isolates_tasks(&self) -> bool {
        matches!(&*self.router.servers(), [only] if self.router.isolates_tasks(only))
    }
}

impl TaskNames {
    /// Returns the server of the task `name`, and its name there; `None` if the caller has no such
    /// task.
    pub(super) fn resolve<'a>(&self, name: &'a str) -> Option<ResolvedName<'a>> {
        let Some(sealer) = &self.sealer else {
            return self.router.resolve(name);
        };
        let (name, tag) = name.rsplit_once(TAG_SEPARATOR)?;
        let resolved = self.router.resolve(name)?;
        let task = self.bound(&resolved.server, &resolved.name);
        sealer.has_tag(PURPOSE, &task, tag).then_some(resolved)
    }

    /// Returns `true` if the names of the tasks of `server` are not those that the caller uses.
    pub(super) fn rename(&self, server: &str) -> bool {
        self.sealer.is_some() || !self.router.is_transparent(server)
    }

    /// Returns the name that the caller uses for the task `id` of `server`, if it is another one.
    pub(super) fn exposed(&self, server: &str, id: &str) -> Option<String> {
        let name = self.router.expose(server, id)?;
        let Some(sealer) = &self.sealer else {
            return (name != id).then(|| name.into_owned());
        };
        let tag = sealer.tag(PURPOSE, &self.bound(server, id));
        Some(format!("{name}{TAG_SEPARATOR}{tag}"))
    }

    /// Returns what the name of a task is bound to.
    fn bound<'a>(&'a self, server: &'a str, id: &'a str) -> [&'a str; 4] {
        [&self.gateway, &self.subject, server, id]
    }
}

/// Replaces the names of tasks in a reply of `server` by those that the caller uses.
pub(super) async fn rename_tasks(
    reply: Reply,
    server: &Arc<str>,
    names: TaskNames,
) -> Result<Reply, Error> {
    let edits = TaskEdits {
        server: Arc::clone(server),
        names,
    };
    match reply {
        json @ Reply::Json { .. } => {
            let status = json.status();
            let response = reply::response(json).await;
            let response = response.map_err(Error::of_server(server))?;
            Ok(reply::single_response(status, &edits.response(&response)))
        }
        Reply::Events(events) => Ok(Reply::Events(events.map(|events| {
            events.map(move |event| {
                event.map(|event| match event {
                    ReplyEvent::Notification(notification) => {
                        ReplyEvent::Notification(edits.notification(notification))
                    }
                    ReplyEvent::Response(response) => {
                        ReplyEvent::Response(edits.response(&response))
                    }
                    request @ ReplyEvent::Request(_) => request,
                })
            })
        }))),
    }
}

/// Translation of the tasks of one server.
struct TaskEdits {
    server: Arc<str>,
    names: TaskNames,
}

impl TaskEdits {
    /// Translates a response.
    fn response(&self, response: &Response) -> Response {
        let (Ok(result), Some(span)) = (response.result(), response.result_span()) else {
            return response.clone();
        };
        response.with_edits(|edits: &mut Edits<'_>| {
            each_task(result, 0..result.len(), 0, &mut |id| {
                let name = crate::json::string(&result[id.clone()]);
                if let Some(exposed) = name.and_then(|name| self.names.exposed(&self.server, &name))
                {
                    let at = span.start + id.start..span.start + id.end;
                    edits.replace(at, string_json(&exposed));
                }
            });
        })
    }

    /// Translates a notification.
    fn notification(&self, notification: Notification) -> Notification {
        let id = notification.param("taskId").and_then(crate::json::string);
        let name = id.and_then(|id| self.names.exposed(&self.server, &id));
        let renamed = name.and_then(|name| notification.with_param("taskId", &string_json(&name)));
        renamed.unwrap_or(notification)
    }
}

/// Calls `visit` with the spans of the names of tasks in the object at `span`.
///
/// Members of the same name are all visited: which of them counts depends on the reader.
fn each_task(text: &str, span: Range<usize>, depth: usize, visit: &mut impl FnMut(Range<usize>)) {
    if depth > MAX_DEPTH {
        return;
    }
    each_member(text, span, |key, value| match key {
        "taskId" => visit(value),
        "task" | "_meta" | RELATED_TASK => each_task(text, value, depth + 1, visit),
        "tasks" => each_item(text, value, |task| each_task(text, task, depth + 1, visit)),
        _ => {}
    });
}

/// Identifier of the tasks extension.
const EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// Member of `_meta` that names a task in revision 2025-11-25.
const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";

/// Maximum depth of the name of a task in a result.
const MAX_DEPTH: usize = 3;

/// Purpose of the tags of names.
const PURPOSE: &str = "task";

/// Separator between the name of a task and its tag, which does not contain it.
const TAG_SEPARATOR: char = '.';

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonrpc::Id;
    use crate::route::PrefixRouter;

    fn names(subject: &str, sealer: Option<Arc<Sealer>>) -> TaskNames {
        TaskNames {
            router: Arc::new(PrefixRouter::new([("s", "s"), ("plain", "")]).unwrap()),
            sealer,
            gateway: "main".into(),
            subject: subject.into(),
        }
    }

    #[test]
    fn a_task_is_that_of_its_caller_and_server() {
        let sealer = Arc::new(Sealer::new(&[7; 32]).unwrap());
        let names = |subject| names(subject, Some(Arc::clone(&sealer)));
        for (server, id) in [("s", "1"), ("s", "a.b__c"), ("plain", "1"), ("plain", "")] {
            let name = names("alice").exposed(server, id).unwrap();
            assert_eq!(names("alice").exposed(server, id).unwrap(), name);
            let resolved = names("alice");
            let resolved = resolved.resolve(&name).unwrap();
            assert_eq!((&*resolved.server, &*resolved.name), (server, id));
            assert!(names("bob").resolve(&name).is_none());
            let other = names("alice").exposed(server, "2").unwrap();
            let (_, tag) = name.rsplit_once('.').unwrap();
            let (task, _) = other.rsplit_once('.').unwrap();
            assert!(names("alice").resolve(&format!("{task}.{tag}")).is_none());
        }
        assert!(names("alice").resolve("s__1").is_none());
        assert!(names("alice").resolve("1.").is_none());
    }

    #[test]
    fn tasks_are_renamed_wherever_they_are_named() {
        let edits = TaskEdits {
            server: "s".into(),
            names: names("alice", None),
        };
        let table = [
            (
                r#"{"taskId":"1","status":"working"}"#,
                r#"{"taskId":"s__1","status":"working"}"#,
            ),
            (
                r#"{"task":{"taskId":"1"}}"#,
                r#"{"task":{"taskId":"s__1"}}"#,
            ),
            (
                r#"{"tasks":[{"taskId":"1"},{"taskId":"2"}]}"#,
                r#"{"tasks":[{"taskId":"s__1"},{"taskId":"s__2"}]}"#,
            ),
            (
                r#"{"content":[{"taskId":"1"}],"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"1"}}}"#,
                r#"{"content":[{"taskId":"1"}],"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"s__1"}}}"#,
            ),
            // Readers differ in which of two members counts.
            (
                r#"{"taskId":"1","taskId":"2"}"#,
                r#"{"taskId":"s__1","taskId":"s__2"}"#,
            ),
        ];
        for (result, expected) in table {
            let response = edits.response(&Response::new(&Id::from(1), result));
            assert_eq!(response.result(), Ok(expected));
        }
    }
}
