//! Compiled conditions.

use std::sync::Arc;

use regex::Regex;

use super::fact::Fact;
use super::function::Function;
use super::number::{Arithmetic, Number};
use super::value::Value;

/// Part of a compiled expression.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Constant(Constant),
    Fact(Fact),
    /// The presence of a fact that may be absent.
    HasFact(Fact),
    Arguments,
    /// Variable of a comprehension, by its position.
    Local(usize),
    /// Member of a map, by a name in the expression.
    Member(Box<Self>, Arc<str>),
    /// The presence of a member.
    HasMember(Box<Self>, Arc<str>),
    Not(Box<Self>),
    Negate(Box<Self>),
    And(Box<[Self; 2]>),
    Or(Box<[Self; 2]>),
    /// Condition, and the values for `true` and `false`.
    Conditional(Box<[Self; 3]>),
    Compare(Comparison, Box<[Self; 2]>),
    Arithmetic(Arithmetic, Box<[Self; 2]>),
    /// Item or key, and the list or map that may contain it.
    In(Box<[Self; 2]>),
    /// List or map, and index or key.
    Index(Box<[Self; 2]>),
    Call(Function, Vec<Self>),
    Matches(Box<Self>, Regex),
    List(Vec<Self>),
    Map(Vec<[Self; 2]>),
    Comprehension(Box<Comprehension>),
}

/// A constant of an expression.
#[derive(Clone, Debug)]
pub(super) enum Constant {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
    Type(&'static str),
}

/// A comparison.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A macro such as `all`. The position of its variable is that of the next local one, followed by
/// that of the accumulator.
#[derive(Clone, Debug)]
pub(super) struct Comprehension {
    pub(super) range: Node,
    pub(super) start: Node,
    pub(super) condition: Node,
    pub(super) step: Node,
    pub(super) result: Node,
}

impl Constant {
    /// Returns the value.
    pub(super) fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(int) => Value::int(*int),
            Self::Uint(uint) => Value::Number(Number::Uint(*uint)),
            Self::Double(double) => Value::Number(Number::Double(*double)),
            Self::String(text) => Value::text(text),
            Self::Bytes(bytes) => Value::Bytes(Arc::clone(bytes)),
            Self::Type(name) => Value::Type(name),
        }
    }
}

impl Node {
    /// Returns the operands of an operator or function that depends on nothing else.
    pub(super) fn operands(&self) -> Vec<&Self> {
        match self {
            Self::Negate(operand) | Self::Matches(operand, _) => vec![&**operand],
            Self::Compare(_, sides) | Self::Arithmetic(_, sides) => sides.iter().collect(),
            Self::Call(_, operands) => operands.iter().collect(),
            _ => Vec::new(),
        }
    }
}
