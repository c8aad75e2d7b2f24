//! Keys `limits.calls` and `limits.retries`: limits on calls, and calls that may be sent again.
//!
//! | Key | Type |
//! |---|---|
//! | `name` | string, required |
//! | `rate` | amount per period of a second to an hour, such as `10 per second` or `100 per 30s` |
//! | `burst` | positive number: calls at once; with `rate` |
//! | `quota` | amount per window of a minute to a year, such as `1000 per month` |
//! | `storeFailure` | `deny` or `allow`; with `quota` |
//! | `inFlight` | positive number |
//! | `per` | list of `user`, `team`, `client`, `gateway`, `server` and `tool` |
//! | `requests` | `tools` or `all` |
//! | `gateways`, `servers`, `tools`, `clients` | lists of patterns |
//! | `teams`, `roles` | lists of strings |
//! | `annotations` | as in rules |
//!
//! | Key of an entry of `retries` | Type |
//! |---|---|
//! | `name` | string, required |
//! | `attempts` | 2 or 3, required: number of times that a call is sent |
//! | `gateways` to `annotations` | as in limits |
//!
//! A limit has exactly one of `rate`, `quota` and `inFlight`. Units are `second`, `minute`, `hour`,
//! `day`, `week`, `month` and `year`; anything else is a duration, or a number of months:
//!
//! | Text | Meaning |
//! |---|---|
//! | `10 per second` | a rate, with bursts of 10 calls |
//! | `100 per 30s` | a rate over another period |
//! | `1000 per month` | a quota of the calendar month in UTC |
//! | `50 per 15m` | a quota of the quarter of an hour |
//! | `9000 per 3 months` | a quota of the quarter of a year |

use std::num::NonZeroU32;
use std::time::Duration;

use mcp_gateway_limits::{Bound, Dimension, Limit, Quota, Rate, Retry, Window};
use mcp_gateway_platform::spec::{PlatformSpec, Storage};

use super::policy::{check_scopes, scope};
use crate::document::{Count, Field, Table, duration};

/// Reads the limits.
///
/// A limit with a mistake is left out, so that all mistakes of the list are found.
pub(super) fn read(field: &Field<'_>) -> Option<Vec<Limit>> {
    let mut limits: Vec<Limit> = Vec::new();
    for field in field.items()? {
        let Some(limit) = limit(&field) else { continue };
        if limits.iter().any(|other| other.name() == limit.name()) {
            field.error(format!("duplicate limit {:?}", limit.name()));
        }
        limits.push(limit);
    }
    Some(limits)
}

/// Reads the permissions to send calls again.
///
/// A call is sent at most [`Retry::MAX_ATTEMPTS`] times.
pub(super) fn read_retries(field: &Field<'_>) -> Option<Vec<Retry>> {
    let mut retries: Vec<Retry> = Vec::new();
    for field in field.items()? {
        let Some(retry) = retry(&field) else { continue };
        if retries.iter().any(|other| other.name() == retry.name()) {
            field.error(format!("duplicate retry {:?}", retry.name()));
        }
        retries.push(retry);
    }
    Some(retries)
}

/// Reads a permission to send calls again.
///
/// One attempt is no permission, and many would multiply the load of a server that is overloaded.
fn retry(field: &Field<'_>) -> Option<Retry> {
    let mut table = field.table()?;
    let name: Option<String> = table.required("name", Field::read);
    let attempts = table.required("attempts", |field| {
        let Count(attempts) = field.read()?;
        let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
        if !(2..=Retry::MAX_ATTEMPTS).contains(&attempts) {
            field.error(format!("must be 2 to {}", Retry::MAX_ATTEMPTS));
        }
        Some(attempts)
    });
    let retry = Retry::new(name.unwrap_or_default(), attempts.unwrap_or(1));
    let retry = retry.with_scope(scope(&mut table));
    table.finish();
    Some(retry)
}

