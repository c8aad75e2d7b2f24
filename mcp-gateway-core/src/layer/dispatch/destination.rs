//! Destination of a call.

use std::borrow::Cow;
use std::sync::Arc;

use super::Shared;
use super::fan_out::missing_name;
use crate::error::{NameKind, RouteError};
use crate::json::{self, Fields};
use crate::jsonrpc::Request;
use crate::protocol::Method;
use crate::route::{Feature, ResolvedName, Target};
use crate::{Call, Error, results};

/// Destination of a call.
pub(super) enum Destination {
    /// One server.
    Server(Target),
    /// Several servers, or one that must be found by asking them.
    Servers,
    /// A tool whose name resolves once tools were listed.
    Unlisted,
    Refused(Box<Error>),
}

impl Destination {
    /// Rejects the call with `error`.
    pub(super) fn rejected(error: impl Into<Error>) -> Self {
        Self::Refused(Box::new(error.into()))
    }

    /// Returns the destination of the feature `name`; rejects the call if it is unknown.
    fn of_name(
        resolved: Option<ResolvedName<'_>>,
        kind: NameKind,
        feature: fn(Arc<str>) -> Feature,
        name: &str,
    ) -> Self {
        match resolved {
            Some(ResolvedName { server, name }) => {
                Self::Server(Target::new(server, feature(name.into())))
            }
            None => Self::rejected(RouteError::unknown_name(kind, name)),
        }
    }
}

impl Shared {
    /// Returns the destination of `call`.
    pub(super) fn destination(&self, call: &Call) -> Destination {
        let request = call.request();
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "other methods are forwarded to the only server"
        )]
        match request.method() {
            Method::ToolsCall => self.tool_target(request),
            Method::PromptsGet => self.prompt_target(request),
            Method::TasksCancel | Method::TasksGet | Method::TasksResult | Method::TasksUpdate => {
                self.task_target(call)
            }
            Method::CompletionComplete => self.completion_target(call),
            Method::ResourcesDirectoryRead | Method::SkillsGet
                if results::is_reserved(&uri(request)) =>
            {
                let error = RouteError::unknown_name(NameKind::Resource, &uri(request));
                Destination::rejected(error)
            }
            Method::PromptsList
            | Method::ResourcesList
            | Method::ResourcesRead
            | Method::ResourcesSubscribe
            | Method::ResourcesTemplatesList
            | Method::ResourcesUnsubscribe
            | Method::ServerDiscover
            | Method::SubscriptionsListen
            | Method::ToolsList => Destination::Servers,
            method
                if (method == &Method::LoggingSetLevel || call.notification().is_some())
                    && self.router.servers().len() != 1 =>
            {
                Destination::Servers
            }
            // The tasks in the list would be those of other callers, too.
            Method::TasksList if !self.isolates_tasks() => {
                Destination::rejected(RouteError::unknown_method(Method::TasksList.as_str()))
            }
            method => match &*self.router.servers() {
                [server] => Destination::Server(Target::new(Arc::clone(server), Feature::Server)),
                _ if matches!(
                    method,
                    Method::Other(_)
                        | Method::ResourcesDirectoryRead
                        | Method::SkillsGet
                        | Method::SkillsList
                ) =>
                {
                    Destination::Servers
                }
                _ => Destination::rejected(RouteError::unknown_method(method.as_str())),
            },
        }
    }

    /// Returns the destination of a request of a prompt.
    fn prompt_target(&self, request: &Request) -> Destination {
        // A request whose name the gateway could not read must not reach a server.
        let Some(name) = request.name() else {
            return Destination::rejected(missing_name(request));
        };
        let resolved = self.router.resolve(&name);
        Destination::of_name(resolved, NameKind::Prompt, Feature::Prompt, &name)
    }

    /// Returns the destination of a request of a task of the caller.
    fn task_target(&self, call: &Call) -> Destination {
        let Some(name) = call.request().name() else {
            return Destination::rejected(missing_name(call.request()));
        };
        let names = self.task_names(call);
        Destination::of_name(names.resolve(&name), NameKind::Task, Feature::Task, &name)
    }

    /// Returns the destination of a completion request: the server of its prompt, or those that may
    /// have its template.
    fn completion_target(&self, call: &Call) -> Destination {
        let reference = call.request().param("ref").unwrap_or("{}");
        let fields = Fields::parse(reference, 0..reference.len()).unwrap_or_default();
        let Some(name) = fields.string(reference, "name") else {
            return Destination::Servers;
        };
        let resolved = self.router.resolve(&name);
        Destination::of_name(resolved, NameKind::Prompt, Feature::Prompt, &name)
    }
}

/// Returns the `uri` of a request.
fn uri(request: &Request) -> Cow<'_, str> {
    let uri = request.param("uri").and_then(json::string);
    uri.unwrap_or_default()
}
