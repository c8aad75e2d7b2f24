//! Calls of the last hour, from the audit log.

use serde_json::Value;

use crate::failure::Failure;
use crate::json::Members as _;
use crate::pages::audit;
use crate::time;
use crate::view::{Card, Chart, Table, Tone};
use crate::visit::Visit;

/// Calls of the last hour.
#[derive(Debug)]
pub(super) struct LastHour {
    /// Begin, in seconds since the Unix epoch.
    since: u64,
    calls: Vec<Value>,
    /// Set if there were more.
    has_more: bool,
}

impl LastHour {
    /// Loads the calls; `None` without an audit log.
    pub(super) async fn load(visit: &Visit) -> Result<Option<Self>, Failure> {
        let since = time::now().saturating_sub(HOUR);
        let start = (since * 1000).to_string();
        let (mut calls, mut after) = (Vec::new(), String::new());
        for _ in 0..MAX_PAGES {
            let query = [("since", &*start), ("limit", "500"), ("after", &*after)];
            let listed = visit.caller.list("/api/v1/audit", &query).await?;
            if listed.absent.is_some() {
                return Ok(None);
            }
            let items = listed.items.into_iter();
            calls.extend(items.filter(|record| record.text("/kind") == "call"));
            match listed.next {
                Some(next) => after = next,
                None => {
                    after.clear();
                    break;
                }
            }
        }
        Ok(Some(Self {
            since,
            calls,
            has_more: !after.is_empty(),
        }))
    }

    pub(super) fn card(&self) -> Card {
        let failed = self.calls.iter().filter(|call| is_failed(call)).count();
        let more = if self.has_more { "+" } else { "" };
        Card {
            label: "Calls in the last hour",
            figure: format!("{}{more}", self.calls.len()),
            note: match failed {
                0 => "none failed".to_owned(),
                failed => format!("{failed} failed or rejected"),
            },
            tone: if failed == 0 { Tone::Plain } else { Tone::Warn },
            href: Some("/console/audit".to_owned()),
        }
    }

    pub(super) fn chart(&self) -> Chart {
        let mut counts = vec![(0, 0); 60];
        for call in &self.calls {
            let second = (call.number("/time") / 1000).saturating_sub(self.since);
            let minute = usize::try_from(second / 60).unwrap_or_default().min(59);
            if let Some((good, bad)) = counts.get_mut(minute) {
                match is_failed(call) {
                    true => *bad += 1,
                    false => *good += 1,
                }
            }
        }
        let failed = self.calls.iter().filter(|call| is_failed(call)).count();
        let good = self.calls.len() - failed;
        let label = format!("Calls by minute: {good} succeeded, {failed} failed or were rejected");
        let ends = (time::shown(self.since), "now".to_owned());
        Chart::new(label, ends, &counts)
    }

    pub(super) fn table(&self) -> Table {
        let mut table = Table::new("Last calls", &audit::COLUMNS)
            .live()
            .or_empty("No calls in the last hour.");
        let mut last: Vec<_> = self.calls.iter().collect();
        last.sort_by_key(|call| std::cmp::Reverse(call.number("/time")));
        for call in last.into_iter().take(20) {
            table.row(audit::cells(call));
        }
        table
    }
}

fn is_failed(call: &Value) -> bool {
    !matches!(call.text("/outcome"), "success" | "cancelled")
}

/// Length in seconds.
const HOUR: u64 = 60 * 60;

/// Maximum number of pages of 500 records that are read for a view.
const MAX_PAGES: usize = 4;
