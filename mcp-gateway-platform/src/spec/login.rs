//! The ways of logging in.

use super::Secret;

/// How people log in.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Login {
    /// Whether there are accounts here.
    pub local: Option<bool>,
    /// GitHub, if people may log in with it.
    pub github: Option<GitHub>,
    /// The providers of OpenID Connect.
    pub providers: Vec<Provider>,
}

/// GitHub, and who may log in there.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct GitHub {
    /// The OAuth client that the platform is there.
    pub client_id: String,
    /// The secret of that client.
    pub client_secret: Secret,
    /// The users that may log in.
    pub users: Vec<String>,
    /// The organizations whose members may log in.
    pub organizations: Vec<String>,
    /// Where it is, if it is not github.com.
    pub url: Option<String>,
    /// The URL of its API, if it is not github.com.
    pub api: Option<String>,
}

/// A provider of OpenID Connect, and who may log in there.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Provider {
    /// The name, which is a part of paths.
    pub name: String,
    /// The name for people.
    pub label: Option<String>,
    /// The issuer.
    pub issuer: String,
    /// The client that the platform is there.
    pub client_id: String,
    /// The secret of that client.
    pub client_secret: Option<Secret>,
    /// The scopes to request besides the usual ones.
    pub scopes: Vec<String>,
    /// The claim with the groups.
    pub groups: Option<String>,
    /// The groups whose members may log in.
    pub allowed_groups: Vec<String>,
    /// The domains whose addresses may log in.
    pub allowed_domains: Vec<String>,
    /// The teams that the members of groups belong to.
    pub teams: Vec<(String, String)>,
}

impl Login {
    /// Whether people have accounts here, which is so if there is no other way.
    #[must_use]
    pub fn has_accounts(&self) -> bool {
        let others = self.github.is_some() || !self.providers.is_empty();
        self.local.unwrap_or(!others)
    }
}

impl GitHub {
    /// github.com, where nobody may log in yet.
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
    /// A provider where everybody may log in that has an account there.
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
            scopes: Vec::new(),
            groups: None,
            allowed_groups: Vec::new(),
            allowed_domains: Vec::new(),
            teams: Vec::new(),
        }
    }
}
