//! Make what a server of one era sends understandable to a client of the other.
//!
//! Within an era nothing is changed. Across the eras, results get or lose what one of them does not
//! know, and errors the code that they have in the client's revision. What a server asks in the
//! middle of a call is carried over as well:
//!
//! | server | client | |
//! |---|---|---|
//! | modern | legacy | `input_required` becomes requests to the client; their answers become a retry |
//! | legacy | modern | a request parks the call, and becomes `input_required` with a sealed state; a retry with that state takes the call up again, see [`Parking`] and [`Replica`](crate::Replica) |
//!
//! See [multi round-trip requests][mrtr].
//!
//! [mrtr]: https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr

mod asking;
mod crossing;
mod input;
mod parking;
mod passage;
mod ticket;

pub(crate) use self::asking::{Asking, Resend};
pub use self::parking::Parking;
pub(crate) use self::passage::{Passage, TakenUp};
pub(crate) use self::ticket::{INPUT_RESPONSES, carries_state};
use crate::error::UpstreamError;
use crate::jsonrpc::{Message, Response};
use crate::{Reply, reply};

/// The response that `reply` is.
pub(crate) async fn response(reply: Reply) -> Result<Response, UpstreamError> {
    let text = reply::text(reply, MAX_RESULT).await?;
    match Message::parse(text)? {
        Message::Response(response) => Ok(response),
        Message::Notification(_) | Message::Request(_) => Err(UpstreamError::invalid(
            "it answers with something else than a response",
        )),
    }
}

/// The largest result that is carried across the eras, in bytes; it has to be held for that.
const MAX_RESULT: usize = 64 * 1024 * 1024;
