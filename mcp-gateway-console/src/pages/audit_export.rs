//! Export of audit records, as CSV or JSON lines.
//!
//! Records are read page by page while the browser receives them, so that the memory is bounded.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use http::HeaderValue;
use http::header::CONTENT_DISPOSITION;
use serde_json::Value;

use super::audit::query;
use super::{Answer, Selection};
use crate::api::Caller;
use crate::failure::Failure;
use crate::json::Members as _;
use crate::response as responses;
use crate::time;
use crate::visit::Visit;

/// Form of an export.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Csv,
    JsonLines,
}

/// Records that have not been sent yet.
struct Rest {
    caller: Caller,
    query: Vec<(&'static str, String)>,
    form: Form,
    /// Cursor of the next page; `None` at the end.
    after: Option<String>,
    /// Number of records that may still be sent.
    left: usize,
    /// Text before the next page.
    head: &'static str,
}

/// `GET /console/audit/export`.
pub(crate) async fn export(visit: Visit, selection: Selection) -> Answer {
    let form = match selection.text("form") {
        "csv" => Form::Csv,
        "jsonl" => Form::JsonLines,
        _ => return Err(Failure::NotFound),
    };
    let query = query(&selection);
    let mut rest = Rest {
        caller: visit.caller,
        query: query
            .into_iter()
            .filter(|(name, _)| *name != "after")
            .collect(),
        form,
        after: Some(String::new()),
        left: MAX_RECORDS,
        head: match form {
            Form::Csv => HEADER,
            Form::JsonLines => "",
        },
    };
    // A role that may not read the log receives no file.
    let first = rest.page().await?.ok_or(Failure::NotFound)?;
    let pages = stream::unfold((Some(first), rest), |(text, mut rest)| async move {
        let text = match text {
            Some(text) => Ok(text),
            None => match rest.page().await {
                Ok(page) => Ok(page?),
                // The transfer breaks off, so that nobody takes it for the whole.
                Err(_) => {
                    rest.after = None;
                    Err(std::io::Error::other("the audit log cannot be read"))
                }
            },
        };
        Some((text, (None, rest)))
    });
    Ok(response(form, Body::from_stream(pages)))
}

fn response(form: Form, body: Body) -> Response {
    let (media_type, disposition) = match form {
        Form::Csv => (
            "text/csv; charset=utf-8",
            "attachment; filename=\"audit.csv\"",
        ),
        Form::JsonLines => (
            "application/x-ndjson",
            "attachment; filename=\"audit.jsonl\"",
        ),
    };
    let mut headers = responses::headers(media_type);
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static(disposition));
    (headers, body).into_response()
}

impl Rest {
    /// Returns the next page; `None` at the end.
    async fn page(&mut self) -> Result<Option<String>, Failure> {
        let Some(after) = self.after.take() else {
            return Ok(None);
        };
        let mut query: Vec<_> = self
            .query
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        query.extend([("after", &*after), ("limit", "500")]);
        let listed = self.caller.list("/api/v1/audit", &query).await?;
        if listed.absent.is_some() {
            return Err(Failure::NotFound);
        }
        let mut text = std::mem::take(&mut self.head).to_owned();
        for record in listed.items.iter().take(self.left) {
            match self.form {
                Form::Csv => text.push_str(&line(record)),
                Form::JsonLines => {
                    text.push_str(&record.to_string());
                    text.push('\n');
                }
            }
        }
        self.left = self.left.saturating_sub(listed.items.len());
        self.after = listed.next.filter(|_| self.left > 0);
        Ok(Some(text))
    }
}

/// Returns the line of `record` (RFC 4180).
fn line(record: &Value) -> String {
    let number = |name: &str| record.get(name).map(Value::to_string).unwrap_or_default();
    let cells = [
        time::machine(record.number("/time") / 1000),
        number("time"),
        record.text("/kind").to_owned(),
        record.text("/actor/subject").to_owned(),
        record.text("/actor/client").to_owned(),
        record.text("/gateway").to_owned(),
        record.text("/server").to_owned(),
        [record.text("/method"), record.text("/action")].concat(),
        [record.text("/target"), record.text("/object")].concat(),
        record.text("/outcome").to_owned(),
        number("code"),
        record.text("/reason").to_owned(),
        number("durationMs"),
        record.joined("/fields"),
    ];
    let cells: Vec<_> = cells.iter().map(|cell| quoted(cell)).collect();
    format!("{}\r\n", cells.join(","))
}

/// Quotes `cell` if necessary. A spreadsheet must not take it for a formula.
fn quoted(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = match is_formula {
        true => format!("'{cell}"),
        false => cell.to_owned(),
    };
    match cell.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell,
    }
}

/// First line of a CSV file.
const HEADER: &str = "time,milliseconds,kind,subject,client,gateway,server,action,target,outcome,code,reason,durationMs,fields\r\n";

/// Maximum number of records of an export.
const MAX_RECORDS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r26_cells_are_no_formulas() {
        for (cell, expected) in [
            ("notes", "notes"),
            (
                "=HYPERLINK(\"http://evil\")",
                "\"'=HYPERLINK(\"\"http://evil\"\")\"",
            ),
            ("+1", "'+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("a,b", "\"a,b\""),
        ] {
            assert_eq!(quoted(cell), expected);
        }
    }
}
