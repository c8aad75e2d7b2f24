//! Requests to clients to open the URL at which their user connects an account.
//!
//! The eras express them in different ways:
//!
//! | era | request | end |
//! |---|---|---|
//! | modern | `input_required` with `elicitation/create`, and a `requestState` | result of the retry |
//! | legacy | `elicitation/create` within the reply, otherwise the error -32042 | `notifications/elicitation/complete`, and the result |
//!
//! See [MCP 2026-07-28][modern] and [2025-11-25][legacy], URL mode elicitation.
//!
//! [modern]: https://modelcontextprotocol.io/specification/2026-07-28/client/elicitation#url-mode-elicitation-requests
//! [legacy]: https://modelcontextprotocol.io/specification/2025-11-25/client/elicitation#url-mode-elicitation-requests

use std::iter;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::input::InputRequiredResult;
use super::modern_to_legacy::InputResponder;
use super::request_state::{INPUT_RESPONSES, REQUEST_STATE, supports_input_required};
use super::user_answer::UserAnswer;
use crate::Call;
use crate::json::Fields;
use crate::jsonrpc::{ErrorObject, Id, Notification, Request, Response, code};
use crate::protocol::{Method, ProtocolVersion};
use crate::reply::ServerRequest;
use crate::seal::{SealError, fill_random};

/// Request to a client to open the URL at which its user connects an account.
#[derive(Debug)]
pub(crate) struct ConnectionRequest {
    /// Identifier of the elicitation.
    id: String,
    /// Purpose of the URL, for the user.
    message: String,
    url: Arc<str>,
}

impl ConnectionRequest {
    /// Creates a request with a random identifier.
    ///
    /// # Errors
    ///
    /// [`SealError`] if the system provides no randomness.
    pub(crate) fn new(message: String, url: Arc<str>) -> Result<Self, SealError> {
        let mut id = [0; 16];
        fill_random(&mut id)?;
        let id = format!("{:032x}", u128::from_ne_bytes(id));
        Ok(Self { id, message, url })
    }

    /// Returns the JSON text of an `input_required` result with the request and `state`.
    pub(crate) fn to_input_required(&self, state: &str) -> String {
        let Self { message, url, .. } = self;
        let params = json!({ "mode": "url", "message": message, "url": &**url }).to_string();
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
        let params = self.elicitation().to_string();
        let request = Request::new(&self.request_id(), &Method::ElicitationCreate, &params);
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

    /// Returns the notification that withdraws the request, because it needs no answer any more.
    pub(crate) fn withdrawal(&self) -> Notification {
        let params = format!("{{\"requestId\":{}}}", self.request_id().to_token());
        Notification::new(&Method::Cancelled, Some(&params))
    }

    /// Returns the notification that the user has connected.
    pub(crate) fn completion(&self) -> Notification {
        let params = json!({ "elicitationId": self.id }).to_string();
        Notification::new(&Method::ElicitationComplete, Some(&params))
    }

    /// Returns the error of a call whose client cannot be asked within the reply.
    pub(crate) fn to_error(&self) -> ErrorObject {
        ErrorObject::new(code::URL_ELICITATION_REQUIRED, self.message.clone())
            .with_data(json!({ "elicitations": [self.elicitation()] }))
    }

    /// Returns the parameters for a legacy client.
    fn elicitation(&self) -> serde_json::Value {
        let Self { id, message, url } = self;
        json!({ "mode": "url", "elicitationId": id, "url": &**url, "message": message })
    }

    fn request_id(&self) -> Id {
        Id::from(&*self.id)
    }
}

/// Returns `true` for the JSON text of an `ElicitResult` whose user opens the URL.
fn accepts(result: &str) -> bool {
    let fields = Fields::parse(result, 0..result.len()).unwrap_or_default();
    fields.string(result, "action").as_deref() == Some("accept")
}

/// Returns `true` if the client of `call` can be asked to open a URL before the call goes on.
pub(crate) fn supports_url_elicitation(call: &Call) -> bool {
    call.client().capabilities().elicitation_url()
        && call.client().version() >= ProtocolVersion::V2025_11_25
        && call.notification().is_none()
        && supports_input_required(call.request().method())
}

/// Returns `call` without the parameters of a retry.
pub(crate) fn without_retry(call: &Call) -> Call {
    let request = call.request();
    let members = [(INPUT_RESPONSES, None), (REQUEST_STATE, None)];
    call.for_request(request.with_params(request.id(), &members), ())
}

/// Key of the request in `inputRequests`.
const KEY: &str = "connect";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_a_request_have_its_url() {
        let url = "https://gw.example.com/connect/notes?for=x";
        let request = ConnectionRequest::new("Connect notes".to_owned(), url.into()).unwrap();
        let result: serde_json::Value =
            serde_json::from_str(&request.to_input_required("sealed")).unwrap();
        let asked = &result["inputRequests"][KEY];
        assert_eq!(result["requestState"], "sealed");
        assert_eq!(asked["method"], "elicitation/create");
        let params = json!({ "mode": "url", "message": "Connect notes", "url": url });
        assert_eq!(asked["params"], params);

        let error = request.to_error();
        assert_eq!(error.code, -32042);
        let elicitation = &error.data.unwrap()["elicitations"][0];
        assert_eq!(elicitation["url"], url);
        let id = elicitation["elicitationId"].as_str().unwrap();
        let completion = request.completion();
        assert_eq!(completion.param("elicitationId"), Some(&*format!("{id:?}")));
        let (question, _) = request.to_server_request();
        let withdrawn = request.withdrawal();
        let withdrawn = withdrawn.param("requestId").and_then(Id::from_token);
        assert_eq!(withdrawn.as_ref(), Some(question.request().id()));
    }

    #[test]
    fn an_answer_is_that_of_the_request() {
        for (responses, expected) in [
            (r#"{"connect":{"action":"accept"}}"#, UserAnswer::Accepted),
            (r#"{"connect":{"action":"decline"}}"#, UserAnswer::Declined),
            (r#"{"connect":{"action":"cancel"}}"#, UserAnswer::Declined),
            (r#"{"connect":1}"#, UserAnswer::Declined),
            (r#"{"other":{"action":"accept"}}"#, UserAnswer::Missing),
            ("1", UserAnswer::Missing),
        ] {
            let params = format!("{{\"inputResponses\":{responses}}}");
            let request = Request::new(&Id::from(1), &Method::ToolsCall, &params);
            assert_eq!(
                ConnectionRequest::answer_of_retry(&request),
                expected,
                "{responses}"
            );
        }
        let error = ErrorObject::method_not_found();
        let response = Response::from_error(&Id::from(1), &error);
        let answer = ConnectionRequest::answer_of_response(&response);
        assert_eq!(answer, UserAnswer::Failed);
    }
}
