//! Call that the gateway has derived from another one.

/// Mark of a call whose client has sent another one, with the headers of that one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DerivedCall;
