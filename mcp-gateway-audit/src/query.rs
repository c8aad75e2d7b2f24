//! Queries.

use std::time::SystemTime;

use mcp_gateway_store::Store;

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

    /// Sets the approximate number of records of a page. Default: 1,000.
    ///
    /// A page ends with a segment, which may exceed the number by a few thousand records.
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
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        let mut records = Vec::new();
        let mut pages = Pages::new(store, SEGMENTS).after(self.start());
        loop {
            let page = pages.next().await?;
            if page.is_empty() {
                return Ok(AuditPage {
                    records,
                    next: None,
                });
            }
            for entry in page {
                let segment = Segment::read(&entry.key, &entry.document.value)?;
                if self
                    .until
                    .is_some_and(|until| segment.header.first >= until)
                {
                    return Ok(AuditPage {
                        records,
                        next: None,
                    });
                }
                records.extend(segment.records().filter(|record| self.matches(record)));
                if records.len() >= limit {
                    let next = entry.key.strip_prefix(SEGMENTS).map(str::to_owned);
                    return Ok(AuditPage { records, next });
                }
            }
        }
    }

    /// Returns the key after which the segments of the query begin.
    fn start(&self) -> String {
        match &self.after {
            Some(cursor) => format!("{SEGMENTS}{cursor}"),
            // An earlier segment may contain later records.
            None => {
                let span = u64::try_from(MAX_SPAN.as_millis()).unwrap_or(u64::MAX);
                format!("{SEGMENTS}{:013}", self.from.saturating_sub(2 * span))
            }
        }
    }

    fn matches(&self, record: &AuditRecord) -> bool {
        let (server, action, outcome) = match &record.event {
            AuditEvent::Call(call) => (Some(&call.server), Some(&call.method), Some(call.outcome)),
            AuditEvent::Change(change) => (None, Some(&change.action), None),
            AuditEvent::Gap(_) => (None, None, None),
        };
        record.time >= self.from
            && self.until.is_none_or(|until| record.time < until)
            && self
                .subject
                .as_deref()
                .is_none_or(|subject| *record.actor.subject == *subject)
            && (self.server.is_none() || self.server.as_ref() == server)
            && (self.action.is_none() || self.action.as_ref() == action)
            && (self.outcome.is_none() || self.outcome == outcome)
    }
}

/// Default number of records of a page.
const DEFAULT_LIMIT: usize = 1_000;
