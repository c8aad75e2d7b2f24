//! Key `servers[].remote.auth.tokenExchange`: tokens for which the identities of callers are
//! exchanged.
//!
//! | Key | Type |
//! |---|---|
//! | `issuer` | URL, required |
//! | `tokenUrl` | URL |
//! | `client` | [`ExchangeClient`], required |
//! | `profile` | `standard`, `onBehalfOf` or `identityAssertion` |
//! | `serverClient` | [`ExchangeClient`], with `identityAssertion` |
//! | `subjectToken` | `presented` or `login` |
//! | `subjectTokenType` | `access_token`, `id_token` or `jwt` |
//! | `audience`, `resource` | strings |
//! | `scopes` | list of strings |
//!
//! An exchange by way of an identity assertion:
//!
//! ```yaml
//! tokenExchange:
//!   issuer: https://idp.example.com
//!   client: { clientId: gateway, assertionFile: /var/run/secrets/tokens/idp }
//!   profile: identityAssertion
//!   serverClient: { clientId: crm, clientSecret: { env: CRM_CLIENT_SECRET } }
//!   scopes: [read]
//! ```

use mcp_gateway_platform::spec::{
    ExchangeClient, ExchangeKind, RemoteTokenExchange, SubjectKind, SubjectSource,
};

use super::oauth::url;
use crate::document::{Field, FromField, Table};

impl FromField for RemoteTokenExchange {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let issuer = table.required("issuer", url);
        let token_url = table.get_with("tokenUrl", url);
        let client = table.required("client", Field::read);
        let kind = kind(&mut table);
        let source = table.get_with("subjectToken", |field| field.choice(&SOURCES));
        let source = source.unwrap_or(SubjectSource::Presented);
        let subject = table.get_with("subjectTokenType", |field| field.choice(&SUBJECTS));
        if source == SubjectSource::Login && subject.is_some() {
            table
                .whole()
                .error("subjectToken: login excludes subjectTokenType");
        }
        let (audience, resource) = (table.get("audience"), table.get("resource"));
        let scopes: Vec<String> = table.get("scopes").unwrap_or_default();
        if kind == Some(ExchangeKind::OnBehalfOf) && scopes.is_empty() {
            table.whole().error("profile: onBehalfOf requires scopes");
        }
        table.finish();
        let mut exchange = Self::new(issuer?, client?);
        exchange.kind = kind?;
        exchange.source = source;
        exchange.subject = subject.unwrap_or(match (source, &exchange.kind) {
            (SubjectSource::Login, _) | (_, ExchangeKind::IdentityAssertion(_)) => {
                SubjectKind::IdToken
            }
            _ => SubjectKind::AccessToken,
        });
        exchange.token_url = token_url;
        (exchange.audience, exchange.resource) = (audience, resource);
        exchange.scopes = scopes;
        Some(exchange)
    }
}

/// Reads the kind of the exchange.
///
/// A second client, that of the server, is required where its authorization server issues the token,
/// and rejected elsewhere.
fn kind(table: &mut Table<'_>) -> Option<ExchangeKind> {
    let profile = match table.field("profile") {
        Some(field) => field.choice(&PROFILES)?,
        None => Profile::Standard,
    };
    let client: Option<ExchangeClient> = match (profile, table.field("serverClient")) {
        (Profile::IdentityAssertion, None) => {
            let message = "profile: identityAssertion requires serverClient";
            table.whole().error(message);
            None
        }
        (Profile::IdentityAssertion, Some(field)) => field.read(),
        (_, Some(field)) => {
            field.error("serverClient requires profile: identityAssertion");
            None
        }
        (_, None) => None,
    };
    match profile {
        Profile::IdentityAssertion => client.map(ExchangeKind::IdentityAssertion),
        Profile::OnBehalfOf => Some(ExchangeKind::OnBehalfOf),
        Profile::Standard => Some(ExchangeKind::Standard),
    }
}

/// Value of `profile`.
#[derive(Clone, Copy)]
enum Profile {
    IdentityAssertion,
    OnBehalfOf,
    Standard,
}

/// Values of `profile`.
const PROFILES: [(&str, Profile); 3] = [
    ("standard", Profile::Standard),
    ("onBehalfOf", Profile::OnBehalfOf),
    ("identityAssertion", Profile::IdentityAssertion),
];

/// Values of `subjectToken`.
const SOURCES: [(&str, SubjectSource); 2] = [
    ("presented", SubjectSource::Presented),
    ("login", SubjectSource::Login),
];

/// Values of `subjectTokenType`.
const SUBJECTS: [(&str, SubjectKind); 3] = [
    ("access_token", SubjectKind::AccessToken),
    ("id_token", SubjectKind::IdToken),
    ("jwt", SubjectKind::Jwt),
];
