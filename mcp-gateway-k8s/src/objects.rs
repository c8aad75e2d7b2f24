//! Requests to the API server that change or read objects.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{
    Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy,
};
use kube::{Client, Resource};
use mcp_gateway_core::error_chain;
use mcp_gateway_core::upstream::UpstreamError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::names::{APPLIER, MARKER, SCALER};

/// Reason for which a request was not successful.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// The object has changed, or exists already.
    Conflict,
    /// An object with the name, whose kind and name this is, belongs to somebody else.
    Foreign(Arc<str>),
    /// There is no such object.
    NotFound,
    /// The definition is at fault; another try is useless.
    Invalid(Arc<str>),
    /// The role of the gateway does not permit it.
    Forbidden(Arc<str>),
    /// The cluster does not accept the credential of the gateway.
    Unauthorized(Arc<str>),
    /// The API server cannot be reached, is overloaded, or failed.
    Unavailable(Arc<str>),
}

impl Refusal {
    /// Returns the reason of an error of the client.
    pub(crate) fn of(error: &kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            return Self::Unavailable(error_chain(error).into());
        };
        let message: Arc<str> = status.message.as_str().into();
        match status.code {
            404 => Self::NotFound,
            409 => Self::Conflict,
            401 => Self::Unauthorized(message),
            403 => Self::Forbidden(message),
            // Another object has the name now.
            422 if message.contains(OTHER_OBJECT) => Self::Conflict,
            400 | 405 | 413 | 415 | 422 => Self::Invalid(message),
            // An unknown field, or a name that occurs twice.
            500 if message.contains(TYPED_PATCH) => Self::Invalid(message),
            _ => Self::Unavailable(message),
        }
    }
}

impl Refusal {
    /// Returns the reason as a text.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Conflict => "the object has changed",
            Self::NotFound => "the object does not exist",
            Self::Invalid(message)
            | Self::Forbidden(message)
            | Self::Unauthorized(message)
            | Self::Foreign(message)
            | Self::Unavailable(message) => message,
        }
    }
}

/// Reason in the status of servers of a gateway whose credential is rejected.
pub(crate) const UNAUTHORIZED: &str = "Unauthorized";

/// Returns the description of a rejected credential with a remedy.
pub(crate) fn unauthorized(message: &str) -> String {
    format!(
        "the cluster rejects the credential of the gateway: {message}; check the kubeconfig, or the \
         token of the service account"
    )
}

impl Refusal {
    /// Returns the error of a caller whose server is only reached through the API server and the
    /// kubelet.
    pub(crate) fn unreachable(&self) -> UpstreamError {
        let cause = format!(
            "the API server or the kubelet of its node does not respond, and it is reached through \
             these alone: {}",
            self.text()
        );
        UpstreamError::not_running("ClusterUnavailable", cause)
    }
}

/// Part of the text of an API server that cannot apply a malformed object.
const TYPED_PATCH: &str = "failed to create typed patch object";

/// Part of the text of an API server whose object has another identifier than the applied one.
const OTHER_OBJECT: &str = "metadata.uid: ";

/// Kinds that are changed.
pub(crate) trait Object:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Serialize
{
}

impl Object for Deployment {}
impl Object for NetworkPolicy {}
impl Object for Secret {}

/// Objects of the cluster.
#[derive(Clone)]
pub(crate) struct Objects(pub(crate) Client);

impl Objects {
    fn api<K: Object>(&self, namespace: &str) -> Api<K> {
        Api::namespaced(self.0.clone(), namespace)
    }

    /// Applies `object`, which has a name and a namespace, to the one with `uid` of this name.
    pub(crate) async fn apply<K: Object>(
        &self,
        mut object: Value,
        uid: &str,
    ) -> Result<K, Refusal> {
        object["metadata"]["uid"] = uid.into();
        let (namespace, name) = place(&object);
        let params = PatchParams::apply(APPLIER).force();
        let api = self.api::<K>(namespace);
        bounded(api.patch(name, &params, &Patch::Apply(&object))).await
    }

    /// Creates `object`, as a change by `manager`.
    pub(crate) async fn create<K: Object>(
        &self,
        object: Value,
        manager: &str,
    ) -> Result<K, Refusal> {
        let namespace = place(&object).0.to_owned();
        let typed: K = serde_json::from_value(object)
            .map_err(|error| Refusal::Invalid(error.to_string().into()))?;
        let params = PostParams {
            field_manager: Some(manager.to_owned()),
            ..PostParams::default()
        };
        bounded(self.api(&namespace).create(&params, &typed)).await
    }

