use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::discovery::Discovery;
use super::provider::{Answer, IdentityProvider, ProviderError, Trip};
use crate::egress::{ClientAuth, Egress};
use crate::jwks::RemoteKeys;
use crate::jwt::{Expectation, JwtError, JwtVerifier};
use crate::users::{Claimant, Identity};

/// A provider of OpenID Connect, where people log in.
///
/// Everybody may whom the provider lets log in at the gateway, or those of
/// [groups](Self::with_allowed_group) and [domains](Self::with_allowed_domain) alone. The callback
/// to register there is `/api/auth/callback/{id}` below the public URL.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::egress::{Egress, EgressPolicy};
/// use mcp_gateway_auth::login::OidcProvider;
///
/// # fn main() -> std::io::Result<()> {
/// # let secret = "from where secrets are kept";
/// let egress = Egress::new(EgressPolicy::new())?;
/// let provider = OidcProvider::new("example", "https://accounts.example.com", "gateway", egress)
///     .with_secret(secret)
///     .with_label("Example Accounts")
///     .with_allowed_domain("example.com")
///     .with_team("eng", "engineering");
/// # let _ = provider;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct OidcProvider {
    client_id: String,
    discovery: Arc<Mutex<Option<Known>>>,
    domains: HashSet<String>,
    egress: Egress,
    groups: HashSet<String>,
    groups_claim: String,
    id: String,
    issuer: String,
    keys: RemoteKeys,
    label: String,
    scopes: BTreeSet<String>,
    secret: Option<String>,
    teams: HashMap<String, Vec<String>>,
}

