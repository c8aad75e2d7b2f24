//! Compilation of parsed conditions: names are resolved and types are checked.

use std::sync::Arc;

use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr,
};

use super::error::ConditionError;
use super::evaluate::Evaluation;
use super::fact::{Fact, Facts, RESULT};
use super::function::Function;
use super::node::{Comprehension, Constant, Node};
use super::operator;
use super::types::Type;
use super::value::Value;
use super::{EvaluationError, MAX_DEPTH};

/// A compiled part, and the type of its value.
pub(super) type Typed = (Node, Type);

type Compiled = Result<Typed, ConditionError>;

/// A compilation.
#[derive(Default)]
pub(super) struct Compiler {
    /// Names and types of the variables of comprehensions, by position.
    locals: Vec<(String, Type)>,
    depth: usize,
    /// Set for a condition that may read the result.
    has_result: bool,
    /// Facts that the condition reads.
    pub(super) facts: Vec<Fact>,
    /// Use of the arguments.
    pub(super) reads_arguments: bool,
}

impl Compiler {
    /// Creates a compilation of a condition that may read the result, if `has_result`.
    pub(super) fn new(has_result: bool) -> Self {
        Self {
            has_result,
            ..Self::default()
        }
    }

    /// Compiles `expression`, whose value must be a truth value.
    pub(super) fn condition(&mut self, expression: &IdedExpr) -> Result<Node, ConditionError> {
        let (node, type_) = self.compile(expression)?;
        match type_.may_be(&Type::Bool) {
            true => Ok(node),
            false => Err(ConditionError::NotBoolean(type_.to_string())),
        }
    }

    /// Compiles a part.
    fn compile(&mut self, expression: &IdedExpr) -> Compiled {
        if self.depth == MAX_DEPTH {
            return Err(ConditionError::TooDeep);
        }
        self.depth += 1;
        let compiled = match &expression.expr {
            Expr::Literal(literal) => Ok(constant(literal)),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::List(list) if list.optional_indices.is_empty() => self.list(&list.elements),
            Expr::Map(map) => self.map(map.entries.iter().map(|entry| &entry.expr)),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Struct(_) => Err(ConditionError::Unsupported("messages")),
            Expr::List(_) | Expr::Unspecified => {
                Err(ConditionError::Unsupported("optional values"))
            }
        };
        self.depth -= 1;
        compiled
    }

    fn name(&mut self, name: &str) -> Compiled {
        let local = self.locals.iter().rposition(|(local, _)| local == name);
        if let Some(position) = local {
            return Ok((Node::Local(position), self.locals[position].1.clone()));
        }
        if name == "arguments" {
            self.reads_arguments = true;
            return Ok((Node::Arguments, Type::map(Type::Dynamic)));
        }
        if let Some(fields) = self.fields(name) {
            return Err(ConditionError::Incomplete(name.to_owned(), fields));
        }
        match type_constant(name) {
            Some(constant) => Ok((Node::Constant(constant), Type::Meta)),
            None => Err(ConditionError::UnknownName(name.to_owned())),
        }
    }

    fn select(&mut self, select: &SelectExpr) -> Compiled {
        if let Some(constant) = self.type_of_message(select) {
            return Ok((Node::Constant(constant), Type::Meta));
        }
        if let Some(fact) = self.fact(select)? {
            self.facts.push(fact);
            return Ok(match select.test {
                true => (Node::HasFact(fact), Type::Bool),
                false => (Node::Fact(fact), fact.value_type()),
            });
        }
        let (operand, type_) = self.compile(&select.operand)?;
        let value = match type_ {
            Type::Map(value) => *value,
            Type::Dynamic => Type::Dynamic,
            other => return Err(ConditionError::mismatch(&select.field, &[other])),
        };
        let (operand, name) = (Box::new(operand), Arc::from(&*select.field));
        Ok(match select.test {
            true => (Node::HasMember(operand, name), Type::Bool),
            false => (Node::Member(operand, name), value),
        })
    }

