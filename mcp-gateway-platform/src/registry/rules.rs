//! Rules in the store.
//!
//! A document has the entry of a rule, in the form of one of `policy.rules` in a configuration file, and
//! its rank. Rules of equal rank, which concurrent requests can write, are ordered by name. A change
//! of the order writes the rules whose ranks change, in one batch.

use std::sync::Arc;

use mcp_gateway_policy::{Effect, Rule};
use mcp_gateway_store::{Attachment, Batch, Document, DocumentVersion, StoreError};
use serde_json::{Value, json};

use super::documents::{Entries, StoredEntry};
use super::{EntryReader, Merged, Registry, Violation};

/// Rule in the store, as its document has it.
#[derive(Debug)]
pub(crate) struct StoredRule {
    /// Name.
    pub(crate) name: Arc<str>,
    /// Version of the document.
    pub(crate) version: DocumentVersion,
    /// Entry; [`Value::Null`] if the document has none.
    pub(crate) entry: Value,
    /// Rule that is in force: that of the entry, or a [substitute].
    pub(crate) rule: Rule,
    /// Violations for which a substitute is in force.
    pub(crate) violations: Vec<Violation>,
    /// Rank, in ascending order; 0 if the document has none.
    rank: u64,
}

impl StoredRule {
    /// Reads the document of the rule `name`.
    pub(super) fn read(name: &str, document: &Document, reader: &dyn EntryReader) -> Self {
        let read = serde_json::from_slice::<Value>(&document.value);
        let mut content = read.unwrap_or_default();
        let rank = content["rank"].as_u64();
        let entry = content.get_mut("rule").map(Value::take).unwrap_or_default();
        let rule = match rank {
            Some(_) => read_rule(name, &entry, reader),
            None => Err(vec![Violation::new(
                "",
                "the document is not that of a rule",
            )]),
        };
        let (rule, violations) = match rule {
            Ok(rule) => (rule, Vec::new()),
            Err(violations) => {
                tracing::error!(rule = name, "invalid rule in the store rejects calls");
                (substitute(name, &entry), violations)
            }
        };
        Self {
            name: name.into(),
            version: document.version,
            entry,
            rule,
            violations,
            rank: rank.unwrap_or_default(),
        }
    }

    /// Returns the document with the rank `rank`.
    fn ranked(&self, rank: u64) -> Value {
        document(rank, &self.entry)
    }
}

impl StoredEntry for StoredRule {
    fn version(&self) -> DocumentVersion {
        self.version
    }
}

impl Registry {
    /// Returns the rules of the store in their order.
    pub(crate) fn rules(&self) -> Vec<Arc<StoredRule>> {
        ordered(&self.rules.entries())
    }

    /// Returns the rule `name` of the store.
    pub(crate) fn rule(&self, name: &str) -> Option<Arc<StoredRule>> {
        self.rules.get(name)
    }

    /// Returns the violations of `entry` as that of the rule `name`.
    pub(crate) fn check_rule(&self, name: &str, entry: &Value) -> Vec<Violation> {
        let read = read_rule(name, entry, &*self.reader);
        read.err().unwrap_or_default()
    }

    /// Adds the rule `name` before the rule `before`, or as the last one, in one batch with
    /// `attachment`. Returns `None` if it exists, or the order has changed in the meantime.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable.
    pub(crate) async fn add_rule(
        &self,
        (name, entry): (&str, &Value),
        before: Option<&str>,
        attachment: &Attachment,
    ) -> Result<Option<Arc<StoredRule>>, StoreError> {
        let rules = self.rules();
        let place = before.and_then(|before| rules.iter().position(|rule| *rule.name == *before));
        let place = place.unwrap_or(rules.len());
        let ranks = ranks(&rules, rules.len() + 1);
        let (first, rest) = ranks.split_at(place);
        let (rank, last) = rest
            .split_first()
            .map_or((1, rest), |(one, rest)| (*one, rest));
        let others = rules.iter().zip(first.iter().chain(last));
        let (batch, is_moved) = self.ranked(others, attachment.add_to(Batch::new(), name));
        let added = self
            .rules
            .put(name, &document(rank, entry), None, batch)
            .await?;
        if is_moved || added.is_none() {
            self.rules.load().await?;
        }
        Ok(added)
    }

    /// Replaces the entry of the rule `before`, whose place stays, in one batch with `attachment`.
    /// Returns `None` if it has changed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable.
    pub(crate) async fn replace_rule(
        &self,
        before: &StoredRule,
        entry: &Value,
        attachment: &Attachment,
    ) -> Result<Option<Arc<StoredRule>>, StoreError> {
        let StoredRule {
            name,
            version,
            rank,
            ..
        } = before;
        let batch = attachment.add_to(Batch::new(), name);
        let content = document(*rank, entry);
        self.rules.put(name, &content, Some(*version), batch).await
    }

