//! Servers that the lifecycle operator of the Kubernetes project runs.
//!
//! The operator publishes the address of a server in the status of its object, as the name of a
//! Service. Whoever may create objects and Services must not choose where the gateway connects to:
//! the Service must be one of the namespace, with an address of the cluster, and that address is
//! called instead of the name, so that neither an external name nor DNS can lead elsewhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIGroup;
use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::kind::{Kind, Objects};
use super::{OperatedServer, replace};
use crate::objects::{Refusal, bounded};

/// Servers of objects of the kind `MCPServer` of `mcp.x-k8s.io` in a namespace.
pub(super) struct Operated {
    kube: Client,
    namespace: String,
    /// Reasons for which servers are left out, as they were logged.
    left_out: Mutex<BTreeMap<Arc<str>, String>>,
}

/// Address in the status of an object.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Published {
    name: Arc<str>,
    url: String,
}

impl Operated {
    pub(super) fn new(kube: &Client, namespace: &str) -> Self {
        Self {
            kube: kube.clone(),
            namespace: namespace.to_owned(),
            left_out: Mutex::default(),
        }
    }

    /// Follows the objects while the cluster has their kind, and looks for the kind from time to time
    /// while it has not.
    pub(super) async fn follow(&self, publish: impl Fn(Arc<[OperatedServer]>)) {
        loop {
            match self.version().await {
                Ok(Some(version)) => {
                    tracing::info!(version, "servers of mcp.x-k8s.io are followed");
                    self.follow_version(&version, &publish).await;
                }
                // The servers have gone with their kind.
                Ok(None) => publish(Arc::from([])),
                Err(refusal) => {
                    tracing::debug!(cause = refusal.text(), "kinds of mcp.x-k8s.io not listed");
                }
            }
            sleep(DISCOVERY).await;
        }
    }

    /// Returns the preferred version of the kind; `None` if the cluster does not know it.
    async fn version(&self) -> Result<Option<String>, Refusal> {
        let request = http::Request::get(format!("/apis/{GROUP}")).body(Vec::new());
        let request = request.map_err(|error| Refusal::Unavailable(error.to_string().into()))?;
        match bounded(self.kube.request::<APIGroup>(request)).await {
            Ok(group) => {
                let version = group
                    .preferred_version
                    .or_else(|| group.versions.into_iter().next());
                Ok(version.map(|version| version.version))
            }
            Err(Refusal::NotFound) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Follows the objects of `version` until the cluster does not know the kind.
    async fn follow_version(&self, version: &str, publish: &impl Fn(Arc<[OperatedServer]>)) {
        let kind = GroupVersionKind::gvk(GROUP, version, "MCPServer");
        let resource = ApiResource::from_gvk(&kind);
        let kind = Kind::new(&self.kube, &self.namespace, KIND, &resource);
        let (sender, seen) = watch::channel(None::<Vec<_>>);
        let following = kind.follow(|objects: &Objects| {
            sender.send_if_modified(|known| {
                replace(known, Some(objects.values().filter_map(address).collect()))
            });
        });
        tokio::select! {
            () = following => {}
            () = self.resolve_all(seen, publish) => {}
        }
    }

    /// Resolves all addresses whenever one changes, and from time to time, because Services do.
    async fn resolve_all(
        &self,
        mut seen: watch::Receiver<Option<Vec<Published>>>,
        publish: &impl Fn(Arc<[OperatedServer]>),
    ) {
        loop {
            let published = seen.borrow_and_update().clone();
            let again = Instant::now() + RESOLUTION;
            if let Some(published) = published {
                publish(self.resolved(published).await);
            }
            tokio::select! {
                changed = seen.changed() => if changed.is_err() { return },
                () = sleep_until(again) => {}
            }
        }
    }

    async fn resolved(&self, published: Vec<Published>) -> Arc<[OperatedServer]> {
        let resolving = published.into_iter().map(|one| async move {
            let resolved = self.resolve(&one.url).await;
            self.note(&one.name, resolved.as_ref().err());
            let url: Arc<str> = resolved.ok()?.into();
            Some(OperatedServer {
                name: one.name,
                url,
            })
        });
        let mut resolving = stream::iter(resolving).buffered(AT_ONCE);
        let mut servers = Vec::new();
        while let Some(server) = resolving.next().await {
            servers.extend(server);
        }
        servers.into()
    }

    /// Logs the reason for which a server is left out, once.
    fn note(&self, name: &Arc<str>, reason: Option<&String>) {
        let mut left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        match reason {
            Some(reason) if left_out.get(name) != Some(reason) => {
                tracing::warn!(server = &**name, reason, "server of mcp.x-k8s.io left out");
                left_out.insert(Arc::clone(name), reason.clone());
            }
            Some(_) => {}
            None => {
                left_out.remove(name);
            }
        }
    }

    /// Returns `url` at the address of its Service.
    ///
    /// # Errors
    ///
    /// The reason for which it is not called.
    async fn resolve(&self, url: &str) -> Result<String, String> {
        let parts = Address::parse(url, &self.namespace)?;
        let services: Api<Service> = Api::namespaced(self.kube.clone(), &self.namespace);
        let service = bounded(services.get(parts.service)).await;
        let service = service
            .map_err(|refusal| format!("the Service {}: {}", parts.service, refusal.text()))?;
        let ip = cluster_ip(&service).ok_or_else(|| {
            let name = parts.service;
            format!("the Service {name} has no address of the cluster")
        })?;
        match parts.is_encrypted {
            // Its certificate has the name.
            true => {
                let (service, namespace) = (parts.service, &self.namespace);
                let Address { port, path, .. } = parts;
                Ok(format!("https://{service}.{namespace}.svc:{port}{path}"))
            }
            false => Ok(format!("http://{ip}:{}{}", parts.port, parts.path)),
        }
    }
}

/// Parts of the URL of a Service.
#[derive(Debug, Eq, PartialEq)]
struct Address<'a> {
    is_encrypted: bool,
    service: &'a str,
    port: u16,
    path: &'a str,
}

impl<'a> Address<'a> {
    /// Parses the URL of a Service of `namespace`.
    ///
    /// # Errors
    ///
    /// The reason for which it is none.
    fn parse(url: &'a str, namespace: &str) -> Result<Self, String> {
        let foreign = || format!("{url:?} is not an address of a Service of this namespace");
        let (scheme, rest) = url.split_once("://").ok_or_else(foreign)?;
        let is_encrypted = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(foreign()),
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| foreign())?),
            None => (authority, if is_encrypted { 443 } else { 80 }),
        };
        let (service, domain) = host.split_once('.').ok_or_else(foreign)?;
        let rest = domain.strip_prefix(namespace).ok_or_else(foreign)?;
        let is_name = |character: char| character.is_ascii_alphanumeric() || character == '-';
        let is_service = !service.is_empty() && service.chars().all(is_name);
        match is_service && (rest == ".svc" || rest.starts_with(".svc.")) {
            true => Ok(Self {
                is_encrypted,
                service,
                port,
                path,
            }),
            false => Err(foreign()),
        }
    }
}

