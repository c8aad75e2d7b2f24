//! `/policy/test`.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AdminApi;
use super::access::Admin;
use super::extract::Body;
use super::problem::{ApiError, Problem};
use crate::policy::{PolicyCall, PolicyExplanation};

/// Table of cases.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyTest {
    /// Cases.
    #[schema(max_items = 500)]
    cases: Vec<PolicyCase>,
}

/// Call, and the decision that is expected.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyCase {
    /// Name of the case.
    name: String,
    /// Call.
    call: PolicyCall,
    /// Expected decision.
    expect: ExpectedEffect,
    /// Rule that is expected to decide.
    rule: Option<String>,
}

/// Expected decision.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ExpectedEffect {
    /// The call is permitted.
    Allow,
    /// The call requires approval.
    Approve,
    /// The call is rejected.
    Deny,
}

/// Result of a table of cases.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PolicyTestResult {
    /// Number of cases that are decided as expected.
    passed: usize,
    /// Cases that are decided otherwise.
    failures: Vec<PolicyFailure>,
}

/// Case that is decided otherwise than expected.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PolicyFailure {
    /// Name of the case.
    name: String,
    /// Decision.
    explanation: PolicyExplanation,
}

impl PolicyCase {
    /// Returns `true` if `decided` is what the case expects.
    fn accepts(&self, decided: &PolicyExplanation) -> bool {
        let expected = match self.expect {
            ExpectedEffect::Allow => "allow",
            ExpectedEffect::Approve => "approve",
            ExpectedEffect::Deny => "deny",
        };
        let is_rule = self.rule.is_none() || self.rule == decided.rule;
        is_rule && decided.effect == expected
    }
}

/// Decides calls that are not made, and returns those that are decided otherwise than expected.
#[utoipa::path(
    post, path = "/policy/test", tag = "policy", operation_id = "testPolicy", request_body = PolicyTest,
    responses((status = 200, body = PolicyTestResult), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn test(
    State(api): State<AdminApi>,
    _: Admin,
    Body(table): Body<PolicyTest>,
) -> Result<Json<PolicyTestResult>, ApiError> {
    let policy = api.policy()?;
    if table.cases.len() > MAX_CASES {
        let message = format!("expected up to {MAX_CASES} cases");
        return Err(ApiError::invalid("cases", message));
    }
    let mut failures = Vec::new();
    let total = table.cases.len();
    for case in table.cases {
        let explanation = policy.explain(&case.call)?;
        if !case.accepts(&explanation) {
            let name = case.name;
            failures.push(PolicyFailure { name, explanation });
        }
    }
    Ok(Json(PolicyTestResult {
        passed: total - failures.len(),
        failures,
    }))
}

/// Maximum number of cases in a table.
const MAX_CASES: usize = 500;
