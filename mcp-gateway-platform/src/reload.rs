//! Parts of a gateway that are replaced while calls are in flight.

pub(crate) mod credentials;
pub(crate) mod router;
pub(crate) mod tool_filters;
pub(crate) mod tool_names;
pub(crate) mod verifier;
