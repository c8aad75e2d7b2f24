//! Servers and gateways that objects of a cluster define.

#[cfg(feature = "kubernetes")]
mod outcomes;
#[cfg(feature = "kubernetes")]
mod read;

#[cfg(feature = "kubernetes")]
use std::collections::BTreeMap;
#[cfg(feature = "kubernetes")]
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
#[cfg(feature = "kubernetes")]
use mcp_gateway_k8s::{Listing, ObjectSource};
use mcp_gateway_platform::Platform;
use mcp_gateway_platform::spec::PlatformSpec;
use tokio::time::timeout;

#[cfg(feature = "kubernetes")]
use self::outcomes::ReadObjects;

/// Objects of a cluster as a source of servers and gateways.
#[cfg(feature = "kubernetes")]
pub(crate) struct Objects {
    source: ObjectSource,
    /// Servers of the configuration and of the store that gateways of objects may have.
    offered: Vec<Arc<str>>,
    /// Objects that were read last, for their statuses.
    read: ReadObjects,
    /// Reasons for which servers that an operator runs are left out, as they were logged.
    left_out: BTreeMap<Arc<str>, String>,
}

/// Objects of a program that knows no cluster: there are none.
#[cfg(not(feature = "kubernetes"))]
pub(crate) enum Objects {}

impl Objects {
    /// Waits until all objects are known, without which servers would be taken for deleted.
    ///
    /// # Errors
    ///
    /// Fails if the cluster does not list them in time.
    pub(crate) async fn listed(&mut self) -> anyhow::Result<()> {
        let listed = timeout(PATIENCE, self.wait()).await;
        listed.context(
            "kubernetes.source: the cluster does not list objects of the kinds MCPServer and \
             MCPGateway; install their definitions, and permit the gateway to list them",
        )
    }
}

#[cfg(feature = "kubernetes")]
impl Objects {
    /// Creates the objects of `source`, whose gateways may have the servers `offered`.
    pub(crate) fn new(source: ObjectSource, offered: Vec<Arc<str>>) -> Self {
        Self {
            source,
            offered,
            read: ReadObjects::default(),
            left_out: BTreeMap::new(),
        }
    }

    async fn wait(&mut self) {
        self.source.listed().await;
    }

    /// Waits until they have changed.
    pub(crate) async fn changed(&mut self) {
        self.source.changed().await;
    }

    /// Returns `spec` with what they define.
    pub(crate) async fn add_to(&mut self, spec: &PlatformSpec) -> PlatformSpec {
        let mut spec = spec.clone();
        let Listing {
            servers,
            gateways,
            operated,
            ..
        } = self.source.listed().await;
        let (servers, gateways) = (servers.unwrap_or_default(), gateways.unwrap_or_default());
        spec.dynamic.objects.offered.clone_from(&self.offered);
        self.read = ReadObjects::add(&mut spec.dynamic, (&servers, &operated), &gateways);
        spec
    }

    /// Reports what has become of them on `platform`.
    pub(crate) fn report(&mut self, platform: &Platform) {
        let report = platform.objects();
        let outcomes = self.read.outcomes(&report, &platform.status());
        self.source.report(outcomes);
        let left_out = self.read.left_out(&report);
        for (server, reason) in &left_out {
            // Their objects belong to the operator, and have no place for it.
            if self.left_out.get(server) != Some(reason) {
                let server = &**server;
                tracing::warn!(server, reason, "server of mcp.x-k8s.io left out");
            }
        }
        self.left_out = left_out;
    }
}

#[cfg(not(feature = "kubernetes"))]
impl Objects {
    async fn wait(&mut self) {
        match *self {}
    }

    pub(crate) async fn changed(&mut self) {
        match *self {}
    }

    pub(crate) async fn add_to(&mut self, _: &PlatformSpec) -> PlatformSpec {
        match *self {}
    }

    pub(crate) fn report(&mut self, _: &Platform) {
        match *self {}
    }
}

/// Time in which the objects must have been listed.
const PATIENCE: Duration = Duration::from_secs(30);
