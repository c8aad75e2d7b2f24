//! Cut of a result to a maximum size, for rules about results.

use super::ResultBudget;
use super::cut::cut;
use super::shaper::of_tool;
use super::tool_result::ToolResult;

/// Returns the JSON text `result`, of a tool or of its task, cut to at most `max` bytes with a note
/// about the rest; `None` if it has no part that can be cut, or `max` is below
/// [`ResultBudget::MIN_BYTES`].
///
/// Structured content is left out, and whatever is not a text.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::results::capped;
///
/// let text = "x".repeat(5000);
/// let result = format!(r#"{{"content":[{{"type":"text","text":"{text}"}}]}}"#);
/// let cut = capped(&result, 2048).unwrap();
/// assert!(cut.len() <= 2048 && cut.contains("of 5000 bytes left out"));
/// assert!(capped(r#"{"contents":[]}"#, 2048).is_none());
/// ```
#[must_use]
pub fn capped(result: &str, max: usize) -> Option<String> {
    let inner = of_tool(result);
    let around = result.len() - inner.len();
    let room = max.checked_sub(around)?;
    if room < ResultBudget::MIN_BYTES {
        return None;
    }
    let tool = ToolResult::parse(&result[inner.clone()])?;
    let (before, after) = (&result[..inner.start], &result[inner.end..]);
    Some([before, &cut(&tool, room, None), after].concat())
}
