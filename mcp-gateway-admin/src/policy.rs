//! Rules that the API administers.

use std::fmt;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use mcp_gateway_store::Attachment;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{CatalogError, ServerSource, Violation};

/// Rules about the calls of a platform.
///
/// Some rules come from a file, decide first, and are read-only; others are entries in a store. A
/// change of entries is one write, to which an attachment is added.
#[async_trait]
pub trait PolicyCatalog: fmt::Debug + Send + Sync + 'static {
    /// Returns all rules in their order.
    fn rules(&self) -> Vec<RuleDocument>;

    /// Returns the rule `name`, and the version of its entry in the store.
    fn rule(&self, name: &str) -> Option<(RuleDocument, Option<u64>)>;

    /// Creates the rule of `entry` before the rule `before` of the store, or as the last one. It is
    /// in force when this returns.
    ///
    /// # Errors
    ///
    /// [`CatalogError`] if the entry is invalid, the name is taken, or `before` does not exist.
    ///
    /// # Cancel safety
    ///
    /// The entry may have been written or not.
    async fn create_rule(
        &self,
        entry: Value,
        before: Option<&str>,
        attachment: &Attachment,
    ) -> Result<(RuleDocument, u64), CatalogError>;

    /// Replaces the entry of the rule `name`, if it has `version`. Its place stays.
    ///
    /// # Errors
    ///
    /// [`CatalogError`] if the entry is invalid, read-only or of another version.
    ///
    /// # Cancel safety
    ///
    /// The entry may have been written or not.
    async fn replace_rule(
        &self,
        name: &str,
        entry: Value,
        version: Option<u64>,
        attachment: &Attachment,
    ) -> Result<(RuleDocument, u64), CatalogError>;

    /// Deletes the entry of the rule `name`, if it has `version`.
    ///
    /// # Errors
    ///
    /// [`CatalogError`] if the entry is read-only or of another version.
    ///
    /// # Cancel safety
    ///
    /// The entry may have been deleted or not.
    async fn delete_rule(
        &self,
        name: &str,
        version: Option<u64>,
        attachment: &Attachment,
    ) -> Result<(), CatalogError>;

    /// Returns the order of the rules of the store.
    fn rule_order(&self) -> RuleOrder;

    /// Replaces the order of the rules of the store, if the current one has `version`.
    ///
    /// # Errors
    ///
    /// [`CatalogError`] if `order` does not have each rule once, or the current order has another
    /// version.
    ///
    /// # Cancel safety
    ///
    /// The order may have been written or not.
    async fn order_rules(
        &self,
        order: &RuleOrder,
        version: Option<u64>,
        attachment: &Attachment,
    ) -> Result<RuleOrder, CatalogError>;

    /// Returns the decision about a call that is not made.
    ///
    /// # Errors
    ///
    /// [`CatalogError`] if the call is invalid.
    fn explain(&self, call: &PolicyCall) -> Result<PolicyExplanation, CatalogError>;
}

/// Rule.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Rule)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::exhaustive_structs,
    reason = "implementations of `PolicyCatalog` make them"
)]
pub struct RuleDocument {
    /// Name.
    pub name: String,
    /// Place in the order of all rules, from 1. Rules of the file are before those of the store.
    pub position: usize,
    /// Source of its definition.
    pub source: ServerSource,
    /// Effect that is in force: `allow`, `approve` or `deny`.
    pub effect: &'static str,
    /// `true` if the effect is only logged.
    pub dry_run: bool,
    /// Entry in the store, in the form of an entry of `policy.rules` in a configuration file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub entry: Option<Value>,
    /// Violations for which the entry in the store is not used. Calls that it could have concerned are
    /// rejected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
}

/// Order of the rules of the store.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::exhaustive_structs,
    reason = "implementations of `PolicyCatalog` make them"
)]
pub struct RuleOrder {
    /// Names of all rules of the store, each once.
    pub names: Vec<String>,
}

impl RuleOrder {
    /// Returns the version, which depends on the names alone.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_admin::RuleOrder;
    ///
    /// let order = |names: [&str; 2]| RuleOrder { names: names.map(str::to_owned).into() };
    /// assert_eq!(order(["a", "b"]).version(), order(["a", "b"]).version());
    /// assert_ne!(order(["a", "b"]).version(), order(["b", "a"]).version());
    /// ```
    #[must_use]
    pub fn version(&self) -> u64 {
        let text = Value::from(self.names.clone()).to_string();
        let digest = digest(&SHA256, text.as_bytes());
        let first = digest.as_ref().first_chunk();
        first.map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }
}

/// Call that a policy is asked about.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PolicyCall {
    /// Name or identifier of the gateway; the default one if absent.
    pub gateway: Option<String>,
    /// Tool, as `SERVER/TOOL`, by the name that the server uses.
    #[schema(pattern = "^[^/]+/.+$")]
    pub tool: String,
    /// Caller.
    #[serde(default)]
    pub caller: PolicyCaller,
    /// Arguments.
    #[schema(value_type = Option<Object>)]
    pub arguments: Option<Box<RawValue>>,
    /// Annotations of the tool; those that the server lists if absent.
    pub annotations: Option<PolicyAnnotations>,
}

/// Caller of a call that a policy is asked about.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PolicyCaller {
    /// Subject.
    pub subject: Option<String>,
    /// Name for people.
    pub name: Option<String>,
    /// Identifier of the OAuth client.
    pub client: Option<String>,
    /// Teams.
    #[serde(default)]
    pub teams: Vec<String>,
    /// Roles.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Scopes.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// Annotations of a tool; those that are absent have the defaults of the specification.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PolicyAnnotations {
    /// `destructiveHint`.
    pub destructive: Option<bool>,
    /// `idempotentHint`.
    pub idempotent: Option<bool>,
    /// `openWorldHint`.
    pub open_world: Option<bool>,
    /// `readOnlyHint`.
    pub read_only: Option<bool>,
}

impl fmt::Debug for PolicyCall {
    /// Does not show the arguments, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyCall")
            .field("gateway", &self.gateway)
            .field("tool", &self.tool)
            .finish_non_exhaustive()
    }
}

/// Decision about a call that a policy is asked about.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::exhaustive_structs,
    reason = "implementations of `PolicyCatalog` make them"
)]
pub struct PolicyExplanation {
    /// `allow`, `approve` or `deny`.
    pub effect: &'static str,
    /// `rule`; `default` if no rule concerns the call; `gateway` if it does not offer the tool.
    pub decided_by: &'static str,
    /// Rule that decides.
    pub rule: Option<String>,
    /// Reason that the client receives.
    pub reason: Option<String>,
    /// Results of the rules that name the tool, up to the one that decides.
    pub steps: Vec<PolicyStep>,
}

/// Result of one rule.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[expect(
    clippy::exhaustive_structs,
    reason = "implementations of `PolicyCatalog` make them"
)]
pub struct PolicyStep {
    /// Name of the rule.
    pub rule: String,
    /// Result, such as `decides` or `is for other callers`.
    pub finding: String,
}
