//! Tools of a server that gateways offer.

use std::sync::Arc;

use mcp_gateway_core::glob::matches;

/// Filter of the tools of a server, by the names that the server uses.
///
/// A pattern is a name, in which `*` stands for any characters. A tool that is hidden does not
/// exist for callers.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::spec::ToolFilter;
///
/// let filter = ToolFilter::default()
///     .with_allowed(["get_*".into(), "search".into()])
///     .with_denied(["get_secret".into()]);
/// assert!(filter.allows("get_file") && filter.allows("search"));
/// assert!(!filter.allows("get_secret") && !filter.allows("delete"));
/// assert!(ToolFilter::default().is_empty());
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ToolFilter {
    /// Patterns of offered tools; all if `None`.
    pub allowed: Option<Vec<Arc<str>>>,
    /// Patterns of hidden tools, which precede those of offered ones.
    pub denied: Vec<Arc<str>>,
}

impl ToolFilter {
    /// Offers only the tools that match one of `patterns`, among those offered so far.
    #[must_use]
    pub fn with_allowed(mut self, patterns: impl IntoIterator<Item = Arc<str>>) -> Self {
        let patterns: Vec<_> = patterns.into_iter().collect();
        if patterns.iter().any(|pattern| **pattern == *"*") {
            return self;
        }
        self.allowed = Some(match self.allowed {
            Some(before) => {
                let is_known = |name: &Arc<str>| before.iter().any(|one| matches(one, name));
                patterns.into_iter().filter(is_known).collect()
            }
            None => patterns,
        });
        self
    }

    /// Hides the tools that match one of `patterns`.
    #[must_use]
    pub fn with_denied(mut self, patterns: impl IntoIterator<Item = Arc<str>>) -> Self {
        self.denied.extend(patterns);
        self
    }

    /// Returns `true` if the tool `name` is offered.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        let any = |patterns: &[Arc<str>]| patterns.iter().any(|pattern| matches(pattern, name));
        self.allowed.as_deref().is_none_or(any) && !any(&self.denied)
    }

    /// Returns the patterns that none of the tools `listed` matches, except for `*`.
    pub(super) fn unmatched<'a>(
        &'a self,
        listed: &'a [&str],
    ) -> impl Iterator<Item = &'a Arc<str>> {
        let patterns = self.allowed.iter().flatten().chain(&self.denied);
        let is_matched = |pattern: &str| listed.iter().any(|name| matches(pattern, name));
        patterns.filter(move |pattern| ***pattern != *"*" && !is_matched(pattern))
    }

    /// Returns `true` if the filter hides nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.allowed.is_none() && self.denied.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_lists_of_offered_tools_apply_together() {
        let filter = ToolFilter::default()
            .with_allowed(["a".into(), "b*".into()])
            .with_allowed(["*".into()])
            .with_allowed(["b1".into(), "c".into()]);
        assert!(filter.allows("b1"));
        for name in ["a", "b2", "c"] {
            assert!(!filter.allows(name), "{name}");
        }
    }
}
