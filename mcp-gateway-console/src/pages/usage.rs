//! Use of quotas.

use serde_json::Value;

use super::{Answer, Selection};
use crate::json::Members as _;
use crate::view::{Block, Cell, Field, Kind, Page, Table};
use crate::visit::Visit;

const LIST: &str = "/console/usage";

/// `GET /console/usage`.
pub(crate) async fn list(visit: Visit, selection: Selection) -> Answer {
    let query = [
        ("quota", selection.text("quota")),
        ("after", selection.after()),
    ];
    let listed = visit.caller.list("/api/v1/usage", &query).await?;
    let empty = match selection.text("quota") {
        "" => "No quotas. They are in the configuration.",
        _ => "No quota of this name has been used.",
    };
    let mut table = Table::new("Quotas", &["Quota", "Of", "Used", "Until"])
        .live()
        .or_empty(listed.absent.as_deref().unwrap_or(empty));
    for usage in &listed.items {
        table.row(cells(usage));
    }
    table.pager = Some(selection.pager(LIST, &["quota"], &listed));
    let quota = Field::new("quota", "Quota", Kind::Text);
    let page = Page::new("Usage")
        .lead("Calls in the current windows of the quotas.")
        .with(Block::Filter(selection.filter(LIST, vec![quota])))
        .with(Block::Table(table));
    Ok(visit.show(&page))
}

/// Returns the cells of `usage`.
pub(super) fn cells(usage: &Value) -> Vec<Cell> {
    let key = usage.get("key").and_then(Value::as_object);
    let parts = key.into_iter().flatten().map(|(name, value)| {
        let value = value.as_str().filter(|value| !value.is_empty());
        format!("{name} {}", value.unwrap_or("–"))
    });
    let of: Vec<_> = parts.collect();
    vec![
        Cell::text(usage.text("/quota")),
        Cell::text(of.join(", ")),
        Cell::Meter {
            used: usage.number("/used"),
            amount: usage.number("/amount"),
        },
        Cell::time(usage.number("/ends")),
    ]
}
