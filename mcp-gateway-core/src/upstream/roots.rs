//! Roots that callers declare, and which of them reach a server.
//!
//! A root is a `file` URI that a client names as a place to work in. Servers take it as a permission:
//! a file server serves the roots of its client *instead of* the directories of its configuration.
//! That is right where client and server run on one machine for one person. Here callers are other
//! people, and a program that the gateway starts would give them any file that the gateway's user
//! can read. So a program gets no roots unless its definition names the directories that they may be
//! in.
//!
//! There is one rule for all ways in which roots could reach a server:
//!
//! | way | what happens to it |
//! |---|---|
//! | the capability `roots`, in `initialize` and in `_meta` | removed where a call enters a [`Server`](super::Server), so that everything behind that sees a client without roots |
//! | an answer in `inputResponses` | removed or confined there as well, and when a call is repeated |
//! | an answer to `roots/list` | not asked for, or confined before the server receives it |
//! | `notifications/roots/list_changed` | forwarded only where the capability is |
//!
//! See [roots](https://modelcontextprotocol.io/specification/2025-11-25/client/roots).

mod askable;
mod directories;

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::StreamExt;

pub(super) use self::askable::Askable;
use self::directories::Directories;
use crate::bridge::{self, INPUT_RESPONSES};
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::json::{Edits, Fields, object};
use crate::jsonrpc::{Message, Notification, Request, Response};
use crate::protocol::{Capabilities, Era, Method, meta};
use crate::reply::{self, Event};
use crate::transport::Link;
use crate::{Call, Reply};

/// Policy for the roots of callers: which of them reach a server.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::upstream::RootsPolicy;
///
/// let policy = RootsPolicy::inside(["/srv/projects"]);
/// assert_ne!(policy, RootsPolicy::default());
/// assert_eq!(RootsPolicy::default(), RootsPolicy::Off);
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum RootsPolicy {
    /// No roots. To the server no client has any.
    #[default]
    Off,
    /// Roots that exist on this machine, inside one of these directories.
    ///
    /// The directories are absolute; one that is not holds nothing. Symbolic links are resolved on
    /// both sides, and the server receives the resolved path.
    Inside(Vec<PathBuf>),
    /// All roots, as they are. Only for servers over HTTP: connecting to a program fails.
    Unchecked,
}

impl RootsPolicy {
    /// Allows roots inside `directories`.
    pub fn inside<P: Into<PathBuf>>(directories: impl IntoIterator<Item = P>) -> Self {
        Self::Inside(directories.into_iter().map(Into::into).collect())
    }

    /// Fails if what is reached by `link` must not see unchecked roots.
    pub(super) fn permits(&self, link: &Link) -> Result<(), UpstreamError> {
        match (self, link) {
            (Self::Unchecked, Link::Pipe(_)) => Err(UpstreamError::connect(
                "a program cannot have unchecked roots of callers",
            )),
            _ => Ok(()),
        }
    }

    /// Returns `true` if something in `call` may have to be changed.
    pub(super) fn concerns(&self, call: &Call<Prepared>) -> bool {
        let answers = || call.request().param(INPUT_RESPONSES).is_some();
        match self {
            Self::Off => call.client().capabilities().roots() || forged(call) || answers(),
            Self::Inside(_) => answers(),
            Self::Unchecked => false,
        }
    }

    /// Returns `true` if the client of `call` declares roots that the server does not see, and
    /// could be asked for them in a result.
    pub(super) fn hides_from(&self, call: &Call<Prepared>) -> bool {
        let client = call.client();
        *self == Self::Off && client.era() == Era::Modern && client.capabilities().roots()
    }

    /// Changes `call` into what the server may see of it.
    pub(super) async fn confine(
        &self,
        call: Call<Prepared>,
    ) -> Result<Call<Prepared>, UpstreamError> {
        let request = self.confined_request(&call).await?;
        let caller = match self {
            Self::Off if call.client().capabilities().roots() => {
                Arc::new(call.caller().without_roots())
            }
            Self::Off | Self::Inside(_) | Self::Unchecked => Arc::clone(call.caller()),
        };
        Ok(call.confined(caller, request))
    }

