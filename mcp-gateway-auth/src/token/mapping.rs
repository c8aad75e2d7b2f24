use std::collections::HashMap;
use std::sync::Arc;

use mcp_gateway_core::auth::Principal;
use serde_json::Value;

use crate::jwt::{Claims, is_plain};

/// Makes a principal of what an identity provider says of somebody.
///
/// Claims are named as they are, such as `groups` or `https://example.com/groups`, or by a
/// [JSON pointer](https://www.rfc-editor.org/rfc/rfc6901), such as `/realm_access/roles`.
///
/// The subject of the principal is the issuer and the subject of the token, since two issuers may
/// have the same subjects: `https://idp.example.com#alice`.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::token::ClaimMapping;
///
/// let mapping = ClaimMapping::new()
///     .with_groups("/realm_access/roles")
///     .with_team("platform-engineers", "platform")
///     .with_role("gateway-admins", "admin");
/// # let _ = mapping;
/// ```
#[derive(Clone, Debug)]
pub struct ClaimMapping {
    groups: Option<String>,
    names: Vec<String>,
    roles: HashMap<String, Vec<Arc<str>>>,
    subject: String,
    teams: HashMap<String, Vec<Arc<str>>>,
}

impl ClaimMapping {
    /// Takes the subject from `sub`, and the name from `name`, `preferred_username` or `email`.
    #[must_use]
    pub fn new() -> Self {
        Self {
            groups: None,
            names: ["name", "preferred_username", "email"]
                .map(str::to_owned)
                .to_vec(),
            roles: HashMap::new(),
            subject: "sub".to_owned(),
            teams: HashMap::new(),
        }
    }

    /// Takes groups from `claim`, a list of names or one name. Those for which there is no team or
    /// role mean nothing.
    #[must_use]
    pub fn with_groups(mut self, claim: impl Into<String>) -> Self {
        self.groups = Some(claim.into());
        self
    }

    /// Takes the name from `claim`.
    #[must_use]
    pub fn with_name(mut self, claim: impl Into<String>) -> Self {
        self.names = vec![claim.into()];
        self
    }

    /// Members of `group` have `role`.
    #[must_use]
    pub fn with_role(mut self, group: impl Into<String>, role: impl Into<Arc<str>>) -> Self {
        self.roles
            .entry(group.into())
            .or_default()
            .push(role.into());
        self
    }

    /// Takes the subject from `claim`, which should be one that is never given to somebody else
    /// later. `email` is taken only where the issuer says that it was verified.
    #[must_use]
    pub fn with_subject(mut self, claim: impl Into<String>) -> Self {
        self.subject = claim.into();
        self
    }

    /// Members of `group` belong to `team`.
    #[must_use]
    pub fn with_team(mut self, group: impl Into<String>, team: impl Into<Arc<str>>) -> Self {
        self.teams
            .entry(group.into())
            .or_default()
            .push(team.into());
        self
    }

    /// The principal of `claims`, if they have a subject.
    pub(super) fn principal(&self, issuer: &str, claims: &Claims) -> Option<Principal> {
        let subject = self.subject(claims)?;
        let mut principal = Principal::new(unique(issuer, subject));
        if let Some(name) = self.names.iter().find_map(|name| text(claims, name)) {
            principal = principal.with_name(name);
        }
        let azp = claims.extra.get("azp").and_then(Value::as_str);
        let client = claims.client_id.as_deref().or(azp);
        if let Some(client) = client.filter(|client| is_plain(client, MAX_TEXT)) {
            principal = principal.with_client(client);
        }
        for scope in claims.scopes() {
            principal = principal.with_scope(scope);
        }
        for group in self.groups(claims) {
            for role in self.roles.get(group).into_iter().flatten() {
                if !principal.roles().contains(role) {
                    principal = principal.with_role(Arc::clone(role));
                }
            }
            for team in self.teams.get(group).into_iter().flatten() {
                if !principal.teams().contains(team) {
                    principal = principal.with_team(Arc::clone(team));
                }
            }
        }
        Some(principal)
    }

    fn subject<'a>(&self, claims: &'a Claims) -> Option<&'a str> {
        match self.subject.as_str() {
            "sub" => claims.sub.as_deref(),
            "email" if claims.extra.get("email_verified") != Some(&Value::Bool(true)) => None,
            claim => text(claims, claim),
        }
    }

    fn groups<'a>(&self, claims: &'a Claims) -> impl Iterator<Item = &'a str> {
        let value = self.groups.as_ref().and_then(|claim| find(claims, claim));
        let list = value.and_then(Value::as_array).into_iter().flatten();
        let one = value.filter(|value| value.is_string());
        list.chain(one).take(MAX_GROUPS).filter_map(Value::as_str)
    }
}

