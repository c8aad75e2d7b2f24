//! Request state: the content of the `requestState` that a client returns with its retry.
//!
//! It is JSON text that is encrypted and authenticated by the [`Sealer`], so that a client can
//! neither read nor change it. It is not a secret of the client, but useless to another principal.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::call::Prepared;
use crate::clock::unix_now;
use crate::error::RequestError;
use crate::jsonrpc::Request;
use crate::protocol::Method;
use crate::seal::{SealError, Sealer};
use crate::{Call, json};

/// Content of a `requestState`, before encryption.
///
/// It is valid for its own principal only, for the same request to the same server, until it
/// expires. Member names are short because the text is sent to the client and back.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct RequestState {
    /// Location of the parked call; `None` if the server must be called again.
    #[serde(rename = "w")]
    pub(super) parked: Option<ParkedCallRef>,
    /// Subject of the principal of the call.
    #[serde(rename = "p")]
    principal: String,
    /// Name of the gateway of the call.
    #[serde(rename = "g")]
    gateway: String,
    /// Name of the server of the call.
    #[serde(rename = "s")]
    server: String,
    /// Digest of the request, in URL-safe Base64.
    #[serde(rename = "d")]
    digest: String,
    /// Expiry, in seconds since 1970-01-01 UTC.
    #[serde(rename = "e")]
    expires: u64,
}

/// Location of a parked call.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct ParkedCallRef {
    /// Key in the store of the replica that holds the call.
    #[serde(rename = "k")]
    pub(super) key: String,
    /// URL of the replica, if there are several.
    #[serde(rename = "r")]
    pub(super) replica: Option<String>,
}

impl RequestState {
    /// Creates the content for `call`, which is parked at `place`, with a lifetime in seconds.
    pub(super) fn new(call: &Call<Prepared>, parked: Option<ParkedCallRef>, lifetime: u64) -> Self {
        let target = call.target();
        let name = target.feature.name().unwrap_or_default();
        Self {
            parked,
            ..Self::bound(call, (&target.server, name), lifetime)
        }
    }

    /// Creates the content for `call` of `server`, which has the name that its client uses.
    pub(super) fn before_routing(call: &Call, server: &str, lifetime: u64) -> Self {
        let name = call.request().name().unwrap_or_default();
        Self::bound(call, (server, &name), lifetime)
    }

    fn bound<S>(call: &Call<S>, (server, name): (&str, &str), lifetime: u64) -> Self {
        Self {
            parked: None,
            principal: call.principal().subject().to_owned(),
            gateway: call.caller().gateway().to_owned(),
            server: server.to_owned(),
            digest: request_digest(call.request(), name),
            expires: unix_now().saturating_add(lifetime),
        }
    }

    /// Returns `true` if `other` is bound to the same request of the same principal.
    pub(super) fn is_same_request(&self, other: &Self) -> bool {
        self.principal == other.principal
            && self.gateway == other.gateway
            && self.server == other.server
            && self.digest == other.digest
    }

    /// Returns the name of the server.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Returns the time until the expiry.
    pub(super) fn remaining(&self) -> Duration {
        Duration::from_secs(self.expires.saturating_sub(unix_now()))
    }

    /// Encrypts the content and returns it as text.
    ///
    /// # Errors
    ///
    /// [`SealError`] if the system provides no randomness.
    pub(super) fn seal(&self, sealer: &Sealer) -> Result<String, SealError> {
        seal_content(self, (sealer, PURPOSE))
    }

    /// Decrypts the `requestState` of `call`; returns `None` if it is invalid, expired, or belongs
    /// to another request.
    ///
    /// The reason is not reported: it would help only an attacker.
    pub(super) fn open(call: &Call<Prepared>, sealer: &Sealer) -> Option<Self> {
        let state = call.request().param(REQUEST_STATE)?;
        let state = json::string(state)?;
        let opened: Self = serde_json::from_slice(&sealer.open(PURPOSE, &state)?).ok()?;
        let is_same = Self::new(call, None, 0).is_same_request(&opened);
        (is_same && opened.expires > unix_now()).then_some(opened)
    }
}

/// Returns the content, sealed for `purpose`, of the `requestState` of `call`; `None` if it has none,
/// or one of another purpose, such as that of its server. `bound` returns what binds it to a request.
///
/// One that has expired is returned, too: nobody else knows it.
///
/// # Errors
///
/// [`RequestError::InvalidParams`] if it belongs to another request.
pub(super) fn open_content<C: DeserializeOwned>(
    call: &Call,
    (sealer, purpose): (&Sealer, &str),
    bound: fn(&C) -> &RequestState,
) -> Result<Option<C>, RequestError> {
    let state = call.request().param(REQUEST_STATE).and_then(json::string);
    let Some(opened) = state.and_then(|state| sealer.open(purpose, &state)) else {
        return Ok(None);
    };
    let invalid = || RequestError::InvalidParams {
        detail: "requestState is that of another request".into(),
    };
    let opened: C = serde_json::from_slice(&opened).map_err(|_| invalid())?;
    let request = bound(&opened);
    match RequestState::before_routing(call, request.server(), 0).is_same_request(request) {
        true => Ok(Some(opened)),
        false => Err(invalid()),
    }
}

/// Encrypts `content` for `purpose`, and returns it as text.
///
/// # Errors
///
/// [`SealError`] if the system provides no randomness.
pub(super) fn seal_content(
    content: &impl Serialize,
    (sealer, purpose): (&Sealer, &str),
) -> Result<String, SealError> {
    // Serializing strings and numbers is infallible.
    let text = serde_json::to_vec(content).unwrap_or_default();
    sealer.seal(purpose, &text)
}

/// Maximum number of retries that wait in vain. SDKs give up after ten results that require input.
pub(super) const MAX_ROUNDS: u32 = 8;

/// Returns `true` if `call` is a retry: it has a `requestState`, valid or not.
pub(crate) fn has_request_state<S>(call: &Call<S>) -> bool {
    call.request().param(REQUEST_STATE).is_some()
}

/// Returns `true` if the result of `method` may be `input_required`, which the specification allows
/// for three methods.
pub(super) fn supports_input_required(method: &Method) -> bool {
    matches!(
        method,
        Method::PromptsGet | Method::ResourcesRead | Method::ToolsCall
    )
}

/// Returns the digest of the properties that a retry shares with its original request: method,
/// `name`, and arguments.
///
/// A client may reorder the members of the arguments, so they are compared in canonical form.
fn request_digest(request: &Request, name: &str) -> String {
    let arguments = request.param("arguments").unwrap_or("{}");
    let arguments: serde_json::Value = serde_json::from_str(arguments).unwrap_or_default();
    let arguments = json::canonical(&arguments);
    let text = [request.method().as_str(), name, &arguments].join("\n");
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

/// Purpose to which the cipher binds the text, so that no other sealed text is accepted.
const PURPOSE: &str = "request-state";
/// Parameter of a retry that repeats the state.
pub(super) const REQUEST_STATE: &str = "requestState";
/// Parameter of a retry with the answers of the client.
pub(crate) const INPUT_RESPONSES: &str = "inputResponses";
