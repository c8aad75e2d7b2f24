//! Login with an OpenID Connect provider: authorization code flow with PKCE (OpenID Connect Core,
//! section 3.1).

mod tokens;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::provider::{AuthorizationResponse, IdentityProvider, LoginTransaction, ProviderError};
use super::provider_metadata::ProviderMetadata;
use crate::egress::Egress;
use crate::jwks::RemoteJwks;
use crate::users::{ExternalIdentity, LinkedIdentity};

/// An OpenID Connect provider.
///
/// By default, every user whom the provider admits is allowed. [Groups](Self::with_allowed_group)
/// and [domains](Self::with_allowed_domain) restrict this. The redirect URI to be registered there
/// is `/api/auth/callback/{id}` below the public URL.
///
/// The ID token is verified with the provider's keys, and its `nonce` with that of the login.
/// Missing groups and email addresses are read from the UserInfo endpoint.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::egress::{Egress, EgressPolicy};
/// use mcp_gateway_auth::login::OidcProvider;
///
/// # fn main() -> std::io::Result<()> {
/// # let secret = "from the secret store";
/// let egress = Egress::new(EgressPolicy::new())?;
/// let provider = OidcProvider::new("example", "https://accounts.example.com", "gateway", egress)
///     .with_secret(secret)
///     .with_label("Example Accounts")
///     .with_allowed_domain("example.com")
///     .with_team("eng", "engineering");
/// assert!(!format!("{provider:?}").contains(secret));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct OidcProvider {
    client_id: String,
    discovery: Arc<Mutex<Option<CachedMetadata>>>,
    domains: HashSet<String>,
    egress: Egress,
    groups: HashSet<String>,
    groups_claim: String,
    id: String,
    issuer: String,
    keeps_id_tokens: bool,
    keys: RemoteJwks,
    label: String,
    scopes: BTreeSet<String>,
    secret: Option<String>,
    teams: HashMap<String, Vec<String>>,
    administered_teams: HashMap<String, Vec<String>>,
}

impl OidcProvider {
    /// Uses the provider `issuer`, exactly as its metadata names it, with the client ID
    /// `client_id`.
    ///
    /// `id` identifies the provider in paths: letters, digits and hyphens.
    #[must_use]
    pub fn new(
        id: impl Into<String>,
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        egress: Egress,
    ) -> Self {
        let (id, issuer) = (id.into(), issuer.into());
        let scopes = ["openid", "profile", "email"];
        Self {
            client_id: client_id.into(),
            discovery: Arc::default(),
            domains: HashSet::new(),
            groups: HashSet::new(),
            groups_claim: "groups".to_owned(),
            keeps_id_tokens: false,
            keys: RemoteJwks::discover(issuer.clone(), egress.clone()),
            label: id.clone(),
            scopes: scopes.map(str::to_owned).into(),
            secret: None,
            teams: HashMap::new(),
            administered_teams: HashMap::new(),
            egress,
            id,
            issuer,
        }
    }

    /// Sets the client secret.
    #[must_use]
    pub fn with_secret(mut self, secret: impl Into<String>) -> Self {
        self.secret = Some(secret.into());
        self
    }

