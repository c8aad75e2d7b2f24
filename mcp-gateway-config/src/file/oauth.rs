//! Section `auth.oauth`: the authorization server and its clients.
//!
//! | Key | Type |
//! |---|---|
//! | `clients` | list of [`ClientEntry`] |
//! | `registration` | `open`, `off` or `{ token: SECRET }` |
//! | `clientMetadataDocuments` | boolean, or `always` |
//! | `assertionIssuers` | list of `issuer` and `jwksUrl` |
//! | `workloads` | list of [`WorkloadIssuer`](mcp_gateway_platform::spec::WorkloadIssuer) |
//! | `accessTokens` | `jwt` or `opaque` |
//! | `dpopNonces` | boolean |
//! | `accessTokenLifetime`, `refreshTokenIdle`, `refreshTokenLifetime` | duration |
//! | `rateLimits` | requests per minute: `authorize`, `register`, `client` |

use std::str::FromStr;

use ipnet::IpNet;
use mcp_gateway_auth::jose::KeySet;
use mcp_gateway_auth::server::{
    ClientAuthentication, ClientKeys, GrantType, OAuthClient, RedirectUri, Scopes,
};
use mcp_gateway_platform::spec::{
    AssertionIssuer, MetadataDocuments, OAuth, OAuthClients, RateLimits, Registration, Secret,
};

use super::web_url;
use super::workload::Workloads;
use crate::document::{Field, FromField, Table};

/// Section `auth.oauth`, separated into its static and dynamic parts.
#[derive(Debug, Default)]
pub(super) struct OAuthKeys {
    pub(super) fixed: OAuth,
    pub(super) clients: OAuthClients,
}

impl FromField for OAuthKeys {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let clients: Vec<ClientEntry> = table.get("clients").unwrap_or_default();
        let mut oauth = OAuth::default();
        let registration = table.get("registration").unwrap_or_default();
        oauth.documents = table.get("clientMetadataDocuments").unwrap_or_default();
        oauth.assertion_issuers = table.get("assertionIssuers").unwrap_or_default();
        oauth.is_opaque = table
            .get_with("accessTokens", |field| {
                field.choice(&[("jwt", false), ("opaque", true)])
            })
            .unwrap_or_default();
        oauth.requires_nonces = table.get("dpopNonces").unwrap_or_default();
        oauth.access_token = table.get("accessTokenLifetime");
        oauth.refresh_idle = table.get("refreshTokenIdle");
        oauth.refresh_absolute = table.get("refreshTokenLifetime");
        oauth.limits = table.get("rateLimits").unwrap_or_default();
        let workloads = table.get("workloads");
        table.finish();
        let mut dynamic = OAuthClients::default();
        dynamic.workloads = workloads.map_or_else(Vec::new, |Workloads(issuers)| issuers);
        dynamic.known = clients
            .into_iter()
            .map(|ClientEntry(client)| client)
            .collect();
        dynamic.registration = registration;
        Some(Self {
            fixed: oauth,
            clients: dynamic,
        })
    }
}

impl FromField for MetadataDocuments {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        field.choice(&[
            ("true", Self::WhileReachable),
            ("false", Self::Off),
            ("always", Self::Always),
        ])
    }
}

impl FromField for RateLimits {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let mut limits = Self::default();
        limits.authorize = table.get("authorize").map(|PerMinute(count)| count);
        limits.register = table.get("register").map(|PerMinute(count)| count);
        limits.client = table.get("client").map(|PerMinute(count)| count);
        table.finish();
        Some(limits)
    }
}

/// Rate per minute; at least 1.
struct PerMinute(u32);

impl FromField for PerMinute {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        field.parse("a number", |text| match text.parse() {
            Ok(0) => Err("must be at least 1".to_owned()),
            Ok(count) => Ok(Self(count)),
            Err(_) => Err("expected digits, such as 60".to_owned()),
        })
    }
}

impl FromField for Registration {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        if field.is_scalar() {
            return field.choice(&[("off", Self::Off), ("open", Self::Open)]);
        }
        let mut table = field.table()?;
        let token = table.required("token", Field::read);
        table.finish();
        token.map(Self::Token)
    }
}

impl FromField for AssertionIssuer {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let issuer = table.required("issuer", |field| url(field));
        let jwks = table.get_with("jwksUrl", |field| url(field));
        table.finish();
        let mut known = Self::new(issuer?);
        known.jwks = jwks;
        Some(known)
    }
}

/// Static client.
///
/// | Key | Type |
/// |---|---|
/// | `id` | string, required |
/// | `name` | string |
/// | `secret` | secret |
/// | `jwks`, `jwksUrl` | secret with a JSON Web Key Set, or its URL |
/// | `redirectUris` | list of URIs |
/// | `grantTypes` | list of grant types |
/// | `scopes` | list of strings |
/// | `introspection` | boolean |
struct ClientEntry(OAuthClient);

