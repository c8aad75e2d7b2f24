//! Mapping of claims to principals: subject, name, groups, teams and roles.

use std::collections::HashMap;
use std::sync::Arc;

use mcp_gateway_core::auth::Principal;
use serde_json::Value;

use crate::jose::{Claims, is_plain};

/// Maps the claims of an identity provider to a principal.
///
/// Claims are selected by name, such as `groups` or `https://example.com/groups`, or by a [JSON
/// pointer](https://www.rfc-editor.org/rfc/rfc6901), such as `/realm_access/roles`.
///
/// The subject of the principal contains the issuer and the subject of the token, because two
/// issuers may use the same subjects: `https://idp.example.com#alice`.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_auth::Clock;
/// use mcp_gateway_auth::jose::{Algorithm, Validation, JwkSet, KeySet, SigningKey};
/// use mcp_gateway_auth::token::{ClaimMapping, ExternalIssuers, Issuer, TokenVerifier};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mapping = ClaimMapping::new()
///     .with_groups("/realm_access/roles")
///     .with_team("platform-engineers", "platform")
///     .with_role("gateway-admins", "admin");
///
/// let key = SigningKey::generate(Algorithm::Es256)?;
/// let keys = KeySet::from(&JwkSet::new([key.public().clone()]));
/// let expectation = Validation::new("https://idp.example.com", "https://gw.example.com/mcp");
/// let issuers = ExternalIssuers::new([Issuer::new(expectation, keys).with_mapping(mapping)]);
/// let token = key.sign("at+jwt", &json!({
///     "iss": "https://idp.example.com",
///     "aud": "https://gw.example.com/mcp",
///     "sub": "alice",
///     "exp": Clock::system().now() + 60,
///     "realm_access": {"roles": ["platform-engineers", "offline_access"]},
/// }))?;
/// let verified = issuers.verify_token(&token).await?.expect("a token of this issuer");
/// assert_eq!(verified.principal().teams(), [Arc::from("platform")]);
/// assert!(verified.principal().roles().is_empty());
/// # Ok(())
/// # }
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
    /// Maps `sub` to the subject, and `name`, `preferred_username` or `email` to the name.
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

    /// Reads groups from `claim`: an array of strings, or one string. Groups without a team or role
    /// are ignored, and so are all beyond the first 1,000.
    #[must_use]
    pub fn with_groups(mut self, claim: impl Into<String>) -> Self {
        self.groups = Some(claim.into());
        self
    }

    /// Reads the name from `claim`.
    #[must_use]
    pub fn with_name(mut self, claim: impl Into<String>) -> Self {
        self.names = vec![claim.into()];
        self
    }

    /// Maps the group `group` to `role`.
    #[must_use]
    pub fn with_role(mut self, group: impl Into<String>, role: impl Into<Arc<str>>) -> Self {
        self.roles
            .entry(group.into())
            .or_default()
            .push(role.into());
        self
    }

    /// Reads the subject from `claim`. Use a claim that the provider never reassigns. `email` is
    /// accepted only if `email_verified` is `true`.
    #[must_use]
    pub fn with_subject(mut self, claim: impl Into<String>) -> Self {
        self.subject = claim.into();
        self
    }

    /// Maps the group `group` to `team`.
    #[must_use]
    pub fn with_team(mut self, group: impl Into<String>, team: impl Into<Arc<str>>) -> Self {
        self.teams
            .entry(group.into())
            .or_default()
            .push(team.into());
        self
    }

    /// Returns the principal of `claims`, or `None` if they have no subject.
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

    /// Returns the claim for the subject.
    fn subject<'a>(&self, claims: &'a Claims) -> Option<&'a str> {
        match self.subject.as_str() {
            "sub" => claims.sub.as_deref(),
            "email" if claims.extra.get("email_verified") != Some(&Value::Bool(true)) => None,
            claim => text(claims, claim),
        }
    }

    /// Returns the groups of the claims.
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

/// Joins issuer and subject. Escaping makes the result unique for each pair.
fn unique(issuer: &str, subject: &str) -> String {
    let issuer = issuer.replace('%', "%25").replace('#', "%23");
    format!("{issuer}#{subject}")
}

/// Returns the claim with this name or at this JSON pointer.
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

/// Returns the claim if it is a string of bounded length without control characters.
fn text<'a>(claims: &'a Claims, claim: &str) -> Option<&'a str> {
    let text = find(claims, claim)?.as_str()?;
    is_plain(text, MAX_TEXT).then_some(text)
}

/// Maximum number of groups that are mapped.
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
