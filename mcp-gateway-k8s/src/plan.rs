//! Next step towards the declared state, as a pure function.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;

use crate::drift;
use crate::manifest::Manifest;
use crate::names;
use crate::observed::Observed;

/// Step that costs at most one request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Applies the network policy.
    ApplyPolicy,
    /// Reads the Secret.
    ReadSecret,
    /// Applies the Secret.
    ApplySecret,
    /// Creates the Deployment without pods.
    Create,
    /// Applies the Deployment.
    Apply,
    /// Removes what others have added to the Deployment.
    Prune(serde_json::Value),
    /// Scales to one pod.
    Wake,
    /// Scales to zero.
    Sleep,
    /// Publishes the use of the server by this process.
    Mark,
    /// Deletes the Deployment.
    DeleteDeployment,
    /// Looks for the Secret of a server that is deleted.
    FindSecret,
    /// Deletes the Secret with this identifier.
    DeleteSecret(String),
    /// Deletes the network policy, and thereby the last object.
    DeletePolicy,
    /// Nothing to do before something changes, or this time has passed.
    Wait(Option<Duration>),
    /// Nothing is left.
    Forget,
}

/// Knowledge about a server that no watch provides.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// Secret.
    pub(crate) secret: KnownSecret,
    /// Generation of the Deployment that agrees with the manifest.
    pub(crate) generation: Option<i64>,
    /// Generation of the Deployment after the removal of what others had added.
    pub(crate) pruned: Option<i64>,
    /// Generation of the network policy that agrees with the manifest.
    pub(crate) policy_generation: Option<i64>,
    /// Identifier of the Deployment whose deletion was requested.
    pub(crate) deleted: Option<String>,
    /// Secret that remains to be deleted.
    pub(crate) remains: Remains,
    /// Set after the server was seen asleep.
    pub(crate) slept: bool,
    /// Requested restart that was seen last.
    pub(crate) restarted: Option<String>,
    /// Pod without the Secret that was seen last.
    pub(crate) lacking: Option<String>,
}

/// Secret of a server that is deleted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Remains {
    /// It was not looked for.
    #[default]
    Unknown,
    /// It has this identifier.
    Secret(String),
    /// There is none, or it belongs to somebody else.
    Nothing,
}

/// Secret of a server.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum KnownSecret {
    /// It was not read.
    #[default]
    Unknown,
    /// It does not exist.
    Missing,
    /// It exists.
    Present {
        /// Token in it.
        token: Token,
        /// Set if it has the texts of the manifest.
        is_current: bool,
        /// Version that was read.
        version: Option<String>,
        /// Keys that it has in addition.
        stale: Vec<String>,
    },
}

/// Token of a server.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Token(pub(crate) Arc<str>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Use of a server.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Set if callers wait.
    pub(crate) is_wanted: bool,
    /// Time since the last use by any process, as far as it is known.
    pub(crate) idle: Duration,
    /// Time since the last use by this process, if that use was not published.
    pub(crate) unpublished: Option<Duration>,
}

/// Returns the next step for a declared server. `leads` is set in the process that changes objects.
pub(crate) fn declared(
    manifest: &Manifest,
    observed: &Observed,
    memory: &mut Memory,
    usage: Usage,
    leads: bool,
) -> Step {
    if !leads {
        return follower(manifest, observed, usage);
    }
    if policy_differs(manifest, observed, memory) {
        return Step::ApplyPolicy;
    }
    if let Some(step) = secret(manifest, observed, memory) {
        return step;
    }
    let Some(deployment) = &observed.deployment else {
        return Step::Create;
    };
    if deployment.metadata.deletion_timestamp.is_some() {
        return Step::Wait(None);
    }
    if let Some(step) = deployment_step(manifest, observed, memory) {
        return step;
    }
    let step = scale(manifest, observed, usage);
    memory.slept |= step == Step::Wait(None) && observed.replicas() == Some(0);
    step
}

/// Returns the step of a process that does not lead.
fn follower(manifest: &Manifest, observed: &Observed, usage: Usage) -> Step {
    if usage.is_wanted && observed.replicas() == Some(0) {
        return Step::Wake;
    }
    let Some(sleep) = manifest.sleep.filter(|_| observed.replicas() > Some(0)) else {
        return Step::Wait(None);
    };
    match usage.unpublished {
        Some(_) => Step::Mark,
        None => Step::Wait(Some(sleep / MARKS)),
    }
}

/// Number of times that a use is published within the time after which a server sleeps.
pub(crate) const MARKS: u32 = 4;

