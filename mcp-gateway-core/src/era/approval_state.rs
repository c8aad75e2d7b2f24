//! Request state of a call that waits for an approval, or continues an approved call.
//!
//! No call is parked: nothing has been sent to a server, or the server waits for the answers of the
//! client. Any replica resumes the call.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::request_state::{MAX_ROUNDS, REQUEST_STATE, RequestState, open_content, seal_content};
use crate::Call;
use crate::approval::{Approval, ApprovalKey};
use crate::error::{RequestError, UpstreamError};
use crate::json::Tree;
use crate::jsonrpc::Response;
use crate::seal::{SealError, Sealer};

/// Content of the `requestState` of a call that waits for an approval, or continues an approved
/// call.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct ApprovalState {
    /// Binding to the principal, the gateway, the server and the request as its client sends it.
    #[serde(rename = "c")]
    request: RequestState,
    /// Identifier of the approval.
    #[serde(rename = "i")]
    id: String,
    /// Identifier of the call.
    #[serde(rename = "k")]
    key: String,
    /// Number of retries that have waited in vain.
    #[serde(rename = "n")]
    rounds: u32,
    /// Step of the approval that the retry redeems; 0 before the approval.
    #[serde(rename = "s")]
    step: u32,
    /// JSON text of the `requestState` that the retry of an approved call repeats.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    inner: Option<String>,
}

impl ApprovalState {
    /// Creates the content for `call` of `server`, which waits for `approval`.
    pub(crate) fn new(call: &Call, server: &str, approval: &Approval) -> Self {
        let lifetime = approval.remaining().as_secs();
        Self {
            request: RequestState::before_routing(call, server, lifetime),
            id: approval.id.to_string(),
            key: approval.key.as_str().to_owned(),
            rounds: 0,
            step: 0,
            inner: None,
        }
    }

    /// Returns the content of the `requestState` of `call`; `None` if it has none, or that of
    /// somebody else, such as its server.
    ///
    /// One that has expired is returned, too: nobody else knows it, and its approval has expired.
    ///
    /// # Errors
    ///
    /// [`RequestError::InvalidParams`] if it belongs to another request.
    pub(crate) fn open(call: &Call, sealer: &Sealer) -> Result<Option<Self>, RequestError> {
        open_content(call, (sealer, PURPOSE), |state: &Self| &state.request)
    }

    /// Encrypts the content and returns it as text.
    ///
    /// # Errors
    ///
    /// [`SealError`] if the system provides no randomness.
    pub(crate) fn seal(&self, sealer: &Sealer) -> Result<String, SealError> {
        seal_content(self, (sealer, PURPOSE))
    }

    /// Returns the content for the next retry that waits; `None` if clients do not retry any more.
    pub(crate) fn next_round(self) -> Option<Self> {
        let rounds = self.rounds + 1;
        (rounds <= MAX_ROUNDS).then_some(Self { rounds, ..self })
    }

    /// Returns the content for the next step of the approved call, without the state of its server.
    pub(crate) fn next_step(self) -> Self {
        let (step, inner) = (self.step.saturating_add(1), None);
        Self {
            step,
            inner,
            rounds: 0,
            ..self
        }
    }

    /// Returns the identifier of the approval.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Returns the identifier of the call.
    pub(crate) fn key(&self) -> ApprovalKey {
        ApprovalKey::from_text(&*self.key)
    }

    /// Returns the step of the approval that the retry redeems.
    pub(crate) fn step(&self) -> u32 {
        self.step
    }

    /// Returns `call` as its server expects it: with the state of the server.
    pub(crate) fn to_server(&self, call: &Call) -> Call {
        let request = call.request();
        let members = [(REQUEST_STATE, self.inner.as_deref())];
        call.for_request(request.with_params(request.id(), &members), ())
    }

    /// Replaces the `requestState` of a `response` that is `input_required`, so that the retry
    /// continues the approved call.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Invalid`] if the state cannot be sealed.
    pub(crate) fn wrap(
        &self,
        response: Response,
        sealer: &Sealer,
    ) -> Result<Response, UpstreamError> {
        let (Ok(result), Some(id)) = (response.result(), response.id()) else {
            return Ok(response);
        };
        if memchr::memmem::find(result.as_bytes(), INPUT_REQUIRED.as_bytes()).is_none() {
            return Ok(response);
        }
        let Ok(Tree::Object(mut members)) = Tree::parse(result) else {
            return Ok(response);
        };
        let kind = members.get("resultType").and_then(Tree::text);
        if kind.as_deref() != Some(INPUT_REQUIRED) {
            return Ok(response);
        }
        let inner = members.get(REQUEST_STATE).and_then(Tree::token);
        let state = Self {
            inner: inner.map(str::to_owned),
            ..self.clone()
        };
        let state = state.seal(sealer).map_err(UpstreamError::invalid)?;
        members.set(REQUEST_STATE, Tree::of_text(&state));
        let mut text = String::new();
        Tree::Object(members).write(&mut text);
        Ok(Response::new(id, &text))
    }
}

impl Approval {
    /// Returns the time until the end of the state.
    pub(crate) fn remaining(&self) -> Duration {
        let left = self.expires.duration_since(std::time::SystemTime::now());
        left.unwrap_or_default()
    }
}

/// Type of a result that requires input.
const INPUT_REQUIRED: &str = "input_required";

/// Purpose to which the cipher binds the text.
const PURPOSE: &str = "approval-state";
