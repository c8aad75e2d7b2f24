//! Functions of conditions.

use super::clock::{self, Clock};
use super::error::EvaluationError;
use super::number::Number;
use super::span;
use super::types::Type;
use super::value::Value;

/// A function.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    LowerAscii,
    UpperAscii,
    Trim,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    Dynamic,
    Type,
    Clock(Clock),
}

impl Function {
    /// Finds a function by its name.
    pub(super) fn find(name: &str) -> Option<Self> {
        Some(match name {
            "size" => Self::Size,
            "contains" => Self::Contains,
            "startsWith" => Self::StartsWith,
            "endsWith" => Self::EndsWith,
            "lowerAscii" => Self::LowerAscii,
            "upperAscii" => Self::UpperAscii,
            "trim" => Self::Trim,
            "bool" => Self::Bool,
            "int" => Self::Int,
            "uint" => Self::Uint,
            "double" => Self::Double,
            "string" => Self::String,
            "bytes" => Self::Bytes,
            "timestamp" => Self::Timestamp,
            "duration" => Self::Duration,
            "dyn" => Self::Dynamic,
            "type" => Self::Type,
            _ => Self::Clock(Clock::find(name)?),
        })
    }

    /// Returns `true` if the function is called as `value.function()`; both forms exist for `size`.
    pub(super) fn is_method(self) -> Option<bool> {
        match self {
            Self::Size => None,
            Self::Contains
            | Self::StartsWith
            | Self::EndsWith
            | Self::LowerAscii
            | Self::UpperAscii
            | Self::Trim
            | Self::Clock(_) => Some(true),
            _ => Some(false),
        }
    }

    /// Returns the type of the result; `None` if the function does not take values of `types`.
    pub(super) fn result_type(self, types: &[Type]) -> Option<Type> {
        let is_any = |type_: &Type, of: &[Type]| of.iter().any(|one| type_.may_be(one));
        let number = [Type::Int, Type::Uint, Type::Double];
        match (self, types) {
            (Self::Dynamic, [_]) => Some(Type::Dynamic),
            (Self::Type, [_]) => Some(Type::Meta),
            (Self::Size, [of]) => {
                let is_list = matches!(of, Type::List(_) | Type::Map(_));
                (is_list || is_any(of, &[Type::String, Type::Bytes])).then_some(Type::Int)
            }
            (Self::Contains | Self::StartsWith | Self::EndsWith, [text, part]) => {
                let are_texts = text.may_be(&Type::String) && part.may_be(&Type::String);
                are_texts.then_some(Type::Bool)
            }
            (Self::LowerAscii | Self::UpperAscii | Self::Trim, [text]) => {
                text.may_be(&Type::String).then_some(Type::String)
            }
            (Self::Bool, [of]) => is_any(of, &[Type::Bool, Type::String]).then_some(Type::Bool),
            (Self::Int | Self::Uint | Self::Double, [of]) => {
                let is_time = self == Self::Int && of.may_be(&Type::Timestamp);
                let fits = is_time || is_any(of, &number) || of.may_be(&Type::String);
                fits.then(|| self.number_type())
            }
            (Self::String, [of]) => {
                let is_text = is_any(of, &[Type::String, Type::Bool, Type::Bytes]);
                let is_time = is_any(of, &[Type::Timestamp, Type::Duration]);
                (is_text || is_time || is_any(of, &number)).then_some(Type::String)
            }
            (Self::Bytes, [of]) => is_any(of, &[Type::String, Type::Bytes]).then_some(Type::Bytes),
            (Self::Timestamp, [of]) => {
                let is_time = is_any(of, &[Type::String, Type::Int, Type::Timestamp]);
                is_time.then_some(Type::Timestamp)
            }
            (Self::Duration, [of]) => {
                is_any(of, &[Type::String, Type::Duration]).then_some(Type::Duration)
            }
            (Self::Clock(clock), [of]) => {
                let is_duration = clock.is_of_duration() && of.may_be(&Type::Duration);
                (is_duration || of.may_be(&Type::Timestamp)).then_some(Type::Int)
            }
            (Self::Clock(_), [of, zone]) => {
                let fits = of.may_be(&Type::Timestamp) && zone.may_be(&Type::String);
                fits.then_some(Type::Int)
            }
            _ => None,
        }
    }

    /// Returns the type of numbers that the function converts to.
    fn number_type(self) -> Type {
        match self {
            Self::Int => Type::Int,
            Self::Uint => Type::Uint,
            _ => Type::Double,
        }
    }

