//! Log settings.

use tracing_subscriber::EnvFilter;

use crate::document::{Field, Read};

/// What is logged, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Log {
    /// The format of lines.
    pub format: LogFormat,
    /// A level, or directives such as `info,mcp_gateway_core=debug`.
    pub level: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
#[non_exhaustive]
pub enum LogFormat {
    /// For programs
    Json,
    /// For people
    #[default]
    Text,
}

impl Log {
    /// Logs for people from `level` on.
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

impl Read for Log {
    fn read(field: &Field<'_>) -> Option<Self> {
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

impl Read for LogFormat {
    fn read(field: &Field<'_>) -> Option<Self> {
        field.choice(&[("text", Self::Text), ("json", Self::Json)])
    }
}

/// Checks the directives of a filter.
///
/// # Errors
///
/// What is wrong with `text`.
pub fn directives(text: &str) -> Result<String, String> {
    // A word alone would be a target, of which everything is logged.
    let levels = ["trace", "debug", "info", "warn", "error", "off"];
    let known = text.split(',').any(|directive| {
        let level = directive.rsplit('=').next().unwrap_or_default();
        levels.contains(&&*level.trim().to_ascii_lowercase())
    });
    match EnvFilter::try_new(text) {
        Ok(_) if known => Ok(text.to_owned()),
        Ok(_) => Err(format!("there are: {}", levels.join(", "))),
        Err(error) => Err(error.to_string()),
    }
}
