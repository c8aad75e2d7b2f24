//! Keys `auth.issuers` and `auth.introspection`: tokens of other authorization servers.
//!
//! | Key | Type | Of |
//! |---|---|---|
//! | `issuer` | URL, required | both |
//! | `audience` | string | both |
//! | `requiredScopes` | list of strings | both |
//! | `subjectClaim`, `nameClaim`, `groupsClaim` | string | both |
//! | `teams`, `roles` | map from groups | both |
//! | `jwksUrl` | URL | `issuers` |
//! | `types`, `algorithms` | list of strings | `issuers` |
//! | `url` | URL, required | `introspection` |
//! | `clientId`, `clientSecret` | string and secret, required | `introspection` |

use mcp_gateway_auth::jose::Algorithm;
use mcp_gateway_platform::spec::{Claims, Introspection, Issuer};

use super::login::pairs;
use super::oauth::url;
use crate::document::{Field, FromField, Table};

/// Reads the keys of the claim mapping.
fn claims(table: &mut Table<'_>) -> Claims {
    let mut claims = Claims::default();
    claims.subject = table.get("subjectClaim");
    claims.name = table.get("nameClaim");
    claims.groups = table.get("groupsClaim");
    claims.teams = table.get_with("teams", pairs).unwrap_or_default();
    claims.roles = table.get_with("roles", pairs).unwrap_or_default();
    claims
}

impl FromField for Issuer {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let issuer = table.required("issuer", url);
        let algorithms: Vec<Named> = table.get("algorithms").unwrap_or_default();
        let mut read = Self::new(issuer.unwrap_or_default());
        read.audience = table.get("audience");
        read.jwks = table.get_with("jwksUrl", url);
        read.types = table.get("types").unwrap_or_default();
        read.algorithms = algorithms.into_iter().map(|Named(one)| one).collect();
        read.scopes = table.get("requiredScopes").unwrap_or_default();
        read.claims = claims(&mut table);
        table.finish();
        Some(read)
    }
}

impl FromField for Introspection {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let endpoint = table.required("url", url);
        let issuer = table.required("issuer", url);
        let client_id: Option<String> = table.required("clientId", Field::read);
        let client_secret = table.required("clientSecret", Field::read);
        let audience = table.get("audience");
        let scopes = table.get("requiredScopes").unwrap_or_default();
        let claims = claims(&mut table);
        table.finish();
        let mut read = Self::new(endpoint?, issuer?, client_id?, client_secret?);
        read.audience = audience;
        read.scopes = scopes;
        read.claims = claims;
        Some(read)
    }
}

/// Signature algorithm, read by its name in RFC 7518.
pub(super) struct Named(pub(super) Algorithm);

impl FromField for Named {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        field.parse("an algorithm", |text| {
            let known = Algorithm::from_name(text).map(Self);
            known.ok_or_else(|| {
                "expected an asymmetric algorithm of RFC 7518, such as RS256".to_owned()
            })
        })
    }
}
