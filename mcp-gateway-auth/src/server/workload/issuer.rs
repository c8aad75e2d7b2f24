//! Issuers of the identity of workloads.

use serde_json::Value;

use super::rule::WorkloadRule;
use crate::jose::Algorithm;
use crate::token::IssuerKeys;

/// Issuer of JWTs that identify workloads, such as a Kubernetes cluster or a CI service.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::egress::{Egress, EgressPolicy};
/// use mcp_gateway_auth::jwks::RemoteJwks;
/// use mcp_gateway_auth::server::{WorkloadIssuer, WorkloadRule};
///
/// # fn main() -> std::io::Result<()> {
/// let issuer = "https://token.actions.githubusercontent.com";
/// let keys = RemoteJwks::discover(issuer, Egress::new(EgressPolicy::new())?);
/// let github = WorkloadIssuer::new(issuer, keys)
///     .with_audience("https://mcp.example.com")
///     .with_rule(WorkloadRule::new("app").with_claim("repository", ["acme/app".into()]));
/// assert_eq!(github.ambiguous_rules(), None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct WorkloadIssuer {
    pub(super) issuer: String,
    pub(super) keys: IssuerKeys,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) audience: Option<String>,
    pub(super) is_reusable: bool,
    rules: Vec<WorkloadRule>,
}

impl WorkloadIssuer {
    /// Trusts the JWTs that `issuer` signs with one of `keys`, without a rule that admits any
    /// workload.
    #[must_use]
    pub fn new(issuer: impl Into<String>, keys: impl Into<IssuerKeys>) -> Self {
        Self {
            issuer: issuer.into(),
            keys: keys.into(),
            algorithms: Algorithm::ALL.to_vec(),
            audience: None,
            is_reusable: false,
            rules: Vec::new(),
        }
    }

    /// Replaces the accepted signature algorithms.
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Replaces the required audience: the issuer of the authorization server, or the URL of its
    /// token endpoint.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Accepts each JWT until it expires, instead of once: for platforms that give a workload the
    /// same one for a while, such as the projected tokens of Kubernetes. An intercepted one can be
    /// used by others.
    #[must_use]
    pub fn with_reusable_assertions(mut self) -> Self {
        self.is_reusable = true;
        self
    }

    /// Adds `rule`.
    #[must_use]
    pub fn with_rule(mut self, rule: WorkloadRule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Returns the names of two rules that could admit the same workload, if there are any. The
    /// workload is rejected then.
    #[must_use]
    pub fn ambiguous_rules(&self) -> Option<(&str, &str)> {
        let rules = self.rules.iter().enumerate();
        let mut pairs =
            rules.flat_map(|(at, one)| self.rules[..at].iter().map(move |it| (it, one)));
        let (first, second) = pairs.find(|(first, second)| first.overlaps(second))?;
        Some((first.name(), second.name()))
    }

    /// Returns the rules that admit the workload with `claims`, whose assertion the authenticated
    /// `client` has presented, if there is one.
    pub(super) fn admitting<'a>(
        &'a self,
        claims: &'a Value,
        client: Option<&'a str>,
    ) -> impl Iterator<Item = &'a WorkloadRule> {
        let rules = self.rules.iter();
        rules.filter(move |rule| {
            let wanted = rule.client();
            wanted.is_none_or(|wanted| client == Some(wanted)) && rule.admits(claims)
        })
    }
}
