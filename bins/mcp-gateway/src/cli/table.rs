//! Text tables.

use std::io;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

use crate::output::{print_json, print_line};

/// Prints `documents` as JSON, or as the rows of `table`.
///
/// # Errors
///
/// Fails if the output is closed.
pub(super) fn show_list<const N: usize>(
    documents: Vec<Value>,
    json: bool,
    table: impl FnOnce(&[Value]) -> Vec<[String; N]>,
) -> io::Result<()> {
    match json {
        true => print_json(format_args!("{:#}", Value::Array(documents))),
        false => show(&table(&documents)),
    }
}

/// Prints rows with aligned columns; the first row is the heading.
///
/// # Errors
///
/// Fails if the output is closed.
pub(super) fn show<const N: usize>(rows: &[[String; N]]) -> io::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or_default().min(MAX_WIDTH)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    for row in rows {
        let cells = row.iter().zip(widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        print_line(cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// Abbreviates `text` to `width` characters.
pub(super) fn abbreviated(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text.to_owned(),
        Some(_) => {
            let kept = text.chars().take(width - 1);
            kept.chain(['…']).collect()
        }
    }
}

/// Formats `time`, in seconds since the Unix epoch, as in RFC 3339.
pub(super) fn timestamp(time: u64) -> String {
    let time = i64::try_from(time).ok();
    let time = time.and_then(|time| DateTime::from_timestamp(time, 0));
    let time = time.unwrap_or(DateTime::<Utc>::MAX_UTC);
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Maximum width of the padding of a cell, in characters.
const MAX_WIDTH: usize = 200;

/// Formats the time `then` relative to `now`, both in seconds since the Unix epoch.
pub(super) fn relative(then: u64, now: u64) -> String {
    let distance = then.abs_diff(now);
    let (_, length, unit) = UNITS
        .into_iter()
        .find(|(least, _, _)| distance >= *least)
        .unwrap_or((0, 1, "second"));
    let count = distance / length;
    let plural = if count == 1 { "" } else { "s" };
    match then > now {
        true => format!("in {count} {unit}{plural}"),
        false => format!("{count} {unit}{plural} ago"),
    }
}

/// Minimum in seconds, length in seconds, and name of each unit.
const UNITS: [(u64, u64, &str); 3] = [
    (2 * 86_400, 86_400, "day"),
    (2 * 3600, 3600, "hour"),
    (2 * 60, 60, "minute"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_abbreviated_and_times_absolute() {
        assert_eq!(abbreviated("äöü", 3), "äöü");
        assert_eq!(abbreviated("äöüx", 3), "äö…");
        assert_eq!(timestamp(1_800_000_000), "2027-01-15T08:00:00Z");
        assert!(!timestamp(u64::MAX).is_empty());
    }

    #[test]
    fn moments_are_said_as_people_do() {
        let now = 1_800_000_000;
        for (then, expected) in [
            (now, "0 seconds ago"),
            (now - 1, "1 second ago"),
            (now + 90, "in 90 seconds"),
            (now - 3600, "60 minutes ago"),
            (now + 86_400, "in 24 hours"),
            (now + 30 * 86_400, "in 30 days"),
        ] {
            assert_eq!(relative(then, now), expected);
        }
    }
}
