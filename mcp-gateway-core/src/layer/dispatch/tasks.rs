//! Names of tasks, which are prefixed like those of tools.
//!
//! See [the tasks extension](https://modelcontextprotocol.io/seps/2663-tasks-extension) and [MCP
//! 2025-11-25,
//! tasks](https://modelcontextprotocol.io/specification/2025-11-25/basic/utilities/tasks).

use std::sync::Arc;

use futures_util::StreamExt;
use serde_json::value::RawValue;

use crate::json::{Edits, Fields, string_json};
use crate::jsonrpc::{Notification, Response};
use crate::protocol::{Era, Method};
use crate::reply::{self, ReplyEvent};
use crate::route::ToolRouter;
use crate::{Call, Error, Reply};

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

/// Replaces the names of tasks in a reply of `server` by those that clients use.
pub(super) async fn rename_tasks(
    reply: Reply,
    server: &Arc<str>,
    router: Arc<dyn ToolRouter>,
) -> Result<Reply, Error> {
    let names = TaskNames {
        server: Arc::clone(server),
        router,
    };
    match reply {
        json @ Reply::Json { .. } => {
            let status = json.status();
            let response = reply::response(json).await;
            let response = response.map_err(Error::of_server(server))?;
            Ok(reply::single_response(status, &names.response(&response)))
        }
        Reply::Events(events) => Ok(Reply::Events(events.map(|events| {
            events.map(move |event| {
                event.map(|event| match event {
                    ReplyEvent::Notification(notification) => {
                        ReplyEvent::Notification(names.notification(notification))
                    }
                    ReplyEvent::Response(response) => {
                        ReplyEvent::Response(names.response(&response))
                    }
                    request @ ReplyEvent::Request(_) => request,
                })
            })
        }))),
    }
}

/// Translation of the tasks of one server.
struct TaskNames {
    server: Arc<str>,
    router: Arc<dyn ToolRouter>,
}

impl TaskNames {
    /// Translates a response.
    fn response(&self, response: &Response) -> Response {
        let (Ok(result), Some(span)) = (response.result(), response.result_span()) else {
            return response.clone();
        };
        response.with_edits(|edits| self.object(result, 0..result.len(), span.start, edits))
    }

    /// Translates a notification.
    fn notification(&self, notification: Notification) -> Notification {
        let renamed = notification
            .param("taskId")
            .and_then(crate::json::string)
            .and_then(|id| notification.with_param("taskId", &string_json(&self.exposed(&id)?)));
        renamed.unwrap_or(notification)
    }

    /// Translates the names in the object at `span` of `text`, whose first byte is at `offset` of
    /// the message.
    fn object(
        &self,
        text: &str,
        span: std::ops::Range<usize>,
        offset: usize,
        edits: &mut Edits<'_>,
    ) {
        let Ok(fields) = Fields::parse(text, span) else {
            return;
        };
        if let Some(id) = fields.span(text, "taskId")
            && let Some(name) = crate::json::string(&text[id.clone()])
            && let Some(exposed) = self.exposed(&name)
        {
            edits.replace(offset + id.start..offset + id.end, string_json(&exposed));
        }
        for key in ["task", "_meta", RELATED_TASK] {
            if let Some(inner) = fields.span(text, key) {
                self.object(text, inner, offset, edits);
            }
        }
        let tasks = fields.raw(text, "tasks").unwrap_or("[]");
        let tasks: Vec<&RawValue> = serde_json::from_str(tasks).unwrap_or_default();
        for task in tasks {
            let start = task.get().as_ptr() as usize - text.as_ptr() as usize;
            self.object(text, start..start + task.get().len(), offset, edits);
        }
    }

    /// Returns the name that clients use for the task `id`.
    fn exposed(&self, id: &str) -> Option<String> {
        self.router.expose(&self.server, id).map(Into::into)
    }
}

/// Identifier of the tasks extension.
const EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// Member of `_meta` that names a task in revision 2025-11-25.
const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonrpc::Id;
    use crate::route::PrefixRouter;

    #[test]
    fn tasks_are_renamed_wherever_they_are_named() {
        let router = Arc::new(PrefixRouter::new([("s", "s")]).unwrap());
        let names = TaskNames {
            server: "s".into(),
            router,
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
        ];
        for (result, expected) in table {
            let response = names.response(&Response::new(&Id::from(1), result));
            assert_eq!(response.result(), Ok(expected));
        }
    }
}
