//! Protected resources: the gateways for which tokens are issued (RFC 8707, RFC 9728).

use std::sync::Arc;

use url::Url;

use super::Scopes;

/// A protected resource: a gateway at its URL.
///
/// See [RFC 8707](https://www.rfc-editor.org/rfc/rfc8707) and [RFC
/// 9728](https://www.rfc-editor.org/rfc/rfc9728).
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::server::Resource;
///
/// # fn main() -> Result<(), url::ParseError> {
/// let notes = Resource::new("https://gw.example.com/notes".parse()?, "Notes")
///     .with_teams(["platform".into()]);
/// assert!(notes.allows(&[], &["platform".into()]));
/// assert!(!notes.allows(&["member".into()], &["sales".into()]));
/// // Administrators have access to all resources.
/// assert!(notes.allows(&["admin".into()], &[]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Resource {
    /// URL of the resource, and audience of its tokens.
    pub uri: Url,
    /// Further URLs of the resource, such as that of a default gateway.
    pub aliases: Vec<Url>,
    /// Display name.
    pub name: Arc<str>,
    /// Scope values with their descriptions for users.
    pub scopes: Vec<(Arc<str>, Arc<str>)>,
    /// Teams with access; everybody has access if `None`.
    pub teams: Option<Vec<Arc<str>>>,
}

impl Resource {
    /// Creates the resource at `uri` with the single scope `mcp`.
    #[must_use]
    pub fn new(uri: Url, name: impl Into<Arc<str>>) -> Self {
        Self {
            uri,
            aliases: Vec::new(),
            name: name.into(),
            scopes: vec![(
                "mcp".into(),
                "Use the tools and read the data there as you".into(),
            )],
            teams: None,
        }
    }

    /// Adds the URL `uri`.
    #[must_use]
    pub fn with_alias(mut self, uri: Url) -> Self {
        self.aliases.push(uri);
        self
    }

    /// Adds the scope `name` with a description for users.
    #[must_use]
    pub fn with_scope(
        mut self,
        name: impl Into<Arc<str>>,
        description: impl Into<Arc<str>>,
    ) -> Self {
        self.scopes.push((name.into(), description.into()));
        self
    }

    /// Restricts the resource to the members of `teams`, and administrators.
    #[must_use]
    pub fn with_teams(mut self, teams: impl Into<Vec<Arc<str>>>) -> Self {
        self.teams = Some(teams.into());
        self
    }

    /// Returns `true` if a user with `roles` and `teams` may access the resource.
    #[must_use]
    pub fn allows(&self, roles: &[Arc<str>], teams: &[Arc<str>]) -> bool {
        let is_member = |chosen: &Vec<Arc<str>>| teams.iter().any(|team| chosen.contains(team));
        self.teams.as_ref().is_none_or(is_member) || roles.iter().any(|role| **role == *ADMIN)
    }

    /// Returns all URLs of the resource.
    pub(super) fn uris(&self) -> impl Iterator<Item = &Url> {
        std::iter::once(&self.uri).chain(&self.aliases)
    }
}

/// All resources. The first one is the default.
#[derive(Clone, Debug, Default)]
pub(super) struct Resources(pub(super) Vec<Resource>);

impl Resources {
    /// Returns the resource that the parameter `resource` refers to.
    ///
    /// Clients disagree about a trailing slash, so it is ignored. So is the query of a URL such as
    /// `…/mcp?v=2`, by which a user makes a client forget what it has cached.
    pub(super) fn find(&self, wanted: &str) -> Option<&Resource> {
        let url = Url::parse(wanted)
            .ok()
            .filter(|url| url.fragment().is_none())?;
        let wanted = without_slash(&url);
        let leads = |resource: &&Resource| resource.uris().any(|uri| without_slash(uri) == wanted);
        let found = self.0.iter().find(leads);
        let found = found.or_else(|| match url.query() {
            Some(_) => {
                let mut plain = url.clone();
                plain.set_query(None);
                self.find(plain.as_str())
            }
            None => None,
        });
        // Some clients use the URL of the host.
        let is_origin = url.path() == "/" && url.query().is_none();
        let default = self
            .0
            .first()
            .filter(|first| is_origin && first.uri.origin() == url.origin());
        found.or(default)
    }

    /// Returns the resource with the URL `uri`, regardless of a trailing slash.
    pub(super) fn known_as(&self, uri: &str) -> Option<&Resource> {
        let wanted = uri.trim_end_matches('/');
        let mut known = self.0.iter();
        known.find(|resource| resource.uris().any(|uri| without_slash(uri) == wanted))
    }

    /// Returns the default resource.
    pub(super) fn default_one(&self) -> Option<&Resource> {
        self.0.first()
    }

    /// Returns the scopes of all resources.
    pub(super) fn scopes(&self) -> Scopes {
        self.0
            .iter()
            .flat_map(|resource| &resource.scopes)
            .map(|(name, _)| &**name)
            .collect()
    }

    /// Returns the description of `scope` for users.
    pub(super) fn describe(&self, scope: &str) -> Arc<str> {
        let scopes = self.0.iter().flat_map(|resource| &resource.scopes);
        let found = scopes.into_iter().find(|(name, _)| **name == *scope);
        match (found, scope) {
            (Some((_, description)), _) => Arc::clone(description),
            (None, OFFLINE_ACCESS) => "Stay connected until you revoke it".into(),
            (None, other) => other.into(),
        }
    }
}

/// Returns the URL without a trailing slash.
fn without_slash(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

/// Role with access to all resources.
pub(super) const ADMIN: &str = "admin";

/// Scope for refresh tokens, which belongs to no resource (OpenID Connect Core, section 11).
pub(super) const OFFLINE_ACCESS: &str = "offline_access";

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn a_client_means_the_same_with_and_without_a_slash() {
        let ops = Resource::new(url("https://gw.example/v1/mcp/ops"), "ops");
        let main = Resource::new(url("https://gw.example/mcp"), "main");
        let resources = Resources(vec![main.with_alias(url("https://gw.example/v1/mcp")), ops]);
        let found = |wanted: &str| resources.find(wanted).map(|resource| &*resource.name);
        for wanted in [
            "https://gw.example/mcp",
            "https://GW.example:443/mcp/",
            "https://gw.example/v1/mcp",
            "https://gw.example",
            "https://gw.example/mcp?v=2",
            "https://gw.example/mcp/?v=2",
            "https://gw.example/v1/mcp//?v=2&x",
            "https://gw.example/?v=2",
        ] {
            assert_eq!(found(wanted), Some("main"), "{wanted}");
        }
        assert_eq!(found("https://gw.example/v1/mcp/ops"), Some("ops"));
        for wanted in [
            "https://gw.example/mcp-evil",
            "https://gw.example/mcp/evil",
            "https://gw.example/MCP",
            "http://gw.example/mcp",
            "https://gw.example:8443/mcp",
            "https://gw.example/mcp-evil?v=2",
            "https://gw.example/mcp/evil?v=2",
            "https://evil.example/mcp?v=2",
            "/mcp",
            "https://gw.example/mcp#x",
            "https://gw.example/%6dcp",
            "https://evil.example",
        ] {
            assert_eq!(found(wanted), None, "{wanted}");
        }
    }
}
