//! Verifier of the current spec.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use http::request::Parts;
use mcp_gateway_auth::Clock;
use mcp_gateway_auth::dpop::DpopVerifier;
use mcp_gateway_auth::egress::Egress;
use mcp_gateway_auth::jwks::RemoteJwks;
use mcp_gateway_auth::server::{Resource, TokenBinding};
use mcp_gateway_auth::token::{
    BearerVerifier, BoundTokens, ChainVerifier, ExternalIssuers, TokenVerifier, VerifiedToken,
};
use mcp_gateway_core::auth::{
    AllowAnonymous, Assertion, AuthError, AuthVerifier, Principal, Revocation,
};
use tokio::sync::watch;

use super::foreign::ForeignVerifier;
use super::generations::Admission;
use super::token_verifiers::{external, introspection, static_tokens};
use crate::auth::{AuthorizationServices, remote_keys};
use crate::spec::{Anonymous, Auth};

/// Verifier that is replaceable while calls are in flight.
///
/// A request that has been accepted keeps its response. Sessions and streams whose caller the new
/// rules reject end.
#[derive(Debug)]
pub(crate) struct ReloadableVerifier {
    /// Current rules.
    rules: Arc<ArcSwap<VerifierRules>>,
    /// Notifies open streams of new rules.
    replaced: watch::Sender<()>,
}

/// Rules by which a gateway accepts callers.
#[derive(Debug)]
pub(crate) struct VerifierRules {
    /// Verifier of tokens, with its cache.
    tokens: BearerVerifier,
    /// Principal of requests without credentials; `None` if they are rejected.
    anonymous: Option<Principal>,
    /// Gateway of the rules; `None` for the management endpoints.
    resource: Option<Resource>,
}

/// Issuers of tokens, from which rules are created.
#[derive(Debug)]
pub(crate) struct VerifierFactory {
    /// Authorization server, if the platform has one.
    authority: Option<Arc<AuthorizationServices>>,
    /// Client for requests to other issuers.
    egress: Option<Egress>,
    /// Fetched keys by issuer and URL. They outlive changes of the rules.
    keys: HashMap<(String, Option<String>), RemoteJwks>,
    /// Verifier of the proofs of bound tokens. The proofs that it has accepted outlive changes of the
    /// rules.
    proofs: DpopVerifier,
    /// Generation of the rules that are created.
    generation: u64,
}

/// Verifier that marks principals with the rules that have accepted them.
///
/// Verified tokens are cached with their principals, so that a call costs no mark.
#[derive(Debug)]
struct AdmittingVerifier {
    admission: Admission,
    tokens: ChainVerifier,
}

impl ReloadableVerifier {
    /// Creates a verifier with `rules`.
    pub(crate) fn new(rules: VerifierRules) -> Arc<Self> {
        Arc::new(Self {
            rules: Arc::new(ArcSwap::from_pointee(rules)),
            replaced: watch::Sender::new(()),
        })
    }

    /// Replaces the rules.
    ///
    /// Open streams verify their tokens again under the new rules.
    pub(crate) fn replace(&self, rules: VerifierRules) {
        self.rules.store(Arc::new(rules));
        self.replaced.send_replace(());
    }

    /// Rejects all callers, because the gateway is removed.
    pub(crate) fn close(&self) {
        self.replace(VerifierRules::closed());
    }

    /// Returns `true` if a caller whose credential is still valid may use the gateway.
    pub(crate) fn admits(&self, principal: &Principal) -> bool {
        let rules = self.rules.load();
        let admission = principal.extension::<Admission>();
        let is_anonymous = admission.is_some_and(|admission| admission.is_anonymous);
        rules.may_see(principal) && (!is_anonymous || rules.anonymous.is_some())
    }

    /// Returns `true` if `principal` may see and use the gateway.
    pub(crate) fn may_see(&self, principal: &Principal) -> bool {
        self.rules.load().may_see(principal)
    }
}

impl VerifierRules {
    /// Creates rules that reject all callers.
    fn closed() -> Self {
        Self {
            tokens: BearerVerifier::new(Arc::new(ChainVerifier::new())),
            anonymous: None,
            resource: None,
        }
    }

