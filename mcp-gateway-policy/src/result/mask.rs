//! Parts of results that are masked.

use std::fmt;
use std::sync::Arc;

use mcp_gateway_core::results::{Projection, ProjectionError};
use regex::{Regex, RegexBuilder};

/// Parts of a result that are replaced by a text.
///
/// JSON paths select values of `structuredContent`, and of every text that is a JSON object or array.
/// What they have selected is replaced in the other texts of the same result as well, if it has at
/// least four characters. Patterns are regular expressions in linear time; they apply to each text
/// and number, wherever it is.
///
/// # Example
///
/// ```
/// use mcp_gateway_policy::result::ResultMask;
///
/// let mask = ResultMask::new(&["$.card.number"], &[r"\b\d{16}\b"])?.with_replacement("[card]");
/// assert_eq!(mask.replacement(), "[card]");
/// assert!(ResultMask::new(&["card"], &[]).is_err());
/// assert!(ResultMask::new(&[], &["("]).is_err());
/// # Ok::<_, mcp_gateway_policy::result::MaskError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct ResultMask {
    paths: Option<Projection>,
    patterns: Vec<Regex>,
    replacement: Arc<str>,
}

/// Mistake in a path or pattern.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MaskError {
    /// A path is not one of RFC 9535, or is too large.
    #[error("invalid path: {0}")]
    Path(#[from] ProjectionError),
    /// A pattern is no regular expression, or is too large.
    #[error("invalid pattern: {0}")]
    Pattern(String),
}

impl ResultMask {
    /// Creates a mask of the values that `paths` select, and of what `patterns` match.
    ///
    /// # Errors
    ///
    /// [`MaskError`] of the first mistake.
    pub fn new(paths: &[&str], patterns: &[&str]) -> Result<Self, MaskError> {
        let compile = |pattern: &&str| {
            let pattern = RegexBuilder::new(pattern).size_limit(MAX_PATTERN).build();
            pattern.map_err(|error| MaskError::Pattern(last_line(&error)))
        };
        let paths = match paths {
            [] => None,
            paths => Some(Projection::new(paths)?),
        };
        Ok(Self {
            paths,
            patterns: patterns.iter().map(compile).collect::<Result<_, _>>()?,
            replacement: "***".into(),
        })
    }

    /// Sets the text in the place of what is masked. Default: `***`.
    pub fn with_replacement(mut self, text: impl Into<Arc<str>>) -> Self {
        self.replacement = text.into();
        self
    }

    /// Returns the text in the place of what is masked.
    #[must_use]
    pub fn replacement(&self) -> &str {
        &self.replacement
    }

    /// Returns the selection of values.
    pub(super) fn paths(&self) -> Option<&Projection> {
        self.paths.as_ref()
    }

    /// Returns the patterns of texts.
    pub(super) fn patterns(&self) -> &[Regex] {
        &self.patterns
    }

    /// Returns the sources of the patterns.
    fn sources(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().map(Regex::as_str)
    }
}

impl PartialEq for ResultMask {
    fn eq(&self, other: &Self) -> bool {
        self.paths == other.paths
            && self.replacement == other.replacement
            && self.sources().eq(other.sources())
    }
}

impl Eq for ResultMask {}

impl fmt::Debug for ResultMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResultMask")
            .field("paths", &self.paths)
            .field("patterns", &self.patterns)
            .field("replacement", &self.replacement)
            .finish()
    }
}

/// Returns the last line of the message of a regular expression, which says what is wrong.
fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

/// Maximum size of a compiled pattern, in bytes.
const MAX_PATTERN: usize = 1 << 18;
