//! Tables of cases for a policy: calls, and their expected effects.
//!
//! | Key | Type |
//! |---|---|
//! | `cases` | list of cases |
//!
//! Of a case:
//!
//! | Key | Type |
//! |---|---|
//! | `name` | string, required |
//! | `tool` | `SERVER/TOOL`, required |
//! | `expect` | `allow`, `approve` or `deny`, required |
//! | `rule` | name of the rule that decides |
//! | `gateway` | name of the gateway |
//! | `caller` | map with `subject`, `client`, `teams`, `roles` and `scopes` |
//! | `arguments` | map |
//! | `annotations` | map, as in a rule; without it, the tool is not listed |
//! | `untrusted` | boolean: the context is untrusted |

use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::policy::Decision;
use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
use mcp_gateway_core::route::{Feature, Target};
use mcp_gateway_core::{Caller, ClientInfo};
use mcp_gateway_policy::{Explanation, Finding, Rules, SampleCall};

use crate::document::{DiagnosticSink, Diagnostics, Field, FromField, NoEnvironment, yaml};
use crate::file::policy::annotations;

/// A call, and what a policy is expected to decide about it.
///
/// # Example
///
/// ```
/// use mcp_gateway_config::policy_cases::PolicyCase;
/// use mcp_gateway_policy::{Effect, Rule, Rules};
///
/// let text = "cases: [{ name: no deletion, tool: files/delete_all, expect: deny }]";
/// let cases = PolicyCase::read_all(text).unwrap();
/// let rules = Rules::new([Rule::new("r", Effect::Deny { reason: None }).with_tools(["delete_*"])]);
/// assert_eq!(cases[0].mismatch(&rules), None);
/// assert!(cases[0].mismatch(&Rules::new([])).is_some());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PolicyCase {
    /// Name of the case.
    pub name: String,
    /// Call that is decided about.
    pub call: SampleCall,
    /// Name of its gateway.
    gateway: String,
    /// Expected decision.
    pub expected: ExpectedDecision,
    /// Rule that is expected to decide.
    pub rule: Option<String>,
}

/// Decision that a case expects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ExpectedDecision {
    /// The call is permitted.
    Allow,
    /// The call requires approval.
    Approve,
    /// The call is rejected.
    Deny,
}

impl PolicyCase {
    /// Reads a table of cases.
    ///
    /// # Errors
    ///
    /// All diagnostics if `text` is invalid.
    pub fn read_all(text: &str) -> Result<Vec<Self>, Diagnostics> {
        let report = DiagnosticSink::new(&NoEnvironment);
        let node = yaml::parse(text, &report);
        let cases = node.and_then(|node| {
            let mut table = report.root(&node).table()?;
            let cases = table.required("cases", Field::read);
            table.finish();
            cases
        });
        let problems = report.into_diagnostics();
        match cases {
            Some(cases) if !problems.has_errors() => Ok(cases),
            Some(_) | None => Err(problems),
        }
    }

    /// Returns the decision of `rules` about the case, and how they come to it.
    pub fn explain(&self, rules: &Rules) -> Explanation {
        self.call.explain(rules, &self.gateway)
    }

    /// Returns what `rules` decide otherwise than expected, or `None` if they decide as expected.
    #[must_use]
    pub fn mismatch(&self, rules: &Rules) -> Option<String> {
        let explanation = self.explain(rules);
        let decided = match &explanation.decision {
            Decision::Allow => ExpectedDecision::Allow,
            Decision::Ask { .. } => ExpectedDecision::Approve,
            _ => ExpectedDecision::Deny,
        };
        let last = explanation.steps.last();
        let decisive =
            last.filter(|step| matches!(step.finding, Finding::Decided | Finding::Failed(_)));
        let rule = decisive.map_or("the default", |step| &step.rule);
        if decided != self.expected {
            let failure = match decisive.map(|step| step.finding) {
                Some(Finding::Failed(error)) => format!(", because {error}"),
                _ => String::new(),
            };
            let (expected, decided) = (self.expected.as_str(), decided.as_str());
            return Some(format!(
                "expected {expected}, but {rule} decides {decided}{failure}"
            ));
        }
        let expected = self.rule.as_deref().filter(|expected| *expected != rule)?;
        Some(format!(
            "expected the rule {expected:?}, but {rule} decides"
        ))
    }
}

impl ExpectedDecision {
    /// Returns the name in a file.
    fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Approve => "approve",
            Self::Deny => "deny",
        }
    }
}

