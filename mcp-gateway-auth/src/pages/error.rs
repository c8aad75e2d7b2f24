//! The page of an error.

use askama::Template;

/// Page with an error and its reason.
#[derive(Template)]
#[template(path = "error.html")]
pub(crate) struct ErrorPage<'a> {
    pub(crate) title: &'a str,
    pub(crate) message: &'a str,
    pub(crate) detail: Option<&'a str>,
    /// Pages on which the user can continue.
    pub(crate) links: &'a [PageLink],
}

/// Link to another page of the gateway.
pub(crate) struct PageLink {
    pub(crate) label: &'static str,
    /// Path of the gateway.
    pub(crate) href: &'static str,
}

impl PageLink {
    /// Link to the account page.
    #[cfg(any(feature = "accounts", feature = "server"))]
    pub(crate) const ACCOUNT: Self = Self {
        label: "Your account",
        href: super::ACCOUNT,
    };
    /// Link to the page of connected accounts.
    #[cfg(feature = "accounts")]
    pub(crate) const CONNECT: Self = Self {
        label: "Your connected accounts",
        href: super::CONNECT,
    };
}
