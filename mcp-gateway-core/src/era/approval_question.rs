//! Questions to callers about the calls that they are to confirm.
//!
//! | era | question | answer |
//! |---|---|---|
//! | modern | `input_required` with `elicitation/create`, and a `requestState` | the retry |
//! | legacy | `elicitation/create` within the reply | response |

use std::iter;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::input::InputRequiredResult;
use super::modern_to_legacy::InputResponder;
use super::user_answer::UserAnswer;
use crate::Call;
use crate::approval::ApprovalRequest;
use crate::json::Fields;
use crate::jsonrpc::{Id, Notification, Request, Response};
use crate::protocol::Method;
use crate::reply::ServerRequest;

/// Question to a caller about one call.
#[derive(Debug)]
pub(crate) struct ApprovalQuestion {
    /// Identifier of the request to a legacy client.
    id: Id,
    message: String,
}

impl ApprovalQuestion {
    /// Creates the question about the call of `request`, whose approval has the identifier `id`.
    pub(crate) fn new(id: &str, request: &ApprovalRequest) -> Self {
        Self {
            id: Id::from(format!("approve-{id}").as_str()),
            message: message(request),
        }
    }

    /// Returns the JSON text of an `input_required` result with the question and `state`.
    pub(crate) fn to_input_required(&self, state: &str) -> String {
        let mut params = self.params();
        params["mode"] = "form".into();
        let params = params.to_string();
        let request = Request::new(&Id::from(KEY), &Method::ElicitationCreate, &params);
        InputRequiredResult::to_json(iter::once(&request), state)
    }

    /// Returns the JSON text of an `input_required` result with `state`, upon which a client retries
    /// at once.
    pub(crate) fn to_next_round(state: &str) -> String {
        InputRequiredResult::to_json(iter::empty(), state)
    }

    /// Returns the request for a legacy client, and the receiver of the answer.
    pub(crate) fn to_server_request(&self) -> (ServerRequest, UnboundedReceiver<Response>) {
        let params = self.params().to_string();
        let request = Request::new(&self.id, &Method::ElicitationCreate, &params);
        let (answered, answers) = mpsc::unbounded_channel();
        let responder = Arc::new(InputResponder(answered));
        (ServerRequest::new(request, responder), answers)
    }

    /// Returns the answer in the retry `request` of a modern client.
    pub(crate) fn answer_of_retry(request: &Request) -> UserAnswer {
        UserAnswer::of_retry(request, KEY, accepts)
    }

    /// Returns the answer in the `response` of a legacy client.
    pub(crate) fn answer_of_response(response: &Response) -> UserAnswer {
        UserAnswer::of_response(response, accepts)
    }

    /// Returns the notification that withdraws the question, because it needs no answer any more.
    pub(crate) fn withdrawal(&self) -> Notification {
        let params = format!("{{\"requestId\":{}}}", self.id.to_token());
        Notification::new(&Method::Cancelled, Some(&params))
    }

    fn params(&self) -> Value {
        json!({
            "message": self.message,
            "requestedSchema": {
                "type": "object",
                "properties": {
                    ANSWER: {
                        "type": "boolean",
                        "title": "Run this call",
                        "description": "The call runs once, exactly as shown",
                    },
                },
                "required": [ANSWER],
            },
        })
    }
}

/// Returns `true` for the JSON text of an `ElicitResult` that confirms the call. Only an explicit
/// consent does.
fn accepts(result: &str) -> bool {
    let fields = Fields::parse(result, 0..result.len()).unwrap_or_default();
    let content = fields.raw(result, "content").unwrap_or("{}");
    let answers = Fields::parse(content, 0..content.len()).unwrap_or_default();
    let is_accepted = fields.string(result, "action").as_deref() == Some("accept");
    is_accepted && answers.raw(content, ANSWER) == Some("true")
}

/// Returns `true` if the caller of `call` can be asked to confirm it.
pub(crate) fn supports_form_elicitation(call: &Call) -> bool {
    call.client().capabilities().elicitation_form()
}

/// Returns the text of the question. Names are quoted, because their servers choose them.
fn message(request: &ApprovalRequest) -> String {
    let subject = &request.subject;
    let (tool, server, arguments) = (&subject.tool, &subject.server, &request.arguments);
    let mut message =
        format!("Run the tool {tool:?} of the server {server:?}?\n\nArguments: {arguments}");
    if let Some(reason) = request.terms.reason() {
        message.push_str("\n\nReason for the question: ");
        message.push_str(reason);
    }
    if let Some(time) = request.terms.valid_for() {
        let seconds = time.as_secs();
        message.push_str(&format!(
            "\n\nThe consent also holds for the same call within {seconds} seconds."
        ));
    }
    message
}

/// Key of the question in `inputRequests`.
const KEY: &str = "approve";

/// Field of the answer.
const ANSWER: &str = "approve";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_explicit_consent_is_one() {
        assert!(accepts(r#"{"action":"accept","content":{"approve":true}}"#));
        for result in [
            r#"{"action":"accept","content":{"approve":false}}"#,
            r#"{"action":"accept","content":{"approve":"true"}}"#,
            r#"{"action":"accept","content":{"approve":true,"approve":false}}"#,
            r#"{"action":"accept","content":{}}"#,
            r#"{"action":"accept"}"#,
            r#"{"action":"decline","content":{"approve":true}}"#,
            r#"{"action":"cancel"}"#,
            "{}",
            "[]",
        ] {
            assert!(!accepts(result), "{result}");
        }
    }
}
