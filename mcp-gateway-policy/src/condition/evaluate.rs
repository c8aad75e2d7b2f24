//! Evaluation of compiled conditions.
//!
//! Operands are evaluated from left to right, `&&`, `||` and `? :` as far as needed. In contrast to
//! CEL, an error is never absorbed by the other side of `&&` or `||`: a condition that reads an
//! absent member fails, and its rule denies.

use std::cmp::Ordering;
use std::sync::Arc;

use super::MAX_COST;
use super::equality::{compare, equal, spend};
use super::error::EvaluationError;
use super::fact::Facts;
use super::json;
use super::node::{Comparison, Comprehension, Node};
use super::number::{Arithmetic, Number};
use super::span;
use super::value::{Item, Value};

/// An evaluation.
pub(super) struct Evaluation<'v> {
    facts: &'v dyn Facts,
    /// The arguments, once they have been read.
    arguments: Option<Value<'v>>,
    /// Variables of comprehensions.
    locals: Vec<Value<'v>>,
    /// Remaining steps.
    budget: usize,
}

type Evaluated<'v> = Result<Value<'v>, EvaluationError>;

impl<'v> Evaluation<'v> {
    /// Starts an evaluation with `facts`.
    pub(super) fn new(facts: &'v dyn Facts) -> Self {
        Self {
            facts,
            arguments: None,
            locals: Vec::new(),
            budget: MAX_COST,
        }
    }

    /// Evaluates `node`.
    pub(super) fn value(&mut self, node: &'v Node) -> Evaluated<'v> {
        self.spend(1)?;
        match node {
            Node::Constant(constant) => Ok(constant.value()),
            Node::Fact(fact) => self.facts.fact(*fact),
            Node::HasFact(fact) => match self.facts.fact(*fact) {
                Err(EvaluationError::Absent) => Ok(Value::Bool(false)),
                found => found.map(|_| Value::Bool(true)),
            },
            Node::Arguments => self.arguments(),
            Node::Local(position) => {
                let local = self.locals.get(*position);
                local.cloned().ok_or(EvaluationError::Absent)
            }
            Node::Member(map, name) => self.member(map, name)?.ok_or(EvaluationError::Absent),
            Node::HasMember(map, name) => Ok(Value::Bool(self.member(map, name)?.is_some())),
            Node::Not(operand) => Ok(Value::Bool(!self.bool(operand)?)),
            Node::Negate(operand) => {
                let number = self.value(operand)?.as_number()?;
                number.negate().map(Value::Number)
            }
            Node::And(sides) => Ok(Value::Bool(self.bool(&sides[0])? && self.bool(&sides[1])?)),
            Node::Or(sides) => Ok(Value::Bool(self.bool(&sides[0])? || self.bool(&sides[1])?)),
            Node::Conditional(parts) => {
                let chosen = if self.bool(&parts[0])? { 1 } else { 2 };
                self.value(&parts[chosen])
            }
            Node::Compare(comparison, sides) => self.comparison(*comparison, sides),
            Node::Arithmetic(operator, sides) => {
                let (left, right) = self.both(sides)?;
                self.arithmetic(*operator, left, right)
            }
            Node::In(sides) => {
                let (item, collection) = self.both(sides)?;
                self.contains(&collection, &item).map(Value::Bool)
            }
            Node::Index(sides) => self.index(sides)?.ok_or(EvaluationError::Absent),
            Node::Call(function, operands) => {
                let values = self.values(operands)?;
                self.spend(values.iter().map(weight).sum())?;
                function.call(&values)
            }
            Node::Matches(text, pattern) => {
                let text = self.value(text)?;
                self.spend(weight(&text))?;
                Ok(Value::Bool(pattern.is_match(text.as_text()?)))
            }
            Node::List(items) => {
                let items = self.values(items)?;
                Ok(Value::List(items.into_iter().map(Item::Value).collect()))
            }
            Node::Map(pairs) => self.map(pairs),
            Node::Comprehension(comprehension) => self.comprehension(comprehension),
        }
    }

    /// Evaluates to a truth value.
    pub(super) fn bool(&mut self, node: &'v Node) -> Result<bool, EvaluationError> {
        self.value(node)?.as_bool()
    }

    fn both(&mut self, sides: &'v [Node; 2]) -> Result<(Value<'v>, Value<'v>), EvaluationError> {
        Ok((self.value(&sides[0])?, self.value(&sides[1])?))
    }

    fn values(&mut self, nodes: &'v [Node]) -> Result<Vec<Value<'v>>, EvaluationError> {
        nodes.iter().map(|node| self.value(node)).collect()
    }

    /// Returns the arguments, which are read once.
    fn arguments(&mut self) -> Evaluated<'v> {
        if let Some(arguments) = &self.arguments {
            return Ok(arguments.clone());
        }
        let members = match self.facts.arguments() {
            Some(text) => json::object(text)?,
            None => json::none(),
        };
        self.spend(members.len())?;
        Ok(self.arguments.insert(Value::Map(members)).clone())
    }

    /// Finds the member `name` of a map.
    fn member(
        &mut self,
        map: &'v Node,
        name: &'v str,
    ) -> Result<Option<Value<'v>>, EvaluationError> {
        let map = self.value(map)?;
        self.find(&map, &Value::text(name))
    }