    /// Deletes the rule `stored`, in one batch with `attachment`. Returns `false` if it has changed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable.
    pub(crate) async fn delete_rule(
        &self,
        stored: &StoredRule,
        attachment: &Attachment,
    ) -> Result<bool, StoreError> {
        let StoredRule { name, version, .. } = stored;
        let batch = attachment.add_to(Batch::new(), name);
        self.rules.delete(name, *version, batch).await
    }

    /// Orders `rules`, which are all rules of the store, as they are given, in one batch with
    /// `attachment`. Returns `false` if one of them has changed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable.
    pub(crate) async fn order_rules(
        &self,
        rules: &[Arc<StoredRule>],
        attachment: &Attachment,
    ) -> Result<bool, StoreError> {
        let ranks = ranks(rules, rules.len());
        let batch = attachment.add_to(Batch::new(), "order");
        let (batch, is_moved) = self.ranked(rules.iter().zip(&ranks), batch);
        if !is_moved {
            return Ok(true);
        }
        let is_committed = self.rules.commit(batch).await?;
        self.rules.load().await?;
        Ok(is_committed)
    }

    /// Adds the new ranks of `rules` to `batch`. Returns `true` with it if a rank changes.
    fn ranked<'r>(
        &self,
        rules: impl Iterator<Item = (&'r Arc<StoredRule>, &'r u64)>,
        mut batch: Batch,
    ) -> (Batch, bool) {
        let mut is_moved = false;
        for (rule, rank) in rules.filter(|(rule, rank)| rule.rank != **rank) {
            let key = self.rules.key(&rule.name);
            batch = batch
                .if_version(Arc::clone(&key), rule.version)
                .put(key, rule.ranked(*rank).to_string());
            is_moved = true;
        }
        (batch, is_moved)
    }
}

impl Merged {
    /// Adds the rules `stored` after those of the spec: the operator of the file decides first.
    ///
    /// A rule that is invalid rejects what it could have concerned, in its place.
    pub(super) fn with_rules(mut self, stored: &Entries<StoredRule>) -> Self {
        self.rules = ordered(stored);
        let rules = self.rules.iter().map(|stored| stored.rule.clone());
        self.spec.policy.rules.extend(rules);
        self
    }
}

/// Returns `rules` in their order.
fn ordered(rules: &Entries<StoredRule>) -> Vec<Arc<StoredRule>> {
    // The entries are ordered by name, and the order of equal ranks stays.
    let mut rules: Vec<_> = rules.values().cloned().collect();
    rules.sort_by_key(|rule| rule.rank);
    rules
}

/// Returns `len` ascending ranks for `rules`, and rules that are added to them.
///
/// Those of `rules` are used again, so that few documents change.
fn ranks(rules: &[Arc<StoredRule>], len: usize) -> Vec<u64> {
    let mut ranks: Vec<u64> = rules.iter().map(|rule| rule.rank).collect();
    ranks.sort_unstable();
    let is_ascending = ranks.windows(2).all(|pair| pair[0] < pair[1]);
    let last = ranks.last().copied().unwrap_or_default();
    if !is_ascending || last > MAX_RANK {
        return (1..).take(len).collect();
    }
    ranks.extend((last + 1..).take(len - rules.len()));
    ranks
}

/// Reads `entry` as that of the rule `name`.
fn read_rule(name: &str, entry: &Value, reader: &dyn EntryReader) -> Result<Rule, Vec<Violation>> {
    let rule = reader.read_rule(entry)?;
    match **rule.name() == *name {
        true => Ok(rule),
        false => Err(vec![Violation::new("name", format!("expected {name:?}"))]),
    }
}

/// Returns a rule that rejects what an invalid rule could have concerned.
///
/// All keys restrict a rule, so that those that are lists of texts restrict the substitute, too.
fn substitute(name: &str, entry: &Value) -> Rule {
    let list = |key: &str| {
        let items = entry[key].as_array().into_iter().flatten();
        items
            .map(Value::as_str)
            .collect::<Option<Vec<_>>>()
            .unwrap_or_default()
    };
    let rule = Rule::new(name, Effect::Deny { reason: None })
        .with_gateways(list("gateways"))
        .with_servers(list("servers"))
        .with_tools(list("tools"))
        .with_clients(list("clients"))
        .with_teams(list("teams"))
        .with_roles(list("roles"));
    match entry["dryRun"] == true {
        true => rule.dry_run(),
        false => rule,
    }
}

/// Returns the document of a rule.
fn document(rank: u64, entry: &Value) -> Value {
    json!({ "rank": rank, "rule": entry })
}

/// Prefix of the keys of the documents.
pub(super) const PREFIX: &str = "policy/rules/";

/// Maximum number of rules in a store.
pub(crate) const MAX_RULES: usize = 1_000;

/// Highest rank that is continued.
const MAX_RANK: u64 = 1 << 32;
