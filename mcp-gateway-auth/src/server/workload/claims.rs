//! Lookup and comparison of claims of workloads.

use std::borrow::Cow;

use mcp_gateway_core::glob;
use serde_json::Value;

/// Returns the claim with the name `wanted`, or at this JSON pointer.
pub(super) fn claim<'a>(claims: &'a Value, wanted: &str) -> Option<&'a Value> {
    match wanted.starts_with('/') {
        true => claims.pointer(wanted),
        false => claims.get(wanted),
    }
}

/// Returns the text of a scalar.
pub(super) fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.into()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string().into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Condition for a claim: it matches one of the patterns.
///
/// A pattern is a text in which `*` stands for any characters. Of an array, one item must match.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ClaimCondition {
    pub(super) claim: String,
    pub(super) patterns: Vec<String>,
}

impl ClaimCondition {
    /// Returns `true` if `claims` meet the condition.
    pub(super) fn is_met(&self, claims: &Value) -> bool {
        let matches = |value: &Value| {
            let text = text(value);
            let mut patterns = self.patterns.iter();
            text.is_some_and(|text| patterns.any(|pattern| glob::matches(pattern, &text)))
        };
        match claim(claims, &self.claim) {
            Some(Value::Array(items)) => items.iter().any(matches),
            Some(value) => matches(value),
            None => false,
        }
    }

    /// Returns `true` if some claims meet both conditions, unless the claim is an array.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.claim != other.claim
            || self.patterns.iter().any(|one| {
                let mut others = other.patterns.iter();
                others.any(|other| glob::overlap(one, other))
            })
    }
}
