//! Parts of times and durations.

use time::{Duration, OffsetDateTime, UtcOffset};

use super::error::EvaluationError;
use super::value::Value;

/// Part of a point in time or duration, as a method returns it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Clock {
    FullYear,
    Month,
    Date,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

impl Clock {
    /// Finds a method by its name.
    pub(super) fn find(name: &str) -> Option<Self> {
        Some(match name {
            "getFullYear" => Self::FullYear,
            "getMonth" => Self::Month,
            "getDate" => Self::Date,
            "getDayOfMonth" => Self::DayOfMonth,
            "getDayOfWeek" => Self::DayOfWeek,
            "getDayOfYear" => Self::DayOfYear,
            "getHours" => Self::Hours,
            "getMinutes" => Self::Minutes,
            "getSeconds" => Self::Seconds,
            "getMilliseconds" => Self::Milliseconds,
            _ => return None,
        })
    }

    /// Returns `true` if durations have the part.
    pub(super) fn is_of_duration(self) -> bool {
        matches!(
            self,
            Self::Hours | Self::Minutes | Self::Seconds | Self::Milliseconds
        )
    }

    /// Returns the part of `time`. Months and days count from zero, except for `getDate`.
    pub(super) fn of<'v>(self, time: OffsetDateTime) -> Value<'v> {
        Value::int(match self {
            Self::FullYear => time.year().into(),
            Self::Month => i64::from(u8::from(time.month())) - 1,
            Self::Date => time.day().into(),
            Self::DayOfMonth => i64::from(time.day()) - 1,
            Self::DayOfWeek => time.weekday().number_days_from_sunday().into(),
            Self::DayOfYear => i64::from(time.ordinal()) - 1,
            Self::Hours => time.hour().into(),
            Self::Minutes => time.minute().into(),
            Self::Seconds => time.second().into(),
            Self::Milliseconds => time.millisecond().into(),
        })
    }

    /// Returns the whole duration in the unit; milliseconds are those of its last second.
    pub(super) fn of_duration<'v>(self, duration: Duration) -> Result<Value<'v>, EvaluationError> {
        Ok(Value::int(match self {
            Self::Hours => duration.whole_hours(),
            Self::Minutes => duration.whole_minutes(),
            Self::Seconds => duration.whole_seconds(),
            Self::Milliseconds => duration.subsec_milliseconds().into(),
            _ => return Err(EvaluationError::Mistyped),
        }))
    }
}

/// Reads the offset of a time zone, such as `+02:00`; names of zones change their meaning with a
/// database.
pub(super) fn offset(text: &str) -> Option<UtcOffset> {
    if matches!(text, "UTC" | "Z") {
        return Some(UtcOffset::UTC);
    }
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => (1, text),
    };
    let (hours, minutes) = digits.split_once(':')?;
    let part = |text: &str| (text.len() == 2).then(|| text.parse::<i8>().ok()).flatten();
    UtcOffset::from_hms(sign * part(hours)?, sign * part(minutes)?, 0).ok()
}
