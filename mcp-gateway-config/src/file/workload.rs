//! Key `auth.oauth.workloads`: issuers of JWTs that identify workloads.
//!
//! | Key | Type |
//! |---|---|
//! | `issuer` | string, required |
//! | `audience` | string |
//! | `algorithms` | list of strings |
//! | `jwks`, `jwksUrl` | secret with a JSON Web Key Set, or its URL |
//! | `ca`, `tokenFile` | secret with certificates in PEM, and path; with `jwksUrl` |
//! | `singleUse` | boolean |
//! | `rules` | list of [`AdmittedWorkloads`], required |
//!
//! ```yaml
//! auth:
//!   oauth:
//!     workloads:
//!       - issuer: https://token.actions.githubusercontent.com
//!         rules:
//!           - name: deploy
//!             claims: { repository: acme/app, ref: [refs/heads/main, "refs/tags/v*"] }
//!             principal: ${repository}
//!             teams: [ops]
//! ```
//!
//! The keys of a Kubernetes cluster are fetched with a service account:
//!
//! ```yaml
//! - issuer: https://kubernetes.default.svc.cluster.local
//!   jwksUrl: https://kubernetes.default.svc/openid/v1/jwks
//!   ca: { file: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt }
//!   tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token
//! ```
//!
//! Whoever a rule admits is determined here alone: two rules of an issuer that could admit the same
//! workload are a mistake, and so is a rule that would admit every workload.

use std::collections::HashSet;
use std::sync::Arc;

use mcp_gateway_auth::egress::EgressPolicy;
use mcp_gateway_auth::jose::KeySet;
use mcp_gateway_auth::server::{WorkloadName, WorkloadRule};
use mcp_gateway_platform::spec::{
    AdmittedWorkloads, DynamicSpec, Secret, WorkloadIssuer, WorkloadKeys,
};

use super::issuer::Named;
use super::network::web_url;
use super::oauth::{FromStrField, url};
use crate::document::{Field, FromField, Table, suggestion};

/// Issuers of workloads, whose rules are unambiguous.
pub(super) struct Workloads(pub(super) Vec<WorkloadIssuer>);

impl FromField for Workloads {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let issuers: Vec<WorkloadIssuer> = field.read()?;
        let (mut known, mut names) = (HashSet::new(), HashSet::new());
        for (issuer, field) in issuers.iter().zip(field.items().unwrap_or_default()) {
            if !known.insert(&issuer.issuer) {
                field.error(format!("duplicate issuer {}", issuer.issuer));
            }
            check_ambiguity(&issuer.rules, &field);
            for AdmittedWorkloads { rule, .. } in &issuer.rules {
                if !names.insert(rule.name()) {
                    field.error(format!("duplicate rule {:?}", rule.name()));
                }
            }
        }
        Some(Self(issuers))
    }
}

/// Records rules that could admit the same workload.
///
/// The gateway rejects such a workload, so that the order of the rules has no meaning: a rule with
/// more rights could otherwise precede the one that was meant.
fn check_ambiguity(rules: &[AdmittedWorkloads], field: &Field<'_>) {
    for (at, one) in rules.iter().enumerate() {
        for other in &rules[..at] {
            if one.rule.overlaps(&other.rule) {
                let (first, second) = (other.rule.name(), one.rule.name());
                field.error(format!(
                    "the rules {first:?} and {second:?} could admit the same workload; give them \
                     different values of a common claim"
                ));
            }
        }
    }
}

/// Records gateways of rules that do not exist in the file.
///
/// They are no errors, because a gateway may be in the store.
pub(super) fn check_gateways(spec: &DynamicSpec, auth: &Field<'_>) {
    let known: Vec<_> = spec.gateways.iter().map(|one| &*one.name).collect();
    let issuers = spec.auth.oauth.iter().flat_map(|oauth| &oauth.workloads);
    for admitted in issuers.flat_map(|issuer| &issuer.rules) {
        for name in admitted.gateways.iter().flatten() {
            if !known.contains(&&**name) {
                let (rule, hint) = (admitted.rule.name(), suggestion(name, &known));
                auth.warning(format!("rule {rule:?}: unknown gateway {name:?}; {hint}"));
            }
        }
    }
}

impl FromField for WorkloadIssuer {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let issuer: Option<String> = table.required("issuer", Field::read);
        let algorithms: Vec<Named> = table.get("algorithms").unwrap_or_default();
        let audience = table.get("audience");
        let keys = keys(&mut table);
        let is_single = table.get("singleUse").unwrap_or(true);
        let rules: Option<Vec<AdmittedWorkloads>> = table.required("rules", Field::read);
        if let (Some(issuer), Some(WorkloadKeys::Discovered)) = (&issuer, &keys)
            && web_url(issuer).is_err()
        {
            let error = "the keys of an issuer without a URL require jwks or jwksUrl";
            table.whole().error(error);
        }
        table.finish();
        let mut read = Self::new(issuer?);
        read.audience = audience;
        read.algorithms = algorithms.into_iter().map(|Named(one)| one).collect();
        read.keys = keys?;
        read.is_reusable = !is_single;
        read.rules = rules?;
        Some(read)
    }
}

