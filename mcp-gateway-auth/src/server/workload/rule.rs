//! Rules by which workloads are admitted.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::claims::ClaimCondition;
use super::template::WorkloadName;
use crate::UserInfo;

/// Rule by which the workloads of an issuer are admitted: conditions for their claims, and the
/// principal that they become.
///
/// The subject of the principal is `workload:RULE:NAME`, so that workloads of two rules are never
/// the same principal, and none is a user.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::server::WorkloadRule;
/// use serde_json::json;
///
/// let deploy = WorkloadRule::new("deploy")
///     .with_claim("repository", ["acme/app".into()])
///     .with_claim("ref", ["refs/heads/main".into(), "refs/tags/v*".into()])
///     .with_name("${repository}".parse().unwrap())
///     .with_teams(["ops".into()]);
/// let tag = json!({ "sub": "1", "repository": "acme/app", "ref": "refs/tags/v1" });
/// assert!(deploy.admits(&tag));
/// assert_eq!(&*deploy.principal(&tag).unwrap().id, "workload:deploy:acme/app");
/// assert!(!deploy.admits(&json!({ "sub": "1", "repository": "acme/app" })));
/// // A rule without conditions admits nobody.
/// assert!(!WorkloadRule::new("nobody").admits(&tag));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WorkloadRule {
    name: Arc<str>,
    conditions: Vec<ClaimCondition>,
    workload: WorkloadName,
    teams: Vec<Arc<str>>,
    roles: Vec<Arc<str>>,
    client: Option<String>,
    pub(super) lifetime: Option<Duration>,
    resources: Option<Vec<Url>>,
}

impl WorkloadRule {
    /// Creates the rule `name`, which admits nobody yet. A workload is named after its subject.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            conditions: Vec::new(),
            workload: WorkloadName::default(),
            teams: Vec::new(),
            roles: Vec::new(),
            client: None,
            lifetime: None,
            resources: None,
        }
    }

    /// Requires that `claim` matches one of `patterns`, in which `*` stands for any characters.
    ///
    /// A claim is selected by its name or by a JSON pointer. Numbers and booleans are compared as
    /// text. Of an array, one item must match.
    #[must_use]
    pub fn with_claim(
        mut self,
        claim: impl Into<String>,
        patterns: impl IntoIterator<Item = String>,
    ) -> Self {
        self.conditions.push(ClaimCondition {
            claim: claim.into(),
            patterns: patterns.into_iter().collect(),
        });
        self
    }

    /// Requires that the OAuth client `id` presents the assertion, and has authenticated.
    #[must_use]
    pub fn with_client(mut self, id: impl Into<String>) -> Self {
        self.client = Some(id.into());
        self
    }

    /// Limits the lifetime of the access tokens. That of the server and that of the assertion limit
    /// it too.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Replaces the names of the workloads.
    #[must_use]
    pub fn with_name(mut self, name: WorkloadName) -> Self {
        self.workload = name;
        self
    }

    /// Restricts the tokens to the resources at `uris`; otherwise they are those that the teams and
    /// roles may use.
    #[must_use]
    pub fn with_resources(mut self, uris: impl IntoIterator<Item = Url>) -> Self {
        self.resources = Some(uris.into_iter().collect());
        self
    }

    /// Gives the principals `roles`.
    #[must_use]
    pub fn with_roles(mut self, roles: impl IntoIterator<Item = Arc<str>>) -> Self {
        self.roles.extend(roles);
        self
    }

    /// Makes the principals members of `teams`.
    #[must_use]
    pub fn with_teams(mut self, teams: impl IntoIterator<Item = Arc<str>>) -> Self {
        self.teams.extend(teams);
        self
    }

    /// Returns `true` if `claims` meet all conditions, and there are any.
    #[must_use]
    pub fn admits(&self, claims: &Value) -> bool {
        !self.conditions.is_empty() && self.conditions.iter().all(|one| one.is_met(claims))
    }

    /// Returns `true` if some claims could meet the conditions of both rules, so that the principal
    /// would be ambiguous.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let is_same_client = match (&self.client, &other.client) {
            (Some(one), Some(other)) => one == other,
            (None, _) | (_, None) => true,
        };
        let mut conditions = self.conditions.iter();
        is_same_client
            && conditions.all(|one| other.conditions.iter().all(|other| one.overlaps(other)))
    }

    /// Returns the principal of the workload with `claims`; `None` if a claim of its name is
    /// missing.
    #[must_use]
    pub fn principal(&self, claims: &Value) -> Option<UserInfo> {
        let name = self.workload.of(claims)?;
        let mut principal = UserInfo::new(format!("{SUBJECT}{}:{name}", self.name), name);
        principal.teams.clone_from(&self.teams);
        principal.roles.clone_from(&self.roles);
        Some(principal)
    }

    /// Returns the name of the rule.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the OAuth client that must present the assertion, if one must.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// Returns `true` if the tokens may be for the resources at `uris`.
    pub(in crate::server) fn allows(&self, uris: &[String]) -> bool {
        let Some(allowed) = &self.resources else {
            return true;
        };
        let mut uris = uris.iter();
        uris.all(|uri| allowed.iter().any(|allowed| allowed.as_str() == uri))
    }
}

