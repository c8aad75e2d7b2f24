//! Audit log: records by filters.

use serde_json::Value;

use super::{Answer, Selection};
use crate::json::Members as _;
use crate::path::with_query;
use crate::time;
use crate::view::{Block, Cell, Choice, Field, Filter, Kind, Page, Table, Tone};
use crate::visit::Visit;

const LIST: &str = "/console/audit";

/// Parameters that select records.
pub(super) const FILTERS: [&str; 7] = [
    "since", "until", "subject", "server", "target", "action", "outcome",
];

/// Columns of records.
pub(super) const COLUMNS: [&str; 7] = [
    "Time", "Who", "Action", "Target", "Gateway", "Outcome", "ms",
];

/// `GET /console/audit`.
pub(crate) async fn list(visit: Visit, selection: Selection) -> Answer {
    let query = query(&selection);
    let query: Vec<_> = query
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    let listed = match visit.caller.list("/api/v1/audit", &query).await {
        Ok(listed) => listed,
        Err(failure) => {
            let page = page(&selection);
            return super::rejected(&visit, failure, page);
        }
    };
    let empty = "No records of this time.";
    let mut table = Table::new("Records", &COLUMNS)
        .live()
        .or_empty(listed.absent.as_deref().unwrap_or(empty));
    for record in &listed.items {
        table.row(cells(record));
    }
    table.pager = Some(selection.pager(LIST, &FILTERS, &listed));
    let export = |form: &str| {
        let mut query: Vec<_> = FILTERS.map(|name| (name, selection.text(name))).into();
        query.push(("form", form));
        with_query("/console/audit/export", &query)
    };
    let page = page(&selection)
        .link(export("csv"), "Export CSV")
        .link(export("jsonl"), "Export JSON lines")
        .with(Block::Table(table));
    Ok(visit.show(&page))
}

fn page(selection: &Selection) -> Page {
    let page = Page::new("Audit").lead(
        "Calls and administrative changes, oldest first: of the last hour, or with a filter of the last \
             day. Arguments and results are not recorded.",
    );
    page.with(Block::Filter(filter(selection)))
}

fn filter(selection: &Selection) -> Filter {
    let outcomes = vec![
        Choice::new("", "any"),
        Choice::new("success", "success"),
        Choice::new("toolError", "tool error"),
        Choice::new("error", "error of the server"),
        Choice::new("failed", "failed or rejected"),
        Choice::new("cancelled", "cancelled"),
    ];
    let fields = vec![
        Field::new("since", "From day", Kind::Date),
        Field::new("until", "To day", Kind::Date),
        Field::new("subject", "Who", Kind::Text),
        Field::new("action", "Action", Kind::Text),
        Field::new("server", "Server", Kind::Text),
        Field::new("target", "Target", Kind::Text),
        Field::new("outcome", "Outcome", Kind::Select(outcomes)),
    ];
    selection.filter(LIST, fields)
}

/// Returns the query of the API for `selection`: without a first day, the records of the last day, or
/// of the last hour if nothing else is selected.
pub(super) fn query(selection: &Selection) -> Vec<(&'static str, String)> {
    let since = time::parse_day(selection.text("since"));
    let is_filtered = FILTERS.iter().any(|name| !selection.text(name).is_empty());
    let before = if is_filtered { DAY } else { HOUR };
    let since = since.unwrap_or_else(|| time::now().saturating_sub(before));
    let mut query = vec![("since", (since * 1000).to_string())];
    if let Some(until) = time::parse_day(selection.text("until")) {
        query.push(("until", ((until + DAY) * 1000).to_string()));
    }
    for name in ["subject", "server", "target", "action", "outcome", "after"] {
        query.push((name, selection.text(name).to_owned()));
    }
    query
}

/// Returns the cells of `record`.
pub(super) fn cells(record: &Value) -> Vec<Cell> {
    let action = record
        .some_text("/method")
        .or_else(|| record.some_text("/action"));
    let target = match (record.some_text("/server"), record.some_text("/target")) {
        (Some(server), Some(target)) => format!("{server}/{target}"),
        (Some(server), None) => server.to_owned(),
        (None, _) => record.text("/object").to_owned(),
    };
    let duration = record.get("durationMs").map(Value::to_string);
    let action = match record.text("/kind") {
        "gap" => format!("{} records lost", record.number("/lost")),
        _ => action.unwrap_or_default().to_owned(),
    };
    vec![
        Cell::time(record.number("/time") / 1000),
        Cell::text(record.text("/actor/subject")),
        Cell::code(action),
        Cell::code(target),
        Cell::text(record.text("/gateway")),
        outcome(record),
        Cell::text(duration.unwrap_or_default()),
    ]
}

fn outcome(record: &Value) -> Cell {
    let outcome = record.text("/outcome");
    let tone = match outcome {
        "" => {
            let fields = record.joined("/fields");
            return Cell::text(fields);
        }
        "success" => Tone::Good,
        "cancelled" => Tone::Plain,
        "failed" => Tone::Bad,
        _ => Tone::Warn,
    };
    match record.some_text("/reason") {
        Some(reason) => Cell::badge(format!("{outcome}: {reason}"), tone),
        None => Cell::badge(outcome, tone),
    }
}

/// Length of an hour in seconds.
const HOUR: u64 = 60 * 60;

/// Length of a day in seconds.
const DAY: u64 = 24 * 60 * 60;
