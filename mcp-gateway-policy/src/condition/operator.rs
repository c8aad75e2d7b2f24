//! Types of the operands of operators.

use cel::common::ast::operators;

use super::compile::Typed;
use super::error::ConditionError;
use super::node::{Comparison, Node};
use super::number::Arithmetic;
use super::types::Type;

/// Name of the subtraction.
const SUBTRACT: &str = "_-_";

/// Returns `true` if CEL names an operator `name`: no function has such a name.
pub(super) fn is_operator(name: &str) -> bool {
    name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

/// Compiles the operator that CEL names `name`.
pub(super) fn compile(name: &str, operands: Vec<Typed>) -> Result<Typed, ConditionError> {
    let (nodes, types): (Vec<Node>, Vec<Type>) = operands.into_iter().unzip();
    let operation = match <[Node; 1]>::try_from(nodes) {
        Ok([operand]) => unary(name, operand, &types[0]),
        Err(nodes) => match <[Node; 2]>::try_from(nodes) {
            Ok(sides) => binary(name, Box::new(sides), (&types[0], &types[1])),
            Err(nodes) => match <[Node; 3]>::try_from(nodes) {
                Ok(parts) => conditional(Box::new(parts), &types),
                Err(_) => None,
            },
        },
    };
    operation.ok_or_else(|| ConditionError::mismatch(symbol(name), &types))
}

/// Returns a choice, unless its condition cannot be one.
fn conditional(parts: Box<[Node; 3]>, types: &[Type]) -> Option<Typed> {
    let type_ = types[1].clone().union(&types[2]);
    let is_condition = types[0].may_be(&Type::Bool);
    is_condition.then(|| (Node::Conditional(parts), type_))
}

fn unary(name: &str, operand: Node, type_: &Type) -> Option<Typed> {
    let operand = Box::new(operand);
    match name {
        operators::LOGICAL_NOT if type_.may_be(&Type::Bool) => {
            Some((Node::Not(operand), Type::Bool))
        }
        // Unsigned integers have no sign.
        operators::NEGATE if type_.may_be(&Type::Int) || type_.may_be(&Type::Double) => {
            Some((Node::Negate(operand), type_.clone()))
        }
        _ => None,
    }
}

fn binary(name: &str, sides: Box<[Node; 2]>, (left, right): (&Type, &Type)) -> Option<Typed> {
    if let Some(comparison) = comparison(name) {
        let fits = match comparison {
            Comparison::Equal | Comparison::NotEqual => left.is_comparable(right),
            _ => is_ordered(left, right),
        };
        return fits.then(|| (Node::Compare(comparison, sides), Type::Bool));
    }
    if let Some(arithmetic) = arithmetic(name) {
        let type_ = arithmetic_type(arithmetic, left, right)?;
        return Some((Node::Arithmetic(arithmetic, sides), type_));
    }
    let are_bools = left.may_be(&Type::Bool) && right.may_be(&Type::Bool);
    match name {
        operators::LOGICAL_AND if are_bools => Some((Node::And(sides), Type::Bool)),
        operators::LOGICAL_OR if are_bools => Some((Node::Or(sides), Type::Bool)),
        operators::IN => {
            let fits = match right {
                Type::List(item) => left.is_comparable(item),
                Type::Map(_) | Type::Dynamic => true,
                _ => false,
            };
            fits.then(|| (Node::In(sides), Type::Bool))
        }
        operators::INDEX => {
            let type_ = match left {
                Type::List(item) if right.may_be_number() => (**item).clone(),
                Type::Map(value) => (**value).clone(),
                Type::Dynamic => Type::Dynamic,
                _ => return None,
            };
            Some((Node::Index(sides), type_))
        }
        _ => None,
    }
}

fn comparison(name: &str) -> Option<Comparison> {
    Some(match name {
        operators::EQUALS => Comparison::Equal,
        operators::NOT_EQUALS => Comparison::NotEqual,
        operators::LESS => Comparison::Less,
        operators::LESS_EQUALS => Comparison::LessOrEqual,
        operators::GREATER => Comparison::Greater,
        operators::GREATER_EQUALS => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn arithmetic(name: &str) -> Option<Arithmetic> {
    Some(match name {
        operators::ADD => Arithmetic::Add,
        SUBTRACT => Arithmetic::Subtract,
        operators::MULTIPLY => Arithmetic::Multiply,
        operators::DIVIDE => Arithmetic::Divide,
        operators::MODULO => Arithmetic::Modulo,
        _ => return None,
    })
}

/// Returns `true` if values of both types have an order.
fn is_ordered(left: &Type, right: &Type) -> bool {
    let ordered = [
        Type::Bool,
        Type::String,
        Type::Bytes,
        Type::Timestamp,
        Type::Duration,
    ];
    let are_numbers = left.may_be_number() && right.may_be_number();
    are_numbers
        || ordered
            .iter()
            .any(|one| left.may_be(one) && right.may_be(one))
}

/// Returns the type of a result; `None` if the operator does not take values of these types.
fn arithmetic_type(operator: Arithmetic, left: &Type, right: &Type) -> Option<Type> {
    if *left == Type::Dynamic || *right == Type::Dynamic {
        let other = if *left == Type::Dynamic { right } else { left };
        let takes = other.may_be_number() || is_added(operator, other);
        return takes.then_some(Type::Dynamic);
    }
    match (operator, left, right) {
        (Arithmetic::Modulo, Type::Double, Type::Double) => None,
        (_, Type::Int | Type::Uint | Type::Double, _) if left == right => Some(left.clone()),
        (Arithmetic::Add, Type::String | Type::Bytes | Type::Duration, _) if left == right => {
            Some(left.clone())
        }
        (Arithmetic::Add, Type::List(_), Type::List(_)) => Some(left.clone().union(right)),
        (Arithmetic::Add, Type::Timestamp, Type::Duration)
        | (Arithmetic::Add, Type::Duration, Type::Timestamp)
        | (Arithmetic::Subtract, Type::Timestamp, Type::Duration) => Some(Type::Timestamp),
        (Arithmetic::Subtract, Type::Timestamp, Type::Timestamp)
        | (Arithmetic::Subtract, Type::Duration, Type::Duration) => Some(Type::Duration),
        _ => None,
    }
}

/// Returns `true` if `operator` takes a value of `type_` that is no number.
fn is_added(operator: Arithmetic, type_: &Type) -> bool {
    match operator {
        Arithmetic::Add => !matches!(type_, Type::Null | Type::Bool | Type::Map(_) | Type::Meta),
        Arithmetic::Subtract => matches!(type_, Type::Timestamp | Type::Duration),
        _ => false,
    }
}

/// Returns the operator as it is written in conditions, or `name`.
pub(super) fn symbol(name: &str) -> &str {
    match name {
        operators::CONDITIONAL => "? :",
        operators::INDEX => "[]",
        _ => name.trim_matches(['_', '@']),
    }
}