fn policy_differs(manifest: &Manifest, observed: &Observed, memory: &mut Memory) -> bool {
    let Some(policy) = &observed.policy else {
        return true;
    };
    let digest = policy.annotations().get(names::MANIFEST);
    if digest != Some(&manifest.policy_digest) {
        return true;
    }
    let generation = policy.metadata.generation;
    if memory.policy_generation.is_some() && memory.policy_generation == generation {
        return false;
    }
    let now = serde_json::to_value(&policy.spec).unwrap_or_default();
    let differs = !drift::contains(&now, &manifest.policy()["spec"]);
    if !differs {
        memory.policy_generation = generation;
    }
    differs
}

/// Returns the step for the Secret.
fn secret(manifest: &Manifest, observed: &Observed, memory: &mut Memory) -> Option<Step> {
    if !manifest.has_secret() {
        return None;
    }
    memory.doubt_secret(observed);
    match &memory.secret {
        KnownSecret::Unknown => Some(Step::ReadSecret),
        KnownSecret::Missing
        | KnownSecret::Present {
            is_current: false, ..
        } => Some(Step::ApplySecret),
        KnownSecret::Present { .. } => None,
    }
}

fn deployment_step(manifest: &Manifest, observed: &Observed, memory: &mut Memory) -> Option<Step> {
    let deployment = observed.deployment.as_ref()?;
    let texts = memory.texts(manifest);
    let is_current = observed.annotation(names::MANIFEST) == Some(manifest.digest.as_str())
        && (texts.is_none() || texts.as_deref() == observed.pod_annotation(names::TEXTS));
    if !is_current {
        return Some(Step::Apply);
    }
    let generation = deployment.metadata.generation;
    if memory.generation.is_some() && memory.generation == generation {
        return None;
    }
    let desired = manifest.deployment(texts.as_deref(), observed.bridge_image());
    let now = serde_json::to_value(&**deployment).unwrap_or_default();
    // Whatever is there again at once belongs to the cluster.
    let is_pruned = memory.pruned.is_some() && memory.pruned == generation;
    if !is_pruned && let Some(change) = drift::foreign(&now, &desired) {
        return Some(Step::Prune(change));
    }
    if !drift::contains(&now["spec"], &desired["spec"]) {
        return Some(Step::Apply);
    }
    memory.generation = generation;
    None
}

fn scale(manifest: &Manifest, observed: &Observed, usage: Usage) -> Step {
    let sleeps = observed.replicas() == Some(0);
    let Some(sleep) = manifest.sleep else {
        return if sleeps { Step::Wake } else { Step::Wait(None) };
    };
    match (sleeps, usage.is_wanted) {
        (true, true) => Step::Wake,
        (true, false) => Step::Wait(None),
        (false, true) => Step::Wait(Some(sleep)),
        (false, false) if usage.idle >= sleep => Step::Sleep,
        (false, false) => Step::Wait(Some(sleep - usage.idle)),
    }
}

/// Returns the next step for a server that is not declared.
pub(crate) fn undeclared(observed: &Observed, memory: &Memory) -> Step {
    if let Some(deployment) = &observed.deployment {
        let requested = memory.deleted.is_some() && memory.deleted == deployment.uid();
        return match requested || deployment.metadata.deletion_timestamp.is_some() {
            true => Step::Wait(None),
            false => Step::DeleteDeployment,
        };
    }
    if !observed.pods.is_empty() {
        // They keep their policy to the end.
        return Step::Wait(None);
    }
    match (&observed.policy, &memory.remains) {
        (None, _) => Step::Forget,
        (Some(_), Remains::Unknown) => Step::FindSecret,
        (Some(_), Remains::Secret(uid)) => Step::DeleteSecret(uid.clone()),
        (Some(_), Remains::Nothing) => Step::DeletePolicy,
    }
}

impl Memory {
    /// Forgets the Secret, which no watch shows, when new pods may need it or one lacks it.
    fn doubt_secret(&mut self, observed: &Observed) {
        let woke = self.slept && observed.replicas() > Some(0);
        self.slept &= !woke;
        let restarted = observed.pod_annotation(names::RESTARTED);
        let is_restarted = self.restarted.as_deref() != restarted;
        let lacking = observed.pod_without_secret();
        let is_lacking = lacking.is_some() && self.lacking.as_deref() != lacking;
        if is_restarted {
            self.restarted = restarted.map(ToOwned::to_owned);
        }
        if is_lacking {
            self.lacking = lacking.map(ToOwned::to_owned);
        }
        if woke || is_restarted || is_lacking {
            self.secret = KnownSecret::Unknown;
        }
    }

    /// Returns the digest of the texts of `manifest`, if the token is known.
    pub(crate) fn texts(&self, manifest: &Manifest) -> Option<String> {
        match &self.secret {
            KnownSecret::Present { token, .. } => manifest.texts_digest(&token.0),
            KnownSecret::Unknown | KnownSecret::Missing => None,
        }
    }
}