/// Returns the address of a Service in the cluster, as part of a URL.
fn cluster_ip(service: &Service) -> Option<String> {
    let spec = service.spec.as_ref()?;
    // That of an external name is left empty, but may be set by a patch.
    if spec.type_.as_deref() == Some("ExternalName") {
        return None;
    }
    let ip: std::net::IpAddr = spec.cluster_ip.as_deref()?.parse().ok()?;
    Some(match ip {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
    })
}

/// Returns the address in the status of an object that is not being deleted.
fn address(object: &DynamicObject) -> Option<Published> {
    let is_there = object.metadata.deletion_timestamp.is_none();
    let url = object.data["status"]["address"]["url"].as_str();
    let url = url.filter(|url| is_there && !url.is_empty())?;
    Some(Published {
        name: object.metadata.name.as_deref()?.into(),
        url: url.to_owned(),
    })
}

/// API group of the operator.
const GROUP: &str = "mcp.x-k8s.io";
/// Name of the kind in messages.
const KIND: &str = "MCPServer.mcp.x-k8s.io";
/// Pause between looks for the kind.
const DISCOVERY: Duration = Duration::from_secs(60);
/// Time after which the addresses of Services are read again.
const RESOLUTION: Duration = Duration::from_secs(300);
/// Number of Services that are read at once.
const AT_ONCE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn category_cluster_objects_addresses_are_services_of_the_namespace() {
        let parsed = Address::parse("http://notes.mcp.svc.cluster.local:8080/mcp", "mcp").unwrap();
        let expected = Address {
            is_encrypted: false,
            service: "notes",
            port: 8080,
            path: "/mcp",
        };
        assert_eq!(parsed, expected);
        let plain = Address::parse("https://notes.mcp.svc", "mcp").unwrap();
        assert_eq!((plain.port, plain.path), (443, "/"));
        for url in [
            "http://notes.other.svc.cluster.local/mcp",
            "http://notes.mcp.svcx/mcp",
            "http://notes.mcp2.svc/mcp",
            "http://a@notes.mcp.svc/mcp",
            "http://169.254.169.254/latest",
            "http://mcp.svc/",
            "http://evil.example/.mcp.svc/",
            "ftp://notes.mcp.svc/",
            "http://notes.mcp.svc:99999/",
            "http://.mcp.svc/",
            "notes",
        ] {
            assert!(Address::parse(url, "mcp").is_err(), "{url}");
        }
    }

    #[test]
    fn category_cluster_objects_services_with_external_names_are_not_called() {
        let service = |spec: serde_json::Value| -> Service {
            serde_json::from_value(serde_json::json!({ "spec": spec })).unwrap()
        };
        let external = serde_json::json!({
            "type": "ExternalName", "externalName": "metadata.internal", "clusterIP": "10.0.0.1",
        });
        assert_eq!(cluster_ip(&service(external)), None);
        for none in ["None", ""] {
            let headless = serde_json::json!({ "type": "ClusterIP", "clusterIP": none });
            assert_eq!(cluster_ip(&service(headless)), None);
        }
        let own = serde_json::json!({ "clusterIP": "fd00::1" });
        assert_eq!(cluster_ip(&service(own)).as_deref(), Some("[fd00::1]"));
    }
}