    /// Returns the type that `select` names, if it is one of times.
    fn type_of_message(&self, select: &SelectExpr) -> Option<Constant> {
        let Expr::Select(package) = &select.operand.expr else {
            return None;
        };
        let Expr::Ident(root) = &package.operand.expr else {
            return None;
        };
        let is_local = self.locals.iter().any(|(local, _)| local == root);
        let is_message = root == "google" && package.field == "protobuf" && !select.test;
        let name = match &*select.field {
            "Duration" => "google.protobuf.Duration",
            "Timestamp" => "google.protobuf.Timestamp",
            _ => return None,
        };
        (is_message && !is_local).then_some(Constant::Type(name))
    }

    /// Returns the fact that `select` names; `None` if its operand is no variable with fields.
    fn fact(&self, select: &SelectExpr) -> Result<Option<Fact>, ConditionError> {
        let Expr::Ident(variable) = &select.operand.expr else {
            return Ok(None);
        };
        let is_local = self.locals.iter().any(|(local, _)| local == variable);
        let Some(fields) = self.fields(variable).filter(|_| !is_local) else {
            return Ok(None);
        };
        match Fact::find(variable, &select.field) {
            Some(fact) => Ok(Some(fact)),
            None => Err(ConditionError::UnknownField(
                format!("{variable}.{}", select.field),
                variable.clone(),
                fields,
            )),
        }
    }

    /// Returns the names of the fields of `variable`, if it has any and is known.
    fn fields(&self, variable: &str) -> Option<String> {
        let is_known = variable != RESULT || self.has_result;
        is_known.then(|| Fact::fields(variable)).flatten()
    }

    fn call(&mut self, call: &CallExpr) -> Compiled {
        let name = &*call.func_name;
        if name == "@not_strictly_false" && call.args.len() == 1 {
            return self.compile(&call.args[0]);
        }
        if name == "matches" {
            return self.matches(call);
        }
        let operands = call.target.as_deref().into_iter().chain(&call.args);
        let operands: Vec<_> = operands
            .map(|operand| self.compile(operand))
            .collect::<Result<_, _>>()?;
        if operator::is_operator(name) {
            return checked(name, operator::compile(name, operands)?);
        }
        let function =
            Function::find(name).ok_or_else(|| ConditionError::UnknownFunction(name.to_owned()))?;
        let (nodes, types): (Vec<_>, Vec<_>) = operands.into_iter().unzip();
        let is_called_right = match function.is_method() {
            Some(is_method) => is_method == call.target.is_some(),
            None => true,
        };
        let result = function.result_type(&types).filter(|_| is_called_right);
        let type_ = result.ok_or_else(|| ConditionError::mismatch(name, &types))?;
        checked(name, (Node::Call(function, nodes), type_))
    }

    /// Compiles `matches`, whose pattern is compiled once.
    fn matches(&mut self, call: &CallExpr) -> Compiled {
        let operands: Vec<_> = call
            .target
            .as_deref()
            .into_iter()
            .chain(&call.args)
            .collect();
        let [text, pattern] = operands[..] else {
            return Err(ConditionError::mismatch("matches", &[]));
        };
        let Expr::Literal(LiteralValue::String(pattern)) = &pattern.expr else {
            return Err(ConditionError::Pattern("it is computed".to_owned()));
        };
        let pattern = regex::RegexBuilder::new(pattern.inner())
            .size_limit(1 << 18)
            .build()
            .map_err(|error| ConditionError::Pattern(summary(&error)))?;
        let (text, type_) = self.compile(text)?;
        if !type_.may_be(&Type::String) {
            return Err(ConditionError::mismatch("matches", &[type_]));
        }
        Ok((Node::Matches(Box::new(text), pattern), Type::Bool))
    }

    fn list(&mut self, items: &[IdedExpr]) -> Compiled {
        let mut nodes = Vec::with_capacity(items.len());
        let mut item_type: Option<Type> = None;
        for item in items {
            let (node, type_) = self.compile(item)?;
            nodes.push(node);
            item_type = Some(match item_type {
                Some(before) => before.union(&type_),
                None => type_,
            });
        }
        let item_type = item_type.unwrap_or(Type::Dynamic);
        Ok((Node::List(nodes), Type::list(item_type)))
    }

