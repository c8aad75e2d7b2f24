use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::call::Prepared;
use crate::clock::unix_now;
use crate::protocol::Method;
use crate::seal::{SealError, Sealer};
use crate::{Call, json};

/// What the state says that the client of a parked call carries.
///
/// It is of use to its own principal only, for the same request at the same server, until it
/// expires. The names are short because the text goes to the client and back.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Ticket {
    /// Where the call waits; nowhere where the server is to be called again.
    #[serde(rename = "w")]
    pub(super) place: Option<Place>,
    #[serde(rename = "p")]
    principal: String,
    #[serde(rename = "g")]
    gateway: String,
    #[serde(rename = "s")]
    server: String,
    /// What the request was, as a digest.
    #[serde(rename = "d")]
    digest: String,
    /// The second, since 1970, at which it expires.
    #[serde(rename = "e")]
    expires: u64,
}

/// Where a call waits.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Place {
    /// Which of the parked calls it is.
    #[serde(rename = "k")]
    pub(super) key: String,
    /// The URL of the replica, where there are several.
    #[serde(rename = "r")]
    pub(super) replica: Option<String>,
}

impl Ticket {
    /// The ticket of `call`, which waits at `place`.
    pub(super) fn new(call: &Call<Prepared>, place: Option<Place>, lifetime: u64) -> Self {
        Self {
            place,
            principal: call.principal().subject().to_owned(),
            gateway: call.caller().gateway().to_owned(),
            server: call.target().server.to_string(),
            digest: request_digest(call),
            expires: unix_now().saturating_add(lifetime),
        }
    }

    pub(super) fn seal(&self, sealer: &Sealer) -> Result<String, SealError> {
        // Strings and numbers can always be written.
        let text = serde_json::to_vec(self).unwrap_or_default();
        sealer.seal(PURPOSE, &text)
    }

    /// Opens the state that `call` carries; `None` when it is not one for it.
    pub(super) fn open(call: &Call<Prepared>, sealer: &Sealer) -> Option<Self> {
        let state = call.request().param(REQUEST_STATE)?;
        let state = json::string(state)?;
        let ticket: Self = serde_json::from_slice(&sealer.open(PURPOSE, &state)?).ok()?;
        let expected = Self::new(call, None, 0);
        let same = expected.principal == ticket.principal
            && expected.gateway == ticket.gateway
            && expected.server == ticket.server
            && expected.digest == ticket.digest;
        (same && ticket.expires > unix_now()).then_some(ticket)
    }
}

/// Whether a call carries a state that an earlier one has got.
pub(crate) fn carries_state(call: &Call<Prepared>) -> bool {
    call.request().param(REQUEST_STATE).is_some()
}

/// Whether the answer to `method` may be that input is required.
pub(super) fn may_ask(method: &Method) -> bool {
    matches!(
        method,
        Method::PromptsGet | Method::ResourcesRead | Method::ToolsCall
    )
}

/// What a retry has in common with the request that it repeats.
///
/// A client may write the same arguments in another order, so they are compared in a canonical form.
fn request_digest(call: &Call<Prepared>) -> String {
    let request = call.request();
    let name = call.target().feature.name().unwrap_or_default();
    let arguments = request.param("arguments").unwrap_or("{}");
    let arguments: serde_json::Value = serde_json::from_str(arguments).unwrap_or_default();
    let arguments = json::canonical(&arguments);
    let text = [request.method().as_str(), name, &arguments].join("\n");
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

const PURPOSE: &str = "request-state";
pub(super) const REQUEST_STATE: &str = "requestState";
pub(crate) const INPUT_RESPONSES: &str = "inputResponses";
