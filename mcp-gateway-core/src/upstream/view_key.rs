//! Key of a class of callers.

use std::sync::Arc;

use super::InstanceKey;
use crate::protocol::{Capabilities, Era, ProtocolVersion};

/// Properties that callers must have in common to share a view of a server.
///
/// Each of them changes what a server may send or list: sharing across a difference would show one
/// caller the data of another, or requests that its client does not support.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct ViewKey {
    /// Running copy of the server.
    pub(super) instance: InstanceKey,
    /// Account of the credential that is presented to the server.
    pub(super) account: Arc<str>,
    /// Capabilities of the client.
    pub(super) capabilities: Capabilities,
    /// JSON text of the name and version of the client, if a legacy server receives them in
    /// `initialize`; otherwise those of the gateway are sent.
    pub(super) client_info: Option<Arc<str>>,
    /// Era of the client, which is that of the connection if the server supports it.
    pub(super) era: Era,
    /// Latest protocol version to request: that of the client, or [`ProtocolVersion::LATEST`] if the
    /// connection is of the modern era.
    pub(super) version: ProtocolVersion,
}
