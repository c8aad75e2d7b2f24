//! Login with GitHub, by OAuth and the REST API. GitHub issues no ID tokens.

use std::collections::{HashMap, HashSet};
use std::fmt;

use async_trait::async_trait;
use mcp_gateway_core::Mask;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::provider::{AuthorizationResponse, IdentityProvider, LoginTransaction, ProviderError};
use crate::egress::{ClientAuth, Egress, FetchedDocument};
use crate::users::{ExternalIdentity, LinkedIdentity};

/// GitHub or a GitHub Enterprise server as an identity provider.
///
/// Nobody can log in until [users](Self::with_allowed_user) or
/// [organizations](Self::with_allowed_organization) are allowed. A user who is allowed by login
/// name is pinned to the numeric user ID at the first login: another account with that name is
/// rejected later.
///
/// The callback URL of the OAuth app is `/api/auth/callback/github` below the public URL.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::egress::{Egress, EgressPolicy};
/// use mcp_gateway_auth::login::GithubProvider;
///
/// # fn main() -> std::io::Result<()> {
/// # let secret = "from the secret store";
/// let github = GithubProvider::new("Iv1.1234", secret, Egress::new(EgressPolicy::new())?)
///     .with_allowed_user("octocat")
///     .with_allowed_organization("example")
///     .with_team("example", "engineering");
/// assert!(!format!("{github:?}").contains(secret));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct GithubProvider {
    api: String,
    anybody: bool,
    client_id: String,
    egress: Egress,
    organizations: HashSet<String>,
    secret: String,
    teams: HashMap<String, Vec<String>>,
    users: HashSet<String>,
    web: String,
}

impl GithubProvider {
    /// Uses github.com with the OAuth app `client_id`.
    #[must_use]
    pub fn new(client_id: impl Into<String>, secret: impl Into<String>, egress: Egress) -> Self {
        Self {
            api: "https://api.github.com".to_owned(),
            anybody: false,
            client_id: client_id.into(),
            egress,
            organizations: HashSet::new(),
            secret: secret.into(),
            teams: HashMap::new(),
            users: HashSet::new(),
            web: "https://github.com".to_owned(),
        }
    }

    /// Uses another server, with the base URLs of its website and its API.
    #[must_use]
    pub fn with_urls(mut self, web: &str, api: &str) -> Self {
        web.trim_end_matches('/').clone_into(&mut self.web);
        api.trim_end_matches('/').clone_into(&mut self.api);
        self
    }

    /// Allows the user with this login name.
    #[must_use]
    pub fn with_allowed_user(mut self, login: &str) -> Self {
        self.users.insert(login.to_lowercase());
        self
    }

    /// Allows the members of an organization.
    ///
    /// An organization with OAuth app access restrictions must have approved the gateway.
    #[must_use]
    pub fn with_allowed_organization(mut self, login: &str) -> Self {
        self.organizations.insert(login.to_lowercase());
        self
    }

    /// Allows every GitHub account. Anybody can create one.
    #[must_use]
    pub fn with_anybody(mut self) -> Self {
        self.anybody = true;
        self
    }

    /// Maps the members of an organization to a team of the gateway.
    #[must_use]
    pub fn with_team(mut self, organization: &str, team: impl Into<String>) -> Self {
        let teams = self.teams.entry(organization.to_lowercase()).or_default();
        teams.push(team.into());
        self
    }

    /// Returns `true` if the configuration depends on organizations.
    fn wants_organizations(&self) -> bool {
        !self.organizations.is_empty() || !self.teams.is_empty()
    }

    /// Exchanges a code for an access token.
    async fn token(
        &self,
        transaction: &LoginTransaction,
        code: &str,
    ) -> Result<String, ProviderError> {
        let url = format!("{}/login/oauth/access_token", self.web);
        let form = [
            ("code", code),
            ("redirect_uri", &transaction.redirect_uri),
            ("code_verifier", &transaction.verifier),
        ];
        let auth = ClientAuth::Post {
            client_id: self.client_id.clone(),
            secret: self.secret.clone(),
        };
        let fetched = self.egress.post_form(&url, &form, &auth, MAX_ANSWER).await;
        // GitHub reports errors with the status 200.
        let answer: TokenResponse = read(&fetched.map_err(ProviderError::unavailable)?)?;
        match (answer.access_token, answer.error) {
            (Some(token), None) => Ok(token),
            (_, Some(error)) => {
                let secrets = [code, &transaction.verifier, &self.secret];
                let mask = secrets.into_iter().fold(Mask::new(), Mask::with_secret);
                let error = mask.apply(&error).into_owned();
                Err(ProviderError::invalid(format!("GitHub returned {error:?}")))
            }
            (None, None) => Err(ProviderError::unavailable(
                "GitHub returned no access token",
            )),
        }
    }