impl FromField for ClientEntry {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let id: Option<String> = table.required("id", Field::read);
        let name: Option<String> = table.get("name");
        let secret: Option<Secret> = table.get("secret");
        let keys = client_keys(&mut table);
        let uris: Vec<FromStrField<RedirectUri>> = table.get("redirectUris").unwrap_or_default();
        let grant_types: Option<Vec<Grant>> = table.get("grantTypes");
        let scopes: Option<Vec<String>> = table.get("scopes");
        let introspection = table.get("introspection").unwrap_or(false);
        let whole = table.whole().clone();
        table.finish();
        let id = id?;
        let mut client = OAuthClient::new(id.clone(), name.unwrap_or(id));
        for FromStrField(uri) in uris {
            client = client.with_redirect_uri(uri);
        }
        if let Some(secret) = &secret {
            client = client.with_authentication(ClientAuthentication::secret(secret.expose()));
        }
        let has_proof = secret.is_some() || keys.is_some();
        if secret.is_some() && keys.is_some() {
            whole.error("secret and keys of a client are mutually exclusive");
        }
        if let Some(keys) = keys {
            client = client.with_authentication(ClientAuthentication::PrivateKey(keys));
        }
        if let Some(scopes) = scopes {
            client = client.with_scopes(scopes.into_iter().collect::<Scopes>());
        }
        if introspection {
            client = client.with_introspection();
        }
        let chosen = grant_types.map(|kinds| kinds.into_iter().map(|Grant(kind)| kind).collect());
        let chosen = chosen.unwrap_or_else(|| client.default_grant_types());
        client = client.with_grant_types(chosen);
        let needs_redirect = client.may_use(GrantType::AuthorizationCode);
        if needs_redirect && client.redirect_uris.is_empty() {
            whole.error("the grant type authorization_code requires redirectUris");
        }
        if client.may_use(GrantType::ClientCredentials) && !has_proof {
            whole.error("the grant type client_credentials requires secret, jwks or jwksUrl");
        }
        Some(Self(client))
    }
}

/// Reads the public keys of a client with `private_key_jwt`.
fn client_keys(table: &mut Table<'_>) -> Option<ClientKeys> {
    let remote = table.get_with("jwksUrl", url).map(ClientKeys::Remote);
    let Some(field) = table.field("jwks") else {
        return remote;
    };
    let text: Secret = field.read()?;
    if text.expose().is_empty() {
        // Lookups are disabled.
        return Some(ClientKeys::Inline(serde_json::Value::Null));
    }
    let set = serde_json::from_str(text.expose()).ok();
    match set.filter(|set| KeySet::from_value(set).is_ok_and(|keys| !keys.is_empty())) {
        Some(set) if remote.is_none() => Some(ClientKeys::Inline(set)),
        Some(_) => {
            field.error("jwks and jwksUrl are mutually exclusive");
            None
        }
        None => {
            field.error("expected a JSON Web Key Set with a public key");
            None
        }
    }
    .or(remote)
}

/// Grant type, read by its name.
struct Grant(GrantType);

impl FromField for Grant {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        field.parse("a grant type", |text| grant_type(text).map(Self))
    }
}

/// Parses the name of a grant type. `jwt-bearer` is accepted for the URN of RFC 7523.
///
/// # Errors
///
/// The supported names.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::server::GrantType;
/// use mcp_gateway_config::file::grant_type;
///
/// assert_eq!(grant_type("jwt-bearer"), Ok(GrantType::JwtBearer));
/// assert!(grant_type("implicit").is_err());
/// ```
pub fn grant_type(text: &str) -> Result<GrantType, String> {
    let kind = match text {
        "jwt-bearer" => Some(GrantType::JwtBearer),
        other => GrantType::from_name(other),
    };
    kind.ok_or_else(|| {
        "expected authorization_code, refresh_token, client_credentials or jwt-bearer".to_owned()
    })
}

/// Value that is parsed with [`FromStr`].
pub(super) struct FromStrField<T>(pub(super) T);

impl<T: FromStr<Err: std::fmt::Display>> FromField for FromStrField<T> {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        field.parse("a value", |text| {
            text.parse()
                .map(Self)
                .map_err(|error: T::Err| error.to_string())
        })
    }
}

/// Returns the networks of an optional list.
pub(super) fn networks(read: Option<Vec<FromStrField<IpNet>>>) -> Vec<IpNet> {
    read.unwrap_or_default()
        .into_iter()
        .map(|FromStrField(network)| network)
        .collect()
}

/// Reads a URL as text, without normalization: issuers are compared byte by byte.
pub(super) fn url(field: &Field<'_>) -> Option<String> {
    field.parse("a URL", |text| web_url(text).map(|_| text.to_owned()))
}
