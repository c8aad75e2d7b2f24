//! Pages of lists.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::ApiError;

/// Selection of a page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    /// Maximum number of entries.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
    /// Cursor of the page: `next` of the page before it.
    #[param(max_length = 2048, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    after: Option<String>,
}

/// Page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// Entries, in a stable order.
    pub(super) items: Vec<T>,
    /// Cursor of the next page; `null` at the end.
    pub(super) next: Option<String>,
}

impl PageQuery {
    /// Returns the maximum number of entries.
    pub(super) fn limit(&self) -> Result<usize, ApiError> {
        valid_limit(self.limit)
    }

    /// Returns the cursor.
    pub(super) fn after(&self) -> Result<Option<&str>, ApiError> {
        valid_cursor(self.after.as_deref())
    }
}

impl<T> Page<T> {
    /// Creates a page of up to `limit` entries of `found`, which has one more if another page
    /// follows. The cursor is the `id` of the last entry.
    pub(super) fn of(mut found: Vec<T>, limit: usize, id: impl Fn(&T) -> &str) -> Self {
        let has_more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| has_more);
        Self {
            next: last.map(|last| id(last).to_owned()),
            items: found,
        }
    }
}

/// Validates the maximum number of entries of a page.
pub(super) fn valid_limit(limit: Option<usize>) -> Result<usize, ApiError> {
    match limit.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MAX_LIMIT => Ok(limit),
        _ => Err(ApiError::BadRequest(format!(
            "limit: expected a number from 1 to {MAX_LIMIT}"
        ))),
    }
}

/// Validates a cursor, which is part of a key in the store.
pub(super) fn valid_cursor(cursor: Option<&str>) -> Result<Option<&str>, ApiError> {
    match cursor {
        Some(text) if text.chars().count() > MAX_CURSOR || text.contains(char::is_control) => {
            Err(ApiError::BadRequest("after: invalid cursor".to_owned()))
        }
        cursor => Ok(cursor),
    }
}

/// Validates the length of the text of a filter, whose parameter is `name`.
pub(super) fn check_length(name: &str, text: Option<&str>, max: usize) -> Result<(), ApiError> {
    match text.is_none_or(|text| text.chars().count() <= max) {
        true => Ok(()),
        false => Err(ApiError::BadRequest(format!(
            "{name}: expected text of up to {max} characters"
        ))),
    }
}

/// Default number of entries of a page.
const DEFAULT_LIMIT: usize = 50;

/// Maximum number of entries of a page.
const MAX_LIMIT: usize = 500;

/// Maximum length of a cursor in characters: that of an identifier.
const MAX_CURSOR: usize = 2048;
