//! The layers that a call passes.

pub mod attach_credentials;
pub mod authenticate;
pub mod authorize;
pub mod dispatch;
pub mod forward;
pub mod gate;
pub mod observe;
