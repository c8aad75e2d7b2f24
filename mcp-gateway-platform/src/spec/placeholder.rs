//! Placeholders in the arguments and variables of a program, and in the URL of a server.

use mcp_gateway_auth::egress::{UrlPiece, UrlTemplate, UrlTemplateError};

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

/// Returns the template of a URL that refers to inputs; `None` if `text` refers to none.
///
/// # Errors
///
/// [`UrlTemplateError`] if a reference stands where no value can be.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::spec::url_template;
///
/// let template = url_template("https://${input:tenant}.example.com/mcp").unwrap().unwrap();
/// assert_eq!(template.sample(), "https://sample.example.com/mcp");
/// assert!(url_template("https://mcp.example.com/mcp").unwrap().is_none());
/// ```
pub fn url_template(text: &str) -> Result<Option<UrlTemplate>, UrlTemplateError> {
    if !placeholders(text).any(|name| input_of(name).is_some()) {
        return Ok(None);
    }
    let pieces = pieces(text).flat_map(|piece| match piece {
        Piece::Text(text) => [text, "", ""].map(UrlPiece::Text),
        Piece::Placeholder(name) => match input_of(name) {
            Some(input) => [
                UrlPiece::Value(input),
                UrlPiece::Text(""),
                UrlPiece::Text(""),
            ],
            None => ["${", name, "}"].map(UrlPiece::Text),
        },
    });
    UrlTemplate::new(pieces).map(Some)
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