    /// Waits until the rules reject `principal`, which has presented `token`.
    ///
    /// A token whose principal has changed counts as rejected. Without a token, the result changes
    /// only when the rules are replaced.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    async fn rejected(&self, token: Option<&Assertion>, principal: &Principal) {
        match token {
            Some(token) => {
                let accepts = |now: &Principal| now == principal && self.may_see(now);
                self.tokens.revoked(token, accepts).await;
            }
            None if self.anonymous.is_some() && self.may_see(principal) => pending().await,
            None => {}
        }
    }

    /// Rejects requests without credentials.
    pub(crate) fn without_anonymous(self) -> Self {
        Self {
            anonymous: None,
            ..self
        }
    }

    /// Attaches the tokens of other issuers to their principals, for servers that are called with
    /// these.
    pub(crate) fn with_identity_tokens(self) -> Self {
        Self {
            tokens: self.tokens.with_external_assertion(),
            ..self
        }
    }

    /// Returns the principal of a request, which is anonymous without a token.
    fn accept(&self, verified: Result<Principal, AuthError>) -> Result<Principal, AuthError> {
        let principal = match (verified, &self.anonymous) {
            // An invalid token is always an error: only its absence is anonymous.
            (Err(AuthError::MissingToken), Some(anonymous)) => anonymous.clone(),
            (verified, _) => verified?,
        };
        match self.may_see(&principal) {
            true => Ok(principal),
            false => Err(AuthError::InvalidToken),
        }
    }

    fn may_see(&self, principal: &Principal) -> bool {
        let may = |resource: &Resource| {
            resource.allows(principal.subject(), principal.roles(), principal.teams())
        };
        self.resource.as_ref().is_none_or(may)
    }
}

impl VerifierFactory {
    pub(crate) fn new(
        authority: Option<Arc<AuthorizationServices>>,
        egress: Option<Egress>,
    ) -> Self {
        Self {
            authority,
            egress,
            keys: HashMap::new(),
            proofs: DpopVerifier::new(Clock::system()),
            generation: 0,
        }
    }

    /// Replaces the verifier of the proofs of bound tokens.
    pub(crate) fn with_proofs(mut self, proofs: DpopVerifier) -> Self {
        self.proofs = proofs;
        self
    }

    /// Sets the generation of the rules that are created from now on.
    pub(crate) fn set_generation(&mut self, generation: u64) {
        self.generation = generation;
    }

    /// Returns the mark of callers, with credentials unless they are anonymous.
    fn admission(&self, is_anonymous: bool) -> Admission {
        Admission {
            generation: self.generation,
            is_anonymous,
        }
    }

    /// Creates the rules of `auth` for the gateway `resource`.
    ///
    /// Without `resource`, the rules are for the management endpoints, and accept tokens for any of
    /// the gateways `all`.
    ///
    /// Verifiers are tried in order, and introspection is last: only tokens that no other verifier
    /// identifies are sent to its endpoint.
    pub(crate) fn rules(
        &mut self,
        auth: &Auth,
        resource: Option<&Resource>,
        all: &[Resource],
    ) -> VerifierRules {
        let mut chain = ChainVerifier::new().with(Arc::new(static_tokens(auth)));
        let mut revocations = None;
        if let Some(authority) = &self.authority {
            chain = chain
                .with(Arc::new(match resource {
                    Some(resource) => authority.server.verifier(Some(resource)),
                    None => authority.server.verifier_of(all),
                }))
                .with(Arc::new(authority.server.api_tokens().clone()));
            revocations = Some(authority.server.revocations());
        }
        let meant: Vec<_> = match resource {
            Some(resource) => vec![resource],
            None => all.iter().collect(),
        };
        let audiences: Vec<_> = meant
            .iter()
            .flat_map(|resource| std::iter::once(&resource.uri).chain(&resource.aliases))
            .map(ToString::to_string)
            .collect();
        if let Some(egress) = self.egress.clone() {
            let issuers = auth.issuers.iter().filter_map(|issuer| {
                let keys = self
                    .keys
                    .entry((issuer.issuer.clone(), issuer.jwks.clone()));
                let keys = keys.or_insert_with(|| {
                    remote_keys(&issuer.issuer, issuer.jwks.as_deref(), &egress)
                });
                external(issuer, keys.clone(), &audiences)
            });
            chain = chain.with(Arc::new(ForeignVerifier(ExternalIssuers::new(issuers))));
            if let Some(asked) = &auth.introspection
                && let Some(introspection) = introspection(asked, egress, &audiences)
            {
                chain = chain.with(Arc::new(ForeignVerifier(introspection)));
            }
        }
        let tokens = AdmittingVerifier {
            admission: self.admission(false),
            tokens: chain,
        };
        let mut tokens = BearerVerifier::new(Arc::new(tokens)).with_recheck(RECHECK);
        if let Some(revocations) = revocations {
            tokens = tokens.with_revocations(revocations);
        }
        if let Some(bound) = resource.and_then(|resource| self.bound_tokens(resource)) {
            tokens = tokens.with_bound_tokens(bound);
        }
        let anonymous = || AllowAnonymous::principal().with_extension(self.admission(true));
        VerifierRules {
            tokens,
            anonymous: (auth.anonymous != Anonymous::Never).then(anonymous),
            resource: resource.cloned(),
        }
    }

