//! Issuers of tokens besides the platform.

use mcp_gateway_auth::jose::Algorithm;
use mcp_gateway_auth::token::ClaimMapping;

use super::Secret;

/// Issuer whose JWTs are accepted (RFC 9068).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Issuer {
    /// Issuer, exactly as in the claim `iss`.
    pub issuer: String,
    /// Required audience; the URL of the called gateway if `None`.
    pub audience: Option<String>,
    /// URL of its JWKS; discovered if `None`.
    pub jwks: Option<String>,
    /// Accepted token types (`typ`); `at+jwt` if empty.
    pub types: Vec<String>,
    /// Accepted signature algorithms; all supported ones if empty.
    pub algorithms: Vec<Algorithm>,
    /// Required scopes.
    pub scopes: Vec<String>,
    /// Mapping of claims.
    pub claims: Claims,
}

/// Authorization server that introspects tokens (RFC 7662).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Introspection {
    /// Introspection endpoint.
    pub url: String,
    /// Issuer of the tokens.
    pub issuer: String,
    /// Required audience; the URL of the called gateway if `None`.
    pub audience: Option<String>,
    /// Client identifier of the platform.
    pub client_id: String,
    /// Client secret of the platform.
    pub client_secret: Secret,
    /// Required scopes.
    pub scopes: Vec<String>,
    /// Mapping of claims.
    pub claims: Claims,
}

/// Mapping of claims to a principal.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Claims {
    /// Claim with the subject.
    pub subject: Option<String>,
    /// Claim with the display name.
    pub name: Option<String>,
    /// Claim with the groups.
    pub groups: Option<String>,
    /// Pairs of a group and the team of its members.
    pub teams: Vec<(String, String)>,
    /// Pairs of a group and the role of its members.
    pub roles: Vec<(String, String)>,
}

impl Issuer {
    /// Creates an issuer whose keys are discovered.
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
    /// Creates an authorization server with the introspection endpoint `url`, for tokens of
    /// `issuer`.
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
    /// Converts the mapping to that of the token verifiers.
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
