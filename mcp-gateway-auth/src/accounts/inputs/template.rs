//! Texts that refer to inputs.

use std::sync::Arc;

use super::InputValues;

/// Text with references to inputs, `${input:NAME}`. `$${input:` stands for `${input:`.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::accounts::{Input, InputValues, Template};
///
/// let template = Template::parse("Bearer ${input:token}");
/// assert_eq!(template.references().collect::<Vec<_>>(), ["token"]);
/// let values = InputValues::read(&[Input::new("token")], |_| Some("a".to_owned()));
/// assert_eq!(template.expand(&values.unwrap()).as_deref(), Some("Bearer a"));
/// // Without a value, there is no text.
/// assert_eq!(template.expand(&InputValues::default()), None);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Text(String),
    Reference(Arc<str>),
}

impl Template {
    /// Parses `text`. Whatever is not a reference is text.
    #[must_use]
    pub fn parse(mut text: &str) -> Self {
        let mut pieces = Vec::new();
        while let Some((before, after)) = text.split_once(BEGIN) {
            if let Some(before) = before.strip_suffix('$') {
                pieces.push(Piece::Text(format!("{before}{BEGIN}")));
                text = after;
                continue;
            }
            let Some((name, after)) = after.split_once('}') else {
                break;
            };
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Reference(name.into()));
            text = after;
        }
        pieces.push(Piece::Text(text.to_owned()));
        Self(pieces)
    }

    /// Returns the names of the inputs to which it refers.
    pub fn references(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Reference(name) => Some(&**name),
            Piece::Text(_) => None,
        })
    }

    /// Replaces the references by `values`; `None` if one of them has no value.
    #[must_use]
    pub fn expand(&self, values: &InputValues) -> Option<String> {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Reference(name) => values.get(name),
            Piece::Text(text) => Some(&**text),
        });
        pieces.collect()
    }
}

/// Beginning of a reference.
const BEGIN: &str = "${input:";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::Input;

    #[test]
    fn references_are_replaced_and_other_text_stays() {
        let inputs = [Input::new("a"), Input::new("b")];
        let values = InputValues::read(&inputs, |name| Some(name.to_uppercase())).unwrap();
        let table = [
            ("", Some("")),
            ("${input:a}", Some("A")),
            ("x${input:a}y${input:b}z", Some("xAyBz")),
            ("$${input:a}${input:b}", Some("${input:a}B")),
            ("${other} ${input:a", Some("${other} ${input:a")),
            ("${input:c}", None),
        ];
        for (text, expected) in table {
            let expanded = Template::parse(text).expand(&values);
            assert_eq!(expanded.as_deref(), expected, "{text}");
        }
    }
}