    /// Returns the request of `call` as the server may see it.
    pub(super) async fn confined_request(
        &self,
        call: &Call<Prepared>,
    ) -> Result<Request, UpstreamError> {
        let request = call.request();
        if !self.concerns(call) {
            return Ok(request.clone());
        }
        let mut edits = Edits::new();
        if *self == Self::Off
            && let Some(declared) = request.meta(meta::CLIENT_CAPABILITIES)
            && let Some(span) = request
                .params()
                .meta()
                .span(request.text(), meta::CLIENT_CAPABILITIES)
        {
            let declared = Capabilities::parse(declared).unwrap_or_default();
            if declared.roots() {
                edits.replace(span, declared.without_roots().as_json().to_owned());
            }
        }
        if *self != Self::Unchecked
            && let Some(span) = request.params().span(request.text(), INPUT_RESPONSES)
            && let Some(confined) = self.confined_answers(&request.text()[span.clone()]).await
        {
            edits.replace(span, confined);
        }
        match Message::parse(edits.apply(&request.bytes()))? {
            Message::Request(request) => Ok(request),
            Message::Notification(_) | Message::Response(_) => {
                Err(UpstreamError::invalid("the request has changed its kind"))
            }
        }
    }

    /// Returns the JSON text of `inputResponses` as the server may see it; `None` if it may see
    /// `text`.
    ///
    /// An answer is one about roots if it has the member that every such answer has: the question,
    /// which the server may not even have asked, is not there to be looked at.
    async fn confined_answers(&self, text: &str) -> Option<String> {
        let Ok(answers) = Fields::read(text, 0..text.len()) else {
            return Some("{}".to_owned());
        };
        let mut kept = Vec::new();
        let mut changed = false;
        for (key, span) in answers.iter(text) {
            let answer = &text[span];
            match (Fields::read(answer, 0..answer.len()), self) {
                (Ok(fields), _) if fields.raw(answer, ROOTS).is_none() => {
                    kept.push((key, answer.into()));
                    continue;
                }
                (Ok(_), Self::Inside(directories)) => {
                    let confined = Directories::new(directories).confine(answer).await;
                    kept.push((key, confined.into()));
                }
                _ => {}
            }
            changed = true;
        }
        changed.then(|| object(&kept))
    }

    /// Returns `true` if `notification` of a client with those capabilities reaches the server.
    pub(super) fn forwards(
        &self,
        notification: &Notification,
        capabilities: &Capabilities,
    ) -> bool {
        notification.method() != &Method::RootsListChanged
            || *self == Self::Unchecked
            || capabilities.roots()
    }
}

/// Returns `true` if a client of the legacy era sends capabilities with a request, which a server of
/// either era could take for those of the session.
fn forged(call: &Call<Prepared>) -> bool {
    call.client().era() == Era::Legacy && call.request().meta(meta::CLIENT_CAPABILITIES).is_some()
}

/// Rejects a reply that asks for roots, on behalf of a client whose roots the server cannot see.
pub(super) async fn without_question(reply: Reply) -> Result<Reply, UpstreamError> {
    match reply {
        Reply::Events(events) => Ok(Reply::Events(events.map(|messages| {
            messages.map(|item| match item {
                Ok(Event::Response(response)) => unasked(response).map(Event::Response),
                item => item,
            })
        }))),
        Reply::Json { status, .. } => {
            let response = unasked(bridge::response(reply).await?)?;
            Ok(reply::single(status, &response))
        }
        listing @ Reply::Listing(_) => Ok(listing),
    }
}

fn unasked(response: Response) -> Result<Response, UpstreamError> {
    match response.result().is_ok_and(asks_for_roots) {
        true => Err(UpstreamError::invalid(
            "it asks for roots/list, which the client cannot answer",
        )),
        false => Ok(response),
    }
}

/// Returns `true` if `result` asks for roots.
fn asks_for_roots(result: &str) -> bool {
    // Most results ask for nothing, and few texts contain the word.
    if memchr::memmem::find(result.as_bytes(), INPUT_REQUESTS.as_bytes()).is_none() {
        return false;
    }
    let result: serde_json::Value = serde_json::from_str(result).unwrap_or_default();
    let requests = result[INPUT_REQUESTS].as_object();
    requests.is_some_and(|requests| {
        let mut requests = requests.values();
        requests.any(|request| request["method"] == Method::RootsList.as_str())
    })
}

const INPUT_REQUESTS: &str = "inputRequests";

/// The member that every answer to `roots/list` has.
const ROOTS: &str = "roots";

#[cfg(test)]
mod tests;
