//! Workload identity: JWTs of platforms, exchanged for access tokens (RFC 7523, section 2.1).
//!
//! A workload has no client registration and no secret. It presents the JWT that its platform has
//! issued for this server. Exactly one [`WorkloadRule`] of the issuer must admit its claims; it
//! determines the principal.

mod claims;
mod issuer;
mod observer;
mod rule;
mod template;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_gateway_store::Batch;

pub use self::issuer::WorkloadIssuer;
pub use self::observer::{WorkloadExchange, WorkloadObserver};
pub(in crate::server) use self::rule::SUBJECT;
pub use self::rule::WorkloadRule;
pub use self::template::{WorkloadName, WorkloadNameError};
use super::client::assertions::{AssertionLog, AssertionUse};
use super::error::OAuthError;
use super::issuer::IssuerUrl;
use crate::jose::{Claims, JwtError, JwtVerifier, UnverifiedJwt, Validation, is_plain};
use crate::{AuthServerError, Clock, UserInfo};

/// Verifies the assertions of workloads. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct WorkloadAssertions {
    pub(super) server: IssuerUrl,
    pub(super) issuers: Arc<ArcSwap<Vec<WorkloadIssuer>>>,
    pub(super) clock: Clock,
    pub(super) log: AssertionLog,
    pub(super) observer: Option<Arc<dyn WorkloadObserver>>,
}

/// Workload that a rule has admitted.
#[derive(Debug)]
pub(super) struct Workload {
    pub(super) rule: WorkloadRule,
    pub(super) principal: UserInfo,
    issuer: WorkloadIssuer,
    /// Identifier of the assertion, unique for its issuer.
    assertion: String,
    claims: Claims,
}

impl WorkloadAssertions {
    /// Returns the issuer of `assertion`, if it is one of workloads.
    ///
    /// An identity assertion (ID-JAG) of the same issuer is none of a workload.
    pub(super) fn issuer_of(&self, assertion: &str) -> Option<WorkloadIssuer> {
        let parsed = UnverifiedJwt::parse(assertion).ok()?;
        let is_id_jag = parsed.header().typ.as_deref() == Some("oauth-id-jag+jwt");
        // Tokens of this server are not assertions for this server.
        let name = parsed
            .issuer()
            .filter(|name| *name != self.server.as_str())?;
        let issuers = self.issuers.load();
        let mut issuers = issuers.iter().filter(|_| !is_id_jag);
        issuers.find(|known| known.issuer == name).cloned()
    }

    /// Verifies an assertion of `issuer`, which the authenticated `client` has presented, if there
    /// is one.
    pub(super) async fn verify(
        &self,
        issuer: WorkloadIssuer,
        assertion: &str,
        client: Option<&str>,
    ) -> Result<Workload, OAuthError> {
        let verified = self.verified(&issuer, assertion).await;
        let claims = verified.map_err(|error| match error {
            JwtError::Keys(error) => AuthServerError::Provider(error.into()).into(),
            error => {
                tracing::info!(%error, issuer = issuer.issuer, "workload assertion rejected");
                OAuthError::invalid_grant("invalid assertion")
            }
        })?;
        let all = serde_json::to_value(&claims).map_err(|_| AuthServerError::Key)?;
        let mut rules = issuer.admitting(&all, client);
        let rule = match (rules.next(), rules.next()) {
            (Some(rule), None) => rule.clone(),
            (None, _) => return Err(rejected(&claims, "no rule admits the workload")),
            (Some(_), Some(_)) => {
                return Err(rejected(&claims, "several rules admit the workload"));
            }
        };
        drop(rules);
        let principal = rule.principal(&all);
        // A longer subject would make a token that nobody accepts.
        let principal = principal.filter(|one| is_plain(&one.id, MAX_SUBJECT));
        let principal =
            principal.ok_or_else(|| rejected(&claims, "the workload has no valid name"))?;
        Ok(Workload {
            assertion: identifier(assertion, &claims),
            rule,
            principal,
            issuer,
            claims,
        })
    }

