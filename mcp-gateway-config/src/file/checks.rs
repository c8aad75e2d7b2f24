//! Checks of keys that depend on each other.

use mcp_gateway_auth::accounts::RESERVED_NAMES;
use mcp_gateway_platform::spec::{PlatformSpec, Storage};

use super::{Config, cluster, name_of, remote};
use crate::document::Field;

impl Config {
    /// Records an error if replicas have no common key.
    pub(super) fn check_replicas(&self, field: &Field<'_>, has_key: bool) {
        let fixed = &self.platform.fixed;
        if fixed.replica_url.is_some() && !has_key {
            field.error("replicaUrl requires a sessionKey, common to all replicas");
        }
        if let Storage::Postgres(_) = fixed.store
            && !has_key
        {
            field.error("store.postgres requires a sessionKey, common to all replicas");
        }
    }

    /// Records errors of servers that need other sections.
    pub(super) fn check_needs(&self, servers: &Field<'_>) {
        self.check_accounts(servers);
        cluster::check_servers(&self.platform, servers);
        remote::check_forwarding(&self.platform.dynamic, servers);
    }

    /// Records errors of servers that are called with the accounts of callers.
    fn check_accounts(&self, servers: &Field<'_>) {
        let PlatformSpec { fixed, dynamic, .. } = &self.platform;
        for field in servers.items().unwrap_or_default() {
            let server = name_of(&field).and_then(|name| dynamic.server(name));
            let Some(server) = server.filter(|server| server.is_connected_by_callers()) else {
                continue;
            };
            let key = match server.inputs.is_empty() {
                true => "auth.oauth",
                false => "inputs",
            };
            if fixed.auth.oauth.is_none() {
                field.error(format!("{key} requires users who log in; add auth.login"));
            }
            if RESERVED_NAMES.contains(&&*server.name) {
                let name = &server.name;
                field.error(format!(
                    "the name {name:?} is reserved for servers with auth"
                ));
            }
        }
    }
}
