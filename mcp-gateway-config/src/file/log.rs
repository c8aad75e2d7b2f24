//! Section `log`.
//!
//! | Key | Type |
//! |---|---|
//! | `format` | `text` or `json` |
//! | `level` | level, or directives of `tracing_subscriber::filter::Targets` |

use tracing_subscriber::filter::Targets;

use crate::document::{Field, FromField};

/// Log level and format.
///
/// # Example
///
/// ```
/// use mcp_gateway_config::file::{Log, LogFormat, parse};
///
/// let config = parse("log: { format: json }\n").unwrap();
/// assert_eq!(config.serving.log.format, LogFormat::Json);
/// assert_eq!(config.serving.log.level, Log::default().level);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Log {
    /// Format of log lines.
    pub format: LogFormat,
    /// Level, or directives such as `info,mcp_gateway_core=debug`.
    pub level: String,
}

/// Format of log lines.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[non_exhaustive]
pub enum LogFormat {
    /// For programs
    Json,
    /// For operators
    #[default]
    Text,
}

impl Log {
    /// Creates text logs from `level` on.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_config::file::{Log, LogFormat};
    ///
    /// assert_eq!(Log::from_level("debug").format, LogFormat::Text);
    /// ```
    #[must_use]
    pub fn from_level(level: impl Into<String>) -> Self {
        Self {
            format: LogFormat::default(),
            level: level.into(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::default(),
            level: "info".to_owned(),
        }
    }
}

impl FromField for Log {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let Self { format, level } = Self::default();
        let given = table.get_with("level", |field| field.parse("a level", directives));
        let log = Self {
            format: table.get("format").unwrap_or(format),
            level: given.unwrap_or(level),
        };
        table.finish();
        Some(log)
    }
}

impl FromField for LogFormat {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        field.choice(&[("text", Self::Text), ("json", Self::Json)])
    }
}

/// Validates the directives of a filter. Empty ones are removed.
///
/// # Errors
///
/// The valid levels, or the error of the parser.
///
/// # Example
///
/// ```
/// use mcp_gateway_config::file::directives;
///
/// assert!(directives("info,mcp_gateway_core=debug").is_ok());
/// assert_eq!(directives("info, h2=warn,").unwrap(), "info,h2=warn");
/// assert!(directives("verbose").unwrap_err().starts_with("expected one of: trace"));
/// assert!(directives("[call]=debug").unwrap_err().contains("span"));
/// ```
pub fn directives(text: &str) -> Result<String, String> {
    // `Targets` accepts any word as a target with all its levels, and spans as parts of one.
    if text.contains('[') {
        return Err("filters by span or field are not supported".to_owned());
    }
    let levels = ["trace", "debug", "info", "warn", "error", "off"];
    let directives = text
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty());
    let directives: Vec<&str> = directives.collect();
    let known = directives.iter().any(|directive| {
        let level = directive.rsplit('=').next().unwrap_or_default();
        levels.contains(&&*level.to_ascii_lowercase())
    });
    let text = directives.join(",");
    match text.parse::<Targets>() {
        Ok(_) if known => Ok(text),
        Ok(_) => Err(format!("expected one of: {}", levels.join(", "))),
        Err(error) => Err(error.to_string()),
    }
}
