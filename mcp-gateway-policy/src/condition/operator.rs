//! Types of the operands of operators.

use cel::common::ast::operators;

use super::compile::Typed;
use super::error::ConditionError;
use super::node::{Comparison, Node};
use super::number::Arithmetic;
use super::types::Type;

/// Name of the subtraction.
const SUBTRACT: &str = "_-_";

/// Compiles the operator that CEL names `name`; `None` if it is a function.
pub(super) fn compile(name: &str, operands: &[Typed]) -> Result<Option<Typed>, ConditionError> {
    let types: Vec<Type> = operands.iter().map(|(_, type_)| type_.clone()).collect();
    let nodes = operands.iter().map(|(node, _)| node.clone());
    let nodes: Vec<Node> = nodes.collect();
    let compiled = match (<[Node; 1]>::try_from(nodes), &*types) {
        (Ok([node]), [type_]) => unary(name, node, type_),
        (Err(nodes), [left, right]) => match <[Node; 2]>::try_from(nodes) {
            Ok(sides) => binary(name, Box::new(sides), left, right),
            Err(_) => Operator::None,
        },
        (Err(nodes), [condition, first, second]) if name == operators::CONDITIONAL => {
            match <[Node; 3]>::try_from(nodes) {
                Ok(parts) if condition.may_be(&Type::Bool) => {
                    let type_ = first.clone().union(second);
                    Operator::Typed(Node::Conditional(Box::new(parts)), type_)
                }
                _ => Operator::Mismatch,
            }
        }
        _ => Operator::None,
    };
    match compiled {
        Operator::Typed(node, type_) => Ok(Some((node, type_))),
        Operator::Mismatch => Err(ConditionError::mismatch(symbol(name), &types)),
        Operator::None => Ok(None),
    }
}

/// Result of the lookup of an operator.
enum Operator {
    Typed(Node, Type),
    /// An operator for values of other types.
    Mismatch,
    /// No operator.
    None,
}

impl Operator {
    /// Returns an operation whose value is of `type_`; a mismatch if that is `None`.
    fn of(node: Node, type_: Option<Type>) -> Self {
        match type_ {
            Some(type_) => Self::Typed(node, type_),
            None => Self::Mismatch,
        }
    }
}

fn unary(name: &str, operand: Node, type_: &Type) -> Operator {
    let operand = Box::new(operand);
    match name {
        operators::LOGICAL_NOT => {
            let is_bool = type_.may_be(&Type::Bool);
            Operator::of(Node::Not(operand), is_bool.then_some(Type::Bool))
        }
        operators::NEGATE => {
            let is_number = type_.may_be_number();
            Operator::of(Node::Negate(operand), is_number.then(|| type_.clone()))
        }
        _ => Operator::None,
    }
}

fn binary(name: &str, sides: Box<[Node; 2]>, left: &Type, right: &Type) -> Operator {
    let are_bools = left.may_be(&Type::Bool) && right.may_be(&Type::Bool);
    if let Some(comparison) = comparison(name) {
        let fits = match comparison {
            Comparison::Equal | Comparison::NotEqual => left.is_comparable(right),
            _ => is_ordered(left, right),
        };
        let node = Node::Compare(comparison, sides);
        return Operator::of(node, fits.then_some(Type::Bool));
    }
    if let Some(arithmetic) = arithmetic(name) {
        let type_ = arithmetic_type(arithmetic, left, right);
        return Operator::of(Node::Arithmetic(arithmetic, sides), type_);
    }
    match name {
        operators::LOGICAL_AND => Operator::of(Node::And(sides), are_bools.then_some(Type::Bool)),
        operators::LOGICAL_OR => Operator::of(Node::Or(sides), are_bools.then_some(Type::Bool)),
        operators::IN => {
            let fits = match right {
                Type::List(item) => left.is_comparable(item),
                Type::Map(_) | Type::Dynamic => true,
                _ => false,
            };
            Operator::of(Node::In(sides), fits.then_some(Type::Bool))
        }
        operators::INDEX => {
            let type_ = match left {
                Type::List(item) if right.may_be_number() => Some((**item).clone()),
                Type::Map(value) => Some((**value).clone()),
                Type::Dynamic => Some(Type::Dynamic),
                _ => None,
            };
            Operator::of(Node::Index(sides), type_)
        }
        _ => Operator::None,
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