    /// Returns the acceptance of bound tokens at `resource`; `None` if they are rejected.
    fn bound_tokens(&self, resource: &Resource) -> Option<BoundTokens> {
        let accepted = BoundTokens::new(self.proofs.clone(), resource.uris());
        match resource.binding {
            TokenBinding::Optional => Some(accepted),
            TokenBinding::Required => Some(accepted.required()),
            _ => None,
        }
    }

    /// Creates the rules of the admin API: static tokens and API tokens.
    ///
    /// Tokens of OAuth clients are rejected, because users authorize clients to call tools, and so
    /// are those of other issuers. Tokens are not cached, so that a change of role takes effect
    /// with the next request.
    pub(crate) fn admin_rules(&self, auth: &Auth) -> VerifierRules {
        let mut chain = ChainVerifier::new().with(Arc::new(static_tokens(auth)));
        if let Some(authority) = &self.authority {
            chain = chain.with(Arc::new(authority.server.api_tokens().clone()));
        }
        VerifierRules {
            tokens: BearerVerifier::new(Arc::new(chain)).with_recheck(Duration::ZERO),
            anonymous: None,
            resource: None,
        }
    }
}

#[async_trait]
impl TokenVerifier for AdmittingVerifier {
    async fn verify_token(&self, token: &str) -> Result<Option<VerifiedToken>, AuthError> {
        let verified = self.tokens.verify_token(token).await?;
        Ok(verified.map(|verified| verified.with_extension(self.admission)))
    }
}

#[async_trait]
impl AuthVerifier for ReloadableVerifier {
    /// Verifies the request under the current rules.
    ///
    /// # Errors
    ///
    /// [`AuthError`] of the verifier of tokens. A caller outside the teams of the gateway is
    /// rejected like one with an invalid token.
    async fn verify(&self, request: &Parts) -> Result<Principal, AuthError> {
        let rules = self.rules.load_full();
        rules.accept(rules.tokens.verify(request).await)
    }

    async fn verify_again(&self, request: &Parts) -> Result<Principal, AuthError> {
        let rules = self.rules.load_full();
        rules.accept(rules.tokens.verify_again(request).await)
    }

    fn revocation(&self, request: &Parts, principal: &Principal) -> Option<Revocation> {
        // Subscribed before the rules are read, so that no replacement is missed.
        let mut replaced = self.replaced.subscribe();
        let rules = Arc::clone(&self.rules);
        let (token, principal) = (BearerVerifier::presented(request), principal.clone());
        Some(Box::pin(async move {
            loop {
                let current = rules.load_full();
                tokio::select! {
                    () = current.rejected(token.as_ref(), &principal) => return,
                    // The sender is gone if the gateway has been removed.
                    replaced = replaced.changed() => if replaced.is_err() { return },
                }
            }
        }))
    }
}

