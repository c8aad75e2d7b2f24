//! The page of a consent.

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
    pub(crate) user: &'a str,
    /// Sealed authorization request, sent back in the field `request`.
    pub(crate) request: &'a str,
}