/// Beginning of the subjects of workloads, which no user has.
pub(in crate::server) const SUBJECT: &str = "workload:";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    type Conditions<'a> = &'a [(&'a str, &'a [&'a str])];

    fn rule(conditions: Conditions<'_>) -> WorkloadRule {
        let rule = WorkloadRule::new("rule");
        conditions.iter().fold(rule, |rule, (claim, patterns)| {
            rule.with_claim(*claim, patterns.iter().map(|one| (*one).to_owned()))
        })
    }

    #[test]
    fn all_conditions_must_be_met() {
        let nested = json!({ "kubernetes.io": { "namespace": "prod" } });
        let table: [(Conditions<'_>, Value, bool); 10] = [
            (&[("a", &["x"])], json!({ "a": "x" }), true),
            (&[("a", &["x"])], json!({ "a": "xy" }), false),
            (&[("a", &["x", "y*"])], json!({ "a": "yz" }), true),
            (&[("a", &["x"]), ("b", &["y"])], json!({ "a": "x" }), false),
            (&[("a", &["7"])], json!({ "a": 7 }), true),
            (&[("a", &["true"])], json!({ "a": true }), true),
            (&[("a", &["x"])], json!({ "a": ["y", "x"] }), true),
            (&[("a", &["*"])], json!({ "a": null }), false),
            (&[("a", &["*"])], json!({ "a": {} }), false),
            (&[("/kubernetes.io/namespace", &["prod"])], nested, true),
        ];
        for (conditions, claims, expected) in table {
            assert_eq!(rule(conditions).admits(&claims), expected, "{claims}");
        }
    }

    #[test]
    fn rules_overlap_unless_a_common_claim_tells_them_apart() {
        let table: [(Conditions<'_>, Conditions<'_>, bool); 5] = [
            (&[("a", &["x"])], &[("a", &["x"])], true),
            (&[("a", &["x"])], &[("a", &["y"])], false),
            (&[("a", &["x"])], &[("b", &["y"])], true),
            (&[("a", &["x", "z*"])], &[("a", &["*1"])], true),
            (
                &[("a", &["x"]), ("b", &["1"])],
                &[("a", &["x"]), ("b", &["2"])],
                false,
            ),
        ];
        for (one, other, expected) in table {
            let (one, other) = (rule(one), rule(other));
            assert_eq!(one.overlaps(&other), expected, "{one:?} {other:?}");
            assert_eq!(other.overlaps(&one), expected);
        }
        let rule = rule(&[("a", &["x"])]);
        let one = rule.clone().with_client("one");
        assert!(!one.overlaps(&rule.clone().with_client("other")));
        assert!(one.overlaps(&rule));
    }
}
