//! Era translation: calls and replies between clients of one era and servers of the other.
//!
//! Within an era nothing is changed. Across the eras, results gain or lose the members that only
//! one of them defines, and errors get the code of the client's protocol version. Requests of a
//! server during a call are translated as well:
//!
//! | server | client | translation |
//! |---|---|---|
//! | modern | legacy | `input_required` becomes requests to the client; their responses become a retry of the call |
//! | legacy | modern | a request parks the call, and becomes `input_required` with a sealed `requestState`; a retry with that state resumes the call, see [`ParkedCalls`] and [`Replica`](crate::Replica) |
//!
//! The request itself is translated when it is encoded for the server, and subscriptions are
//! translated by the view.
//!
//! See [multi round-trip requests][mrtr] in MCP 2026-07-28.
//!
//! [mrtr]: https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr

mod approval_question;
mod approval_state;
mod connection_request;
mod connection_state;
mod input;
mod legacy_to_modern;
mod modern_to_legacy;
mod parked_calls;
mod request_state;
mod translator;
mod user_answer;

pub(crate) use self::approval_question::{ApprovalQuestion, supports_form_elicitation};
pub(crate) use self::approval_state::ApprovalState;
pub(crate) use self::connection_request::{
    ConnectionRequest, supports_url_elicitation, without_retry,
};
pub(crate) use self::connection_state::ConnectionState;
pub(crate) use self::input::{is_acceptable, rejection};
pub(crate) use self::legacy_to_modern::{LegacyToModern, Resumption};
pub(crate) use self::modern_to_legacy::{ModernToLegacy, RetryTarget};
pub(crate) use self::parked_calls::HeldCall;
pub use self::parked_calls::{ParkedCallLimits, ParkedCalls};
pub(crate) use self::request_state::{INPUT_RESPONSES, has_request_state};
pub(crate) use self::user_answer::UserAnswer;