impl OidcProvider {
    /// The provider `issuer`, as its discovery document names it, where the gateway is the client
    /// `client_id`. It is `id` in addresses: letters, digits and hyphens.
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
            keys: RemoteKeys::discover(issuer.clone(), egress.clone()),
            label: id.clone(),
            scopes: scopes.map(str::to_owned).into(),
            secret: None,
            teams: HashMap::new(),
            egress,
            id,
            issuer,
        }
    }

    /// The secret of the gateway there.
    #[must_use]
    pub fn with_secret(mut self, secret: impl Into<String>) -> Self {
        self.secret = Some(secret.into());
        self
    }

    /// What people call it; the identifier if it is not said.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Asks for a scope besides `openid`, `profile` and `email`, such as `groups`.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.insert(scope.into());
        self
    }

    /// The claim that has the groups; `groups` if it is not said.
    #[must_use]
    pub fn with_groups_claim(mut self, claim: impl Into<String>) -> Self {
        self.groups_claim = claim.into();
        self
    }

    /// Lets in nobody who is not in this group, or another one that is allowed.
    #[must_use]
    pub fn with_allowed_group(mut self, group: impl Into<String>) -> Self {
        self.groups.insert(group.into());
        self
    }

    /// Lets in nobody whose verified address is not in this domain, or another one that is allowed.
    #[must_use]
    pub fn with_allowed_domain(mut self, domain: &str) -> Self {
        self.domains.insert(domain.to_lowercase());
        self
    }

    /// Puts the members of a group into a team of the gateway.
    #[must_use]
    pub fn with_team(mut self, group: impl Into<String>, team: impl Into<String>) -> Self {
        self.teams
            .entry(group.into())
            .or_default()
            .push(team.into());
        self
    }

    async fn discovery(&self, trip: &Trip) -> Result<Arc<Discovery>, ProviderError> {
        let now = trip.clock.now();
        // Whoever comes while it is fetched waits for it.
        let mut known = self.discovery.lock().await;
        if let Some(Known { discovery, until }) = &*known
            && now < *until
        {
            return Ok(Arc::clone(discovery));
        }
        let discovery = Arc::new(Discovery::fetch(&self.issuer, &self.egress).await?);
        *known = Some(Known {
            discovery: Arc::clone(&discovery),
            until: now + MAX_AGE,
        });
        Ok(discovery)
    }

    /// How the gateway says who it is, in one of the ways that the provider takes.
    fn client_auth(&self, discovery: &Discovery) -> Result<ClientAuth, ProviderError> {
        let client_id = self.client_id.clone();
        let Some(secret) = self.secret.clone() else {
            return Ok(ClientAuth::None);
        };
        let methods = &discovery.token_endpoint_auth_methods_supported;
        let takes = |name: &str| methods.iter().any(|method| method == name);
        if methods.is_empty() || takes("client_secret_basic") {
            Ok(ClientAuth::Basic { client_id, secret })
        } else if takes("client_secret_post") {
            Ok(ClientAuth::Post { client_id, secret })
        } else {
            Err(ProviderError::unavailable("the provider takes no secrets"))
        }
    }

    async fn tokens(
        &self,
        trip: &Trip,
        code: &str,
        discovery: &Discovery,
    ) -> Result<Tokens, ProviderError> {
        let auth = self.client_auth(discovery)?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &trip.redirect_uri),
            ("code_verifier", &trip.verifier),
        ];
        if matches!(auth, ClientAuth::None) {
            form.push(("client_id", &self.client_id));
        }
        let endpoint = &discovery.token_endpoint;
        let fetched = self
            .egress
            .post_form(endpoint, &form, &auth, MAX_ANSWER)
            .await;
        let fetched = fetched.map_err(ProviderError::unavailable)?;
        if fetched.status.is_client_error() {
            return Err(ProviderError::invalid(format!(
                "the token endpoint answers {}",
                fetched.status
            )));
        }
        let tokens = serde_json::from_slice(&fetched.body);
        tokens.map_err(|_| ProviderError::unavailable("the token endpoint's answer is malformed"))
    }

    /// What is known of the subject, from the `id_token` and, where that is short, from elsewhere.
    async fn claims(
        &self,
        trip: &Trip,
        tokens: &Tokens,
        discovery: &Discovery,
    ) -> Result<(String, Map<String, Value>), ProviderError> {
        let expectation = Expectation::id_token(&self.issuer, &self.client_id);
        let verifier = JwtVerifier::new(trip.clock.clone());
        let verified = verifier.verify_remote(&tokens.id_token, &self.keys, &expectation);
        let verified = verified.await.map_err(|error| match error {
            JwtError::Keys(error) => ProviderError::unavailable(error),
            error => ProviderError::invalid(error),
        })?;
        let mut claims = verified.claims.extra;
        if claims.get("nonce").and_then(Value::as_str) != Some(&*trip.nonce) {
            return Err(ProviderError::invalid("the nonce is another one"));
        }
        let sub = verified.claims.sub.unwrap_or_default();
        let wants_groups = !self.groups.is_empty() || !self.teams.is_empty();
        let is_short = !claims.contains_key("email")
            || (wants_groups && !claims.contains_key(&self.groups_claim));
        if let (true, Some(url), Some(token)) =
            (is_short, &discovery.userinfo_endpoint, &tokens.access_token)
        {
            let fetched = self.egress.get_json_as(url, token, MAX_ANSWER).await;
            let fetched = fetched.map_err(ProviderError::unavailable)?;
            let more: Map<String, Value> =
                serde_json::from_slice(&fetched.body).map_err(ProviderError::unavailable)?;
            if more.get("sub").and_then(Value::as_str) != Some(&*sub) {
                return Err(ProviderError::invalid("the user info is of somebody else"));
            }
            for (name, value) in more {
                claims.entry(name).or_insert(value);
            }
        }
        Ok((sub, claims))
    }

    fn claimant(&self, sub: String, claims: &Map<String, Value>) -> Claimant {
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
        let teams = groups.iter().filter_map(|group| self.teams.get(group));
        let login = text("preferred_username");
        let name = text("name").or(login).or(email).unwrap_or(&sub);
        Claimant {
            issuer: self.issuer.clone(),
            name: name.to_owned(),
            login: login.map(str::to_owned),
            email: email.map(str::to_owned),
            teams: teams.flatten().cloned().collect(),
            pinned: None,
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

    async fn address(&self, trip: &Trip) -> Result<String, ProviderError> {
        let mut url = self.discovery(trip).await?.authorization_url()?;
        let scopes: Vec<_> = self.scopes.iter().map(String::as_str).collect();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", &trip.redirect_uri)
            .append_pair("scope", &scopes.join(" "))
            .append_pair("state", &trip.state)
            .append_pair("nonce", &trip.nonce)
            .append_pair("code_challenge", &trip.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    async fn identify(&self, trip: &Trip, answer: &Answer) -> Result<Claimant, ProviderError> {
        let discovery = self.discovery(trip).await?;
        // RFC 9207: before the code is given to anybody.
        let is_theirs = match &answer.iss {
            Some(iss) => *iss == self.issuer,
            None => !discovery.authorization_response_iss_parameter_supported,
        };
        if !is_theirs {
            return Err(ProviderError::invalid("the answer is of another issuer"));
        }
        let tokens = self.tokens(trip, &answer.code, &discovery).await?;
        let (sub, claims) = self.claims(trip, &tokens, &discovery).await?;
        let claimant = self.claimant(sub, &claims);
        match self.allows(&claimant.identity(0)) {
            true => Ok(claimant),
            false => Err(ProviderError::NotAllowed(claimant.name)),
        }
    }

    fn allows(&self, identity: &Identity) -> bool {
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

/// A discovery document, and until when it need not be fetched again.
struct Known {
    discovery: Arc<Discovery>,
    until: u64,
}

#[derive(Deserialize)]
struct Tokens {
    access_token: Option<String>,
    id_token: String,
}

/// Discovery documents hardly ever change, in seconds.
const MAX_AGE: u64 = 3600;

const MAX_ANSWER: usize = 64 * 1024;

/// Who is in more has to have the others left out by the provider.
const MAX_GROUPS: usize = 512;
