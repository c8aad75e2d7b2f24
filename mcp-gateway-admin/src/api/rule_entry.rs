//! Entries of rules.

use aws_lc_rs::digest::{SHA256, digest};
use mcp_gateway_audit::Change;
use mcp_gateway_store::Attachment;
use serde_json::Value;

use super::AdminApi;
use super::access::Admin;
use super::problem::ApiError;
use crate::Violation;

/// Entry of a rule: the keys of an entry of `policy.rules` in a configuration file.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it documents the entry, which others read")]
pub(super) struct RuleEntry {
    /// Name in logs and explanations.
    #[schema(
        pattern = "^[^\\s\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$",
        max_length = 256
    )]
    name: String,
    /// `allow`, `approve` or `deny`.
    #[schema(pattern = "^(allow|approve|deny)$")]
    effect: String,
    /// Text that the client receives when the rule rejects a call.
    reason: Option<String>,
    /// `roles` and `teams` of those who decide, with the effect `approve`. Otherwise the caller confirms.
    approvers: Option<std::collections::BTreeMap<String, Vec<String>>>,
    /// Time for a decision, such as `10m`, with the effect `approve`.
    timeout: Option<String>,
    /// Time for which an approval holds, with the effect `approve`. Otherwise it is for one call.
    #[schema(rename = "validFor")]
    valid_for: Option<String>,
    /// Set if the effect is only logged.
    #[schema(rename = "dryRun")]
    dry_run: Option<bool>,
    /// Patterns of names of gateways.
    gateways: Option<Vec<String>>,
    /// Patterns of names of servers.
    servers: Option<Vec<String>>,
    /// Patterns of tools, by the names that the servers use.
    tools: Option<Vec<String>>,
    /// Patterns of identifiers of OAuth clients.
    clients: Option<Vec<String>>,
    /// Teams, of which a caller must have one.
    teams: Option<Vec<String>>,
    /// Roles, of which a caller must have one.
    roles: Option<Vec<String>>,
    /// Annotations of tools: `readOnly`, `destructive`, `idempotent`, `openWorld`.
    annotations: Option<std::collections::BTreeMap<String, bool>>,
    /// Condition in CEL.
    when: Option<String>,
}

/// Rejects numbers and booleans as texts, which configuration files accept.
pub(super) fn check_texts(entry: &Value) -> Result<(), ApiError> {
    let is_text = |value: &Value| value.is_null() || value.is_string();
    let mut violations = Vec::new();
    for key in TEXTS {
        if !is_text(&entry[key]) {
            violations.push(Violation::new(key, "expected a string"));
        }
    }
    for key in LISTS {
        let items = entry[key].as_array().into_iter().flatten();
        let mistakes = items.enumerate().filter(|(_, item)| !item.is_string());
        let mistakes = mistakes.map(|(at, _)| format!("{key}[{at}]"));
        violations.extend(mistakes.map(|path| Violation::new(&path, "expected a string")));
    }
    match violations.is_empty() {
        true => Ok(()),
        false => Err(ApiError::Invalid(violations)),
    }
}

/// Returns the record of an action on a rule or an order, with the digests before and after it.
pub(super) fn record(
    api: &AdminApi,
    admin: &Admin,
    (action, kind): (&'static str, &'static str),
    (before, after): (Option<&Value>, Option<&Value>),
) -> Attachment {
    let entries = [("before", before), ("after", after)].into_iter();
    let digests = entries.filter_map(|(when, entry)| Some(format!("{when}: {}", hash(entry?))));
    let digests: Vec<_> = digests.collect();
    api.trail().attachment(&admin.actor(), move |name| {
        let change = Change::new(action, format!("{kind}/{name}"));
        digests.iter().fold(change, Change::with_field)
    })
}

/// Returns the digest of `entry`, whose members are ordered by their keys.
fn hash(entry: &Value) -> String {
    let digest = digest(&SHA256, entry.to_string().as_bytes());
    let bytes = digest.as_ref().iter();
    let hex: String = bytes.map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Keys with a text.
const TEXTS: [&str; 6] = ["name", "effect", "reason", "timeout", "validFor", "when"];

/// Keys with a list of texts.
const LISTS: [&str; 6] = ["gateways", "servers", "tools", "clients", "teams", "roles"];
