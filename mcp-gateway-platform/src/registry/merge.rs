//! Servers, gateways and rules of the spec and of the store in one spec.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{ListedGateway, StoredRule, StoredServer, Violation};
use crate::spec::{DynamicSpec, ServerRuntime, ServerSpec};
use crate::status::ObjectReport;

/// Spec with the servers, gateways and rules of the store, and the lists of each.
#[derive(Debug)]
pub(crate) struct Merged {
    /// Spec to apply.
    pub(crate) spec: DynamicSpec,
    /// All servers by name, used or not.
    pub(crate) listing: BTreeMap<Arc<str>, Listed>,
    /// Gateways of the store by identifier, used or not.
    pub(crate) gateways: BTreeMap<Arc<str>, ListedGateway>,
    /// Rules of the store in their order, which are the last ones of the spec.
    pub(crate) rules: Vec<Arc<StoredRule>>,
    /// Outcome for the servers and gateways of objects.
    pub(crate) objects: Arc<ObjectReport>,
    /// Parts of the platform that servers may need.
    pub(super) abilities: Abilities,
}

/// Parts of a platform without which some servers cannot be used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Abilities {
    /// Set if callers can log in, and servers can be called with their accounts.
    pub(super) has_accounts: bool,
    /// Set if there is a cluster on which servers can run.
    pub(super) has_cluster: bool,
}

/// Server of the list.
#[derive(Debug)]
pub(crate) struct Listed {
    /// Server of the store; `None` without one.
    pub(crate) stored: Option<Arc<StoredServer>>,
    /// Origin of the server that is used.
    pub(crate) origin: Origin,
    /// Violations for which the server of the store is not used.
    pub(crate) violations: Vec<Violation>,
    /// Entry of the registry from which it has been installed.
    pub(crate) entry: Option<Arc<str>>,
}

/// Origin of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Spec.
    Spec,
    /// Store.
    Store,
    /// Object of a cluster.
    Object,
}

impl Listed {
    /// Returns `true` if the server is not one of the store, so that one of its name there has no
    /// effect.
    pub(crate) fn is_read_only(&self) -> bool {
        self.origin != Origin::Store
    }
}

impl Merged {
    /// Adds the servers `stored` to those of `spec`. Those of `spec` come first, and hide those of
    /// the same name.
    ///
    /// Servers of the store are admitted in the order of their names. Concurrent requests can write
    /// two with the same prefix; replicas with the same spec then use the same one.
    pub(super) fn new(
        spec: &DynamicSpec,
        stored: &BTreeMap<Arc<str>, Arc<StoredServer>>,
        abilities: Abilities,
    ) -> Self {
        let configured = spec.servers.iter().map(|server| {
            let listed = Listed {
                stored: stored.get(&server.name).cloned(),
                origin: Origin::Spec,
                violations: Vec::new(),
                entry: server.entry.clone(),
            };
            (Arc::clone(&server.name), listed)
        });
        let mut listing: BTreeMap<_, _> = configured.collect();
        let mut rules = AdmissionRules::new(spec, abilities);
        let mut admitted = Vec::new();
        for (name, entry) in stored {
            if listing.contains_key(name) {
                continue;
            }
            let used = match &entry.spec {
                Ok(server) => rules.admit(server).map(|()| server),
                Err(violations) => Err(violations.clone()),
            };
            let violations = match used {
                Ok(server) => {
                    admitted.push(server.clone());
                    Vec::new()
                }
                Err(violations) => violations,
            };
            let listed = Listed {
                stored: Some(Arc::clone(entry)),
                origin: Origin::Store,
                violations,
                entry: entry.spec.as_ref().ok().and_then(|it| it.entry.clone()),
            };
            listing.insert(Arc::clone(name), listed);
        }
        let mut spec = spec.clone();
        spec.add_servers(admitted);
        spec.hide_platform_tools();
        let unreadable = stored.iter().filter(|(name, entry)| {
            let is_hidden = listing.get(*name).is_some_and(Listed::is_read_only);
            entry.spec.is_err() && !is_hidden
        });
        let unreadable = unreadable.map(|(name, _)| Arc::clone(name));
        spec.unreadable.extend(unreadable);
        Self {
            spec,
            listing,
            gateways: BTreeMap::new(),
            rules: Vec::new(),
            objects: Arc::default(),
            abilities,
        }
    }

