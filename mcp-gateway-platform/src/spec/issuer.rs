//! Those who issue tokens besides the platform.

use mcp_gateway_auth::jose::Algorithm;
use mcp_gateway_auth::token::ClaimMapping;

use super::Secret;

/// An identity provider whose JWTs are accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Issuer {
    /// The issuer, as in the claim `iss`.
    pub issuer: String,
    /// Whom its tokens have to be for; the URL of each gateway if it is not said.
    pub audience: Option<String>,
    /// The URL of its keys; discovered if `None`.
    pub jwks: Option<String>,
    /// The types of its tokens; `at+jwt` alone if there are none.
    pub types: Vec<String>,
    /// The algorithms that its tokens may be signed with; all supported ones if there are none.
    pub algorithms: Vec<Algorithm>,
    /// The scopes that its tokens must have.
    pub scopes: Vec<String>,
    /// The meaning of its claims.
    pub claims: Claims,
}

/// An authorization server that is asked about tokens.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Introspection {
    /// The introspection endpoint.
    pub url: String,
    /// The issuer of the tokens.
    pub issuer: String,
    /// Whom the tokens have to be for; the URL of each gateway if it is not said.
    pub audience: Option<String>,
    /// The client that the platform is there.
    pub client_id: String,
    /// The secret of that client.
    pub client_secret: Secret,
    /// The scopes that tokens must have.
    pub scopes: Vec<String>,
    /// The meaning of claims.
    pub claims: Claims,
}

/// What claims mean.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Claims {
    /// The claim with the subject.
    pub subject: Option<String>,
    /// The claim with the name of the person.
    pub name: Option<String>,
    /// The claim with the groups.
    pub groups: Option<String>,
    /// The teams of the members of groups.
    pub teams: Vec<(String, String)>,
    /// The roles of the members of groups.
    pub roles: Vec<(String, String)>,
}

impl Issuer {
    /// An identity provider whose keys are discovered.
    #[must_use]
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: None,
            jwks: None,
            types: Vec::new(),
            algorithms: Vec::new(),
            scopes: Vec::new(),
            claims: Claims::default(),
        }
    }
}

impl Introspection {
    /// An authorization server with the endpoint `url`, for tokens of `issuer`.
    #[must_use]
    pub fn new(
        url: impl Into<String>,
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: Secret,
    ) -> Self {
        Self {
            url: url.into(),
            issuer: issuer.into(),
            audience: None,
            client_id: client_id.into(),
            client_secret,
            scopes: Vec::new(),
            claims: Claims::default(),
        }
    }
}

impl Claims {
    pub(crate) fn mapping(&self) -> ClaimMapping {
        let mut mapping = ClaimMapping::new();
        if let Some(claim) = &self.subject {
            mapping = mapping.with_subject(claim);
        }
        if let Some(claim) = &self.name {
            mapping = mapping.with_name(claim);
        }
        if let Some(claim) = &self.groups {
            mapping = mapping.with_groups(claim);
        }
        for (group, team) in &self.teams {
            mapping = mapping.with_team(group, team.as_str());
        }
        for (group, role) in &self.roles {
            mapping = mapping.with_role(group, role.as_str());
        }
        mapping
    }
}
