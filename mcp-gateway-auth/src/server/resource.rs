use std::sync::Arc;

use url::Url;

use super::Scopes;

/// Something that tokens are for: a gateway, at its URL.
///
/// See [RFC 8707](https://www.rfc-editor.org/rfc/rfc8707) and
/// [RFC 9728](https://www.rfc-editor.org/rfc/rfc9728).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Resource {
    /// The URL that clients use, which is also the audience of its tokens.
    pub uri: Url,
    /// Other URLs that lead to the same, such as that of a default gateway.
    pub aliases: Vec<Url>,
    /// What people know it by.
    pub name: Arc<str>,
    /// What it may be used for, and what that means in plain words.
    pub scopes: Vec<(Arc<str>, Arc<str>)>,
    /// The teams whose members may use it; everybody may if `None`.
    pub teams: Option<Vec<Arc<str>>>,
}

impl Resource {
    /// The resource at `uri`, with the one scope `mcp`.
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

    /// `uri` leads to it as well.
    #[must_use]
    pub fn with_alias(mut self, uri: Url) -> Self {
        self.aliases.push(uri);
        self
    }

    /// It has the scope `name` too, which means `description` to people.
    #[must_use]
    pub fn with_scope(
        mut self,
        name: impl Into<Arc<str>>,
        description: impl Into<Arc<str>>,
    ) -> Self {
        self.scopes.push((name.into(), description.into()));
        self
    }

    /// Only members of `teams` may use it, and admins.
    #[must_use]
    pub fn with_teams(mut self, teams: impl Into<Vec<Arc<str>>>) -> Self {
        self.teams = Some(teams.into());
        self
    }

    /// Whether somebody may use it who has `roles` and belongs to `teams`.
    #[must_use]
    pub fn admits(&self, roles: &[Arc<str>], teams: &[Arc<str>]) -> bool {
        let is_member = |chosen: &Vec<Arc<str>>| teams.iter().any(|team| chosen.contains(team));
        self.teams.as_ref().is_none_or(is_member) || roles.iter().any(|role| **role == *ADMIN)
    }

    /// The URLs that clients may know it by.
    pub(super) fn uris(&self) -> impl Iterator<Item = &Url> {
        std::iter::once(&self.uri).chain(&self.aliases)
    }
}

/// The resources that there are, the first of which is meant when a client does not say.
#[derive(Clone, Debug, Default)]
pub(super) struct Resources(pub(super) Vec<Resource>);

impl Resources {
    /// The resource that a client means by `wanted`.
    ///
    /// Clients do not agree on a slash at the end, so both forms are the same.
    pub(super) fn find(&self, wanted: &str) -> Option<&Resource> {
        let url = Url::parse(wanted)
            .ok()
            .filter(|url| url.fragment().is_none())?;
        let wanted = without_slash(&url);
        let leads = |resource: &&Resource| resource.uris().any(|uri| without_slash(uri) == wanted);
        let found = self.0.iter().find(leads);
        // Some clients know the host alone.
        let is_origin = url.path() == "/" && url.query().is_none();
        let default = self
            .0
            .first()
            .filter(|first| is_origin && first.uri.origin() == url.origin());
        found.or(default)
    }

    /// The resource that is known as exactly `uri`, with or without a slash at the end.
    pub(super) fn known_as(&self, uri: &str) -> Option<&Resource> {
        let wanted = uri.trim_end_matches('/');
        let mut known = self.0.iter();
        known.find(|resource| resource.uris().any(|uri| without_slash(uri) == wanted))
    }

    /// The one that is meant when a client does not say.
    pub(super) fn default_one(&self) -> Option<&Resource> {
        self.0.first()
    }

    /// All scopes of all resources.
    pub(super) fn scopes(&self) -> Scopes {
        self.0
            .iter()
            .flat_map(|resource| &resource.scopes)
            .map(|(name, _)| &**name)
            .collect()
    }

    /// What `scope` means, in plain words.
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

fn without_slash(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

/// The role of those who may see everything.
pub(super) const ADMIN: &str = "admin";

/// The scope of those who want a refresh token, which is of no resource.
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
            "https://gw.example/mcp?x",
            "/mcp",
            "https://gw.example/mcp#x",
            "https://gw.example/%6dcp",
            "https://evil.example",
        ] {
            assert_eq!(found(wanted), None, "{wanted}");
        }
    }
}
