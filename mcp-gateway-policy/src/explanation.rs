//! Explanations of decisions.

use std::fmt;
use std::sync::Arc;

use mcp_gateway_core::policy::Decision;

use crate::condition::EvaluationError;

/// A decision, and the results of the rules that led to it.
///
/// Returned by [`Rules::explain`](crate::Rules::explain).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// Decision.
    pub decision: Decision,
    /// Results of the rules that name the target, up to the one that decides.
    pub steps: Vec<Step>,
}

/// Result of one rule.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// Name of the rule.
    pub rule: Arc<str>,
    /// Result.
    pub finding: Finding,
}

/// Result of a rule that names the target of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Finding {
    /// The rule decides.
    Decided,
    /// The rule would decide if it did not only log its effect.
    DryRun,
    /// The rule is for callers with other teams, roles or clients.
    OtherCallers,
    /// The rule is for tools with other annotations.
    OtherAnnotations,
    /// The rule is for a context of another trust.
    OtherTrust,
    /// The condition is false.
    ConditionFalse,
    /// The condition depends on arguments, which an entry of a list does not have.
    DependsOnArguments,
    /// The rule fails to evaluate.
    Failed(EvaluationError),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decided => f.write_str("decides"),
            Self::DryRun => f.write_str("applies, but only logs"),
            Self::OtherCallers => f.write_str("is for other callers"),
            Self::OtherAnnotations => f.write_str("is for tools with other annotations"),
            Self::OtherTrust => f.write_str("is for contexts of another trust"),
            Self::ConditionFalse => f.write_str("has a condition that is false"),
            Self::DependsOnArguments => f.write_str("depends on arguments"),
            Self::Failed(error) => write!(f, "fails: {error}"),
        }
    }
}
