//! Values of the placeholders of an instance.

use std::borrow::Cow;

use crate::spec::{Piece, pieces};

/// Values of the placeholders of an instance.
#[derive(Clone, Debug)]
pub(super) struct Values {
    /// State folder.
    pub(super) state: String,
    /// Temporary folder.
    pub(super) temp: String,
    /// Free port.
    pub(super) port: String,
    /// Name that no other workspace has.
    pub(super) id: String,
}

impl Values {
    /// Replaces the placeholders in `text`.
    ///
    /// Unknown ones stay, because they may be meant for a shell. `$${` stands for `${`.
    pub(super) fn expand(&self, text: &str) -> String {
        let pieces = pieces(text);
        let expanded = pieces.map(|piece| match piece {
            Piece::Text(text) => Cow::Borrowed(text),
            Piece::Placeholder(name) => match self.get(name) {
                Some(value) => Cow::Borrowed(value),
                None => Cow::Owned(format!("${{{name}}}")),
            },
        });
        expanded.collect()
    }

    /// Returns the value of the placeholder `name`.
    fn get(&self, name: &str) -> Option<&str> {
        match name {
            "id" => Some(&self.id),
            "port" => Some(&self.port),
            "state" => Some(&self.state),
            "temp" => Some(&self.temp),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_placeholders_are_replaced_and_others_stay() {
        let values = Values {
            state: "/s".to_owned(),
            temp: "/t".to_owned(),
            port: "1".to_owned(),
            id: "n".to_owned(),
        };
        let table = [
            ("${state}/a", "/s/a"),
            ("a${temp}b${port}c${id}", "a/tb1cn"),
            ("$${state} ${other} ${", "${state} ${other} ${"),
            ("a$${temp}${temp}", "a${temp}/t"),
            ("$state $", "$state $"),
            ("", ""),
        ];
        for (text, expected) in table {
            assert_eq!(values.expand(text), expected, "{text}");
        }
    }
}
