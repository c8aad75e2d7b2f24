//! Endpoints of the authorization server.

pub(super) mod authorize;
pub(super) mod consent;
pub(super) mod form;
pub(super) mod introspection;
pub(super) mod metadata;
pub(super) mod payload;
pub(super) mod protected_resources;
pub(super) mod registration;
pub(super) mod response;
pub(super) mod router;
pub(super) mod targets;
pub(super) mod token;
