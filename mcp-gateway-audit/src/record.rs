//! Records: events with their time and actor.

use std::fmt;
use std::time::{Duration, SystemTime};

use mcp_gateway_core::observe::CallReport;
use mcp_gateway_core::reply::CallOutcome;
use mcp_gateway_core::route::Feature;
use serde::{Deserialize, Serialize};

use crate::redaction::{redacted_uri, shortened};

/// A record of the audit log, one line of JSON.
///
/// # Example
///
/// ```
/// use mcp_gateway_audit::{Actor, AuditEvent, AuditRecord, Change};
///
/// let event = AuditEvent::Change(Change::new("token.revoke", "token/t-1"));
/// let record = AuditRecord::new(Actor::new("alice"), event);
/// let line = serde_json::to_string(&record).unwrap();
/// assert!(line.contains(r#""subject":"alice""#) && line.contains(r#""kind":"change""#));
/// assert_eq!(serde_json::from_str::<AuditRecord>(&line).unwrap(), record);
/// ```
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AuditRecord {
    /// Time of the event, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// Principal that caused the event.
    pub actor: Actor,
    /// The event.
    #[serde(flatten)]
    pub event: AuditEvent,
}

/// Principal of an event.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Actor {
    /// Subject of the principal.
    pub subject: String,
    /// OAuth client ID, if the principal used a token of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// Event of a record.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[non_exhaustive]
pub enum AuditEvent {
    /// A request to a server.
    Call(AuditedCall),
    /// An administrative change.
    Change(Change),
    /// Records that could not be kept.
    Gap(Gap),
}

/// A request to a server, and its outcome. Arguments and results are not recorded.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AuditedCall {
    /// Name of the gateway.
    pub gateway: String,
    /// Name of the server.
    pub server: String,
    /// Method of the request.
    pub method: String,
    /// Name of the tool, prompt or task, or redacted URI of the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Account whose credential was presented to the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Key of the client's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Outcome in one word.
    pub outcome: Outcome,
    /// JSON-RPC error code of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    /// Reason in one word if the gateway rejected the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Name of the limit that has rejected the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// Number of times that the request was sent again after a failed attempt.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: u32,
    /// Duration in milliseconds.
    pub duration_ms: u64,
    /// Size of the request in bytes.
    pub request_bytes: u64,
    /// Size of the server's messages in bytes.
    pub response_bytes: u64,
}

/// Outcome of a call.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Outcome {
    /// The client disconnected or cancelled before the end.
    Cancelled,
    /// The server responded with a JSON-RPC error.
    Error,
    /// There is no response of the server.
    Failed,
    /// The server responded with a result.
    Success,
    /// The server responded with a result whose `isError` is `true`.
    ToolError,
}

/// An administrative change.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// Action as `object.verb`, such as `token.revoke`.
    pub action: String,
    /// Object as `kind/identifier`, such as `user/ada`.
    pub object: String,
    /// Names of the changed fields. Values are not recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

/// Records that could not be kept, because the journal was full or could not be written.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Gap {
    /// Number of lost records.
    pub lost: u64,
}

impl AuditRecord {
    /// Creates a record of an event that happens now.
    #[must_use]
    pub fn new(actor: Actor, event: AuditEvent) -> Self {
        Self {
            time: milliseconds(SystemTime::now()),
            actor,
            event,
        }
    }

    /// Creates the record of a completed call.
    #[must_use]
    pub fn of_call(call: &CallReport<'_>) -> Self {
        let principal = call.principal;
        let actor = Actor {
            subject: principal.subject().to_owned(),
            client: principal.client().map(str::to_owned),
        };
        Self::new(actor, AuditEvent::Call(AuditedCall::of(call)))
    }
}

impl Actor {
    /// Creates the actor `subject`.
    #[must_use]
    pub fn new(subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            client: None,
        }
    }

    /// Returns the gateway itself.
    #[must_use]
    pub fn gateway() -> Self {
        Self::new("mcp-gateway")
    }
}

impl AuditedCall {
    fn of(call: &CallReport<'_>) -> Self {
        let (outcome, code) = Outcome::of(call.outcome);
        Self {
            gateway: call.gateway.to_owned(),
            server: call.server.to_owned(),
            method: shortened(call.method.as_str()),
            target: target(call.requested),
            account: call.account.map(str::to_owned),
            session: call.session.map(str::to_owned),
            outcome,
            code,
            reason: call.reason.map(str::to_owned),
            limit: call.limit.map(str::to_owned),
            retries: call.retries,
            duration_ms: u64::try_from(call.duration.as_millis()).unwrap_or(u64::MAX),
            request_bytes: call.request_bytes,
            response_bytes: call.response_bytes,
        }
    }
}

impl Outcome {
    /// Returns the outcome, and the code of an error.
    fn of(outcome: CallOutcome) -> (Self, Option<i64>) {
        match outcome {
            CallOutcome::Cancelled => (Self::Cancelled, None),
            CallOutcome::Error { code } => (Self::Error, Some(code)),
            CallOutcome::Success => (Self::Success, None),
            CallOutcome::ToolError => (Self::ToolError, None),
            _ => (Self::Failed, None),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "cancelled",
            Self::Error => "error",
            Self::Failed => "failed",
            Self::Success => "success",
            Self::ToolError => "toolError",
        })
    }
}

impl Change {
    /// Creates the change `action` of `object`.
    #[must_use]
    pub fn new(action: impl Into<String>, object: impl Into<String>) -> Self {
        Self {
            action: action.into(),
            object: object.into(),
            fields: Vec::new(),
        }
    }

    /// Adds the name of a changed field.
    #[must_use]
    pub fn with_field(mut self, name: impl Into<String>) -> Self {
        self.fields.push(name.into());
        self
    }
}

/// Returns the name of a feature as it is recorded.
fn target(feature: &Feature) -> Option<String> {
    let name = match feature {
        Feature::Resource(uri) => return Some(redacted_uri(uri)),
        Feature::Prompt(name) | Feature::Task(name) | Feature::Tool(name) => name,
        _ => return None,
    };
    Some(shortened(name))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Returns the number of milliseconds since 1970-01-01 UTC; 0 before.
pub(crate) fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or(Duration::ZERO).as_millis();
    u64::try_from(since).unwrap_or(u64::MAX)
}
