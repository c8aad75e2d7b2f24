//! Windows of the calendar in UTC.

use std::fmt;
use std::time::Duration;

use time::{Date, Month, OffsetDateTime};

/// A window of the calendar in UTC: the current minute, hour, day, week or month, or several.
///
/// Windows of minutes to days are aligned to midnight where they divide a day, weeks to Monday, and
/// months to January.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use mcp_gateway_limits::Window;
///
/// let week = Window::of(Duration::from_secs(7 * 86_400)).unwrap();
/// assert_eq!(week.to_string(), "week");
/// assert_eq!(Window::months(3).unwrap().to_string(), "3 months");
/// assert!(Window::months(5).is_none() && Window::of(Duration::from_secs(30)).is_none());
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Window(Kind);

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Kind {
    Minutes(u32),
    Months(u8),
}

/// One of the successive windows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Span {
    /// Number of the window since 1970.
    pub(crate) index: u32,
    /// Its end, in seconds since 1970.
    pub(crate) end: i64,
}

impl Window {
    /// Returns the window of whole minutes, up to 31 days; `None` for any other duration.
    #[must_use]
    pub fn of(duration: Duration) -> Option<Self> {
        let minutes = u32::try_from(duration.as_secs() / 60).ok()?;
        let is_whole = duration == Duration::from_secs(u64::from(minutes) * 60);
        let is_valid = is_whole && (1..=31 * DAY).contains(&minutes);
        is_valid.then_some(Self(Kind::Minutes(minutes)))
    }

    /// Returns the window of `count` months, which must divide a year.
    #[must_use]
    pub fn months(count: u8) -> Option<Self> {
        let divides = matches!(count, 1 | 2 | 3 | 4 | 6 | 12);
        divides.then_some(Self(Kind::Months(count)))
    }

    /// Returns the window that contains `now`, in seconds since 1970. Earlier times are in the first
    /// one.
    pub(crate) fn at(self, now: i64) -> Span {
        let now = now.clamp(0, MAX_TIME);
        match self.0 {
            Kind::Minutes(minutes) => {
                let length = i64::from(minutes) * 60;
                // 1970 began on a Thursday.
                let shift = if minutes % WEEK == 0 { 3 * 86_400 } else { 0 };
                let index = (now + shift) / length;
                Span {
                    index: u32::try_from(index).unwrap_or(u32::MAX),
                    end: (index + 1) * length - shift,
                }
            }
            Kind::Months(count) => {
                let date = OffsetDateTime::from_unix_timestamp(now);
                let date = date.unwrap_or(OffsetDateTime::UNIX_EPOCH).date();
                let months = (date.year() - 1970) * 12 + i32::from(u8::from(date.month())) - 1;
                let index = months / i32::from(count);
                Span {
                    index: u32::try_from(index).unwrap_or_default(),
                    end: start_of_month((index + 1) * i32::from(count)),
                }
            }
        }
    }
}

/// Returns the first second of the month `months` after January 1970.
fn start_of_month(months: i32) -> i64 {
    let month = u8::try_from(months % 12 + 1).map(Month::try_from);
    let month = month.ok().and_then(Result::ok).unwrap_or(Month::January);
    let date = Date::from_calendar_date(1970 + months / 12, month, 1);
    date.map_or(i64::MAX, |date| {
        date.midnight().assume_utc().unix_timestamp()
    })
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self.0 {
            Kind::Months(count) => (u32::from(count), "month"),
            Kind::Minutes(minutes) if minutes % WEEK == 0 => (minutes / WEEK, "week"),
            Kind::Minutes(minutes) if minutes % DAY == 0 => (minutes / DAY, "day"),
            Kind::Minutes(minutes) if minutes % 60 == 0 => (minutes / 60, "hour"),
            Kind::Minutes(minutes) => (minutes, "minute"),
        };
        match count {
            1 => f.write_str(unit),
            count => write!(f, "{count} {unit}s"),
        }
    }
}

/// Minutes of a day.
const DAY: u32 = 24 * 60;

/// Minutes of a week.
const WEEK: u32 = 7 * DAY;

/// End of the year 9000, before which all windows can be computed.
const MAX_TIME: i64 = 221_845_392_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn minutes(minutes: u64) -> Window {
        Window::of(Duration::from_secs(minutes * 60)).unwrap()
    }

    #[test]
    fn windows_end_where_the_calendar_says() {
        // 2028-02-29T12:34:56Z, a Tuesday of a leap year.
        let now = 1_835_440_496;
        let ends = [
            (minutes(1), "2028-02-29 12:35:00"),
            (minutes(60), "2028-02-29 13:00:00"),
            (minutes(6 * 60), "2028-02-29 18:00:00"),
            (minutes(24 * 60), "2028-03-01 0:00:00"),
            (minutes(7 * 24 * 60), "2028-03-06 0:00:00"),
            (Window::months(1).unwrap(), "2028-03-01 0:00:00"),
            (Window::months(3).unwrap(), "2028-04-01 0:00:00"),
            (Window::months(12).unwrap(), "2029-01-01 0:00:00"),
        ];
        for (window, expected) in ends {
            let end = OffsetDateTime::from_unix_timestamp(window.at(now).end).unwrap();
            let text = format!(
                "{} {}:{:02}:{:02}",
                end.date(),
                end.hour(),
                end.minute(),
                end.second()
            );
            assert_eq!(text, expected, "{window}");
        }
    }

    fn any_window() -> impl Strategy<Value = Window> {
        prop_oneof![
            (1..=44_640_u64).prop_map(minutes),
            prop::sample::select(vec![1, 2, 3, 4, 6, 12]).prop_map(|n| Window::months(n).unwrap()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn windows_follow_each_other_without_gaps(
            window in any_window(),
            now in prop_oneof![0..MAX_TIME, 0..4_102_444_800_i64, any::<i64>()],
        ) {
            let span = window.at(now);
            prop_assert!(span.end > now.clamp(0, MAX_TIME));
            prop_assert_eq!(window.at(span.end - 1), span);
            if span.end < MAX_TIME {
                prop_assert_eq!(window.at(span.end).index, span.index + 1);
            }
        }
    }
}