    /// Returns `spec` with the servers and gateways of its objects.
    pub(crate) fn without_store(spec: &DynamicSpec) -> Self {
        let merged = Self::new(spec, &BTreeMap::new(), Abilities::default());
        merged.with_object_servers().with_object_gateways()
    }

    /// Returns the violations for which `server` cannot join the others, or replace the one of its
    /// name.
    ///
    /// The prefix of the server that it replaces is free for it.
    pub(crate) fn violations(&self, server: &ServerSpec) -> Vec<Violation> {
        let mut rules = AdmissionRules::new(&self.spec, self.abilities);
        rules.prefixes.retain(|_, name| **name != *server.name);
        rules.admit(server).err().unwrap_or_default()
    }
}

/// Rules by which servers of the store join those of a spec.
#[derive(Debug)]
pub(super) struct AdmissionRules<'a> {
    /// Set if servers may be programs on this machine.
    processes: bool,
    /// Set if servers may be pods of the cluster.
    kubernetes: bool,
    /// Parts of the platform that servers may need.
    abilities: Abilities,
    /// Servers by their prefixes.
    prefixes: HashMap<&'a str, &'a str>,
}

impl<'a> AdmissionRules<'a> {
    /// Creates the rules of `spec`, whose own servers have their prefixes already.
    pub(super) fn new(spec: &'a DynamicSpec, abilities: Abilities) -> Self {
        let servers = spec.servers.iter();
        let prefixes = servers.map(|server| (&*server.prefix, &*server.name));
        Self {
            processes: spec.registry.processes,
            kubernetes: spec.registry.kubernetes,
            abilities,
            prefixes: prefixes.collect(),
        }
    }

    /// Admits `server`, unless it must not join those before it.
    ///
    /// Its prefix is taken from then on.
    ///
    /// # Errors
    ///
    /// The violation of the first rule that rejects it.
    fn admit(&mut self, server: &'a ServerSpec) -> Result<(), Vec<Violation>> {
        self.check_runtime(&server.transport)?;
        if server.is_connected_by_callers() && !self.abilities.has_accounts {
            let (path, message) = match server.inputs.is_empty() {
                true => (
                    "remote.auth",
                    "accounts of callers require users who log in; set auth.login",
                ),
                false => (
                    "inputs",
                    "values of callers require users who log in; set auth.login, or supply the \
                     values of the entry when it is installed",
                ),
            };
            return Err(vec![Violation::new(path, message)]);
        }
        self.take_prefix(server)
    }

    /// Takes the prefix of `server`.
    ///
    /// # Errors
    ///
    /// The violation if another server has it.
    pub(super) fn take_prefix(&mut self, server: &'a ServerSpec) -> Result<(), Vec<Violation>> {
        if let Some(other) = self.prefixes.get(&*server.prefix) {
            let message = format!("the server {other:?} has the same prefix");
            return Err(vec![Violation::new("prefix", message)]);
        }
        self.prefixes.insert(&server.prefix, &server.name);
        Ok(())
    }

    /// Rejects servers that run code where this is not allowed, or that have no place to run.
    fn check_runtime(&self, runtime: &ServerRuntime) -> Result<(), Vec<Violation>> {
        let violation = match runtime {
            ServerRuntime::Process(_) if !self.processes => (
                "process",
                "programs are not allowed; `registry: { processes: true }` in the configuration \
                 file allows them",
            ),
            ServerRuntime::Kubernetes(_) if !self.kubernetes => (
                "kubernetes",
                "pods are not allowed; `registry: { kubernetes: true }` in the configuration file \
                 allows them",
            ),
            ServerRuntime::Kubernetes(_) if !self.abilities.has_cluster => (
                "kubernetes",
                "there is no cluster to run pods on; set `kubernetes` in the configuration file",
            ),
            _ => return Ok(()),
        };
        let (path, message) = violation;
        Err(vec![Violation::new(path, message)])
    }
}