    /// Verifies the signature and the registered claims of an assertion.
    async fn verified(&self, issuer: &WorkloadIssuer, assertion: &str) -> Result<Claims, JwtError> {
        let own = self.server.as_str();
        let expectation = match &issuer.audience {
            Some(audience) => Validation::new(&issuer.issuer, audience),
            None => Validation::new(&issuer.issuer, own)
                .with_audience(self.server.url("/token"))
                .with_audience(self.server.url("/api/auth/oauth2/token")),
        };
        let expectation = expectation
            .with_types(["JWT", "JOSE"])
            .with_untyped()
            .with_algorithms(issuer.algorithms.iter().copied())
            .with_required(["sub"])
            .with_max_lifetime(MAX_LIFETIME);
        let verifier = JwtVerifier::new(self.clock.clone());
        let verified = issuer.keys.verify(&verifier, assertion, &expectation);
        let claims = verified.await?.claims;
        // A sender-constrained token (RFC 7800): nobody has proved possession of the key.
        match claims.extra.contains_key("cnf") {
            true => Err(JwtError::Claim("cnf")),
            false => Ok(claims),
        }
    }

    /// Records the use of the assertion of `workload`, with what the observer adds. Fails if it was
    /// used before and may be used once.
    pub(super) async fn record(&self, workload: &Workload) -> Result<(), OAuthError> {
        let exchange = WorkloadExchange {
            rule: workload.rule.name(),
            issuer: &workload.issuer.issuer,
            subject: workload.claims.sub.as_deref().unwrap_or_default(),
            principal: &workload.principal.id,
        };
        let attachment = self.observer.as_ref().map(|one| one.attachment(&exchange));
        let batch = attachment
            .unwrap_or_default()
            .add_to(Batch::new(), workload.rule.name());
        let used = AssertionUse {
            kind: "workload",
            issuer: &workload.issuer.issuer,
            id: &workload.assertion,
        };
        let used = (!workload.issuer.is_reusable).then_some(used);
        let is_first = self.log.commit(used, workload.claims.exp, batch).await?;
        match is_first {
            true => Ok(()),
            false => Err(OAuthError::invalid_grant("assertion already used")),
        }
    }
}

impl Workload {
    /// Returns the longest lifetime of a token that is issued `now`, in seconds.
    pub(super) fn max_lifetime(&self, now: u64) -> u64 {
        let end = self.claims.exp.unwrap_or(0).saturating_add(MAX_EXCESS);
        let remaining = end.saturating_sub(now);
        let limit = self.rule.lifetime.map_or(u64::MAX, |limit| limit.as_secs());
        remaining.min(limit)
    }
}

/// Returns the error of a workload that is not admitted. The log tells which one it is.
fn rejected(claims: &Claims, reason: &'static str) -> OAuthError {
    let (issuer, subject) = (claims.iss.as_deref(), claims.sub.as_deref());
    tracing::info!(issuer, subject, reason, "workload rejected");
    OAuthError::invalid_grant(reason)
}

/// Returns the identifier of an assertion: its `jti`, or else a digest.
///
/// The digest omits the signature, because others can change that of ECDSA to another valid one.
fn identifier(assertion: &str, claims: &Claims) -> String {
    if let Some(jti) = &claims.jti {
        return format!("jti {jti}");
    }
    let signed = assertion
        .rsplit_once('.')
        .map_or(assertion, |(signed, _)| signed);
    let digest = digest(&SHA256, signed.as_bytes());
    format!("digest {}", URL_SAFE_NO_PAD.encode(digest))
}

/// Maximum lifetime of an assertion. Platforms issue tokens for up to a day.
const MAX_LIFETIME: Duration = Duration::from_secs(25 * 60 * 60);

/// Time in seconds by which an access token may outlive its assertion.
const MAX_EXCESS: u64 = 300;

/// Maximum length of a subject, as in OpenID Connect Core, section 2.
const MAX_SUBJECT: usize = 255;
