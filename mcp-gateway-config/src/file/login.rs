use super::Secret;
use super::oauth::url;
use crate::document::{Field, Read};

/// How people log in.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Login {
    /// Whether there are accounts here.
    pub local: Option<bool>,
    pub github: Option<GitHub>,
    pub providers: Vec<Provider>,
}

/// GitHub, and who may log in there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GitHub {
    pub client_id: String,
    pub client_secret: Secret,
    pub users: Vec<String>,
    pub organizations: Vec<String>,
    /// Where it is, if it is not github.com.
    pub url: Option<String>,
    pub api: Option<String>,
}

/// A provider of OpenID Connect, and who may log in there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Provider {
    pub name: String,
    pub label: Option<String>,
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Option<Secret>,
    pub scopes: Vec<String>,
    pub groups: Option<String>,
    pub allowed_groups: Vec<String>,
    pub allowed_domains: Vec<String>,
    /// The teams that the members of groups belong to.
    pub teams: Vec<(String, String)>,
}

impl Login {
    /// Whether people have accounts here, which is so if there is no other way.
    pub fn has_accounts(&self) -> bool {
        let others = self.github.is_some() || !self.providers.is_empty();
        self.local.unwrap_or(!others)
    }
}

impl Read for Login {
    fn read(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let login = Self {
            local: table.get("local"),
            github: table.get("github"),
            providers: table.get("oidc").unwrap_or_default(),
        };
        if !login.has_accounts() && login.github.is_none() && login.providers.is_empty() {
            table
                .whole()
                .problem("nobody could log in; leave local out, or add github or oidc");
        }
        table.finish();
        Some(login)
    }
}

impl Read for GitHub {
    fn read(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let client_id = table.required("clientId", Field::read);
        let client_secret = table.required("clientSecret", Field::read);
        let users: Vec<String> = table.get("users").unwrap_or_default();
        let organizations: Vec<String> = table.get("organizations").unwrap_or_default();
        if users.is_empty() && organizations.is_empty() {
            let message =
                "anybody has an account at GitHub; say which users or organizations may log in";
            table.whole().problem(message);
        }
        let (site, api) = (table.get_with("url", url), table.get_with("apiUrl", url));
        table.finish();
        Some(Self {
            client_id: client_id?,
            client_secret: client_secret?,
            users,
            organizations,
            url: site,
            api,
        })
    }
}

impl Read for Provider {
    fn read(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let name = table.required("name", Field::read);
        let issuer = table.required("issuer", url);
        let client_id = table.required("clientId", Field::read);
        let provider = Self {
            name: name.unwrap_or_default(),
            label: table.get("label"),
            issuer: issuer.unwrap_or_default(),
            client_id: client_id.unwrap_or_default(),
            client_secret: table.get("clientSecret"),
            scopes: table.get("scopes").unwrap_or_default(),
            groups: table.get("groupsClaim"),
            allowed_groups: table.get("allowedGroups").unwrap_or_default(),
            allowed_domains: table.get("allowedDomains").unwrap_or_default(),
            teams: table.get_with("teams", pairs).unwrap_or_default(),
        };
        table.finish();
        Some(provider)
    }
}

/// A map from names to names.
pub(super) fn pairs(field: &Field<'_>) -> Option<Vec<(String, String)>> {
    let entries = field.entries()?;
    let pairs = entries.into_iter().filter_map(|(name, field)| {
        let value: Option<String> = field.read();
        Some((name.to_owned(), value?))
    });
    Some(pairs.collect())
}
