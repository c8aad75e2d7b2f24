//! Numbers of conditions.
//!
//! JSON has one kind of number, CEL has three. A number from arguments is an integer if it is
//! written as one, and otherwise a double. Mixed arithmetic is exact or fails, so that
//! `arguments.n + 1` is right for `4`, `4.0` and `4.5`.

use std::cmp::Ordering;

use super::error::EvaluationError;

/// A number.
#[derive(Clone, Copy)]
pub(crate) enum Number {
    Int(i64),
    Uint(u64),
    Double(f64),
}

/// An arithmetic operator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// Integers up to this magnitude are doubles without a loss.
const EXACT: i128 = 1 << 53;

impl Number {
    /// Reads a JSON number.
    pub(super) fn from_json(token: &str) -> Result<Self, EvaluationError> {
        if !token.contains(['.', 'e', 'E']) {
            let int = token.parse().map(Self::Int);
            let uint = |_| token.parse().map(Self::Uint);
            return int.or_else(uint).map_err(|_| EvaluationError::OutOfRange);
        }
        match token.parse::<f64>() {
            Ok(double) if double.is_finite() => Ok(Self::Double(double)),
            _ => Err(EvaluationError::OutOfRange),
        }
    }

    /// Returns the integer, unless this is a double.
    pub(super) fn integer(self) -> Option<i128> {
        match self {
            Self::Int(int) => Some(int.into()),
            Self::Uint(uint) => Some(uint.into()),
            Self::Double(_) => None,
        }
    }

    /// Returns the double that is exactly this number.
    #[expect(clippy::cast_precision_loss, reason = "larger integers are rejected")]
    pub(super) fn exact_double(self) -> Result<f64, EvaluationError> {
        match (self, self.integer()) {
            (Self::Double(double), _) => Ok(double),
            (_, Some(integer)) if integer.abs() <= EXACT => Ok(integer as f64),
            _ => Err(EvaluationError::OutOfRange),
        }
    }

    /// Converts to a double, which must be exactly this number.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "an integer that changes is rejected"
    )]
    pub(super) fn to_double(self) -> Result<f64, EvaluationError> {
        let Some(integer) = self.integer() else {
            return self.exact_double();
        };
        let double = integer as f64;
        let is_exact = double as i128 == integer;
        is_exact
            .then_some(double)
            .ok_or(EvaluationError::OutOfRange)
    }

    /// Compares by value, whatever the kinds; `None` for NaN.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(&b),
            (Self::Double(a), b) => Some(compare_integer(b.integer()?, a)?.reverse()),
            (a, Self::Double(b)) => compare_integer(a.integer()?, b),
            (a, b) => Some(a.integer()?.cmp(&b.integer()?)),
        }
    }

    /// Returns the result of `operator`.
    pub(super) fn compute(
        self,
        operator: Arithmetic,
        other: Self,
    ) -> Result<Self, EvaluationError> {
        match (self.integer(), other.integer()) {
            (Some(a), Some(b)) => {
                let result = integers(operator, a, b).ok_or(EvaluationError::OutOfRange)?;
                match (self, other) {
                    (Self::Int(_), Self::Int(_)) => Self::int(result),
                    (Self::Uint(_), Self::Uint(_)) => Self::uint(result),
                    _ => Self::int(result).or_else(|_| Self::uint(result)),
                }
            }
            _ => doubles(operator, self.exact_double()?, other.exact_double()?).map(Self::Double),
        }
    }

    /// Returns the number with the other sign.
    pub(super) fn negate(self) -> Result<Self, EvaluationError> {
        match self {
            Self::Int(int) => int.checked_neg().map(Self::Int),
            Self::Uint(uint) => return Self::int(-i128::from(uint)),
            Self::Double(double) => Some(Self::Double(-double)),
        }
        .ok_or(EvaluationError::OutOfRange)
    }

    /// Returns a signed integer.
    pub(super) fn int(integer: i128) -> Result<Self, EvaluationError> {
        let int = i64::try_from(integer);
        int.map(Self::Int).map_err(|_| EvaluationError::OutOfRange)
    }

    /// Returns an unsigned integer.
    pub(super) fn uint(integer: i128) -> Result<Self, EvaluationError> {
        let uint = u64::try_from(integer);
        uint.map(Self::Uint)
            .map_err(|_| EvaluationError::OutOfRange)
    }

    /// Returns the integer part; fails outside of the range of integers.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "larger doubles are rejected"
    )]
    pub(super) fn truncate(self) -> Result<i128, EvaluationError> {
        const LIMIT: f64 = 18_446_744_073_709_551_616.0;
        match (self, self.integer()) {
            (_, Some(integer)) => Ok(integer),
            (Self::Double(double), _) if double.abs() < LIMIT => Ok(double.trunc() as i128),
            _ => Err(EvaluationError::OutOfRange),
        }
    }
}

/// Compares exactly; `None` for NaN.
#[expect(
    clippy::cast_possible_truncation,
    reason = "larger doubles are compared before"
)]
fn compare_integer(integer: i128, double: f64) -> Option<Ordering> {
    /// Above all integers of conditions.
    const LIMIT: f64 = 1e30;
    if double.is_nan() {
        return None;
    }
    if double >= LIMIT {
        return Some(Ordering::Less);
    }
    if double <= -LIMIT {
        return Some(Ordering::Greater);
    }
    let whole = double.trunc();
    let by_whole = integer.cmp(&(whole as i128));
    Some(by_whole.then_with(|| whole.partial_cmp(&double).unwrap_or(Ordering::Equal)))
}

/// Computes with integers; `None` by zero, or beyond the range.
fn integers(operator: Arithmetic, a: i128, b: i128) -> Option<i128> {
    match operator {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
        Arithmetic::Multiply => a.checked_mul(b),
        Arithmetic::Divide => a.checked_div(b),
        Arithmetic::Modulo => a.checked_rem(b),
    }
}

/// Computes with doubles. Like integers, they are not divided by zero.
fn doubles(operator: Arithmetic, a: f64, b: f64) -> Result<f64, EvaluationError> {
    let result = match operator {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide => a / b,
        Arithmetic::Modulo => return Err(EvaluationError::Mistyped),
    };
    let finite = result.is_finite().then_some(result);
    finite.ok_or(EvaluationError::OutOfRange)
}