impl FromField for PolicyCase {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let name: Option<String> = table.required("name", Field::read);
        let target = table.required("tool", target);
        let choices = [
            ("allow", ExpectedDecision::Allow),
            ("approve", ExpectedDecision::Approve),
            ("deny", ExpectedDecision::Deny),
        ];
        let expected = table.required("expect", |field| field.choice(&choices));
        let rule = table.get("rule");
        let gateway: String = table.get("gateway").unwrap_or_default();
        let caller = table.field("caller");
        let principal = caller.and_then(|field| principal(&field));
        let arguments = table.field("arguments");
        let arguments = arguments.map_or_else(|| "{}".to_owned(), |field| field.json().to_string());
        let hints = table.get_with("annotations", annotations);
        let is_untrusted: bool = table.get("untrusted").unwrap_or_default();
        table.finish();
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        let principal = principal.unwrap_or_else(|| Principal::new("somebody"));
        let caller = Caller::new(principal, gateway.as_str(), client);
        let call = SampleCall::new(caller, target?, arguments).with_untrusted(is_untrusted);
        Some(Self {
            name: name?,
            call: match hints {
                Some(hints) => call.with_hints(&hints),
                None => call,
            },
            gateway,
            expected: expected?,
            rule,
        })
    }
}

/// Reads a tool of a server.
fn target(field: &Field<'_>) -> Option<Target> {
    field.parse("a tool", |text| match text.split_once('/') {
        Some((server, tool)) if !server.is_empty() && !tool.is_empty() => {
            Ok(Target::new(server, Feature::Tool(tool.into())))
        }
        _ => Err("expected SERVER/TOOL".to_owned()),
    })
}

/// Reads a caller.
fn principal(field: &Field<'_>) -> Option<Principal> {
    let mut table = field.table()?;
    let subject: Option<String> = table.get("subject");
    let client: Option<String> = table.get("client");
    let mut list = |key| -> Vec<String> { table.get(key).unwrap_or_default() };
    let (teams, roles, scopes) = (list("teams"), list("roles"), list("scopes"));
    table.finish();
    let mut principal = Principal::new(subject.unwrap_or_else(|| "somebody".to_owned()));
    if let Some(client) = client {
        principal = principal.with_client(client);
    }
    principal = teams.into_iter().fold(principal, Principal::with_team);
    principal = roles.into_iter().fold(principal, Principal::with_role);
    Some(scopes.into_iter().fold(principal, Principal::with_scope))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Config;

    const POLICY: &str = "
policy:
  rules:
    - { name: readers, effect: allow, annotations: { readOnly: true } }
    - name: small refunds
      effect: allow
      servers: [billing]
      teams: [support]
      when: arguments.amount <= 100 && arguments.currency in ['EUR', 'USD']
    - { name: refunds, effect: approve, servers: [billing], tools: [refund_*] }
    - { name: rest, effect: deny, servers: [billing], reason: ask the finance team }
";

    const CASES: &str = "
cases:
  - { name: a, tool: billing/list, annotations: { readOnly: true }, expect: allow, rule: readers }
  - name: b
    tool: billing/refund_order
    annotations: {}
    caller: { subject: alice, teams: [support] }
    arguments: { amount: 99.5, currency: EUR }
    expect: allow
    rule: small refunds
  - name: c
    tool: billing/refund_order
    annotations: {}
    caller: { teams: [support] }
    arguments: { amount: 101, currency: EUR }
    expect: approve
  - { name: d, tool: billing/drop, annotations: {}, expect: deny, rule: rest }
  - { name: not listed, tool: billing/drop, expect: deny, rule: readers }
";

    #[test]
    fn cases_tell_what_a_policy_decides() {
        let (config, _) = Config::read_from(POLICY, &NoEnvironment).unwrap();
        let rules = config.platform.dynamic.policy.rules().unwrap();
        let mut cases = PolicyCase::read_all(CASES).unwrap();
        for case in &cases {
            assert_eq!(case.mismatch(&rules), None, "{}", case.name);
        }
        cases[0].rule = Some("rest".to_owned());
        let mismatch = cases[0].mismatch(&rules).unwrap();
        assert_eq!(mismatch, "expected the rule \"rest\", but readers decides");
        cases[4].expected = ExpectedDecision::Allow;
        let mismatch = cases[4].mismatch(&rules).unwrap();
        let expected =
            "expected allow, but readers decides deny, because the tool has not been listed";
        assert_eq!(mismatch, expected);
    }

    #[test]
    fn mistakes_of_cases_are_found() {
        let text = "cases: [{ name: a, tool: x, expect: maybe, caller: { team: [b] } }]";
        let problems = PolicyCase::read_all(text).unwrap_err();
        let lines: Vec<_> = problems.lines("cases.yaml").collect();
        assert_eq!(lines.len(), 3, "{lines:?}");
    }
}
