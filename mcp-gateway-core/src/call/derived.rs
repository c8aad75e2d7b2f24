//! Calls that the gateway has derived from a request of a client.

use crate::jsonrpc::Id;
use crate::protocol::Method;

/// Mark of a call whose client has sent another one, with the headers of that one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DerivedCall;

/// Request of the client that a call stands for, if it is not the one that the call carries.
#[derive(Clone, Debug)]
pub(crate) enum StandsFor {
    /// None: the gateway has made the call on its own.
    Nothing,
    /// A request with this method and identifier.
    Request(Method, Id),
}
