//! Queries.

use std::ops::ControlFlow;
use std::time::SystemTime;

use mcp_gateway_store::{ListedDocument, Store};

use crate::error::AuditError;
use crate::journal::MAX_SPAN;
use crate::pages::Pages;
use crate::record::{AuditEvent, AuditRecord, Outcome, milliseconds};
use crate::segment::{SEGMENTS, Segment};

/// Query for records, oldest first.
///
/// # Example
///
/// See [`AuditLog`](crate::AuditLog).
#[derive(Clone, Debug, Default)]
#[must_use = "a query does nothing until it is run"]
pub struct AuditQuery {
    from: u64,
    until: Option<u64>,
    subject: Option<String>,
    server: Option<String>,
    target: Option<String>,
    action: Option<String>,
    outcome: Option<Outcome>,
    limit: Option<usize>,
    after: Option<String>,
}

/// Records that match a query.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuditPage {
    /// The records, oldest first within each process. Processes overlap by up to a minute.
    pub records: Vec<AuditRecord>,
    /// Cursor of the next page for [`AuditQuery::after`]; `None` at the end.
    pub next: Option<String>,
}

impl AuditQuery {
    /// Creates a query for all records.
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits the query to records since `time`.
    pub fn since(mut self, time: SystemTime) -> Self {
        self.from = milliseconds(time);
        self
    }

    /// Limits the query to records before `time`.
    pub fn until(mut self, time: SystemTime) -> Self {
        self.until = Some(milliseconds(time));
        self
    }

    /// Limits the query to events that the principal `subject` caused.
    pub fn with_subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Limits the query to calls of the server `name`.
    pub fn with_server(mut self, name: impl Into<String>) -> Self {
        self.server = Some(name.into());
        self
    }

    /// Limits the query to calls of the tool, prompt, task or redacted URI `name`, or to changes of
    /// the object `name`.
    pub fn with_target(mut self, name: impl Into<String>) -> Self {
        self.target = Some(name.into());
        self
    }

    /// Limits the query to the method of a call, or the action of a change.
    pub fn with_action(mut self, action: impl Into<String>) -> Self {
        self.action = Some(action.into());
        self
    }

    /// Limits the query to calls with `outcome`.
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// Sets the maximum number of records of a page. Default: 1,000.
    pub fn with_limit(mut self, records: usize) -> Self {
        self.limit = Some(records.max(1));
        self
    }

    /// Continues after the page whose cursor is `cursor`.
    pub fn after(mut self, cursor: impl Into<String>) -> Self {
        self.after = Some(cursor.into());
        self
    }

    /// Runs the query.
    ///
    /// # Errors
    ///
    /// [`AuditError`] if the store is unavailable or a segment is malformed.
    pub async fn run(&self, store: &dyn Store) -> Result<AuditPage, AuditError> {
        let mut page = AuditPage {
            records: Vec::new(),
            next: None,
        };
        let begun = self.begun(store).await?;
        if let Some((entry, passed)) = &begun
            && self.take(&mut page, entry, *passed)?.is_break()
        {
            return Ok(page);
        }
        let mut pages = Pages::new(store, SEGMENTS).after(self.start());
        loop {
            let entries = pages.next().await?;
            for entry in &entries {
                if self.take(&mut page, entry, 0)?.is_break() {
                    return Ok(page);
                }
            }
            if entries.is_empty() {
                return Ok(page);
            }
        }
    }

    /// Returns the segment in which the page before this one has ended, and the number of its
    /// records that belong to earlier pages.
    async fn begun(
        &self,
        store: &dyn Store,
    ) -> Result<Option<(ListedDocument, usize)>, AuditError> {
        let Some((segment, passed)) = self.after.as_deref().and_then(position) else {
            return Ok(None);
        };
        let key = format!("{SEGMENTS}{segment}");
        let found = store.get(&key).await?;
        Ok(found.map(|document| {
            let key = key.into();
            (ListedDocument { key, document }, passed)
        }))
    }

    /// Adds the records of the segment `entry` after the first `passed` ones to `page`, and breaks
    /// at the end of the page.
    fn take(
        &self,
        page: &mut AuditPage,
        entry: &ListedDocument,
        passed: usize,
    ) -> Result<ControlFlow<()>, AuditError> {
        let segment = Segment::read(&entry.key, &entry.document.value)?;
        let first = segment.header.first;
        if self.until.is_some_and(|until| first >= until) {
            return Ok(ControlFlow::Break(()));
        }
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        for (at, record) in segment.records().enumerate().skip(passed) {
            if !self.matches(&record) {
                continue;
            }
            if page.records.len() == limit {
                let key = entry.key.strip_prefix(SEGMENTS);
                page.next = key.map(|key| format!("{key}{MARK}{at}"));
                return Ok(ControlFlow::Break(()));
            }
            page.records.push(record);
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Returns the key after which the segments of the query begin.
    fn start(&self) -> String {
        match self.after.as_deref() {
            Some(cursor) => {
                let segment = position(cursor).map_or(cursor, |(segment, _)| segment);
                format!("{SEGMENTS}{segment}")
            }
            // An earlier segment may contain later records.
            None => {
                let span = u64::try_from(MAX_SPAN.as_millis()).unwrap_or(u64::MAX);
                format!("{SEGMENTS}{:013}", self.from.saturating_sub(2 * span))
            }
        }
    }

    fn matches(&self, record: &AuditRecord) -> bool {
        let (server, target, action, outcome) = match &record.event {
            AuditEvent::Call(call) => (
                Some(&call.server),
                call.target.as_ref(),
                Some(&call.method),
                Some(call.outcome),
            ),
            AuditEvent::Change(change) => (None, Some(&change.object), Some(&change.action), None),
            AuditEvent::Gap(_) => (None, None, None, None),
        };
        record.time >= self.from
            && self.until.is_none_or(|until| record.time < until)
            && self
                .subject
                .as_deref()
                .is_none_or(|subject| *record.actor.subject == *subject)
            && (self.server.is_none() || self.server.as_ref() == server)
            && (self.target.is_none() || self.target.as_ref() == target)
            && (self.action.is_none() || self.action.as_ref() == action)
            && (self.outcome.is_none() || self.outcome == outcome)
    }
}

/// Splits a cursor into the name of a segment and a number of records in it.
fn position(cursor: &str) -> Option<(&str, usize)> {
    let (segment, passed) = cursor.rsplit_once(MARK)?;
    Some((segment, passed.parse().ok()?))
}

/// Separator of the parts of a cursor, which is not encoded in URLs.
const MARK: char = '~';

/// Default number of records of a page.
const DEFAULT_LIMIT: usize = 1_000;