impl Default for ClaimMapping {
    fn default() -> Self {
        Self::new()
    }
}

/// The pair of both, of which no two pairs have the same.
fn unique(issuer: &str, subject: &str) -> String {
    let issuer = issuer.replace('%', "%25").replace('#', "%23");
    format!("{issuer}#{subject}")
}

fn find<'a>(claims: &'a Claims, claim: &str) -> Option<&'a Value> {
    match claim.strip_prefix('/') {
        None => claims.extra.get(claim),
        Some(path) => {
            let (first, rest) = path.split_once('/').unwrap_or((path, ""));
            let first = first.replace("~1", "/").replace("~0", "~");
            let value = claims.extra.get(&first)?;
            match rest {
                "" => Some(value),
                rest => value.pointer(&format!("/{rest}")),
            }
        }
    }
}

fn text<'a>(claims: &'a Claims, claim: &str) -> Option<&'a str> {
    let text = find(claims, claim)?.as_str()?;
    is_plain(text, MAX_TEXT).then_some(text)
}

/// How many groups of somebody are looked at.
const MAX_GROUPS: usize = 1000;

const MAX_TEXT: usize = 255;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn claims(value: &Value) -> Claims {
        Claims::parse(value.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_principal_has_what_the_claims_say() {
        let mapping = ClaimMapping::new()
            .with_groups("/realm_access/roles")
            .with_team("devs", "platform")
            .with_team("ops", "platform")
            .with_team("ops", "operations")
            .with_role("ops", "admin");
        let claims = claims(&json!({
            "sub": "1", "name": "Alice", "azp": "editor", "scope": "mcp:read mcp:write",
            "realm_access": {"roles": ["devs", "ops", "others", 7]},
        }));
        let principal = mapping.principal("https://idp", &claims).unwrap();
        assert_eq!(principal.subject(), "https://idp#1");
        assert_eq!(principal.name(), Some("Alice"));
        assert_eq!(principal.client(), Some("editor"));
        assert_eq!(principal.scopes(), ["mcp:read".into(), "mcp:write".into()]);
        assert_eq!(principal.teams(), ["platform".into(), "operations".into()]);
        assert_eq!(principal.roles(), ["admin".into()]);
    }

    #[test]
    fn groups_are_found_by_name_and_by_pointer() {
        let table = [
            ("groups", json!({"groups": ["devs"]}), true),
            ("groups", json!({"groups": "devs"}), true),
            ("groups", json!({"groups": {"devs": 1}}), false),
            (
                "https://a.example/g",
                json!({"https://a.example/g": ["devs"]}),
                true,
            ),
            ("/a~1b/c", json!({"a/b": {"c": ["devs"]}}), true),
            ("/a/c", json!({"a": {"b": ["devs"]}}), false),
        ];
        for (claim, extra, expected) in table {
            let mapping = ClaimMapping::new()
                .with_groups(claim)
                .with_team("devs", "team");
            let mut claims = claims(&extra);
            claims.sub = Some("1".to_owned());
            let principal = mapping.principal("i", &claims).unwrap();
            assert_eq!(!principal.teams().is_empty(), expected, "{claim} {extra}");
        }
    }

    #[test]
    fn an_address_that_was_not_verified_is_nobody() {
        let mapping = ClaimMapping::new().with_subject("email");
        for verified in [json!(null), json!(false), json!("true"), json!(1)] {
            let claims = claims(&json!({"email": "a@b.c", "email_verified": verified}));
            assert_eq!(mapping.principal("i", &claims), None, "{verified}");
        }
        let claims = claims(&json!({"email": "a@b.c", "email_verified": true}));
        assert_eq!(
            mapping.principal("i", &claims).unwrap().subject(),
            "i#a@b.c"
        );
    }

    proptest! {
        #[test]
        fn j32_no_two_pairs_of_issuer_and_subject_are_the_same_principal(
            a in "[a#%2]{0,4}", b in "[a#%2]{0,4}", c in "[a#%2]{0,4}", d in "[a#%2]{0,4}",
        ) {
            prop_assert_eq!(unique(&a, &b) == unique(&c, &d), (a, b) == (c, d));
        }
    }
}
