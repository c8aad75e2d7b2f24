//! Edits of the reply to a call of one server.

use std::sync::Arc;

use super::scoped_uri::UriScope;
use super::tasks::{TaskNames, may_name_tasks, rename_tasks};
use super::{RoutedService, Shared, send};
use crate::call::Routed;
use crate::route::{Feature, Target};
use crate::{Call, Error, Reply};

/// Edits of a reply of a server, whose names differ from those that clients use.
pub(super) struct ReplyEdits {
    server: Arc<str>,
    /// Names of tasks, if the reply may contain any.
    tasks: Option<TaskNames>,
    /// Scope of URIs, if the reply may contain any.
    uris: Option<UriScope>,
}

impl ReplyEdits {
    /// Returns the reply with the names that clients use.
    pub(super) async fn apply(self, mut reply: Reply) -> Result<Reply, Error> {
        if let Some(names) = self.tasks {
            reply = rename_tasks(reply, &self.server, names).await?;
        }
        match self.uris {
            Some(scope) => scope.edit_reply(reply).await,
            None => Ok(reply),
        }
    }
}

impl Shared {
    /// Returns the edits of the reply to `call`; `None` if it is forwarded as it is.
    ///
    /// Records the app that the call opens.
    pub(super) fn reply_edits(&self, call: &Call, target: &Target) -> Option<ReplyEdits> {
        let server = &target.server;
        let tasks = may_name_tasks(call).then(|| self.task_names(call));
        let tasks = tasks.filter(|names| names.rename(server));
        let has_uris = matches!(target.feature, Feature::Prompt(_) | Feature::Tool(_))
            && self.apps.has(server);
        let uris = has_uris.then(|| self.uri_scope(server)).flatten();
        if uris.is_some() {
            self.apps.record_call(call, target);
        }
        if tasks.is_none() && uris.is_none() {
            return None;
        }
        Some(ReplyEdits {
            server: Arc::clone(server),
            tasks,
            uris,
        })
    }

    /// Forwards `call` to `target`.
    pub(super) async fn call_target<S: RoutedService>(
        &self,
        inner: S,
        call: Call,
        target: Target,
    ) -> Result<Reply, Error> {
        let edits = self.reply_edits(&call, &target);
        let reply = send(inner, call.advance(|()| Routed::new(target))).await?;
        match edits {
            Some(edits) => edits.apply(reply).await,
            None => Ok(reply),
        }
    }
}
