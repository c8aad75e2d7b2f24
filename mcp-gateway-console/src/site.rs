//! Parts behind the pages.

use std::sync::Arc;

use mcp_gateway_admin::LocalApi;

use crate::guides::ClientGuides;
use crate::login::ConsoleLogin;

/// Parts behind the pages. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) api: LocalApi,
    pub(crate) login: ConsoleLogin,
    pub(crate) guides: Option<Arc<dyn ClientGuides>>,
}