    /// Sets the name on the login page. By default, it is the identifier.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Requests a scope besides `openid`, `profile` and `email`, such as `groups`.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.insert(scope.into());
        self
    }

    /// Sets the claim with the groups: `groups` by default.
    #[must_use]
    pub fn with_groups_claim(mut self, claim: impl Into<String>) -> Self {
        self.groups_claim = claim.into();
        self
    }

    /// Keeps the ID token of each login, so that it can be exchanged for tokens of servers; see
    /// [`KeptIdTokens`](super::KeptIdTokens).
    #[must_use]
    pub fn with_kept_id_tokens(mut self) -> Self {
        self.keeps_id_tokens = true;
        self
    }

    /// Allows the members of this group. Users without an allowed group are rejected.
    #[must_use]
    pub fn with_allowed_group(mut self, group: impl Into<String>) -> Self {
        self.groups.insert(group.into());
        self
    }

    /// Allows users with a verified email address in this domain. Users without one in an allowed
    /// domain are rejected.
    #[must_use]
    pub fn with_allowed_domain(mut self, domain: &str) -> Self {
        self.domains.insert(domain.to_lowercase());
        self
    }

    /// Maps the members of a group to a team of the gateway.
    #[must_use]
    pub fn with_team(mut self, group: impl Into<String>, team: impl Into<String>) -> Self {
        self.teams
            .entry(group.into())
            .or_default()
            .push(team.into());
        self
    }

    /// Maps the members of a group to the administrators of a team, who are members of the team.
    /// Default: a login does not change the teams that a user administers.
    #[must_use]
    pub fn with_administered_team(
        mut self,
        group: impl Into<String>,
        team: impl Into<String>,
    ) -> Self {
        self.administered_teams
            .entry(group.into())
            .or_default()
            .push(team.into());
        self
    }

    /// Returns the metadata of the provider, cached for an hour.
    async fn discovery(
        &self,
        transaction: &LoginTransaction,
    ) -> Result<Arc<ProviderMetadata>, ProviderError> {
        let now = transaction.clock.now();
        // The lock is held during the fetch, so that concurrent logins share it.
        let mut known = self.discovery.lock().await;
        if let Some(CachedMetadata { discovery, until }) = &*known
            && now < *until
        {
            return Ok(Arc::clone(discovery));
        }
        let discovery = Arc::new(ProviderMetadata::fetch(&self.issuer, &self.egress).await?);
        *known = Some(CachedMetadata {
            discovery: Arc::clone(&discovery),
            until: now + MAX_AGE,
        });
        Ok(discovery)
    }

    /// Maps the claims to an external identity.
    fn external_identity(&self, sub: String, claims: &Map<String, Value>) -> ExternalIdentity {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let is_verified = match claims.get("email_verified") {
            Some(Value::String(text)) => text == "true",
            verified => verified == Some(&Value::Bool(true)),
        };
        let email = text("email").filter(|email| is_verified && !email.is_empty());
        let groups: Vec<_> = match claims.get(&self.groups_claim) {
            Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(group)) => vec![&**group],
            _ => Vec::new(),
        };
        let groups = groups.into_iter().take(MAX_GROUPS).map(str::to_owned);
        let groups: Vec<_> = groups.collect();
        let teams_of = |mapping: &HashMap<String, Vec<String>>| {
            let teams = groups.iter().filter_map(|group| mapping.get(group));
            teams.flatten().cloned().collect::<Vec<_>>()
        };
        let mut teams = teams_of(&self.teams);
        let administered = teams_of(&self.administered_teams);
        for team in &administered {
            if !teams.contains(team) {
                teams.push(team.clone());
            }
        }
        let login = text("preferred_username");
        let name = text("name").or(login).or(email).unwrap_or(&sub);
        ExternalIdentity {
            issuer: self.issuer.clone(),
            name: name.to_owned(),
            login: login.map(str::to_owned),
            email: email.map(str::to_owned),
            teams,
            administered_teams: (!self.administered_teams.is_empty()).then_some(administered),
            pinned: None,
            id_token: None,
            subject: sub,
            groups,
        }
    }
}

#[async_trait]
impl IdentityProvider for OidcProvider {
    fn id(&self) -> &str {
        &self.id
    }

    fn label(&self) -> &str {
        &self.label
    }

    fn issuer(&self) -> &str {
        &self.issuer
    }

    async fn authorization_url(
        &self,
        transaction: &LoginTransaction,
    ) -> Result<String, ProviderError> {
        let mut url = self.discovery(transaction).await?.authorization_url()?;
        let scopes: Vec<_> = self.scopes.iter().map(String::as_str).collect();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", &transaction.redirect_uri)
            .append_pair("scope", &scopes.join(" "))
            .append_pair("state", &transaction.state)
            .append_pair("nonce", &transaction.nonce)
            .append_pair("code_challenge", &transaction.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    async fn identify(
        &self,
        transaction: &LoginTransaction,
        answer: &AuthorizationResponse,
    ) -> Result<ExternalIdentity, ProviderError> {
        let discovery = self.discovery(transaction).await?;
        // RFC 9207: validated before the code is sent to any endpoint (mix-up attack).
        let is_theirs = match &answer.iss {
            Some(iss) => *iss == self.issuer,
            None => !discovery.authorization_response_iss_parameter_supported,
        };
        if !is_theirs {
            return Err(ProviderError::invalid(
                "issuer mismatch in authorization response",
            ));
        }
        let tokens = self.tokens(transaction, &answer.code, &discovery).await?;
        let (sub, claims, expires) = self.claims(transaction, &tokens, &discovery).await?;
        let mut claimant = self.external_identity(sub, &claims);
        claimant.id_token = self.keeps_id_tokens.then(|| tokens.into_id_token(expires));
        match self.allows(&claimant.identity(0)) {
            true => Ok(claimant),
            false => Err(ProviderError::NotAllowed(claimant.name)),
        }
    }

    fn allows(&self, identity: &LinkedIdentity) -> bool {
        let mut groups = identity.groups.iter();
        let is_member = groups.any(|group| self.groups.contains(group));
        let email = identity.email.as_deref();
        let domain = email.and_then(|email| email.rsplit_once('@'));
        let is_known =
            domain.is_some_and(|(_, domain)| self.domains.contains(&domain.to_lowercase()));
        (is_member || self.groups.is_empty()) && (is_known || self.domains.is_empty())
    }
}

impl fmt::Debug for OidcProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcProvider")
            .field("id", &self.id)
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// Cached metadata with its expiration time.
struct CachedMetadata {
    discovery: Arc<ProviderMetadata>,
    until: u64,
}

/// Lifetime of cached metadata, in seconds. They hardly ever change.
const MAX_AGE: u64 = 3600;

/// Maximum number of groups per user. The provider must filter the groups of users with more.
const MAX_GROUPS: usize = 512;
