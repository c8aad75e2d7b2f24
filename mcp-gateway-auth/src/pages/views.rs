use askama::Template;

/// Asks a person whether a client may act for them.
///
/// Everything is cleaned and escaped here; it may be as the client has sent it.
#[derive(Template)]
#[template(path = "consent.html")]
pub(crate) struct ConsentPage<'a> {
    /// What the client calls itself.
    pub(crate) client_name: &'a str,
    /// The host that answers for the client, if it is known.
    pub(crate) client_host: Option<&'a str>,
    /// Where the browser is sent afterwards.
    pub(crate) redirect_host: &'a str,
    /// Whether nothing but programs on the person's own computer can be reached there.
    pub(crate) is_loopback_only: bool,
    /// The names of the scopes, and what they mean in plain words.
    pub(crate) scopes: &'a [(&'a str, &'a str)],
    /// Where the gateway is.
    pub(crate) host: &'a str,
    /// What the client will have access to.
    pub(crate) gateway: &'a str,
    /// Whom the client will act for.
    pub(crate) person: &'a str,
    /// The request that is decided on, as it comes back in the field `request`.
    pub(crate) request: &'a str,
}

/// Says that something cannot be done, and why.
#[derive(Template)]
#[template(path = "error.html")]
pub(crate) struct ErrorPage<'a> {
    pub(crate) title: &'a str,
    pub(crate) message: &'a str,
    pub(crate) detail: Option<&'a str>,
}

/// Says that something was done, and where to go on.
#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct MessagePage<'a> {
    pub(crate) title: &'a str,
    pub(crate) message: &'a str,
    /// A path of ours where the browser goes on by itself.
    pub(crate) refresh: Option<&'a str>,
    /// A path of ours.
    pub(crate) href: &'a str,
    pub(crate) label: &'a str,
}

/// Asks who somebody is.
#[derive(Template)]
#[template(path = "login.html")]
pub(crate) struct LoginPage<'a> {
    pub(crate) gateway: &'a str,
    pub(crate) providers: &'a [ProviderLink],
    /// Whether there is a form for people who have an account here.
    pub(crate) local: bool,
    /// What was wrong the last time.
    pub(crate) problem: Option<&'a str>,
    /// The name that was given the last time.
    pub(crate) name: &'a str,
    pub(crate) return_to: &'a str,
    pub(crate) csrf: &'a str,
}

/// A way to log in elsewhere.
pub(crate) struct ProviderLink {
    pub(crate) name: String,
    pub(crate) href: String,
    /// Whether its button has the mark of GitHub.
    pub(crate) github: bool,
}

/// Shows a person what is known of them.
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

/// A client that a person has allowed to act for them.
pub(crate) struct RelyingClient {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) detail: String,
}
