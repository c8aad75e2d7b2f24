//! Conditions of rules: expressions in [CEL] over the call.
//!
//! | variable | fields |
//! |---|---|
//! | `caller` | `subject`, `name`, `client`, `teams`, `roles`, `scopes` |
//! | `tool` | `server`, `name`; of the listed tool: `readOnly`, `destructive`, `idempotent`, `openWorld` |
//! | `context` | `gateway`, `protocolVersion`, `time` (UTC), `untrusted` |
//! | `arguments` | the arguments of the call |
//! | `result` | in rules about results: `text`, `structuredContent`, `isError`, `size` |
//!
//! Operators, `has`, the macros `all`, `exists`, `exists_one`, `filter` and `map`, and the functions
//! of the standard library are those of CEL; messages and optional values are not supported. The
//! parser is that of the crate `cel`. Compilation and evaluation are our own, because conditions
//! decide about calls of strangers:
//!
//! - **Mistakes are found before anything is decided**: unknown variables, fields and functions,
//!   operands of other types, invalid patterns, constants that always fail.
//! - **Nothing is absorbed.** In CEL, `absent || true` is `true`. Here an error is an error of the
//!   condition, unless `&&`, `||` or `? :` has been decided by what is on its left. What may be
//!   absent is tested with `has(arguments.path)`.
//! - **Numbers of JSON** are integers if they are written as such, and otherwise doubles; kinds can
//!   be mixed as long as the result is exact. An object with the same member twice is an error.
//! - **Evaluation is bounded**: [`MAX_LENGTH`], [`MAX_DEPTH`] and [`MAX_COST`]. Patterns are matched
//!   in linear time.
//! - **Errors contain no values**, so that they can be logged.
//!
//! [CEL]: https://cel.dev

mod clock;
mod compile;
mod equality;
mod error;
mod evaluate;
mod fact;
mod function;
mod json;
mod node;
mod number;
mod operator;
mod span;
mod types;
mod value;

use std::sync::Arc;
use std::{fmt, thread};

use cel::parser::{ParseErrors, Parser};

use self::compile::Compiler;
pub use self::error::{ConditionError, EvaluationError};
use self::evaluate::Evaluation;
pub(crate) use self::fact::{Fact, Facts};
pub(crate) use self::json::{members, value};
use self::node::Node;
pub(crate) use self::value::Value;

/// Maximum length of a condition, in bytes.
pub const MAX_LENGTH: usize = 1_000;
/// Maximum depth of nested parts of a condition.
pub const MAX_DEPTH: usize = 64;
/// Maximum number of steps of an evaluation: operations, items and, by 64 bytes, texts.
pub const MAX_COST: usize = 20_000;

/// Stack of the thread that parses: the parser and its result are recursive.
const STACK: usize = 16 << 20;

/// A compiled condition.
///
/// # Example
///
/// ```
/// use mcp_gateway_policy::condition::{Condition, ConditionError};
///
/// let condition = Condition::parse("arguments.amount <= 100 && 'billing' in caller.teams")?;
/// assert!(condition.reads_arguments());
///
/// let mistake = Condition::parse("caller.team == 'billing'").unwrap_err();
/// assert!(mistake.to_string().starts_with("unknown field `caller.team`"));
/// # Ok::<(), ConditionError>(())
/// ```
#[derive(Clone)]
pub struct Condition {
    source: Arc<str>,
    node: Arc<Node>,
    facts: Arc<[Fact]>,
    reads_arguments: bool,
}

impl Condition {
    /// Parses and compiles an expression.
    ///
    /// # Errors
    ///
    /// The first mistake of the expression.
    pub fn parse(source: &str) -> Result<Self, ConditionError> {
        Self::parse_with(source, false)
    }

    /// Parses and compiles an expression that may read `result`, the result of a call.
    ///
    /// # Errors
    ///
    /// The first mistake of the expression.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_policy::condition::Condition;
    ///
    /// assert!(Condition::of_result("result.isError || result.size > 1000").is_ok());
    /// assert!(Condition::parse("result.isError").is_err());
    /// ```
    pub fn of_result(source: &str) -> Result<Self, ConditionError> {
        Self::parse_with(source, true)
    }

    fn parse_with(source: &str, has_result: bool) -> Result<Self, ConditionError> {
        if source.len() > MAX_LENGTH {
            return Err(ConditionError::TooLong);
        }
        let text = source.to_owned();
        let parser = thread::Builder::new().stack_size(STACK);
        let compiled = parser.spawn(move || Self::compile(&text, has_result));
        let joined = compiled.map_err(|_| ConditionError::TooDeep)?.join();
        joined.unwrap_or(Err(ConditionError::TooDeep))
    }

    fn compile(source: &str, has_result: bool) -> Result<Self, ConditionError> {
        let expression = Parser::new()
            .parse(source)
            .map_err(|errors| syntax(&errors))?;
        let mut compiler = Compiler::new(has_result);
        let node = compiler.condition(&expression)?;
        Ok(Self {
            source: source.into(),
            node: Arc::new(node),
            facts: compiler.facts.into(),
            reads_arguments: compiler.reads_arguments,
        })
    }

    /// Returns the expression.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns `true` if the condition depends on the arguments of the call.
    #[must_use]
    pub fn reads_arguments(&self) -> bool {
        self.reads_arguments
    }

    /// Returns `true` if the condition depends on the trust in the context.
    pub(crate) fn reads_trust(&self) -> bool {
        self.facts.contains(&Fact::ContextUntrusted)
    }

    /// Returns `true` if the condition depends on the name of the tool.
    pub(crate) fn reads_tool_name(&self) -> bool {
        self.facts.contains(&Fact::ToolName)
    }

    /// Returns `true` if the condition depends on the tool.
    pub(crate) fn reads_tool(&self) -> bool {
        let reads = |fact: &Fact| *fact == Fact::ToolName || fact.is_annotation();
        self.reads_arguments || self.facts.iter().any(reads)
    }

    /// Returns `true` if the condition may differ between callers or change with the time.
    pub(crate) fn is_personal(&self) -> bool {
        let differs = |fact: &Fact| fact.is_of_caller() || *fact == Fact::ContextTime;
        self.facts.iter().any(differs)
    }

    /// Evaluates the condition.
    pub(crate) fn evaluate(&self, facts: &dyn Facts) -> Result<bool, EvaluationError> {
        Evaluation::new(facts).bool(&self.node)
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.source).finish()
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Condition {}

/// Returns the first error of the parser.
fn syntax(errors: &ParseErrors) -> ConditionError {
    let first = errors.errors.first();
    let position = |value: isize| usize::try_from(value).unwrap_or_default();
    let (line, column) = first.map_or((1, 1), |error| error.pos);
    ConditionError::Syntax {
        line: position(line),
        column: position(column),
        message: first.map_or_else(String::new, |error| error.msg.clone()),
    }
}

#[cfg(test)]
mod tests;
