//! Resources of which strangers must not learn if they exist.

use url::Url;

use super::Resource;

/// Resources below one URL of which strangers must not learn if they exist.
///
/// Each name below the URL is described to strangers like a resource, whether or not there is one of
/// that name. Nobody receives a token of a user for a name without a resource.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::server::{HiddenResources, Resource};
///
/// # fn main() -> Result<(), url::ParseError> {
/// let below = Resource::new("https://gw.example.com/v1/mcp/".parse()?, "");
/// let hidden = HiddenResources::below(below).except(["sse"]);
/// let ops = hidden.named("ops").map(|resource| resource.uri.to_string());
/// assert_eq!(ops.as_deref(), Some("https://gw.example.com/v1/mcp/ops"));
/// for other in ["sse", "", "ops/sse", "..", "%6fps"] {
///     assert!(hidden.named(other).is_none(), "{other}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HiddenResources {
    /// Resource whose URLs end with a slash, and whose scopes and binding are those of all names.
    below: Resource,
    /// Names that no resource has.
    reserved: Vec<&'static str>,
}

impl HiddenResources {
    /// Creates the resources below the URLs of `below`, which end with a slash, with its scopes and
    /// its binding of tokens.
    #[must_use]
    pub fn below(below: Resource) -> Self {
        Self {
            below,
            reserved: Vec::new(),
        }
    }

    /// Sets the names that no resource has.
    #[must_use]
    pub fn except(self, reserved: impl IntoIterator<Item = &'static str>) -> Self {
        Self {
            reserved: reserved.into_iter().collect(),
            ..self
        }
    }

    /// Returns the description of the resource `name`; `None` if no resource can have the name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Resource> {
        let is_segment = !name.is_empty()
            && !name.starts_with('.')
            && name.bytes().all(is_unreserved)
            && !self.reserved.contains(&name);
        if !is_segment {
            return None;
        }
        let url = |below: &Url| below.join(name).ok();
        let mut resource = Resource::new(url(&self.below.uri)?, name);
        resource.aliases = self.below.aliases.iter().filter_map(url).collect();
        resource.scopes.clone_from(&self.below.scopes);
        resource.binding = self.below.binding;
        // A restriction to no team: tokens are for nobody.
        Some(resource.with_teams([]))
    }

    /// Returns the description of the resource at `url`, which has no query.
    pub(super) fn at(&self, url: &str) -> Option<Resource> {
        let mut below = self.below.uris();
        let name = below.find_map(|below| url.strip_prefix(below.as_str()))?;
        self.named(name.trim_end_matches('/'))
    }
}

/// Returns `true` for the characters of a path that have one spelling.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}