    /// Fetches a resource of the REST API.
    async fn api<T: DeserializeOwned>(&self, path: &str, token: &str) -> Result<T, ProviderError> {
        let url = format!("{}{path}", self.api);
        let fetched = self.egress.get_json_as(&url, token, MAX_ANSWER).await;
        read(&fetched.map_err(ProviderError::unavailable)?)
    }

    /// Returns the organizations of the user, in lower case.
    async fn organizations(&self, token: &str) -> Result<Vec<String>, ProviderError> {
        let mut all = Vec::new();
        if !self.wants_organizations() {
            return Ok(all);
        }
        for number in 1..=MAX_PAGES {
            let path = format!("/user/orgs?per_page={PAGE}&page={number}");
            let page: Vec<Organization> = self.api(&path, token).await?;
            let is_last = page.len() < PAGE;
            all.extend(page.into_iter().map(|found| found.login.to_lowercase()));
            if is_last {
                break;
            }
        }
        Ok(all)
    }
}

#[async_trait]
impl IdentityProvider for GithubProvider {
    fn id(&self) -> &str {
        "github"
    }

    fn label(&self) -> &str {
        "GitHub"
    }

    fn issuer(&self) -> &str {
        &self.web
    }

    async fn authorization_url(
        &self,
        transaction: &LoginTransaction,
    ) -> Result<String, ProviderError> {
        let url = format!("{}/login/oauth/authorize", self.web);
        let mut url = Url::parse(&url).map_err(ProviderError::unavailable)?;
        let scope = match self.wants_organizations() {
            true => "read:user user:email read:org",
            false => "read:user user:email",
        };
        url.query_pairs_mut()
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", &transaction.redirect_uri)
            .append_pair("scope", scope)
            .append_pair("state", &transaction.state)
            .append_pair("code_challenge", &transaction.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    async fn identify(
        &self,
        transaction: &LoginTransaction,
        answer: &AuthorizationResponse,
    ) -> Result<ExternalIdentity, ProviderError> {
        let token = self.token(transaction, &answer.code).await?;
        let account: Account = self.api("/user", &token).await?;
        let groups = self.organizations(&token).await?;
        let emails: Vec<Email> = self.api("/user/emails", &token).await?;
        let mut emails = emails.into_iter();
        let email = emails.find(|email| email.primary && email.verified);
        let login = account.login.to_lowercase();
        let teams = groups.iter().filter_map(|group| self.teams.get(group));
        let claimant = ExternalIdentity {
            issuer: self.web.clone(),
            subject: account.id.to_string(),
            name: account.login,
            email: email.map(|email| email.email),
            teams: teams.flatten().cloned().collect(),
            administered_teams: None,
            pinned: self.users.contains(&login).then(|| login.clone()),
            login: Some(login),
            id_token: None,
            groups,
        };
        match self.allows(&claimant.identity(0)) {
            true => Ok(claimant),
            false => Err(ProviderError::NotAllowed(claimant.name)),
        }
    }

    fn allows(&self, identity: &LinkedIdentity) -> bool {
        let mut groups = identity.groups.iter();
        let is_member = groups.any(|group| self.organizations.contains(group));
        let is_named = identity
            .pinned()
            .is_some_and(|login| self.users.contains(login));
        self.anybody || is_named || is_member
    }
}

impl fmt::Debug for GithubProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GithubProvider")
            .field("web", &self.web)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// Response of the token endpoint.
#[derive(Deserialize)]
struct TokenResponse {
    access_token: Option<String>,
    error: Option<String>,
}

/// Response of `/user`.
#[derive(Deserialize)]
struct Account {
    id: u64,
    login: String,
}

/// Entry of the response of `/user/emails`.
#[derive(Deserialize)]
struct Email {
    email: String,
    primary: bool,
    verified: bool,
}

/// Entry of the response of `/user/orgs`.
#[derive(Deserialize)]
struct Organization {
    login: String,
}

/// Parses a response.
fn read<T: DeserializeOwned>(fetched: &FetchedDocument) -> Result<T, ProviderError> {
    serde_json::from_slice(&fetched.body).map_err(|_| {
        let status = fetched.status;
        ProviderError::unavailable(format!("malformed response from GitHub, status {status}"))
    })
}

/// Maximum size of a response, in bytes. A page of a hundred organizations takes some 100 KiB.
const MAX_ANSWER: usize = 512 * 1024;

/// Maximum number of pages of organizations.
const MAX_PAGES: usize = 10;
/// Organizations per page.
const PAGE: usize = 100;