/// Reads a limit.
fn limit(field: &Field<'_>) -> Option<Limit> {
    let mut table = field.table()?;
    let name: Option<String> = table.required("name", Field::read);
    if name.as_ref().is_some_and(String::is_empty) {
        field.error("the name of a limit must not be empty");
    }
    let bound = bound(&mut table);
    let dimensions = table.get_with("per", dimensions).unwrap_or_default();
    let requests = [("all", true), ("tools", false)];
    let counts_all = table.get_with("requests", |field| field.choice(&requests));
    let placeholder = Bound::InFlight(NonZeroU32::MIN);
    let mut limit = Limit::new(name.unwrap_or_default(), bound.unwrap_or(placeholder))
        .per(dimensions)
        .with_scope(scope(&mut table));
    if counts_all.unwrap_or_default() {
        limit = limit.counting_all_requests();
    }
    table.finish();
    Some(limit)
}

/// Reads the bound, of which a limit has one.
///
/// Keys that belong to another bound are mistakes: they would have no effect.
fn bound(table: &mut Table<'_>) -> Option<Bound> {
    let bound = table.one_of(&["rate", "quota", "inFlight"]);
    let burst = table.field("burst");
    let failure = table.field("storeFailure");
    let (key, field) = bound?;
    if let Some(field) = burst.as_ref().filter(|_| key != "rate") {
        field.error("only a limit with a rate has a burst");
    }
    if let Some(field) = failure.as_ref().filter(|_| key != "quota") {
        field.error("only a limit with a quota depends on the store");
    }
    match key {
        "rate" => {
            let mut rate = field.parse("a rate", rate)?;
            if let Some(burst) = burst.and_then(|field| number(&field)) {
                rate.burst = burst;
            }
            Some(Bound::Rate(rate))
        }
        "quota" => {
            let mut quota = field.parse("a quota", quota)?;
            let choices = [("allow", true), ("deny", false)];
            let failure = failure.and_then(|field| field.choice(&choices));
            quota.permits_uncounted = failure.unwrap_or_default();
            Some(Bound::Quota(quota))
        }
        _ => number(&field).map(Bound::InFlight),
    }
}

/// Reads a positive number that fits the counters.
fn number(field: &Field<'_>) -> Option<NonZeroU32> {
    let Count(count) = field.read()?;
    let number = u32::try_from(count)
        .ok()
        .filter(|count| *count <= MAX_NUMBER);
    if number.is_none() {
        field.error(format!("must be at most {MAX_NUMBER}"));
    }
    number.and_then(NonZeroU32::new)
}

/// Reads the attributes by which a limit counts apart.
fn dimensions(field: &Field<'_>) -> Option<Vec<Dimension>> {
    let all = [
        Dimension::User,
        Dimension::Team,
        Dimension::Client,
        Dimension::Gateway,
        Dimension::Server,
        Dimension::Tool,
    ];
    let choices = all.map(|dimension| (dimension.as_str(), dimension));
    let fields = field.items()?;
    let read = fields.iter().map(|field| field.choice(&choices));
    Some(read.collect::<Vec<_>>().into_iter().flatten().collect())
}

/// Parses a rate such as `10 per second`.
///
/// Longer periods are rejected, because a rate is lost with a restart and is not shared by replicas.
fn rate(text: &str) -> Result<Rate, String> {
    let (amount, period) = amount_per(text)?;
    let amount = u32::try_from(amount)
        .ok()
        .filter(|amount| *amount <= MAX_NUMBER);
    let amount = amount.and_then(NonZeroU32::new);
    let amount = amount.ok_or_else(|| format!("the amount must be 1 to {MAX_NUMBER}"))?;
    let period = period_of(period)?;
    match (Duration::from_secs(1)..=MAX_PERIOD).contains(&period) {
        true => Ok(Rate::new(amount, period)),
        false => Err("the period must be a second to an hour; longer ones are quotas".to_owned()),
    }
}

