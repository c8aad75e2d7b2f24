//! Parts of a gateway that are replaced while calls are in flight.
//!
//! Each is a pointer that is swapped atomically, and loaded without a lock. The parts are swapped
//! one after the other, so a call may see the new version of one and the old version of another:
//! [`generations`] keeps such a call from servers.

pub(crate) mod foreign;
pub(crate) mod generations;
pub(crate) mod grants;
pub(crate) mod pins;
pub(crate) mod policy;
pub(crate) mod results;
pub(crate) mod router;
mod token_verifiers;
pub(crate) mod tool_names;
pub(crate) mod trust;
pub(crate) mod verifier;
