//! The page for browsers at the address of a gateway.

use askama::Template;

/// Page for browsers at the address of a gateway without a login.
#[derive(Template)]
#[template(path = "landing.html")]
pub(crate) struct LandingPage<'a> {
    /// URL of the gateway without a path.
    pub(crate) base: &'a str,
    /// URL for MCP clients.
    pub(crate) endpoint: &'a str,
}