    /// Calls the function.
    pub(super) fn call<'v>(self, values: &[Value<'v>]) -> Result<Value<'v>, EvaluationError> {
        match (self, values) {
            (Self::Dynamic, [value]) => Ok(value.clone()),
            (Self::Type, [value]) => Ok(Value::Type(value.type_name())),
            (Self::Size, [value]) => size(value),
            (Self::Contains, [text, part]) => {
                Ok(Value::Bool(text.as_text()?.contains(part.as_text()?)))
            }
            (Self::StartsWith, [text, part]) => {
                Ok(Value::Bool(text.as_text()?.starts_with(part.as_text()?)))
            }
            (Self::EndsWith, [text, part]) => {
                Ok(Value::Bool(text.as_text()?.ends_with(part.as_text()?)))
            }
            (Self::LowerAscii, [text]) => {
                Ok(Value::shared_text(text.as_text()?.to_ascii_lowercase()))
            }
            (Self::UpperAscii, [text]) => {
                Ok(Value::shared_text(text.as_text()?.to_ascii_uppercase()))
            }
            (Self::Trim, [text]) => Ok(Value::shared_text(text.as_text()?.trim())),
            (Self::Clock(clock), [Value::Duration(duration)]) => clock.of_duration(*duration),
            (Self::Clock(clock), [Value::Timestamp(time)]) => Ok(clock.of(*time)),
            (Self::Clock(clock), [Value::Timestamp(time), zone]) => {
                let offset = clock::offset(zone.as_text()?).ok_or(EvaluationError::InvalidText)?;
                Ok(clock.of(time.to_offset(offset)))
            }
            (_, [value]) => self.convert(value),
            _ => Err(EvaluationError::Mistyped),
        }
    }

    /// Converts to another type.
    fn convert<'v>(self, value: &Value<'v>) -> Result<Value<'v>, EvaluationError> {
        match (self, value) {
            (Self::Bool, Value::Bool(_))
            | (Self::String, Value::String(_))
            | (Self::Bytes, Value::Bytes(_))
            | (Self::Timestamp, Value::Timestamp(_))
            | (Self::Duration, Value::Duration(_)) => Ok(value.clone()),
            (Self::Bool, Value::String(text)) => match &**text {
                "true" | "True" | "TRUE" | "t" | "1" => Ok(Value::Bool(true)),
                "false" | "False" | "FALSE" | "f" | "0" => Ok(Value::Bool(false)),
                _ => Err(EvaluationError::InvalidText),
            },
            (Self::Int, Value::Timestamp(time)) => Ok(Value::int(time.unix_timestamp())),
            (Self::Int, _) => integer(value, false),
            (Self::Uint, _) => integer(value, true),
            (Self::Double, Value::String(text)) => finite(text),
            (Self::Double, _) => {
                let double = value.as_number()?.to_double()?;
                Ok(Value::Number(Number::Double(double)))
            }
            (Self::String, Value::Bool(value)) => Ok(Value::shared_text(value.to_string())),
            (Self::String, Value::Bytes(bytes)) => {
                let text = std::str::from_utf8(bytes).map_err(|_| EvaluationError::InvalidText)?;
                Ok(Value::shared_text(text))
            }
            (Self::String, Value::Timestamp(time)) => {
                Ok(Value::shared_text(span::time_text(*time)))
            }
            (Self::String, Value::Duration(duration)) => {
                Ok(Value::shared_text(span::duration_text(*duration)))
            }
            (Self::String, _) => Ok(Value::shared_text(match value.as_number()? {
                Number::Int(int) => int.to_string(),
                Number::Uint(uint) => uint.to_string(),
                Number::Double(double) => double.to_string(),
            })),
            (Self::Bytes, _) => Ok(Value::Bytes(value.as_text()?.as_bytes().into())),
            (Self::Timestamp, Value::Number(number)) => {
                let seconds = number.integer().ok_or(EvaluationError::Mistyped)?;
                span::from_seconds(seconds).map(Value::Timestamp)
            }
            (Self::Timestamp, _) => span::parse_time(value.as_text()?).map(Value::Timestamp),
            (Self::Duration, _) => span::parse_duration(value.as_text()?).map(Value::Duration),
            _ => Err(EvaluationError::Mistyped),
        }
    }
}

/// Returns the number of characters, bytes, items or pairs.
fn size<'v>(value: &Value<'v>) -> Result<Value<'v>, EvaluationError> {
    let size = match value {
        Value::String(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(items) => items.len(),
        Value::Map(pairs) => pairs.len(),
        _ => return Err(EvaluationError::Mistyped),
    };
    let size = i64::try_from(size).map_err(|_| EvaluationError::OutOfRange)?;
    Ok(Value::int(size))
}

/// Converts to an integer.
fn integer<'v>(value: &Value<'v>, is_unsigned: bool) -> Result<Value<'v>, EvaluationError> {
    let integer = match value {
        Value::String(text) => text.parse().map_err(|_| EvaluationError::InvalidText)?,
        _ => value.as_number()?.truncate()?,
    };
    let number = match is_unsigned {
        true => Number::uint(integer),
        false => Number::int(integer),
    };
    number.map(Value::Number)
}

/// Reads a finite double.
fn finite<'v>(text: &str) -> Result<Value<'v>, EvaluationError> {
    let double: f64 = text.parse().map_err(|_| EvaluationError::InvalidText)?;
    match double.is_finite() {
        true => Ok(Value::Number(Number::Double(double))),
        false => Err(EvaluationError::OutOfRange),
    }
}
