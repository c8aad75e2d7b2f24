use std::sync::Arc;

use super::Instance;
use crate::protocol::{Capabilities, Version};

/// What callers have in common that see the same of a server.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct ViewKey {
    pub(super) instance: Instance,
    /// Whose credential is presented.
    pub(super) account: Arc<str>,
    pub(super) capabilities: Capabilities,
    pub(super) version: Version,
}
