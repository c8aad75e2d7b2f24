//! Placeholders in the arguments and variables of a program.

/// Names of the placeholders.
///
/// | name | value |
/// |---|---|
/// | `id` | name that no other workspace has |
/// | `port` | port of the loopback address that was free when the instance started |
/// | `state` | path of the state folder of the owner |
/// | `temp` | path of the temporary folder of the owner |
pub const PLACEHOLDERS: [&str; 4] = ["id", "port", "state", "temp"];

/// Returns the name of the input to which the placeholder `name` refers.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::spec::{input_of, placeholders};
///
/// let inputs: Vec<_> = placeholders("--key=${input:key}@${port}").filter_map(input_of).collect();
/// assert_eq!(inputs, ["key"]);
/// ```
#[must_use]
pub fn input_of(name: &str) -> Option<&str> {
    name.strip_prefix("input:")
}

/// Returns the names of the placeholders in `text`, known or not.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::spec::placeholders;
///
/// let names: Vec<_> = placeholders("--data=${state}/a:${other}:$${port}").collect();
/// assert_eq!(names, ["state", "other"]);
/// ```
pub fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).filter_map(|piece| match piece {
        Piece::Placeholder(name) => Some(name),
        Piece::Text(_) => None,
    })
}

/// Part of a text with placeholders.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Piece<'a> {
    Text(&'a str),
    Placeholder(&'a str),
}

/// Splits `text` into its parts.
pub(crate) fn pieces(mut text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut pieces = Vec::new();
    while let Some((before, after)) = text.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            pieces.extend([Piece::Text(before), Piece::Text("${")]);
            text = after;
            continue;
        }
        let Some((name, after)) = after.split_once('}') else {
            break;
        };
        pieces.extend([Piece::Text(before), Piece::Placeholder(name)]);
        text = after;
    }
    pieces.push(Piece::Text(text));
    pieces.into_iter()
}
