//! Replacement of the running state, in a step that can fail and one that cannot.
//!
//! All that can fail is done first, on objects that nothing refers to yet. An invalid spec
//! therefore has no effect on running servers and gateways, and a rollback is not needed.

use std::sync::Arc;

use mcp_gateway_auth::server::{HiddenResources, Resource};
use mcp_gateway_core::auth::ProtectedResource;
use mcp_gateway_core::route::PrefixRouter;
use mcp_gateway_limits::{ActiveLimits, ActiveRetries};
use mcp_gateway_policy::Rules;
use mcp_gateway_policy::result::ResultRules;

use super::gateway::{GatewaySpec, ReloadableParts};
use super::{Controller, RunningGateway};
use crate::accounts::{account_servers, input_servers};
use crate::auth::resources::{ResourceSet, resources};
use crate::error::PlatformError;
use crate::http::hidden::HiddenGateways;
use crate::reload::generations::{AppliedState, GatewayAccess};
use crate::reload::policy::ReloadablePolicy;
use crate::reload::router::ReloadableRouter;
use crate::reload::verifier::{ReloadableVerifier, VerifierRules};
use crate::rollout::Rollout;
use crate::servers::StagedServers;
use crate::spec::{self, Auth, DynamicSpec, PolicySpec};

/// Prepared replacement of the running state.
#[must_use = "nothing changes before it is committed"]
struct StagedSpec {
    /// Generation of the replacement.
    generation: u64,
    /// Changes of servers.
    rollout: Rollout,
    /// Servers to run, and those to remove.
    servers: StagedServers,
    /// Audiences of tokens.
    resources: ResourceSet,
    /// Gateways, in the order of the spec.
    gateways: Vec<StagedGateway>,
    /// Names without a gateway, if strangers must not learn that.
    hidden: Option<HiddenGateways>,
}

/// Gateway of a prepared replacement.
struct StagedGateway {
    /// Gateway to run: the running one if its properties are unchanged.
    gateway: RunningGateway,
    /// Router and rules, if a gateway of the name is running already.
    update: Option<(PrefixRouter, VerifierRules)>,
    /// Set if a running gateway of the name shows its tools otherwise.
    is_exposed_anew: bool,
}

impl StagedGateway {
    /// Updates policy and router of the gateway to its `definition` in `spec`. Subscribers are
    /// notified if servers or rules (`has_changed`), assignments or the exposure have changed. Returns the gateway
    /// with the rules for its verifier.
    fn route(
        mut self,
        (spec, definition): (&DynamicSpec, &spec::GatewaySpec),
        (policy, results): (Option<Arc<Rules>>, Option<Arc<ResultRules>>),
        has_changed: bool,
    ) -> (RunningGateway, Option<VerifierRules>) {
        let parts = &self.gateway.parts;
        parts.policy.replace((spec, definition), policy);
        parts.results.replace(&definition.name, results);
        let has_changed = has_changed
            || self.is_exposed_anew
            || self.gateway.assignments != definition.assignments;
        let rules = self.update.map(|(router, rules)| {
            parts.routing.replace(router, has_changed);
            rules
        });
        self.gateway.assignments.clone_from(&definition.assignments);
        (self.gateway, rules)
    }
}

impl Controller {
    /// Makes the running state match `spec`, and returns the changes.
    ///
    /// Unchanged servers and gateways keep their connections and sessions.
    ///
    /// # Errors
    ///
    /// [`PlatformError`] if the spec cannot be applied. Then nothing has changed.
    pub(crate) fn apply(&mut self, spec: &DynamicSpec) -> Result<Rollout, PlatformError> {
        let staged = self.prepare(spec)?;
        Ok(self.commit(spec, staged))
    }

    /// Performs every step of an apply that can fail, without changing the running state.
    ///
    /// After an error, key caches of new issuers and the hidden variables of the factory remain.
    /// The next apply sets the variables again before it creates a server.
    ///
    /// # Errors
    ///
    /// [`PlatformError`] of the first step that fails.
    fn prepare(&mut self, spec: &DynamicSpec) -> Result<StagedSpec, PlatformError> {
        let generation = self.generations.next();
        self.issuers.set_generation(generation);
        let servers = self
            .servers
            .prepare(&spec.servers, &spec.hidden_variables)
            .map_err(PlatformError::Servers)?
            .with_unreadable(&spec.unreadable);
        self.check_accounts(spec)?;
        let resources = resources(spec, self.authority.is_some(), &self.base)?;
        let mut gateways = Vec::new();
        for (at, definition) in spec.gateways.iter().enumerate() {
            let resource = resources
                .of_gateway(at)
                .ok_or_else(|| PlatformError::BasePath {
                    base: self.base.clone(),
                })?;
            let router = spec.router(definition)?;
            gateways.push(self.prepare_gateway(spec, (definition, resource), router)?);
        }
        let hidden = resources.hidden.clone();
        let hidden = hidden.map(|names| self.prepare_hidden(spec, names));
        Ok(StagedSpec {
            hidden: hidden.transpose()?,
            generation,
            rollout: servers.rollout(&self.servers),
            servers,
            resources,
            gateways,
        })
    }