/// Parses a quota such as `1000 per month`.
///
/// The window must be one of the calendar: other numbers of months would begin in any month.
fn quota(text: &str) -> Result<Quota, String> {
    let (amount, window) = amount_per(text)?;
    if amount == 0 {
        return Err("the amount must be at least 1".to_owned());
    }
    let months = match window.split_once(' ') {
        _ if window == "month" => Some(1),
        _ if window == "year" => Some(12),
        Some((count, "months")) => count.parse().ok(),
        Some(_) | None => None,
    };
    let window = match months {
        Some(months) => Window::months(months)
            .ok_or_else(|| "the months must divide a year: 1, 2, 3, 4, 6 or 12".to_owned())?,
        None => Window::of(period_of(window)?).ok_or_else(|| {
            "the window must be whole minutes, up to 31 days, or months".to_owned()
        })?,
    };
    Ok(Quota::new(amount, window))
}

/// Splits `N per PERIOD`.
fn amount_per(text: &str) -> Result<(u64, &str), String> {
    let hint = || "expected a form such as 10 per second or 1000 per 5m".to_owned();
    let (amount, period) = text.split_once(" per ").ok_or_else(hint)?;
    let amount = amount.parse().map_err(|_| hint())?;
    Ok((amount, period))
}

/// Parses a period: the name of a unit, or a duration.
fn period_of(text: &str) -> Result<Duration, String> {
    let seconds = match text {
        "second" => 1,
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        "week" => 604_800,
        text => return duration(text),
    };
    Ok(Duration::from_secs(seconds))
}

/// Records the warnings that need the whole configuration.
///
/// They are about limits whose gateways or servers do not exist, and quotas that a restart resets.
pub(super) fn check(spec: &PlatformSpec, field: Option<&Field<'_>>) {
    let calls = field.and_then(|field| field.get("calls"));
    let fields = calls.and_then(|calls| calls.items()).unwrap_or_default();
    let limits = &spec.dynamic.call_limits.limits;
    check_scopes(spec, limits.iter().map(Limit::scope).zip(fields.clone()));
    let retries = field.and_then(|field| field.get("retries"));
    let retry_fields = retries.and_then(|retries| retries.items());
    let scopes = spec.dynamic.call_limits.retries.iter().map(Retry::scope);
    check_scopes(spec, scopes.zip(retry_fields.unwrap_or_default()));
    if !matches!(spec.fixed.store, Storage::Memory) {
        return;
    }
    for (limit, field) in limits.iter().zip(fields) {
        if matches!(limit.bound(), Bound::Quota(_)) {
            let place = field.get("quota").unwrap_or(field);
            place.warning("without a store, the quota begins again when the gateway restarts");
        }
    }
}

/// Longest period of a rate.
const MAX_PERIOD: Duration = Duration::from_secs(3_600);

/// Maximum amount of a rate, and of calls at once or in flight.
const MAX_NUMBER: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_periods() {
        for (text, amount, period) in [
            ("10 per second", 10, 1),
            ("100 per 30s", 100, 30),
            ("1 per hour", 1, 3_600),
        ] {
            let expected = Rate::new(
                NonZeroU32::new(amount).unwrap(),
                Duration::from_secs(period),
            );
            assert_eq!(rate(text), Ok(expected), "{text}");
        }
        for (text, amount, window) in [
            ("5 per day", 5, "day"),
            ("5 per 15m", 5, "15 minutes"),
            ("5 per week", 5, "week"),
            ("5 per 3 months", 5, "3 months"),
            ("5 per year", 5, "12 months"),
        ] {
            let quota = quota(text).unwrap();
            let read = (quota.amount, quota.window.to_string());
            assert_eq!(read, (amount, window.to_owned()), "{text}");
        }
        for text in [
            "",
            "10",
            "0 per second",
            "10 per day",
            "10 per 500ms",
            "x per second",
            "10/s",
        ] {
            assert!(rate(text).is_err(), "{text}");
        }
        for text in [
            "0 per day",
            "5 per second",
            "5 per 90s",
            "5 per 32d",
            "5 per 5 months",
        ] {
            assert!(quota(text).is_err(), "{text}");
        }
    }
}
