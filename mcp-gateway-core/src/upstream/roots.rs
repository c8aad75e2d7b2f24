//! Confinement of the roots that callers declare.
//!
//! A root is a `file` URI that a client names as its workspace. Servers treat it as a permission: a
//! file server serves the roots of its client *instead of* the directories of its configuration.
//! That is right if client and server run on one machine for one user. Callers of a gateway are
//! other users, and a program that the gateway starts would serve them any file that the operating
//! system user of the gateway can read. So a program receives no roots unless its definition names
//! the directories that may contain them.
//!
//! One [`RootsPolicy`] covers all paths by which roots could reach a server:
//!
//! | path | treatment |
//! |---|---|
//! | the capability `roots`, in `initialize` and in `_meta` | removed when a call enters an [`UpstreamServer`](super::UpstreamServer), so that everything behind it sees a client without roots |
//! | a response in `inputResponses` | removed or confined at the same place, and when a call is retried |
//! | a response to `roots/list` | the request is rejected, or the response confined before the server receives it |
//! | `notifications/roots/list_changed` | forwarded only with the capability |
//!
//! Neither [`confine`](RootsPolicy::confine) nor the confinement of a response trusts the text of a
//! root: the path is resolved in the file system of this machine, and only the resolved path is
//! forwarded.
//!
//! See [roots](https://modelcontextprotocol.io/specification/2025-11-25/client/roots) in MCP
//! 2025-11-25.

mod askable;
mod directories;

use std::path::PathBuf;
use std::sync::Arc;

pub(super) use self::askable::Askable;
use self::directories::Directories;
use crate::call::Prepared;
use crate::era::INPUT_RESPONSES;
use crate::error::UpstreamError;
use crate::json::{Edits, Fields, object_json};
use crate::jsonrpc::{Message, Notification, Request, Response};
use crate::protocol::{Capabilities, Era, Method, meta};
use crate::transport::Transport;
use crate::{Call, Reply};

/// Policy for the roots of callers: which of them reach a server.
///
/// The default, [`Off`](Self::Off), is safe for every server.
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
    /// No roots: to the server, no client supports them.
    #[default]
    Off,
    /// Roots that exist on this machine, inside of one of these directories.
    ///
    /// The directories are absolute paths; a relative one contains no root. Symbolic links are
    /// resolved on both sides, and the server receives the resolved path. Roots outside of the
    /// directories are dropped without an error, so a server may receive an empty list. Inside of
    /// `/`, roots need not exist.
    Inside(Vec<PathBuf>),
    /// All roots, unchanged. Only for servers over HTTP: connecting to a program fails.
    Unchecked,
}

impl RootsPolicy {
    /// Returns the policy that forwards roots inside of `directories`, which must be absolute
    /// paths.
    pub fn inside<P: Into<PathBuf>>(directories: impl IntoIterator<Item = P>) -> Self {
        Self::Inside(directories.into_iter().map(Into::into).collect())
    }

    /// Validates that the policy is allowed for a server that is reached by `transport`.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Connect`] for [`Unchecked`](Self::Unchecked) and a program.
    pub(super) fn permits(&self, transport: &Transport) -> Result<(), UpstreamError> {
        match (self, transport) {
            (Self::Unchecked, Transport::Stdio(_)) => Err(UpstreamError::connect(
                "unchecked roots are not allowed for a stdio server",
            )),
            _ => Ok(()),
        }
    }

    /// Returns `true` if `call` may contain anything that the server must not receive.
    ///
    /// Cheap: most calls carry no `inputResponses`, and are then forwarded without a change.
    pub(super) fn concerns(&self, call: &Call<Prepared>) -> bool {
        let answers = || call.request().param(INPUT_RESPONSES).is_some();
        match self {
            Self::Off => call.client().capabilities().roots() || forged(call) || answers(),
            Self::Inside(_) => answers(),
            Self::Unchecked => false,
        }
    }

    /// Returns `true` if the client of `call` declares roots that the server does not see, and the
    /// server could still request them with an `input_required` result.
    ///
    /// The reply to such a call must pass through [`without_question`].
    pub(super) fn hides_from(&self, call: &Call<Prepared>) -> bool {
        let client = call.client();
        *self == Self::Off && client.era() == Era::Modern && client.capabilities().roots()
    }

    /// Replaces `call` by the call that the server may receive: its caller without the capability
    /// `roots`, its request without roots outside of the policy.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Invalid`] if the edited request is not a request any more, which
    /// cannot happen for a parsed one.
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

    /// Returns the request of `call` as the server may receive it.
    ///
    /// Two members can change: the client capabilities in `_meta`, and `params.inputResponses`.
    /// Every other byte stays as it was.
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

    /// Returns the JSON text of `inputResponses` as the server may receive it, or `None` if `text`
    /// may stay as it is.
    ///
    /// `text` is an object with one response for each key. Responses to `roots/list` are recognized
    /// by their member `roots`, because the request is not available: the server may not even have
    /// sent it. A text that is not a valid object becomes `{}`.
    async fn confined_answers(&self, text: &str) -> Option<String> {
        let Ok(answers) = Fields::parse(text, 0..text.len()) else {
            return Some("{}".to_owned());
        };
        let mut kept = Vec::new();
        let mut changed = false;
        for (key, span) in answers.iter(text) {
            let answer = &text[span];
            match (Fields::parse(answer, 0..answer.len()), self) {
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
        changed.then(|| object_json(&kept))
    }

    /// Returns `true` if `notification` of a client with `capabilities` may reach the server.
    ///
    /// Only `notifications/roots/list_changed` can be rejected.
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

/// Returns `true` if a legacy client sends client capabilities with a request.
///
/// A server of either era could mistake them for those of the session.
fn forged(call: &Call<Prepared>) -> bool {
    call.client().era() == Era::Legacy && call.request().meta(meta::CLIENT_CAPABILITIES).is_some()
}

/// Replaces a reply that requests roots by an error, for a client whose roots the server must not
/// see.
///
/// The error is [`UpstreamError::Invalid`]: the server requests input that no client has
/// offered. Streams stay streams; a single response is buffered to inspect it.
pub(super) async fn without_question(reply: Reply) -> Result<Reply, UpstreamError> {
    reply.map_response(unasked).await
}

/// Rejects `response` if it requests roots.
fn unasked(response: Response) -> Result<Response, UpstreamError> {
    match response.result().is_ok_and(asks_for_roots) {
        true => Err(UpstreamError::invalid(
            "input request `roots/list` is not covered by the client capabilities",
        )),
        false => Ok(response),
    }
}

/// Returns `true` if `result` is an `input_required` result with a `roots/list` request.
fn asks_for_roots(result: &str) -> bool {
    // Most results request no input, and a text search costs less than parsing them.
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

/// Member of an `input_required` result that holds the requests by their keys.
const INPUT_REQUESTS: &str = "inputRequests";

/// Member that every response to `roots/list` has.
const ROOTS: &str = "roots";

#[cfg(test)]
mod tests;
