//! Steps of a reconciler: one request each.

use std::sync::Arc;

use aws_lc_rs::rand;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::ResourceExt;
use serde_json::json;

use super::{Entry, Outcome};
use crate::fleet::{Fleet, Look};
use crate::manifest::Manifest;
use crate::manifest::pod::TOKEN_KEY;
use crate::names;
use crate::objects::{Objects, Refusal};
use crate::observed::{Key, Tracked};
use crate::plan::{KnownSecret, Step, Token};

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
            Step::ApplyPolicy => {
                let policy: NetworkPolicy = self.objects.apply(&manifest.policy()).await?;
                memory.policy_generation = policy.metadata.generation;
                self.keep(key, policy);
            }
            Step::ReadSecret => memory.secret = self.read_secret(manifest).await?,
            Step::ApplySecret => {
                memory.secret = self.apply_secret(manifest, &memory.secret).await?
            }
            Step::Create => self.create(key, manifest).await?,
            Step::Apply => {
                let texts = memory.texts(manifest);
                let is_same =
                    look.observed.annotation(names::MANIFEST) == Some(manifest.digest.as_str());
                let bridge = look.observed.bridge_image().filter(|_| is_same);
                let object = manifest.deployment(texts.as_deref(), bridge);
                let deployment: Deployment = self.objects.apply(&object).await?;
                memory.generation = deployment.metadata.generation;
                self.keep(key, deployment);
            }
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
            Step::DeleteDeployment | Step::DeleteSecret | Step::DeletePolicy => {}
            Step::Wait(_) | Step::Forget => {}
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

    async fn create(&self, key: &Key, manifest: &Manifest) -> Result<(), Refusal> {
        let deployment = match self.objects.create(&manifest.seed()).await {
            Err(Refusal::Conflict) => {
                let own: Deployment = self
                    .objects
                    .get(&manifest.namespace, &manifest.name)
                    .await?;
                let labels = own.labels();
                if !manifest
                    .labels
                    .iter()
                    .all(|(key, value)| labels.get(key) == Some(value))
                {
                    return Err(Refusal::Conflict);
                }
                own
            }
            created => created?,
        };
        self.keep(key, deployment);
        Ok(())
    }

    async fn read_secret(&self, manifest: &Manifest) -> Result<KnownSecret, Refusal> {
        let secret: Secret = match self.objects.get(&manifest.namespace, &manifest.name).await {
            Err(Refusal::NotFound) => return Ok(KnownSecret::Missing),
            found => found?,
        };
        let data = secret.data.unwrap_or_default();
        let token = data
            .get(TOKEN_KEY)
            .and_then(|token| std::str::from_utf8(&token.0).ok());
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            return Ok(KnownSecret::Missing);
        };
        let known = data
            .iter()
            .map(|(key, value)| (key.as_str(), value.0.as_slice()));
        Ok(KnownSecret::Present {
            token: Token(token.into()),
            is_current: manifest.is_secret(known),
        })
    }

    async fn apply_secret(
        &self,
        manifest: &Manifest,
        known: &KnownSecret,
    ) -> Result<KnownSecret, Refusal> {
        let token = match known {
            KnownSecret::Present { token, .. } => token.clone(),
            KnownSecret::Unknown | KnownSecret::Missing => Token(names::hex(&random()?).into()),
        };
        let _: Secret = self.objects.apply(&manifest.secret(&token.0)).await?;
        Ok(KnownSecret::Present {
            token,
            is_current: true,
        })
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
            (Step::DeleteSecret, _, Some(policy)) => {
                self.objects
                    .delete::<Secret>(namespace, &policy.name_any(), None)
                    .await?;
                entry.memory.secret_deleted = true;
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
}

/// Returns random bytes.
fn random() -> Result<[u8; 32], Refusal> {
    let mut bytes = [0; 32];
    let filled = rand::fill(&mut bytes);
    filled.map_err(|_| Refusal::Unavailable("there are no random numbers".into()))?;
    Ok(bytes)
}
