//! Entries of `auth.forward`: servers behind a reverse proxy, protected by forward authentication.
//!
//! | Key | Type |
//! |---|---|
//! | `name` | path segment, required |
//! | `url` | URL without query and fragment, required |
//! | `scopes` | map from scopes to descriptions |
//! | `teams` | list of strings |

use std::collections::HashSet;

use mcp_gateway_platform::spec::{Forward, GatewaySpec};
use url::Url;

use super::gateway::slug;
use super::login::pairs;
use super::web_url;
use crate::document::{Field, FromField};

impl FromField for Forward {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let name = table.required("name", |field| field.parse("the name of a server", slug));
        let url = table.required("url", |field| field.parse("the URL of a server", resource));
        let scopes = table.get_with("scopes", scopes).unwrap_or_default();
        let teams = table.get("teams");
        table.finish();
        let mut forward = Self::new(name?, url?);
        forward.scopes = scopes;
        forward.teams = teams;
        Some(forward)
    }
}

/// Records names in `all` that another protected server or a gateway has.
pub(super) fn check_names(all: &[Forward], gateways: &[GatewaySpec], list: &Field<'_>) {
    let mut known: HashSet<_> = gateways.iter().map(|gateway| &gateway.name).collect();
    for forward in all {
        if !known.insert(&forward.name) {
            let name = &forward.name;
            list.error(format!("{name:?} is already the name of another resource"));
        }
    }
}

/// Parses a resource indicator (RFC 8707).
fn resource(text: &str) -> Result<Url, String> {
    let url = web_url(text)?;
    match url.query().is_none() && url.fragment().is_none() {
        true => Ok(url),
        false => Err("must not have a query or fragment".to_owned()),
    }
}

/// Reads scopes with their descriptions (RFC 6749, section 3.3).
fn scopes(field: &Field<'_>) -> Option<Vec<(String, String)>> {
    let scopes = pairs(field)?;
    for (name, _) in &scopes {
        let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        if name.is_empty() || !name.bytes().all(allowed) {
            field.error(format!(
                "{name:?} is not a scope: expected letters, digits and ':'"
            ));
        }
    }
    Some(scopes)
}
