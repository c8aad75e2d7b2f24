//! Values of the placeholders of an instance.

use mcp_gateway_core::Credential;

use crate::spec::{Piece, input_of, pieces};

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
    /// Supplied values of the caller.
    pub(super) inputs: Credential,
}

impl Values {
    /// Replaces the placeholders in `text`; `None` if it refers to an input that has no value.
    ///
    /// Unknown ones stay, because they may be meant for a shell. `$${` stands for `${`.
    pub(super) fn expand(&self, text: &str) -> Option<String> {
        let mut expanded = String::new();
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => expanded.push_str(text),
                Piece::Placeholder(name) => match (input_of(name), self.get(name)) {
                    (Some(input), _) => expanded.push_str(self.inputs.value(input)?),
                    (None, Some(value)) => expanded.push_str(value),
                    (None, None) => expanded.extend(["${", name, "}"]),
                },
            }
        }
        Some(expanded)
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
            inputs: Credential::none().with_value("token", "${port}"),
        };
        let table = [
            ("${state}/a", "/s/a"),
            ("a${temp}b${port}c${id}", "a/tb1cn"),
            ("$${state} ${other} ${", "${state} ${other} ${"),
            ("a$${temp}${temp}", "a${temp}/t"),
            ("$state $", "$state $"),
            // A value has no placeholders.
            ("a${input:token}b", "a${port}b"),
            ("$${input:token}", "${input:token}"),
            ("", ""),
        ];
        for (text, expected) in table {
            assert_eq!(values.expand(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(values.expand("a${input:other}"), None);
    }
}