    /// Returns the object `name`.
    pub(crate) async fn get<K: Object>(&self, namespace: &str, name: &str) -> Result<K, Refusal> {
        bounded(self.api(namespace).get(name)).await
    }

    /// Sets the number of replicas of the Deployment `name`, if it still has `version`.
    pub(crate) async fn scale(
        &self,
        namespace: &str,
        name: &str,
        replicas: i32,
        version: Option<&str>,
    ) -> Result<(), Refusal> {
        let mut scale = json!({"spec": {"replicas": replicas}});
        if let Some(version) = version {
            scale["metadata"] = json!({"resourceVersion": version});
        }
        let api = self.api::<Deployment>(namespace);
        let params = managed_by(SCALER);
        bounded(api.patch_scale(name, &params, &Patch::Merge(&scale)))
            .await
            .map(drop)
    }

    /// Sets annotations of the Deployment `name`, and of its pods.
    pub(crate) async fn mark(
        &self,
        namespace: &str,
        name: &str,
        change: &Value,
    ) -> Result<Deployment, Refusal> {
        self.patch(namespace, name, MARKER, &Patch::Merge(change))
            .await
    }

    /// Changes the Secret `name`.
    pub(crate) async fn change_secret(
        &self,
        namespace: &str,
        name: &str,
        change: &Value,
    ) -> Result<Secret, Refusal> {
        self.patch(namespace, name, APPLIER, &Patch::Merge(change))
            .await
    }

    /// Removes what others have added to the Deployment `name`.
    pub(crate) async fn prune(
        &self,
        namespace: &str,
        name: &str,
        change: &Value,
    ) -> Result<Deployment, Refusal> {
        self.patch(namespace, name, APPLIER, &Patch::Strategic(change))
            .await
    }

    async fn patch<K: Object>(
        &self,
        namespace: &str,
        name: &str,
        manager: &str,
        change: &Patch<&Value>,
    ) -> Result<K, Refusal> {
        let api = self.api::<K>(namespace);
        bounded(api.patch(name, &managed_by(manager), change)).await
    }

    /// Deletes the object `name`, if it still is the one with `uid`.
    pub(crate) async fn delete<K: Object>(
        &self,
        namespace: &str,
        name: &str,
        uid: Option<&str>,
    ) -> Result<(), Refusal> {
        let params = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Background),
            preconditions: uid.map(|uid| Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match bounded(self.api::<K>(namespace).delete(name, &params)).await {
            Ok(_) | Err(Refusal::NotFound) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }
}

/// Returns the parameters of a change by `manager`.
pub(crate) fn managed_by(manager: &str) -> PatchParams {
    PatchParams {
        field_manager: Some(manager.to_owned()),
        ..PatchParams::default()
    }
}

fn place(object: &Value) -> (&str, &str) {
    let text = |pointer| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    (text("/metadata/namespace"), text("/metadata/name"))
}

/// Waits for a response, for a bounded time.
pub(crate) async fn bounded<T>(
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, Refusal> {
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(response) => response.map_err(|error| Refusal::of(&error)),
        Err(_) => Err(Refusal::Unavailable("it does not respond".into())),
    }
}

/// Maximum time of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn refusal(code: u16, message: &str) -> Refusal {
        let status = Status {
            code,
            message: message.to_owned(),
            ..Status::default()
        };
        Refusal::of(&kube::Error::Api(status.boxed()))
    }

    #[test]
    fn mistakes_of_users_are_told_from_failures() {
        let typed = "failed to create typed patch object (n/a; apps/v1, Kind=Deployment): .spec.x: field not declared";
        for (code, message) in [(422, "invalid"), (400, "bad"), (500, typed)] {
            assert_eq!(
                refusal(code, message),
                Refusal::Invalid(message.into()),
                "{code}"
            );
        }
        for code in [429, 500, 503, 504] {
            assert!(
                matches!(refusal(code, "etcdserver"), Refusal::Unavailable(_)),
                "{code}"
            );
        }
        assert_eq!(refusal(409, ""), Refusal::Conflict);
        let other = "NetworkPolicy \"a\" is invalid: metadata.uid: Invalid value: \"x\": field is immutable";
        assert_eq!(refusal(422, other), Refusal::Conflict);
        assert!(matches!(refusal(403, "x"), Refusal::Forbidden(_)));
        let rejected = refusal(401, "Unauthorized");
        assert_eq!(rejected, Refusal::Unauthorized("Unauthorized".into()));
    }
}