    /// Finds an item or the value of a key.
    fn index(&mut self, sides: &'v [Node; 2]) -> Result<Option<Value<'v>>, EvaluationError> {
        let (collection, index) = self.both(sides)?;
        match &collection {
            Value::List(items) => item(items, index.as_number()?),
            _ => self.find(&collection, &index),
        }
    }

    /// Finds the value of `key` in a map.
    fn find(
        &mut self,
        map: &Value<'v>,
        key: &Value<'_>,
    ) -> Result<Option<Value<'v>>, EvaluationError> {
        let pairs = map.as_map()?;
        self.spend(pairs.len() / 8)?;
        for (name, item) in pairs.iter() {
            if compare(name, key) == Some(Ordering::Equal) {
                return item.value().map(Some);
            }
        }
        Ok(None)
    }

    /// Returns `true` if `collection` contains `item`.
    fn contains(
        &mut self,
        collection: &Value<'v>,
        item: &Value<'v>,
    ) -> Result<bool, EvaluationError> {
        let Value::List(items) = collection else {
            return Ok(self.find(collection, item)?.is_some());
        };
        for one in items.iter() {
            self.spend(1 + weight(item))?;
            if equal(&one.value()?, item, &mut self.budget)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn comparison(&mut self, comparison: Comparison, sides: &'v [Node; 2]) -> Evaluated<'v> {
        let (left, right) = self.both(sides)?;
        self.spend(weight(&left).min(weight(&right)))?;
        let order = || compare(&left, &right).ok_or(EvaluationError::Mistyped);
        Ok(Value::Bool(match comparison {
            Comparison::Equal => equal(&left, &right, &mut self.budget)?,
            Comparison::NotEqual => !equal(&left, &right, &mut self.budget)?,
            Comparison::Less => order()?.is_lt(),
            Comparison::LessOrEqual => order()?.is_le(),
            Comparison::Greater => order()?.is_gt(),
            Comparison::GreaterOrEqual => order()?.is_ge(),
        }))
    }

    fn arithmetic(
        &mut self,
        operator: Arithmetic,
        left: Value<'v>,
        right: Value<'v>,
    ) -> Evaluated<'v> {
        self.spend(weight(&left) + weight(&right))?;
        match (operator, left, right) {
            (_, Value::Number(left), Value::Number(right)) => {
                left.compute(operator, right).map(Value::Number)
            }
            (Arithmetic::Add, Value::String(left), Value::String(right)) => {
                Ok(Value::shared_text([&*left, &*right].concat()))
            }
            (Arithmetic::Add, Value::Bytes(left), Value::Bytes(right)) => {
                Ok(Value::Bytes([&*left, &*right].concat().into()))
            }
            (Arithmetic::Add, Value::List(left), Value::List(right)) => {
                let items = left.iter().chain(&*right).cloned();
                Ok(Value::List(items.collect()))
            }
            (Arithmetic::Add, Value::Timestamp(time), Value::Duration(duration))
            | (Arithmetic::Add, Value::Duration(duration), Value::Timestamp(time)) => {
                span::time(time.checked_add(duration)).map(Value::Timestamp)
            }
            (Arithmetic::Subtract, Value::Timestamp(time), Value::Duration(duration)) => {
                span::time(time.checked_sub(duration)).map(Value::Timestamp)
            }
            (Arithmetic::Subtract, Value::Timestamp(left), Value::Timestamp(right)) => {
                Ok(Value::Duration(left - right))
            }
            (Arithmetic::Add, Value::Duration(left), Value::Duration(right)) => {
                span::duration(left.checked_add(right)).map(Value::Duration)
            }
            (Arithmetic::Subtract, Value::Duration(left), Value::Duration(right)) => {
                span::duration(left.checked_sub(right)).map(Value::Duration)
            }
            _ => Err(EvaluationError::Mistyped),
        }
    }

    fn map(&mut self, pairs: &'v [[Node; 2]]) -> Evaluated<'v> {
        let mut values: Vec<(Value<'v>, Item<'v>)> = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let (key, value) = self.both(pair)?;
            self.spend(values.len())?;
            if values
                .iter()
                .any(|(other, _)| compare(other, &key) == Some(Ordering::Equal))
            {
                return Err(EvaluationError::Ambiguous);
            }
            values.push((key, Item::Value(value)));
        }
        Ok(Value::Map(values.into()))
    }

    fn comprehension(&mut self, comprehension: &'v Comprehension) -> Evaluated<'v> {
        let items: Arc<[Item<'v>]> = match self.value(&comprehension.range)? {
            Value::List(items) => items,
            Value::Map(pairs) => pairs
                .iter()
                .map(|(key, _)| Item::Value(key.clone()))
                .collect(),
            _ => return Err(EvaluationError::Mistyped),
        };
        self.spend(items.len())?;
        let start = self.value(&comprehension.start)?;
        let first = self.locals.len();
        self.locals.extend([Value::Null, start]);
        let result = self.iterate(comprehension, &items, first);
        self.locals.truncate(first);
        result
    }

    /// Evaluates the steps. `first` is the position of the variable.
    fn iterate(
        &mut self,
        comprehension: &'v Comprehension,
        items: &[Item<'v>],
        first: usize,
    ) -> Evaluated<'v> {
        for item in items {
            if !self.bool(&comprehension.condition)? {
                break;
            }
            self.locals[first] = item.value()?;
            self.locals[first + 1] = self.value(&comprehension.step)?;
        }
        self.value(&comprehension.result)
    }

    /// Spends `cost` steps.
    fn spend(&mut self, cost: usize) -> Result<(), EvaluationError> {
        spend(cost, &mut self.budget)
    }
}

/// Returns the item of a list at `index`.
fn item<'v>(items: &[Item<'v>], index: Number) -> Result<Option<Value<'v>>, EvaluationError> {
    let whole = index.truncate()?;
    let is_whole = index.compare(Number::int(whole)?) == Some(Ordering::Equal);
    if !is_whole {
        return Err(EvaluationError::Mistyped);
    }
    let item = usize::try_from(whole).ok().and_then(|at| items.get(at));
    item.map(Item::value).transpose()
}

/// Returns the number of steps that reading `value` costs.
fn weight(value: &Value<'_>) -> usize {
    match value {
        Value::String(text) => text.len() / 64,
        Value::Bytes(bytes) => bytes.len() / 64,
        Value::List(items) => items.len(),
        Value::Map(pairs) => pairs.len(),
        _ => 0,
    }
}
