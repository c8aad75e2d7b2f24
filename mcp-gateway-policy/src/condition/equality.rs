//! Equality and order of values.

use std::cmp::Ordering;

use super::error::EvaluationError;
use super::value::Value;

/// Returns the order of two values of one type; `None` if they have none.
pub(super) fn compare(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.compare(*right),
        (Value::String(left), Value::String(right)) => Some((**left).cmp(right)),
        (Value::Bytes(left), Value::Bytes(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Timestamp(left), Value::Timestamp(right)) => Some(left.cmp(right)),
        (Value::Duration(left), Value::Duration(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

/// Returns `true` if two values are equal; numbers by value, whatever their kinds. Values of
/// different types are unequal. Reading nested values spends `budget`.
pub(super) fn equal(
    left: &Value<'_>,
    right: &Value<'_>,
    budget: &mut usize,
) -> Result<bool, EvaluationError> {
    match (left, right) {
        (Value::Null, Value::Null) => Ok(true),
        (Value::Type(left), Value::Type(right)) => Ok(left == right),
        (Value::List(left), Value::List(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            spend(left.len(), budget)?;
            for (left, right) in left.iter().zip(right.iter()) {
                if !equal(&left.value()?, &right.value()?, budget)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Map(left), Value::Map(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for (key, value) in left.iter() {
                spend(right.len(), budget)?;
                let mut pairs = right.iter();
                let found = pairs.find(|(other, _)| compare(key, other) == Some(Ordering::Equal));
                let Some((_, other)) = found else {
                    return Ok(false);
                };
                if !equal(&value.value()?, &other.value()?, budget)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ => Ok(compare(left, right) == Some(Ordering::Equal)),
    }
}

/// Spends `cost` steps of `budget`.
pub(super) fn spend(cost: usize, budget: &mut usize) -> Result<(), EvaluationError> {
    *budget = budget
        .checked_sub(cost)
        .ok_or(EvaluationError::TooExpensive)?;
    Ok(())
}
