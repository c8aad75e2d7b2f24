//! Login methods.

use super::Secret;

/// Login methods.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::spec::{Login, Provider};
///
/// let mut login = Login::default();
/// assert!(login.has_accounts());
/// login.providers.push(Provider::new("corp", "https://idp.example.com", "gateway"));
/// assert!(!login.has_accounts());
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Login {
    /// Switch for local accounts with passwords; by default on without another login method.
    pub local: Option<bool>,
    /// Login with GitHub.
    pub github: Option<GitHub>,
    /// OpenID Connect providers.
    pub providers: Vec<Provider>,
}

/// Login with GitHub. At least one of `users` and `organizations` must not be empty.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct GitHub {
    /// Client identifier of the OAuth app.
    pub client_id: String,
    /// Client secret.
    pub client_secret: Secret,
    /// Users who may log in.
    pub users: Vec<String>,
    /// Organizations whose members may log in.
    pub organizations: Vec<String>,
    /// URL of a GitHub Enterprise server.
    pub url: Option<String>,
    /// URL of the API of a GitHub Enterprise server.
    pub api: Option<String>,
}

/// Login with an OpenID Connect provider.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Provider {
    /// Segment of the callback path, `/api/auth/callback/{name}`.
    pub name: String,
    /// Text of the login button.
    pub label: Option<String>,
    /// Issuer.
    pub issuer: String,
    /// Client identifier of the platform.
    pub client_id: String,
    /// Client secret.
    pub client_secret: Option<Secret>,
    /// Keeps the ID token of each login, so that it can be exchanged for tokens of servers.
    pub keeps_id_tokens: bool,
    /// Scopes to request besides `openid profile email`.
    pub scopes: Vec<String>,
    /// Claim with the groups of a user.
    pub groups: Option<String>,
    /// Groups whose members may log in.
    pub allowed_groups: Vec<String>,
    /// Domains of verified email addresses that may log in.
    pub allowed_domains: Vec<String>,
    /// Pairs of a group and the team of its members.
    pub teams: Vec<(String, String)>,
    /// Pairs of a group and the team that its members administer.
    pub team_admins: Vec<(String, String)>,
}

impl Login {
    /// Returns `true` if local accounts are enabled.
    #[must_use]
    pub fn has_accounts(&self) -> bool {
        let others = self.github.is_some() || !self.providers.is_empty();
        self.local.unwrap_or(!others)
    }
}

impl GitHub {
    /// Creates a login with github.com without allowed users.
    #[must_use]
    pub fn new(client_id: impl Into<String>, client_secret: Secret) -> Self {
        Self {
            client_id: client_id.into(),
            client_secret,
            users: Vec::new(),
            organizations: Vec::new(),
            url: None,
            api: None,
        }
    }
}

impl Provider {
    /// Creates a login for all users of a provider.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        issuer: impl Into<String>,
        client_id: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            label: None,
            issuer: issuer.into(),
            client_id: client_id.into(),
            client_secret: None,
            keeps_id_tokens: false,
            scopes: Vec::new(),
            groups: None,
            allowed_groups: Vec::new(),
            allowed_domains: Vec::new(),
            teams: Vec::new(),
            team_admins: Vec::new(),
        }
    }
}
