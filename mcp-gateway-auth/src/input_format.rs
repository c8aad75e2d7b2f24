//! Formats of values that people enter.

/// Format of a value that somebody enters for a server, as `server.json` has them.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::InputFormat;
///
/// assert!(InputFormat::Number.accepts("8080"));
/// assert!(!InputFormat::Boolean.accepts("yes"));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "server.json defines the formats")]
pub enum InputFormat {
    /// Any text.
    #[default]
    String,
    /// Decimal number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// Path of a file or folder.
    Filepath,
}

impl InputFormat {
    /// Returns `true` if `value` has the format.
    #[must_use]
    pub fn accepts(self, value: &str) -> bool {
        match self {
            Self::String | Self::Filepath => true,
            Self::Number => value.parse::<f64>().is_ok_and(f64::is_finite),
            Self::Boolean => matches!(value, "true" | "false"),
        }
    }

    /// Returns a description of accepted values.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::String => "text",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Filepath => "a path",
        }
    }
}