/// Interval after which a cached token is verified again, because its key may have been revoked.
const RECHECK: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use http::Request;
    use http::header::AUTHORIZATION;

    use super::*;
    use crate::spec::{Secret, Token};

    fn rules(token: &str, anonymous: Anonymous) -> VerifierRules {
        let auth = Auth {
            tokens: vec![Token::new("alice", Secret::new(token))],
            anonymous,
            ..Auth::default()
        };
        VerifierFactory::new(None, None).rules(&auth, None, &[])
    }

    async fn verify(access: &ReloadableVerifier, token: Option<&str>) -> Result<String, String> {
        let mut request = Request::new(());
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let verified = access.verify(&request.into_parts().0).await;
        verified
            .map(|principal| principal.subject().to_owned())
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_wrong_token_does_not_make_anonymous() {
        let access = ReloadableVerifier::new(rules("one", Anonymous::Local));
        assert_eq!(verify(&access, Some("one")).await.as_deref(), Ok("alice"));
        assert_eq!(verify(&access, None).await.as_deref(), Ok("anonymous"));
        assert!(verify(&access, Some("two")).await.is_err());
    }

    #[tokio::test]
    async fn o110_a_gateway_accepts_the_tokens_that_its_resource_says() {
        let verify = async |binding: TokenBinding| {
            let auth = Auth {
                tokens: vec![Token::new("alice", Secret::new("one"))],
                ..Auth::default()
            };
            let url = "http://127.0.0.1/mcp".parse().unwrap();
            let resource = Resource::new(url, "main").with_binding(binding);
            let rules = VerifierFactory::new(None, None).rules(&auth, Some(&resource), &[]);
            verify(&ReloadableVerifier::new(rules), Some("one"))
                .await
                .is_ok()
        };
        assert!(verify(TokenBinding::Unsupported).await);
        assert!(verify(TokenBinding::Optional).await);
        assert!(!verify(TokenBinding::Required).await);
    }

    #[tokio::test]
    async fn rules_are_exchanged_as_a_whole() {
        let access = ReloadableVerifier::new(rules("one", Anonymous::Local));
        access.replace(rules("two", Anonymous::Never));
        assert_eq!(verify(&access, Some("two")).await.as_deref(), Ok("alice"));
        assert!(verify(&access, Some("one")).await.is_err());
        assert!(verify(&access, None).await.is_err());
    }

    #[tokio::test]
    async fn j31_rules_keep_the_contract_of_revocations() {
        let auth = |tokens: &[&str]| {
            let token = |name: &&str| Token::new(*name, Secret::new(format!("token-of-{name}")));
            let auth = Auth {
                tokens: tokens.iter().map(token).collect(),
                ..Auth::default()
            };
            VerifierFactory::new(None, None).rules(&auth, None, &[])
        };
        let request = |name: &str| {
            let request =
                Request::get("/mcp").header(AUTHORIZATION, format!("Bearer token-of-{name}"));
            request.body(()).unwrap().into_parts().0
        };
        let access = ReloadableVerifier::new(auth(&["alice", "bob"]));
        let revoke = async || access.replace(auth(&["bob"]));
        let (alice, bob) = (request("alice"), request("bob"));
        mcp_gateway_testkit::verifier::revocation_contract(&*access, &alice, &[bob], revoke).await;
    }

    #[tokio::test]
    async fn j31_only_those_whom_the_rules_reject_lose_their_streams() {
        let access = ReloadableVerifier::new(rules("one", Anonymous::Local));
        let revocation = |token: Option<&str>, subject: &str| {
            let mut request = Request::new(());
            if let Some(token) = token {
                let value = format!("Bearer {token}").parse().unwrap();
                request.headers_mut().insert(AUTHORIZATION, value);
            }
            let request = request.into_parts().0;
            access
                .revocation(&request, &Principal::new(subject.to_owned()))
                .unwrap()
        };
        let mut alice = revocation(Some("one"), "alice");
        let mut anonymous = revocation(None, "anonymous");
        let mut both = async || {
            tokio::task::yield_now().await;
            let ends = (&mut alice).now_or_never().is_some();
            (ends, (&mut anonymous).now_or_never().is_some())
        };
        assert_eq!(both().await, (false, false));
        access.replace(rules("one", Anonymous::Local));
        assert_eq!(both().await, (false, false));
        access.replace(rules("one", Anonymous::Never));
        assert_eq!(both().await, (false, true));
        access.replace(rules("two", Anonymous::Never));
        alice.await;
        // A token that has another principal now is another credential.
        assert!(revocation(Some("two"), "bob").now_or_never().is_some());
        let mut kept = revocation(Some("two"), "alice");
        assert!((&mut kept).now_or_never().is_none());
        access.close();
        kept.await;
    }
}
