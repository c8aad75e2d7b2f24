use mcp_gateway_auth::jose::Algorithm;
use mcp_gateway_auth::token::ClaimMapping;

use super::Secret;
use super::login::pairs;
use super::oauth::url;
use crate::document::{Field, Read, Table};

/// An identity provider whose JWTs are accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Issuer {
    pub issuer: String,
    /// Whom its tokens have to be for; the URL of each gateway if it is not said.
    pub audience: Option<String>,
    pub jwks: Option<String>,
    /// The types of its tokens; `at+jwt` alone if there are none.
    pub types: Vec<String>,
    pub algorithms: Vec<Algorithm>,
    pub scopes: Vec<String>,
    pub claims: Claims,
}

/// An authorization server that is asked about tokens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Introspection {
    pub url: String,
    pub issuer: String,
    pub audience: Option<String>,
    pub client_id: String,
    pub client_secret: Secret,
    pub scopes: Vec<String>,
    pub claims: Claims,
}

/// What claims mean.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Claims {
    subject: Option<String>,
    name: Option<String>,
    groups: Option<String>,
    teams: Vec<(String, String)>,
    roles: Vec<(String, String)>,
}

impl Claims {
    fn read_keys(table: &mut Table<'_>) -> Self {
        Self {
            subject: table.get("subjectClaim"),
            name: table.get("nameClaim"),
            groups: table.get("groupsClaim"),
            teams: table.get_with("teams", pairs).unwrap_or_default(),
            roles: table.get_with("roles", pairs).unwrap_or_default(),
        }
    }

    pub fn mapping(&self) -> ClaimMapping {
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

impl Read for Issuer {
    fn read(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let issuer = table.required("issuer", url);
        let algorithms: Vec<Named> = table.get("algorithms").unwrap_or_default();
        let read = Self {
            issuer: issuer.unwrap_or_default(),
            audience: table.get("audience"),
            jwks: table.get_with("jwksUrl", url),
            types: table.get("types").unwrap_or_default(),
            algorithms: algorithms.into_iter().map(|Named(one)| one).collect(),
            scopes: table.get("requiredScopes").unwrap_or_default(),
            claims: Claims::read_keys(&mut table),
        };
        table.finish();
        Some(read)
    }
}

impl Read for Introspection {
    fn read(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let endpoint = table.required("url", url);
        let issuer = table.required("issuer", url);
        let client_id = table.required("clientId", Field::read);
        let client_secret = table.required("clientSecret", Field::read);
        let audience = table.get("audience");
        let scopes = table.get("requiredScopes").unwrap_or_default();
        let claims = Claims::read_keys(&mut table);
        table.finish();
        Some(Self {
            url: endpoint?,
            issuer: issuer?,
            audience,
            client_id: client_id?,
            client_secret: client_secret?,
            scopes,
            claims,
        })
    }
}

struct Named(Algorithm);

impl Read for Named {
    fn read(field: &Field<'_>) -> Option<Self> {
        field.parse("an algorithm", |text| {
            let known = Algorithm::from_name(text).map(Self);
            known.ok_or_else(|| "it is one of RFC 7518 with a public key, such as RS256".to_owned())
        })
    }
}
