//! Issuers of workloads.
//!
//! A workload authenticates with a token of its platform, such as one of a Kubernetes service account,
//! and receives a token of the gateway for it. The rules of the configuration decide which subjects of
//! an issuer are accepted, and what they are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use mcp_gateway_admin::AuditTrail;
use mcp_gateway_audit::{Actor, Change};
use mcp_gateway_auth::egress::Egress;
use mcp_gateway_auth::jose::KeySet;
use mcp_gateway_auth::jwks::RemoteJwks;
use mcp_gateway_auth::server::{self, WorkloadExchange, WorkloadObserver};
use mcp_gateway_auth::token::IssuerKeys;
use mcp_gateway_core::BoxError;
use mcp_gateway_store::Attachment;

use super::resources::ResourceSet;
use super::{create_egress, egress_policy, remote_keys};
use crate::spec::{AdmittedWorkloads, DynamicSpec, WorkloadIssuer, WorkloadKeys};

/// Factory of the issuers of workloads. Fetched keys outlive changes of the rules.
#[derive(Debug)]
pub(super) struct WorkloadIssuers {
    egress: Egress,
    networks: Vec<IpNet>,
    keys: Mutex<HashMap<(String, WorkloadKeys), IssuerKeys>>,
}

impl WorkloadIssuers {
    /// Creates a factory whose keys are fetched by `egress`, which may reach `networks`.
    pub(super) fn new(egress: Egress, networks: Vec<IpNet>) -> Self {
        Self {
            egress,
            networks,
            keys: Mutex::default(),
        }
    }

    /// Creates the issuers of `spec`. One whose keys are invalid is left out.
    pub(super) fn create(
        &self,
        spec: &DynamicSpec,
        resources: &ResourceSet,
    ) -> Vec<server::WorkloadIssuer> {
        let issuers = spec.auth.oauth.iter().flat_map(|oauth| &oauth.workloads);
        let issuers = issuers.filter_map(|issuer| match self.keys_of(issuer) {
            Ok(keys) => Some(create(issuer, keys, |name| resource(spec, resources, name))),
            Err(error) => {
                let issuer = &issuer.issuer;
                tracing::error!(issuer, %error, "workloads of an issuer rejected");
                None
            }
        });
        issuers.collect()
    }

    /// Returns the keys of `issuer`.
    fn keys_of(&self, issuer: &WorkloadIssuer) -> Result<IssuerKeys, BoxError> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let source = (issuer.issuer.clone(), issuer.keys.clone());
        if let Some(known) = keys.get(&source) {
            return Ok(known.clone());
        }
        let created: IssuerKeys = match &issuer.keys {
            WorkloadKeys::Discovered => remote_keys(&issuer.issuer, None, &self.egress).into(),
            WorkloadKeys::Fixed(set) => KeySet::from_value(set)?.into(),
            WorkloadKeys::Remote {
                url,
                authorities,
                token,
            } => {
                let egress = match authorities {
                    Some(pem) => {
                        let policy = egress_policy(&self.networks);
                        create_egress(policy.with_root_certificates_pem(pem.as_bytes())?)?
                    }
                    None => self.egress.clone(),
                };
                match token {
                    Some(token) => RemoteJwks::protected(url, token, egress).into(),
                    None => RemoteJwks::jwks(url, egress).into(),
                }
            }
        };
        keys.insert(source, created.clone());
        Ok(created)
    }
}

/// Returns the issuer of `spec` with `keys`, whose gateways `resource` finds.
fn create(
    spec: &WorkloadIssuer,
    keys: IssuerKeys,
    resource: impl Fn(&str) -> Option<url::Url>,
) -> server::WorkloadIssuer {
    let mut issuer = server::WorkloadIssuer::new(&spec.issuer, keys);
    if let Some(audience) = &spec.audience {
        issuer = issuer.with_audience(audience);
    }
    if !spec.algorithms.is_empty() {
        issuer = issuer.with_algorithms(spec.algorithms.iter().copied());
    }
    if spec.is_reusable {
        issuer = issuer.with_reusable_assertions();
    }
    for AdmittedWorkloads { rule, gateways } in &spec.rules {
        let mut rule = rule.clone();
        if let Some(names) = gateways {
            rule = rule.with_resources(names.iter().filter_map(|name| resource(name)));
        }
        issuer = issuer.with_rule(rule);
    }
    issuer
}

/// Returns the audience of the tokens of the gateway `name`.
fn resource(spec: &DynamicSpec, resources: &ResourceSet, name: &str) -> Option<url::Url> {
    let mut gateways = spec.gateways.iter();
    let at = gateways.position(|gateway| gateway.segments().any(|segment| **segment == *name))?;
    resources.of_gateway(at).map(|found| found.uri.clone())
}

/// Audit records of exchanges.
#[derive(Debug)]
pub(super) struct WorkloadAudit(pub(super) AuditTrail);

impl WorkloadAudit {
    /// Returns an observer that records in `trail`.
    pub(super) fn observer(trail: AuditTrail) -> Arc<dyn WorkloadObserver> {
        Arc::new(Self(trail))
    }
}

impl WorkloadObserver for WorkloadAudit {
    /// Returns the record of the exchange, which is written with the token. It has the issuer and the
    /// subject that the rule has matched, and nothing else of the presented token.
    fn attachment(&self, exchange: &WorkloadExchange<'_>) -> Attachment {
        let issuer = format!("issuer {}", exchange.issuer);
        let subject = format!("subject {}", exchange.subject);
        self.0
            .attachment(&Actor::new(exchange.principal), move |rule| {
                Change::new("workload.exchange", format!("workload/{rule}"))
                    .with_field(&*issuer)
                    .with_field(&*subject)
            })
    }
}
