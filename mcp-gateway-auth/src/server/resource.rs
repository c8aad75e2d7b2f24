//! Protected resources: the gateways for which tokens are issued (RFC 8707, RFC 9728).

use std::borrow::Cow;
use std::sync::Arc;

use url::Url;

use super::{HiddenResources, Scopes};

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
/// assert!(notes.allows("ada", &[], &["platform".into()]));
/// assert!(!notes.allows("bob", &["member".into()], &["sales".into()]));
/// // Administrators have access to the resources of all teams, but not to those of a user.
/// assert!(notes.allows("eve", &["admin".into()], &[]));
/// let own = notes.with_user("ada");
/// assert!(own.allows("ada", &[], &[]) && !own.allows("eve", &["admin".into()], &[]));
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
    /// Subject of the only principal with access, if there is one.
    pub user: Option<Arc<str>>,
    /// Acceptance of tokens that are bound to a key.
    pub binding: TokenBinding,
}

/// Acceptance of tokens that are bound to a key (RFC 9449) at a resource.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum TokenBinding {
    /// Accepted, like bearer tokens.
    Optional,
    /// Accepted, and bearer tokens are not.
    Required,
    /// Rejected.
    #[default]
    Unsupported,
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
            user: None,
            binding: TokenBinding::default(),
        }
    }

    /// Sets the acceptance of tokens that are bound to a key, which its verifier enforces.
    #[must_use]
    pub fn with_binding(mut self, binding: TokenBinding) -> Self {
        self.binding = binding;
        self
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

    /// Restricts the resource to the principal `subject`, whatever the teams are.
    #[must_use]
    pub fn with_user(mut self, subject: impl Into<Arc<str>>) -> Self {
        self.user = Some(subject.into());
        self
    }

    /// Returns `true` if the principal `subject` with `roles` and `teams` may access the resource.
    #[must_use]
    pub fn allows(&self, subject: &str, roles: &[Arc<str>], teams: &[Arc<str>]) -> bool {
        if let Some(user) = &self.user {
            return **user == *subject;
        }
        let is_member = |chosen: &Vec<Arc<str>>| teams.iter().any(|team| chosen.contains(team));
        self.teams.as_ref().is_none_or(is_member) || roles.iter().any(|role| **role == *ADMIN)
    }

    /// Returns all URLs of the resource.
    pub fn uris(&self) -> impl Iterator<Item = &Url> {
        std::iter::once(&self.uri).chain(&self.aliases)
    }
}

/// All resources. The first one is the default.
#[derive(Clone, Debug, Default)]
pub(super) struct Resources {
    /// Resources that exist.
    pub(super) known: Vec<Resource>,
    /// Resources that could exist, owned where they are found.
    pub(super) hidden: Option<HiddenResources>,
}

impl Resources {
    /// Returns the resource that the parameter `resource` refers to.
    ///
    /// One that does not exist, and of which strangers must not learn that, is owned.
    ///
    /// Clients disagree about a trailing slash, so it is ignored. So is the query of a URL such as
    /// `…/mcp?v=2`, by which a user makes a client forget what it has cached.
    pub(super) fn find(&self, wanted: &str) -> Option<Cow<'_, Resource>> {
        let url = Url::parse(wanted)
            .ok()
            .filter(|url| url.fragment().is_none())?;
        if let Some(found) = self.existing(&url) {
            return Some(Cow::Borrowed(found));
        }
        let mut plain = url;
        plain.set_query(None);
        let hidden = self.hidden.as_ref()?.at(plain.as_str())?;
        Some(Cow::Owned(hidden))
    }

    /// Returns the existing resource that `url` refers to.
    fn existing(&self, url: &Url) -> Option<&Resource> {
        let wanted = without_slash(url);
        let leads = |resource: &&Resource| resource.uris().any(|uri| without_slash(uri) == wanted);
        let found = self.known.iter().find(leads);
        let found = found.or_else(|| match url.query() {
            Some(_) => {
                let mut plain = url.clone();
                plain.set_query(None);
                self.existing(&plain)
            }
            None => None,
        });
        // Some clients use the URL of the host.
        let is_origin = url.path() == "/" && url.query().is_none();
        let default = self
            .known
            .first()
            .filter(|first| is_origin && first.uri.origin() == url.origin());
        found.or(default)
    }

    /// Returns the resource to describe to strangers for the URL `uri`, regardless of a trailing
    /// slash.
    ///
    /// A restricted one among the hidden names is described as if it did not exist.
    pub(super) fn known_as(&self, uri: &str) -> Option<Cow<'_, Resource>> {
        let wanted = uri.trim_end_matches('/');
        let mut known = self.known.iter();
        let found = known.find(|resource| resource.uris().any(|uri| without_slash(uri) == wanted));
        let hidden = || self.hidden.as_ref()?.at(wanted).map(Cow::Owned);
        match found {
            Some(found) if found.teams.is_none() && found.user.is_none() => {
                Some(Cow::Borrowed(found))
            }
            found => hidden().or_else(|| found.map(Cow::Borrowed)),
        }
    }

    /// Returns the default resource.
    pub(super) fn default_one(&self) -> Option<&Resource> {
        self.known.first()
    }

    /// Returns the scopes of all resources.
    pub(super) fn scopes(&self) -> Scopes {
        self.known
            .iter()
            .flat_map(|resource| &resource.scopes)
            .map(|(name, _)| &**name)
            .collect()
    }

    /// Returns the description of `scope` for users.
    pub(super) fn describe(&self, scope: &str) -> Arc<str> {
        let scopes = self.known.iter().flat_map(|resource| &resource.scopes);
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
        let resources = Resources {
            known: vec![main.with_alias(url("https://gw.example/v1/mcp")), ops],
            hidden: None,
        };
        let found = |wanted: &str| {
            let found = resources.find(wanted);
            found.map(|resource| resource.name.to_string())
        };
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
            assert_eq!(found(wanted).as_deref(), Some("main"), "{wanted}");
        }
        assert_eq!(
            found("https://gw.example/v1/mcp/ops").as_deref(),
            Some("ops")
        );
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

    #[test]
    fn a_name_that_could_be_hidden_is_of_no_use() {
        let ops = Resource::new(url("https://gw.example/v1/mcp/ops"), "ops").with_teams([]);
        let below = Resource::new(url("https://gw.example/v1/mcp/"), "");
        let below = below.with_alias(url("http://localhost/v1/mcp/"));
        let resources = Resources {
            known: vec![ops],
            hidden: Some(HiddenResources::below(below).except(["sse"])),
        };
        let found = |wanted: &str| resources.find(wanted).map(|it| it.uri.to_string());
        for wanted in [
            "https://gw.example/v1/mcp/none",
            "https://GW.example:443/v1/mcp/none/?v=2",
            "http://localhost/v1/mcp/none",
        ] {
            let expected = Some("https://gw.example/v1/mcp/none");
            assert_eq!(found(wanted).as_deref(), expected, "{wanted}");
        }
        for wanted in [
            "https://gw.example/v1/mcp/sse",
            "https://gw.example/v1/mcp/",
            "https://gw.example/v1/mcp/a/b",
            "https://gw.example/v1/other",
            "https://evil.example/v1/mcp/none",
        ] {
            assert_eq!(found(wanted), None, "{wanted}");
        }
        let mut admin = crate::UserInfo::new("usr_1", "Ada");
        admin.roles.push("admin".into());
        let admits = |name: &str| {
            let uri = format!("https://gw.example/v1/mcp/{name}");
            resources.admits(&[uri], &admin)
        };
        assert!(admits("ops") && !admits("none"));
    }
}
