//! Arguments of the search.

use serde_json::Value;

/// Arguments of `search_tools`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SearchArguments {
    pub(super) query: String,
    pub(super) limit: usize,
}

impl SearchArguments {
    /// Reads the JSON text of arguments.
    ///
    /// # Errors
    ///
    /// A message for the model, which states the arguments that are expected.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let Ok(Value::Object(arguments)) = serde_json::from_str(text) else {
            return Err("Invalid arguments: send an object with \"query\".");
        };
        if arguments
            .keys()
            .any(|name| name != "query" && name != "limit")
        {
            return Err("Invalid arguments: only \"query\" and \"limit\" are possible.");
        }
        let query = match arguments.get("query") {
            Some(Value::String(query)) if !query.trim().is_empty() => query.clone(),
            _ => {
                return Err(
                    "Invalid arguments: \"query\" must say in words what the tool should do.",
                );
            }
        };
        let limit = match arguments.get("limit") {
            None | Some(Value::Null) => DEFAULT,
            Some(limit) => whole(limit)
                .ok_or("Invalid arguments: \"limit\" must be a whole number from 1 to 20.")?,
        };
        Ok(Self { query, limit })
    }
}

/// Returns the number of results, at most [`MOST`]. Models also write numbers as text.
fn whole(limit: &Value) -> Option<usize> {
    let number = match limit {
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        limit => limit.as_f64()?,
    };
    let is_whole = number.fract() == 0.0 && (1.0..=1e9).contains(&number);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number between 1 and 1e9"
    )]
    is_whole.then_some((number as usize).min(MOST))
}

/// Most results of a search.
pub(super) const MOST: usize = 20;

/// Results of a search that asks for no number.
pub(super) const DEFAULT: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_tells_what_to_send() {
        let limit = |text: &str| SearchArguments::parse(text).map(|arguments| arguments.limit);
        assert_eq!(limit(r#"{"query":"a"}"#), Ok(8));
        assert_eq!(limit(r#"{"query":"a","limit":null}"#), Ok(8));
        assert_eq!(limit(r#"{"query":"a","limit":3.0}"#), Ok(3));
        assert_eq!(limit(r#"{"query":"a","limit":"5"}"#), Ok(5));
        assert_eq!(limit(r#"{"query":"a","limit":100}"#), Ok(20));
        for text in [
            r#"{"query":"a","limit":"many"}"#,
            r#"{"query":"a","limit":0}"#,
            r#"{"query":"a","limit":1.5}"#,
        ] {
            assert!(limit(text).unwrap_err().contains("from 1 to 20"), "{text}");
        }
        for text in ["[]", "{}", r#"{"query":1}"#, r#"{"query":" "}"#] {
            assert!(limit(text).unwrap_err().contains("\"query\""), "{text}");
        }
        let unknown = limit(r#"{"query":"a","servers":[]}"#).unwrap_err();
        assert!(unknown.contains("\"limit\""), "{unknown}");
    }
}