    fn map<'e>(&mut self, entries: impl Iterator<Item = &'e EntryExpr>) -> Compiled {
        let mut pairs = Vec::new();
        for entry in entries {
            let EntryExpr::MapEntry(entry) = entry else {
                return Err(ConditionError::Unsupported("messages"));
            };
            if entry.optional {
                return Err(ConditionError::Unsupported("optional values"));
            }
            let (key, key_type) = self.compile(&entry.key)?;
            let keys = [Type::String, Type::Int, Type::Uint, Type::Bool];
            if !keys.iter().any(|one| key_type.may_be(one)) {
                return Err(ConditionError::mismatch("{}", &[key_type]));
            }
            let (value, _) = self.compile(&entry.value)?;
            pairs.push([key, value]);
        }
        Ok((Node::Map(pairs), Type::map(Type::Dynamic)))
    }

    fn comprehension(&mut self, macro_: &ComprehensionExpr) -> Compiled {
        if macro_.iter_var2.is_some() {
            return Err(ConditionError::Unsupported("macros with two variables"));
        }
        let (range, range_type) = self.compile(&macro_.iter_range)?;
        let item = match range_type {
            Type::List(item) => *item,
            Type::Map(_) | Type::Dynamic => Type::Dynamic,
            other => return Err(ConditionError::mismatch("macro", &[other])),
        };
        let (start, start_type) = self.compile(&macro_.accu_init)?;
        let first = self.locals.len();
        self.locals.push((macro_.iter_var.clone(), item));
        self.locals.push((macro_.accu_var.clone(), start_type));
        let compiled = self.steps(macro_, range, start);
        self.locals.truncate(first);
        let (node, result_type) = compiled?;
        Ok((Node::Comprehension(Box::new(node)), result_type))
    }

    /// Compiles the parts of a macro in which its variables are visible.
    fn steps(
        &mut self,
        macro_: &ComprehensionExpr,
        range: Node,
        start: Node,
    ) -> Result<(Comprehension, Type), ConditionError> {
        let condition = self.condition(&macro_.loop_cond)?;
        let (step, _) = self.compile(&macro_.loop_step)?;
        let (result, type_) = self.compile(&macro_.result)?;
        let comprehension = Comprehension {
            range,
            start,
            condition,
            step,
            result,
        };
        Ok((comprehension, type_))
    }
}

/// Rejects a constant operation that always fails.
fn checked(function: &str, compiled: Typed) -> Compiled {
    let operands = compiled.0.operands();
    let is_constant = operands
        .iter()
        .all(|node| matches!(node, Node::Constant(_)));
    if operands.is_empty() || !is_constant {
        return Ok(compiled);
    }
    match Evaluation::new(&Nothing).value(&compiled.0) {
        Ok(_) => Ok(compiled),
        Err(error) => Err(ConditionError::Constant {
            function: operator::symbol(function).to_owned(),
            error,
        }),
    }
}

/// The facts of a constant.
struct Nothing;

impl Facts for Nothing {
    fn fact(&self, _: Fact) -> Result<Value<'_>, EvaluationError> {
        Err(EvaluationError::Absent)
    }

    fn arguments(&self) -> Option<&str> {
        None
    }
}

fn constant(literal: &LiteralValue) -> Typed {
    let (constant, type_) = match literal {
        LiteralValue::Boolean(value) => (Constant::Bool(*value.inner()), Type::Bool),
        LiteralValue::Bytes(bytes) => (Constant::Bytes(bytes.inner().into()), Type::Bytes),
        LiteralValue::Double(value) => (Constant::Double(*value.inner()), Type::Double),
        LiteralValue::Int(value) => (Constant::Int(*value.inner()), Type::Int),
        LiteralValue::Null => (Constant::Null, Type::Null),
        LiteralValue::String(text) => (Constant::String(text.inner().into()), Type::String),
        LiteralValue::UInt(value) => (Constant::Uint(*value.inner()), Type::Uint),
    };
    (Node::Constant(constant), type_)
}

/// Returns the type that is named `name`.
fn type_constant(name: &str) -> Option<Constant> {
    let names = [
        "bool",
        "int",
        "uint",
        "double",
        "string",
        "bytes",
        "list",
        "map",
        "null_type",
        "type",
    ];
    let found = names.into_iter().find(|one| *one == name);
    found.map(Constant::Type)
}

/// Returns the last line of the message of a regular expression, which says what is wrong.
fn summary(error: &regex::Error) -> String {
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}
