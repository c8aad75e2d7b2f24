//! Section `auth.login`: login methods.
//!
//! | Key | Type |
//! |---|---|
//! | `local` | boolean |
//! | `github` | [`GitHub`]: `clientId`, `clientSecret`, `users`, `organizations`, `url`, `apiUrl` |
//! | `oidc` | list of [`Provider`]: `name`, `label`, `issuer`, `clientId`, `clientSecret`, `scopes`, `groupsClaim`, `allowedGroups`, `allowedDomains`, `teams`, `teamAdmins`, `keepIdToken` |

use mcp_gateway_platform::spec::{GitHub, Login, Provider};

use super::oauth::url;
use crate::document::{Field, FromField};

impl FromField for Login {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let mut login = Self::default();
        login.local = table.get("local");
        login.github = table.get("github");
        login.providers = table.get("oidc").unwrap_or_default();
        if !login.has_accounts() && login.github.is_none() && login.providers.is_empty() {
            table
                .whole()
                .error("no login method is enabled; omit local, or add github or oidc");
        }
        table.finish();
        Some(login)
    }
}

impl FromField for GitHub {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let client_id: Option<String> = table.required("clientId", Field::read);
        let client_secret = table.required("clientSecret", Field::read);
        let users: Vec<String> = table.get("users").unwrap_or_default();
        let organizations: Vec<String> = table.get("organizations").unwrap_or_default();
        if users.is_empty() && organizations.is_empty() {
            let message =
                "github requires users or organizations; otherwise every GitHub user could log in";
            table.whole().error(message);
        }
        let (site, api) = (table.get_with("url", url), table.get_with("apiUrl", url));
        table.finish();
        let mut github = Self::new(client_id?, client_secret?);
        github.users = users;
        github.organizations = organizations;
        github.url = site;
        github.api = api;
        Some(github)
    }
}

impl FromField for Provider {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let name: Option<String> = table.required("name", Field::read);
        let issuer = table.required("issuer", url);
        let client_id: Option<String> = table.required("clientId", Field::read);
        let mut provider = Self::new(
            name.unwrap_or_default(),
            issuer.unwrap_or_default(),
            client_id.unwrap_or_default(),
        );
        provider.label = table.get("label");
        provider.client_secret = table.get("clientSecret");
        provider.keeps_id_tokens = table.get("keepIdToken").unwrap_or_default();
        provider.scopes = table.get("scopes").unwrap_or_default();
        provider.groups = table.get("groupsClaim");
        provider.allowed_groups = table
            .get_with("allowedGroups", restriction)
            .unwrap_or_default();
        provider.allowed_domains = table
            .get_with("allowedDomains", restriction)
            .unwrap_or_default();
        provider.teams = table.get_with("teams", pairs).unwrap_or_default();
        provider.team_admins = table.get_with("teamAdmins", pairs).unwrap_or_default();
        table.finish();
        Some(provider)
    }
}

/// Reads a list that restricts who may log in: without an item it would restrict nobody.
fn restriction(field: &Field<'_>) -> Option<Vec<String>> {
    let items: Vec<String> = field.read()?;
    if items.is_empty() {
        field.error("an empty list would allow everybody; remove the key to do so");
    }
    Some(items)
}

/// Reads a map from names to strings.
pub(super) fn pairs(field: &Field<'_>) -> Option<Vec<(String, String)>> {
    let entries = field.entries()?;
    let pairs = entries.into_iter().filter_map(|(name, field)| {
        let value: Option<String> = field.read();
        Some((name.to_owned(), value?))
    });
    Some(pairs.collect())
}
