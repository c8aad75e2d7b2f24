//! Steps of a reconciler: one request each.

use std::sync::Arc;

use aws_lc_rs::rand;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{Entry, Outcome};
use crate::fleet::{Fleet, Look};
use crate::manifest::Manifest;
use crate::manifest::pod::TOKEN_KEY;
use crate::names;
use crate::objects::{Object, Objects, Refusal};
use crate::observed::{Key, Tracked};
use crate::plan::{KnownSecret, Memory, Remains, Step, Token};

/// Means of steps.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) fleet: Arc<Fleet>,
    pub(super) objects: Objects,
}

impl Context {
    /// Performs one step for the server at `key`.
    pub(super) async fn perform(
        &self,
        key: Key,
        mut entry: Entry,
        step: Step,
        look: Box<Look>,
    ) -> (Key, Entry, Outcome) {
        let done = match &look.manifest {
            Some(manifest) => {
                self.change(&key, &mut entry, &step, (manifest, &look))
                    .await
            }
            None => self.delete(&key, &mut entry, &step, &look).await,
        };
        (
            key,
            entry,
            done.map_or_else(Outcome::Failed, |()| Outcome::Again),
        )
    }

    /// Performs a step towards the objects of `manifest`.
    async fn change(
        &self,
        key: &Key,
        entry: &mut Entry,
        step: &Step,
        (manifest, look): (&Manifest, &Look),
    ) -> Result<(), Refusal> {
        let (namespace, name) = (&*manifest.namespace, &*manifest.name);
        let memory = &mut entry.memory;
        match step {
            Step::ApplyPolicy => self.apply_policy(key, memory, (manifest, look)).await?,
            Step::ReadSecret => memory.secret = self.read_secret(manifest).await?,
            Step::ApplySecret => {
                memory.secret = self.apply_secret(manifest, &memory.secret).await?
            }
            Step::Create => {
                let seed = manifest.seed();
                let deployment: Deployment = self.create(manifest, seed, names::SCALER).await?;
                self.keep(key, deployment);
            }
            Step::Apply => self.apply(key, memory, (manifest, look)).await?,
            Step::Prune(change) => {
                let deployment = self.objects.prune(namespace, name, change).await?;
                memory.pruned = deployment.metadata.generation;
                self.keep(key, deployment);
            }
            Step::Wake => {
                self.objects.scale(namespace, name, 1, None).await?;
                tracing::debug!(object = name, "server scaled up");
                self.scaled(key, 1);
            }
            Step::Sleep => {
                let version = look
                    .observed
                    .deployment
                    .as_ref()
                    .and_then(|one| one.resource_version());
                self.objects
                    .scale(namespace, name, 0, version.as_deref())
                    .await?;
                self.scaled(key, 0);
            }
            Step::Mark => {
                let mark = names::hex(&random()?[..8]);
                let change = json!({"metadata": {"annotations": {names::ACTIVITY: mark}}});
                let deployment = self.objects.mark(namespace, name, &change).await?;
                self.fleet.published(key);
                self.keep(key, deployment);
            }
            Step::DeleteDeployment
            | Step::FindSecret
            | Step::DeleteSecret(_)
            | Step::DeletePolicy
            | Step::Wait(_)
            | Step::Forget => {}
        }
        Ok(())
    }

    /// Records the number of replicas before the watch does, so that no step follows twice.
    fn scaled(&self, key: &Key, replicas: i32) {
        self.fleet.observe(key, |observed| {
            let Some(deployment) = observed.deployment.as_mut() else {
                return;
            };
            if let Some(spec) = Arc::make_mut(deployment).spec.as_mut() {
                spec.replicas = Some(replicas);
            }
        });
    }

    /// Records an object of a response, before the watch does.
    fn keep<K: Tracked>(&self, key: &Key, mut object: K) {
        object.trim();
        self.fleet
            .observe(key, |observed| Arc::new(object).put(observed));
    }

    /// Applies the network policy that was observed, or creates it.
    async fn apply_policy(
        &self,
        key: &Key,
        memory: &mut Memory,
        (manifest, look): (&Manifest, &Look),
    ) -> Result<(), Refusal> {
        let policy = manifest.policy();
        let known = NetworkPolicy::find(&look.observed, &manifest.name);
        let policy: NetworkPolicy = match known.and_then(|known| known.uid()) {
            Some(uid) => {
                let applied: NetworkPolicy = self.objects.apply(policy, &uid).await?;
                memory.policy_generation = applied.metadata.generation;
                applied
            }
            None => self.create(manifest, policy, names::APPLIER).await?,
        };
        self.keep(key, policy);
        Ok(())
    }

    /// Applies the Deployment that was observed.
    async fn apply(
        &self,
        key: &Key,
        memory: &mut Memory,
        (manifest, look): (&Manifest, &Look),
    ) -> Result<(), Refusal> {
        let observed = &look.observed;
        let texts = memory.texts(manifest);
        let is_same = observed.annotation(names::MANIFEST) == Some(manifest.digest.as_str());
        let bridge = observed.bridge_image().filter(|_| is_same);
        let object = manifest.deployment(texts.as_deref(), bridge);
        let known = Deployment::find(observed, &manifest.name);
        let uid = known.and_then(|known| known.uid());
        let uid = uid.ok_or(Refusal::NotFound)?;
        let deployment: Deployment = self.objects.apply(object, &uid).await?;
        memory.generation = deployment.metadata.generation;
        self.keep(key, deployment);
        Ok(())
    }

