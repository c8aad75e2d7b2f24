//! Translation between the eras: replies of servers of one era for clients of the other.
//!
//! Within an era nothing is changed. Across the eras, results gain or lose the members that only
//! one of them defines, and errors get the code of the client's protocol version. Requests of a
//! server during a call are translated as well:
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

/// Reads the response that `reply` ends in.
pub(crate) async fn response(reply: Reply) -> Result<Response, UpstreamError> {
    let text = reply::text(reply, MAX_RESULT).await?;
    match Message::parse(text)? {
        Message::Response(response) => Ok(response),
        Message::Notification(_) | Message::Request(_) => {
            Err(UpstreamError::invalid("expected a response"))
        }
    }
}

/// Maximum size of a result that is translated between the eras, in bytes; it must be held in
/// memory.
const MAX_RESULT: usize = 64 * 1024 * 1024;
