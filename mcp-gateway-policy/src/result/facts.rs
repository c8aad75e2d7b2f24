//! A result as conditions read it.

use std::cell::OnceCell;

use serde_json::value::RawValue;

use crate::attributes::Attributes;
use crate::condition::{EvaluationError, Fact, Facts, Value, members, value};

/// Facts of a call and its result.
pub(super) struct ResultFacts<'a> {
    call: &'a Attributes<'a>,
    /// JSON text of the result or error.
    outcome: &'a str,
    is_error: bool,
    parts: OnceCell<Result<Parts<'a>, EvaluationError>>,
}

/// Parts of a result.
#[derive(Default)]
struct Parts<'a> {
    /// Texts, one a line.
    text: String,
    structured: Option<&'a RawValue>,
    is_error: bool,
}

impl<'a> ResultFacts<'a> {
    /// Creates the facts of a call whose server sent the result, or the error.
    pub(super) fn new(call: &'a Attributes<'a>, outcome: Result<&'a str, &'a str>) -> Self {
        Self {
            call,
            is_error: outcome.is_err(),
            outcome: outcome.unwrap_or_else(|error| error),
            parts: OnceCell::new(),
        }
    }

    fn parts(&self) -> Result<&Parts<'a>, EvaluationError> {
        let parts = self.parts.get_or_init(|| {
            let mut parts = Parts {
                is_error: self.is_error,
                ..Parts::default()
            };
            parts.read(self.outcome, true)?;
            Ok(parts)
        });
        parts.as_ref().map_err(|error| *error)
    }
}

impl<'a> Parts<'a> {
    /// Reads the texts of an object or array; `is_result` if it may have the parts of a result.
    fn read(&mut self, json: &'a str, is_result: bool) -> Result<(), EvaluationError> {
        if json.starts_with('[') {
            let items: Vec<&RawValue> =
                serde_json::from_str(json).map_err(|_| EvaluationError::Mistyped)?;
            return items
                .iter()
                .try_for_each(|item| self.read(item.get(), false));
        }
        if !json.starts_with('{') {
            return Ok(());
        }
        let members = members(json)?;
        for (at, (key, raw)) in members.iter().enumerate() {
            if members[..at].iter().any(|(other, _)| other == key) {
                return Err(EvaluationError::Ambiguous);
            }
            let raw = *raw;
            match &**key {
                "structuredContent" if is_result => self.structured = Some(raw),
                "isError" if is_result => self.is_error |= raw.get() == "true",
                "text" | "message" if raw.get().starts_with('"') => {
                    if !self.text.is_empty() {
                        self.text.push('\n');
                    }
                    let text: String =
                        serde_json::from_str(raw.get()).map_err(|_| EvaluationError::Mistyped)?;
                    self.text.push_str(&text);
                }
                "_meta" | "structuredContent" => {}
                // The result of a task is in a member.
                "result" if is_result => self.read(raw.get(), true)?,
                _ => self.read(raw.get(), false)?,
            }
        }
        Ok(())
    }
}

impl Facts for ResultFacts<'_> {
    fn fact(&self, fact: Fact) -> Result<Value<'_>, EvaluationError> {
        match fact {
            Fact::ResultText => Ok(Value::text(&self.parts()?.text)),
            Fact::ResultIsError => Ok(Value::Bool(self.parts()?.is_error)),
            Fact::ResultSize => {
                let size = i64::try_from(self.outcome.len());
                size.map(Value::int)
                    .map_err(|_| EvaluationError::OutOfRange)
            }
            Fact::ResultStructuredContent => {
                let structured = self.parts()?.structured;
                value(structured.ok_or(EvaluationError::Absent)?)
            }
            other => self.call.fact(other),
        }
    }

    fn arguments(&self) -> Option<&str> {
        self.call.arguments()
    }
}