    /// Creates `object`, as a change by `manager`, or returns the one that the server has already.
    ///
    /// A creation never changes what belongs to somebody else.
    async fn create<K: Object>(
        &self,
        manifest: &Manifest,
        object: Value,
        manager: &str,
    ) -> Result<K, Refusal> {
        match self.objects.create(object, manager).await {
            Err(Refusal::Conflict) => {
                let (namespace, name) = (&manifest.namespace, &manifest.name);
                let found: K = self.objects.get(namespace, name).await?;
                require_own(&found, manifest)?;
                Ok(found)
            }
            created => created,
        }
    }

    async fn read_secret(&self, manifest: &Manifest) -> Result<KnownSecret, Refusal> {
        match self.objects.get(&manifest.namespace, &manifest.name).await {
            Err(Refusal::NotFound) => Ok(KnownSecret::Missing),
            found => known_secret(manifest, found?),
        }
    }

    async fn apply_secret(
        &self,
        manifest: &Manifest,
        known: &KnownSecret,
    ) -> Result<KnownSecret, Refusal> {
        let secret: Secret = match known {
            KnownSecret::Present {
                token,
                version,
                stale,
                ..
            } => {
                let mut change = manifest.secret(&token.0);
                change["metadata"] = json!({"resourceVersion": version});
                for key in stale {
                    change["data"][key] = Value::Null;
                }
                let (namespace, name) = (&manifest.namespace, &manifest.name);
                self.objects.change_secret(namespace, name, &change).await?
            }
            KnownSecret::Unknown | KnownSecret::Missing => {
                let object = manifest.secret(&new_token()?.0);
                self.create(manifest, object, names::APPLIER).await?
            }
        };
        known_secret(manifest, secret)
    }

    /// Performs a step of the deletion of a server.
    async fn delete(
        &self,
        key: &Key,
        entry: &mut Entry,
        step: &Step,
        look: &Look,
    ) -> Result<(), Refusal> {
        let namespace = &*key.namespace;
        match (step, &look.observed.deployment, &look.observed.policy) {
            (Step::DeleteDeployment, Some(deployment), _) => {
                let (name, uid) = (deployment.name_any(), deployment.uid());
                self.objects
                    .delete::<Deployment>(namespace, &name, uid.as_deref())
                    .await?;
                entry.memory.deleted = uid;
            }
            (Step::FindSecret, _, Some(policy)) => {
                entry.memory.remains = self.find_secret(key, &policy.name_any()).await?;
            }
            (Step::DeleteSecret(uid), _, Some(policy)) => {
                self.objects
                    .delete::<Secret>(namespace, &policy.name_any(), Some(uid))
                    .await?;
                entry.memory.remains = Remains::Nothing;
            }
            (Step::DeletePolicy, _, Some(policy)) => {
                let (name, uid) = (policy.name_any(), policy.uid());
                self.objects
                    .delete::<NetworkPolicy>(namespace, &name, uid.as_deref())
                    .await?;
                self.fleet
                    .observe(key, |observed| NetworkPolicy::remove(observed, &name));
            }
            _ => {}
        }
        Ok(())
    }

    /// Looks for the Secret `name` of the server at `key`.
    async fn find_secret(&self, key: &Key, name: &str) -> Result<Remains, Refusal> {
        let secret: Secret = match self.objects.get(&key.namespace, name).await {
            Err(Refusal::NotFound) => return Ok(Remains::Nothing),
            found => found?,
        };
        // The server of a key is the value of its label already, which is its own label value.
        let labels = names::server_labels(&self.fleet.common.instance, &key.server);
        let is_own = names::has_labels(secret.labels(), &labels);
        let uid = secret.uid().filter(|_| is_own);
        Ok(uid.map_or(Remains::Nothing, Remains::Secret))
    }
}

/// Returns what `secret` has of the Secret of `manifest`.
fn known_secret(manifest: &Manifest, secret: Secret) -> Result<KnownSecret, Refusal> {
    require_own(&secret, manifest)?;
    let version = secret.resource_version();
    let data = secret.data.unwrap_or_default();
    let token = data
        .get(TOKEN_KEY)
        .and_then(|token| std::str::from_utf8(&token.0).ok())
        .filter(|token| !token.is_empty());
    let keys = data.keys().filter(|key| !manifest.is_key(key));
    let stale: Vec<_> = keys.cloned().collect();
    Ok(KnownSecret::Present {
        is_current: token.is_some() && stale.is_empty() && manifest.has_its_texts(&data),
        token: match token {
            Some(token) => Token(token.into()),
            None => new_token()?,
        },
        version,
        stale,
    })
}

/// Fails unless `object`, which has the name of the objects of `manifest`, is one of them.
fn require_own<K: Object>(object: &K, manifest: &Manifest) -> Result<(), Refusal> {
    if names::has_labels(object.labels(), &manifest.labels) {
        return Ok(());
    }
    Err(Refusal::Foreign(
        format!("{} {}", K::kind(&()), manifest.name).into(),
    ))
}

/// Returns a token that nobody knows.
fn new_token() -> Result<Token, Refusal> {
    Ok(Token(names::hex(&random()?).into()))
}

/// Returns random bytes.
fn random() -> Result<[u8; 32], Refusal> {
    let mut bytes = [0; 32];
    let filled = rand::fill(&mut bytes);
    filled.map_err(|_| Refusal::Unavailable("there are no random numbers".into()))?;
    Ok(bytes)
}
