//! Generations of the running state, by which a call notices that an apply has overtaken it.
//!
//! An apply replaces servers, routers, tool filters and verifiers one after another. A call passes
//! all of them, so it could be accepted by the old verifier and reach a new server. Therefore a
//! verifier marks each principal with the generation of its rules, and the credential of a server is
//! given to calls of the latest generation only. Other calls are authenticated again, and checked
//! against the state after the apply.
//!
//! The order of an apply makes one comparison sufficient. It [begins](Generations::begin) before the
//! first replacement, and replaces the verifiers last. A call of the latest generation was
//! authenticated after all replacements, and before the next ones.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use mcp_gateway_core::Caller;
use mcp_gateway_core::auth::{AuthError, Principal};
use mcp_gateway_core::credential::CredentialError;
use mcp_gateway_core::route::Target;
use tokio::time::sleep;

use super::policy::ReloadablePolicy;
use super::verifier::ReloadableVerifier;

/// Generations of the running state. Each apply makes a new one.
#[derive(Debug, Default)]
pub(crate) struct Generations {
    /// Generation whose apply has begun last.
    latest: AtomicU64,
    /// State after the last complete apply.
    applied: ArcSwap<AppliedState>,
}

/// Servers of each gateway after an apply.
#[derive(Debug, Default)]
pub(crate) struct AppliedState {
    /// Generation.
    pub(crate) generation: u64,
    /// Gateways by identifier.
    pub(crate) gateways: HashMap<Arc<str>, GatewayAccess>,
    /// Running servers by name.
    pub(crate) servers: HashMap<Arc<str>, ServerInstance>,
}

/// Callers and servers of a gateway.
#[derive(Debug)]
pub(crate) struct GatewayAccess {
    /// Verifier of the callers.
    pub(crate) access: Arc<ReloadableVerifier>,
    /// Names of the servers.
    pub(crate) servers: Vec<Arc<str>>,
    /// Policy of its calls.
    pub(crate) policy: Arc<ReloadablePolicy>,
}

/// Identity of a running server. A server that is started or reached in another way has another one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ServerInstance(u64);

/// Mark of the rules that have accepted a principal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Admission {
    /// Generation of the rules.
    pub(crate) generation: u64,
    /// Set for a caller without credentials.
    pub(crate) is_anonymous: bool,
}

impl Generations {
    /// Returns the generation of the next apply.
    pub(crate) fn next(&self) -> u64 {
        self.latest.load(Ordering::SeqCst) + 1
    }

    /// Begins the apply of `generation`, before anything is replaced.
    pub(crate) fn begin(&self, generation: u64) {
        self.latest.store(generation, Ordering::SeqCst);
    }

    /// Returns the generation of the running state, or `None` during an apply.
    pub(crate) fn current(&self) -> Option<u64> {
        let applied = self.applied.load().generation;
        (self.latest.load(Ordering::SeqCst) == applied).then_some(applied)
    }

    /// Completes an apply, after everything has been replaced.
    pub(crate) fn complete(&self, state: AppliedState) {
        self.applied.store(Arc::new(state));
    }

    /// Returns when a call of `target` may be sent to `instance`.
    ///
    /// It returns at once unless an apply has begun since the caller was authenticated.
    ///
    /// # Errors
    ///
    /// [`CredentialError::Replaced`] if another instance has the name of the server now, or the
    /// caller may not call it any more, and [`CredentialError::Unavailable`] if tokens cannot be
    /// verified at present.
    pub(crate) async fn admit(
        &self,
        caller: &Caller,
        target: &Target,
        instance: ServerInstance,
    ) -> Result<(), CredentialError> {
        let admission = caller.principal().extension::<Admission>();
        let latest = self.latest.load(Ordering::SeqCst);
        if admission.is_some_and(|admission| admission.generation == latest) {
            return Ok(());
        }
        // The rare path is boxed to keep the future of the frequent one small.
        let state = Box::pin(self.state_after_apply(caller)).await?;
        let gateway = state.gateways.get(caller.gateway());
        let may_call = gateway.is_some_and(|gateway| gateway.allows(caller, target));
        let is_same = state.servers.get(&target.server) == Some(&instance);
        match may_call && is_same {
            true => Ok(()),
            false => Err(CredentialError::Replaced),
        }
    }

    /// Authenticates `caller` again, unless it outlives its request, and returns the state of the
    /// rules that have accepted it.
    async fn state_after_apply(
        &self,
        caller: &Caller,
    ) -> Result<Arc<AppliedState>, CredentialError> {
        for _ in 0..MAX_ATTEMPTS {
            let again = match caller.authenticate_again().await {
                Ok(again) => again,
                Err(error @ AuthError::Unavailable(_)) => {
                    return Err(CredentialError::Unavailable(error.into()));
                }
                Err(_) => return Err(CredentialError::Replaced),
            };
            let state = self.applied.load_full();
            let again = again.as_ref().map(Principal::extension::<Admission>);
            let accepted = again.is_none_or(|admission| {
                admission.is_some_and(|admission| admission.generation == state.generation)
            });
            if accepted && state.generation == self.latest.load(Ordering::SeqCst) {
                return Ok(state);
            }
            sleep(PAUSE).await;
        }
        Err(CredentialError::Replaced)
    }
}

impl GatewayAccess {
    /// Returns `true` if `caller`, whose credential is valid, may send requests to `target`.
    fn allows(&self, caller: &Caller, target: &Target) -> bool {
        self.servers.contains(&target.server)
            && self.access.admits(caller.principal())
            && self.policy.permits(caller, target)
    }
}

impl ServerInstance {
    /// Creates an identity that no other server has.
    pub(crate) fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

/// Pause before a call looks again if an apply is complete.
const PAUSE: Duration = Duration::from_millis(1);

/// Maximum number of times that a call looks if an apply is complete.
const MAX_ATTEMPTS: u32 = 5000;
