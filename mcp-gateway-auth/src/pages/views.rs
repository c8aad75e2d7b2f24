//! The templates with their parameters.

use askama::Template;

/// Page on which a user authorizes a client.
///
/// The template sanitizes and escapes all fields: they may contain what the client has sent.
#[derive(Template)]
#[template(path = "consent.html")]
pub(crate) struct ConsentPage<'a> {
    /// Self-declared name of the client.
    pub(crate) client_name: &'a str,
    /// Host that is responsible for the client, if verified.
    pub(crate) client_host: Option<&'a str>,
    /// Host to which the browser is redirected.
    pub(crate) redirect_host: &'a str,
    /// `true` if all redirects lead to programs on the user's own computer.
    pub(crate) is_loopback_only: bool,
    /// Scope values and their descriptions.
    pub(crate) scopes: &'a [(&'a str, &'a str)],
    /// Host of the gateway.
    pub(crate) host: &'a str,
    /// Name of the resource that the client requests.
    pub(crate) gateway: &'a str,
    /// Name of the user.
    pub(crate) person: &'a str,
    /// Sealed authorization request, sent back in the field `request`.
    pub(crate) request: &'a str,
}

/// Page with an error and its reason.
#[derive(Template)]
#[template(path = "error.html")]
pub(crate) struct ErrorPage<'a> {
    pub(crate) title: &'a str,
    pub(crate) message: &'a str,
    pub(crate) detail: Option<&'a str>,
}

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
    pub(crate) clients: &'a [RelyingClient],
    pub(crate) csrf: &'a str,
}

/// Client that a user has authorized.
pub(crate) struct RelyingClient {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) detail: String,
}