/// Reads the source of the keys of an issuer: the set itself, its URL, or the metadata of the
/// issuer.
///
/// The access token and the certificate authorities are for a URL that the file names. Metadata
/// could refer to another host, which must not receive the token.
fn keys(table: &mut Table<'_>) -> Option<WorkloadKeys> {
    let fixed = table.field("jwks");
    let remote = table.get_with("jwksUrl", url);
    let authorities = table.get_with("ca", certificates);
    let token: Option<String> = table.get("tokenFile");
    if remote.is_none() && (authorities.is_some() || token.is_some()) {
        table.whole().error("ca and tokenFile require jwksUrl");
    }
    match (fixed, remote) {
        (Some(field), Some(_)) => {
            field.error("jwks and jwksUrl are mutually exclusive");
            None
        }
        (Some(field), None) => key_set(&field).map(WorkloadKeys::Fixed),
        (None, Some(url)) => Some(WorkloadKeys::Remote {
            url,
            authorities,
            token: token.map(Into::into),
        }),
        (None, None) => Some(WorkloadKeys::Discovered),
    }
}

/// Reads a JSON Web Key Set with a public key.
fn key_set(field: &Field<'_>) -> Option<serde_json::Value> {
    let text: Secret = field.read()?;
    if text.expose().is_empty() {
        // Lookups are disabled.
        return Some(serde_json::Value::Null);
    }
    let set = serde_json::from_str(text.expose()).ok();
    let set = set.filter(|set| KeySet::from_value(set).is_ok_and(|keys| !keys.is_empty()));
    if set.is_none() {
        field.error("expected a JSON Web Key Set with a public key");
    }
    set
}

/// Reads certificates in PEM. They are no secret, but are written like one, because the platform
/// provides them in a file.
fn certificates(field: &Field<'_>) -> Option<String> {
    let text: Secret = field.read()?;
    let pem = text.expose();
    // Empty if lookups are disabled.
    let is_valid = pem.is_empty()
        || EgressPolicy::new()
            .with_root_certificates_pem(pem.as_bytes())
            .is_ok();
    if !is_valid {
        field.error("expected certificates in PEM");
    }
    is_valid.then(|| pem.to_owned())
}

/// Rule for workloads.
///
/// | Key | Type |
/// |---|---|
/// | `name` | string, required |
/// | `claims` | map from claims to a pattern or a list of patterns, required |
/// | `principal` | text with claims, such as `${sub}` |
/// | `teams`, `roles`, `gateways` | list of strings |
/// | `client` | string |
/// | `lifetime` | duration |
///
/// Gateways that are left out are those that the teams and roles may use; an empty list is none.
impl FromField for AdmittedWorkloads {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let name = table.required("name", |field| field.parse("a name", rule_name));
        let claims = table.required("claims", claims);
        let principal: Option<FromStrField<WorkloadName>> = table.get("principal");
        let teams: Vec<Arc<str>> = table.get("teams").unwrap_or_default();
        let roles: Vec<Arc<str>> = table.get("roles").unwrap_or_default();
        let gateways = table.get("gateways");
        let client: Option<String> = table.get("client");
        let lifetime = table.get("lifetime");
        table.finish();
        let mut rule = WorkloadRule::new(name?).with_teams(teams).with_roles(roles);
        for (claim, patterns) in claims? {
            rule = rule.with_claim(claim, patterns);
        }
        if let Some(FromStrField(name)) = principal {
            rule = rule.with_name(name);
        }
        if let Some(client) = client {
            rule = rule.with_client(client);
        }
        if let Some(lifetime) = lifetime {
            rule = rule.with_lifetime(lifetime);
        }
        let mut admitted = Self::new(rule);
        admitted.gateways = gateways;
        Some(admitted)
    }
}

/// Reads the conditions of a rule, one of which must be more than `*`.
///
/// The value of a claim is a text, also where the claim is a number or a boolean.
fn claims(field: &Field<'_>) -> Option<Vec<(String, Vec<String>)>> {
    let entries = field.entries()?;
    let conditions = entries.iter().filter_map(|(claim, field)| {
        let patterns = match field.is_list() {
            true => field.read()?,
            false => vec![field.read()?],
        };
        Some(((*claim).to_owned(), patterns))
    });
    let conditions: Vec<(String, Vec<String>)> = conditions.collect();
    let is_any = |pattern: &String| pattern.chars().all(|c| c == '*');
    let mut patterns = conditions.iter().map(|(_, patterns)| patterns);
    if patterns.all(|patterns| patterns.is_empty() || patterns.iter().any(is_any)) {
        field.error("at least one claim must have a value other than *");
        return None;
    }
    Some(conditions)
}

/// Parses the name of a rule, which is part of the subjects of its principals.
///
/// # Errors
///
/// The permitted characters. A colon would make the subjects of two rules ambiguous.
fn rule_name(text: &str) -> Result<Arc<str>, String> {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    match !text.is_empty() && text.len() <= MAX_NAME && text.bytes().all(is_valid) {
        true => Ok(text.into()),
        false => Err(format!(
            "expected letters, digits, '-', '_' and '.', up to {MAX_NAME} characters"
        )),
    }
}

/// Maximum length of the name of a rule.
const MAX_NAME: usize = 64;