    /// Rejects servers that are called with the accounts of callers, if callers cannot log in.
    ///
    /// # Errors
    ///
    /// [`PlatformError::NoLogin`] for the first such server.
    fn check_accounts(&self, spec: &DynamicSpec) -> Result<(), PlatformError> {
        let mut servers = spec.servers.iter();
        let found = servers.find(|server| server.is_connected_by_callers());
        match found {
            Some(server) if self.accounts.is_none() => Err(PlatformError::NoLogin {
                server: Arc::clone(&server.name),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Prepares the update of a running gateway, or creates a new one.
    ///
    /// One whose properties have changed is created anew, but keeps the parts of the old one.
    fn prepare_gateway(
        &mut self,
        spec: &DynamicSpec,
        (definition, resource): (&spec::GatewaySpec, &Resource),
        router: PrefixRouter,
    ) -> Result<StagedGateway, PlatformError> {
        let mut traits = GatewaySpec::of(definition, spec, &self.base);
        traits.protected = self.challenges_of(definition, resource, &spec.auth);
        let mut rules = self.issuers.rules(&spec.auth, Some(resource), &[]);
        let mut servers = spec.servers_of(definition).into_iter();
        if servers.any(|server| server.transport.requires_identity_token()) {
            rules = rules.with_identity_tokens();
        }
        let mut running = self.gateways.iter();
        let running = running.find(|running| running.traits.id == traits.id);
        let (parts, update) = match running {
            Some(running) if running.traits == traits => {
                return Ok(StagedGateway {
                    gateway: running.clone(),
                    update: Some((router, rules)),
                    is_exposed_anew: false,
                });
            }
            // Open streams follow the parts to the new gateway.
            Some(running) => (running.parts.clone(), Some((router, rules))),
            None => (self.parts(router, rules), None),
        };
        let is_exposed_anew =
            running.is_some_and(|running| running.traits.tool_search != traits.tool_search);
        let protected = traits.protected.iter();
        let gateways = protected.map(|protected| self.create(&traits, &parts, protected.as_ref()));
        Ok(StagedGateway {
            gateway: RunningGateway {
                gateways: gateways.collect::<Result<_, _>>()?,
                assignments: running.map_or_else(Vec::new, |one| one.assignments.clone()),
                parts,
                traits,
            },
            update,
            is_exposed_anew,
        })
    }

    /// Creates the parts of a new gateway.
    fn parts(&self, router: PrefixRouter, rules: VerifierRules) -> ReloadableParts {
        ReloadableParts {
            access: ReloadableVerifier::new(rules),
            routing: ReloadableRouter::new(router, Arc::clone(&self.tool_names)),
            policy: Arc::new(ReloadablePolicy::new(&self.generations).with_taints(&self.taints)),
            results: Arc::default(),
            limits: ActiveLimits::default(),
            retries: ActiveRetries::default(),
        }
    }

    /// Returns the challenges for clients of `definition`, for each segment of its paths: clients
    /// compare the resource that the metadata names with the URL that they use.
    fn challenges_of(
        &self,
        definition: &spec::GatewaySpec,
        resource: &Resource,
        auth: &Auth,
    ) -> Vec<Option<ProtectedResource>> {
        let challenges = self.challenges(auth);
        if definition.id.is_none() {
            return vec![challenges.of(resource, false)];
        }
        let of_segment = |segment: &Arc<str>| {
            let mut named = resource.clone();
            named.uri = resource.uri.join(segment).ok()?;
            challenges.of(&named, false)
        };
        definition.segments().map(of_segment).collect()
    }

    /// Creates the response to strangers for `names`, whose gateways do not exist.
    fn prepare_hidden(
        &mut self,
        spec: &DynamicSpec,
        names: HiddenResources,
    ) -> Result<HiddenGateways, PlatformError> {
        let definition = spec::GatewaySpec::new("");
        let router = spec.router(&definition)?;
        let nobody = names.named("hidden");
        let rules = self.issuers.rules(&spec.auth, nobody.as_ref(), &[]);
        let traits = GatewaySpec::of(&definition, spec, &self.base);
        let parts = self.parts(router, rules);
        Ok(HiddenGateways {
            gateway: self.create(&traits, &parts, None)?,
            names,
            challenges: self.challenges(&spec.auth),
        })
    }

    /// Replaces the running state by a prepared one.
    ///
    /// Removed gateways reject all callers from now on, which ends their open streams. The route
    /// table is replaced when all that it refers to is in place. [`Generations`] requires that the
    /// verifiers are replaced after servers, filters and routers.
    ///
    /// [`Generations`]: crate::reload::generations::Generations
    fn commit(&mut self, spec: &DynamicSpec, staged: StagedSpec) -> Rollout {
        let StagedSpec {
            generation,
            rollout,
            servers,
            resources,
            gateways,
            hidden,
        } = staged;
        // Routers must not refer to missing servers: new servers are added before the routers are
        // replaced, and old ones are removed afterwards.
        self.generations.begin(generation);
        if let Some(accounts) = &self.accounts {
            accounts.replace_servers(account_servers(spec));
            accounts.replace_input_servers(input_servers(spec));
        }
        self.pins.replace(spec);
        self.tool_names.replace(&spec.servers);
        self.servers.start(&servers);
        self.protect(spec, &resources);
        let gateways = spec.gateways.iter().zip(gateways);
        let has_changed = self.replace_policy(&spec.policy) || rollout.has_servers();
        let policy = || (self.rules.clone(), self.results.clone());
        let gateways = gateways
            .map(|(definition, staged)| staged.route((spec, definition), policy(), has_changed));
        let (gateways, rules): (Vec<_>, Vec<_>) = gateways.unzip();
        self.limits.apply(spec, &gateways);
        for (gateway, rules) in gateways.iter().zip(rules) {
            if let Some(rules) = rules {
                gateway.parts.access.replace(rules);
            }
        }
        let before = std::mem::replace(&mut self.gateways, gateways);
        for removed in before {
            let mut gateways = self.gateways.iter();
            if !gateways.any(|other| other.traits.id == removed.traits.id) {
                removed.parts.access.close();
            }
        }
        if let Some(authority) = &self.authority {
            let gateways = spec.gateways.iter().zip(&self.gateways);
            let gateways = gateways.map(|(spec, running)| {
                let notifier = running.parts.routing.notifier();
                (spec.servers.as_slice(), notifier)
            });
            authority.accounts.events.replace_gateways(gateways);
        }
        self.follow_taints(&spec.policy);
        self.access
            .replace(self.issuers.rules(&spec.auth, None, &resources.gateways));
        self.admin_access
            .replace(self.issuers.admin_rules(&spec.auth));
        let routes = self.routes(spec, (&resources.forward, hidden));
        self.routes.store(Arc::new(routes));
        self.generations.complete(self.applied(spec, generation));
        self.servers.complete(servers);
        if let Some(authority) = &self.authority {
            let members = self.servers.members().iter();
            let running = members.map(|member| (Arc::clone(member.name()), member.running()));
            authority.accounts.servers.replace(running);
        }
        rollout
    }

    /// Replaces the rules of all gateways, and returns `true` if they differ. What equal rules have
    /// remembered of tools is kept.
    fn replace_policy(&mut self, policy: &PolicySpec) -> bool {
        let (rules, results) = (policy.rules(), policy.result_rules());
        let (are_other_rules, are_other_results) = (self.rules != rules, self.results != results);
        if are_other_rules {
            self.rules = rules;
        }
        if are_other_results {
            self.observer.spans().set_results(results.clone());
            self.results = results;
        }
        are_other_rules || are_other_results
    }

    /// Returns the gateways and servers of the last apply, which was that of `spec`.
    fn applied(&self, spec: &DynamicSpec, generation: u64) -> AppliedState {
        let gateways = spec.gateways.iter().zip(&self.gateways);
        let gateways = gateways.map(|(spec, running)| {
            let access = GatewayAccess {
                access: Arc::clone(&running.parts.access),
                servers: spec.servers.clone(),
                policy: Arc::clone(&running.parts.policy),
            };
            (Arc::clone(spec.id()), access)
        });
        let servers = self.servers.members().iter();
        let servers =
            servers.map(|server| (Arc::clone(server.name()), server.credentials().instance()));
        AppliedState {
            generation,
            gateways: gateways.collect(),
            servers: servers.collect(),
        }
    }
}
