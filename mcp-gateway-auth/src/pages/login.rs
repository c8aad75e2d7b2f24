//! The pages of the login and the account.

use askama::Template;

/// Page with a confirmation and a link.
#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct MessagePage<'a> {
    pub(crate) title: &'a str,
    pub(crate) message: &'a str,
    /// Path of the gateway to which the browser continues automatically.
    pub(crate) refresh: Option<&'a str>,
    /// Path of the gateway.
    pub(crate) href: &'a str,
    pub(crate) label: &'a str,
}

/// Page with the login methods.
#[derive(Template)]
#[template(path = "login.html")]
pub(crate) struct LoginPage<'a> {
    pub(crate) gateway: &'a str,
    pub(crate) providers: &'a [ProviderLink],
    /// `true` if the page has a form for local accounts.
    pub(crate) local: bool,
    /// Error of the previous attempt.
    pub(crate) problem: Option<&'a str>,
    /// Account name of the previous attempt.
    pub(crate) name: &'a str,
    pub(crate) return_to: &'a str,
    pub(crate) csrf: &'a str,
}

/// Link to an identity provider.
pub(crate) struct ProviderLink {
    pub(crate) name: String,
    pub(crate) href: String,
    /// `true` if the button shows the GitHub logo.
    pub(crate) github: bool,
}

/// Page with the profile of a user and the authorized clients.
#[derive(Template)]
#[template(path = "account.html")]
pub(crate) struct AccountPage<'a> {
    pub(crate) gateway: &'a str,
    pub(crate) name: &'a str,
    pub(crate) email: Option<&'a str>,
    pub(crate) roles: &'a str,
    pub(crate) teams: &'a str,
    pub(crate) clients: &'a [AuthorizedClientItem],
    /// Set if there is a page of connected accounts.
    pub(crate) has_connections: bool,
    pub(crate) csrf: &'a str,
}

/// Client that a user has authorized.
pub(crate) struct AuthorizedClientItem {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) detail: String,
}
