//! Taints in memory, and their documents.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcp_gateway_admin::TaintDocument;
use mcp_gateway_policy::result::Taint;

use super::caller_key::CallerKey;

/// A taint in memory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Mark {
    /// Session or conversation, or everything.
    pub(super) context: Box<str>,
    /// Identifier of the gateway.
    pub(super) gateway: Arc<str>,
    /// End, from which on it has no effect.
    pub(super) expires: SystemTime,
}

/// Returns the document of a taint, which administrators read: it names the rule and the tool, and has
/// nothing of the result.
pub(super) fn document(
    key: &CallerKey,
    taint: Taint<'_>,
    (now, expires): (SystemTime, SystemTime),
) -> TaintDocument {
    let (caller, target) = (taint.caller, taint.target);
    let seconds = |time| since_epoch(time).as_secs();
    TaintDocument {
        id: key.id(),
        gateway: caller.gateway().to_owned(),
        subject: caller.principal().subject().to_owned(),
        client: caller.principal().client().map(str::to_owned),
        kind: key.kind().to_owned(),
        conversation: caller.client().conversation().map(|name| name.to_string()),
        rule: taint.rule.to_string(),
        server: target.server.to_string(),
        tool: target.feature.name().map(str::to_owned),
        since: seconds(now),
        expires: seconds(expires),
    }
}

/// Returns the time since 1970; none for an earlier one.
fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// Returns `duration` in whole milliseconds, at most [`u64::MAX`].
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the end of the second of `time`, because documents have whole seconds.
pub(super) fn whole_second(time: SystemTime) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(since_epoch(time).as_secs() + 1)
}

/// Returns the owner and the taint of the document `id`; `None` for an identifier of another form.
pub(super) fn mark(id: &str, document: &TaintDocument) -> Option<(Box<str>, Mark)> {
    let (owner, context) = id.split_once('-')?;
    let mark = Mark {
        context: context.into(),
        gateway: document.gateway.as_str().into(),
        expires: SystemTime::UNIX_EPOCH + Duration::from_secs(document.expires),
    };
    Some((owner.into(), mark))
}

/// Adds `mark`, in the place of an earlier one of the same context.
pub(super) fn add(marks: &mut Vec<Mark>, mark: Mark) {
    marks.retain(|other| other.context != mark.context);
    marks.push(mark);
}

/// Returns the gateways of the contexts that are in one of both alone.
pub(super) fn differing(before: &[Mark], after: &[Mark]) -> Vec<Arc<str>> {
    let is_in = |mark: &Mark, marks: &[Mark]| marks.iter().any(|one| one.context == mark.context);
    let ended = before.iter().filter(|mark| !is_in(mark, after));
    let begun = after.iter().filter(|mark| !is_in(mark, before));
    ended
        .chain(begun)
        .map(|mark| Arc::clone(&mark.gateway))
        .collect()
}
