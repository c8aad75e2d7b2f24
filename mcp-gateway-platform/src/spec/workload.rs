//! Workload identity.

use std::path::PathBuf;
use std::sync::Arc;

use mcp_gateway_auth::jose::Algorithm;
use mcp_gateway_auth::server::WorkloadRule;
use serde_json::Value;

/// Issuer of JWTs that identify workloads, which are exchanged for access tokens (RFC 7523).
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::server::WorkloadRule;
/// use mcp_gateway_platform::spec::{AdmittedWorkloads, WorkloadIssuer};
///
/// let mut github = WorkloadIssuer::new("https://token.actions.githubusercontent.com");
/// let rule = WorkloadRule::new("app").with_claim("repository", ["acme/app".into()]);
/// github.rules.push(AdmittedWorkloads::new(rule));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct WorkloadIssuer {
    /// Issuer, exactly as in the claim `iss`.
    pub issuer: String,
    /// Required audience; the issuer of the platform or its token endpoint if `None`.
    pub audience: Option<String>,
    /// Accepted signature algorithms; all supported ones if empty.
    pub algorithms: Vec<Algorithm>,
    /// Source of its keys.
    pub keys: WorkloadKeys,
    /// Set to accept each JWT until it expires, instead of once.
    pub is_reusable: bool,
    /// Rules, one of which must admit a workload.
    pub rules: Vec<AdmittedWorkloads>,
}

/// Source of the keys of an issuer of workloads.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum WorkloadKeys {
    /// Metadata of the issuer.
    #[default]
    Discovered,
    /// JSON Web Key Set.
    Fixed(Value),
    /// URL of the key set.
    Remote {
        /// URL.
        url: String,
        /// Certificate authorities of the URL in PEM, besides those of the system.
        authorities: Option<String>,
        /// File with the access token that the URL requires.
        token: Option<PathBuf>,
    },
}

/// Workloads that a rule admits to gateways.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct AdmittedWorkloads {
    /// Rule.
    pub rule: WorkloadRule,
    /// Names of the gateways for which tokens are issued; those that the teams and roles of the
    /// rule may use if `None`.
    pub gateways: Option<Vec<Arc<str>>>,
}

impl WorkloadIssuer {
    /// Creates an issuer whose keys are discovered, without rules.
    #[must_use]
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: None,
            algorithms: Vec::new(),
            keys: WorkloadKeys::default(),
            is_reusable: false,
            rules: Vec::new(),
        }
    }
}

impl AdmittedWorkloads {
    /// Admits workloads by `rule` to the gateways that its teams and roles may use.
    #[must_use]
    pub fn new(rule: WorkloadRule) -> Self {
        let gateways = None;
        Self { rule, gateways }
    }
}
