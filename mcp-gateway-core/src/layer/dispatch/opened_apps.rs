//! Apps that clients have opened.

use std::collections::HashMap;
use std::sync::Arc;

use crate::Call;

/// A client, as far as its calls tell.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum ClientKey {
    /// Session of the legacy era.
    Session(Arc<str>),
    /// Principal, and name and version of the client, of the modern era.
    Principal {
        subject: Box<str>,
        info: Option<Arc<str>>,
    },
}

/// Sign of an app having been opened. Hosts read user interfaces ahead of their use, or have them
/// cached, so that a call is the better one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum AppUse {
    /// The user interface was read.
    Read,
    /// A tool was called that has a user interface.
    Called,
}

/// Servers whose apps clients have opened.
///
/// Nothing tells that an app was closed, so an opened one stays open.
#[derive(Debug, Default)]
pub(super) struct OpenedApps {
    clients: HashMap<ClientKey, ClientApps>,
    /// Number of recorded uses.
    uses: usize,
}

/// Servers whose apps a client has opened.
#[derive(Debug, Default)]
struct ClientApps {
    servers: HashMap<Arc<str>, AppUse>,
    /// Number of the last recorded use.
    last: usize,
}

impl ClientKey {
    /// Returns the client of `call`.
    pub(super) fn of<S>(call: &Call<S>) -> Self {
        match call.client().session() {
            Some(session) => Self::Session(Arc::clone(session.key())),
            None => Self::Principal {
                subject: call.principal().subject().into(),
                info: call.client().info().cloned(),
            },
        }
    }
}

impl OpenedApps {
    /// Records that `client` has used the app of `server`.
    pub(super) fn record(&mut self, client: ClientKey, server: &Arc<str>, app_use: AppUse) {
        if self.clients.len() >= MAX_CLIENTS && !self.clients.contains_key(&client) {
            let oldest = self.uses.saturating_sub(MAX_CLIENTS / 2);
            self.clients.retain(|_, apps| apps.last > oldest);
        }
        self.uses += 1;
        let apps = self.clients.entry(client).or_default();
        apps.last = self.uses;
        let known = apps.servers.entry(Arc::clone(server)).or_insert(app_use);
        *known = app_use.max(*known);
    }

    /// Returns those of `servers` whose app `client` has opened: by calls, otherwise by reads. All
    /// of them if it has opened none.
    pub(super) fn opened(&self, client: &ClientKey, servers: Vec<Arc<str>>) -> Vec<Arc<str>> {
        let Some(apps) = self.clients.get(client) else {
            return servers;
        };
        let app_use = |server: &Arc<str>| apps.servers.get(server);
        let Some(best) = servers.iter().filter_map(app_use).max() else {
            return servers;
        };
        let is_best = |server: &Arc<str>| app_use(server) == Some(best);
        servers
            .iter()
            .filter(|server| is_best(server))
            .cloned()
            .collect()
    }
}

/// Maximum number of clients whose apps are remembered; beyond it only those that have used one
/// recently are.
const MAX_CLIENTS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn client(name: &str) -> ClientKey {
        ClientKey::Session(name.into())
    }

    fn names(servers: &[&str]) -> Vec<Arc<str>> {
        servers.iter().map(|server| Arc::from(*server)).collect()
    }

    #[test]
    fn a_call_says_more_than_a_read() {
        let mut apps = OpenedApps::default();
        let all = names(&["a", "b", "c"]);
        let opened = |apps: &OpenedApps| apps.opened(&client("x"), names(&["a", "b", "c"]));
        assert_eq!(opened(&apps), all);
        apps.record(client("x"), &"b".into(), AppUse::Read);
        assert_eq!(opened(&apps), names(&["b"]));
        apps.record(client("x"), &"a".into(), AppUse::Read);
        assert_eq!(opened(&apps), names(&["a", "b"]));
        apps.record(client("x"), &"a".into(), AppUse::Called);
        apps.record(client("x"), &"a".into(), AppUse::Read);
        assert_eq!(opened(&apps), names(&["a"]));
        apps.record(client("x"), &"c".into(), AppUse::Called);
        assert_eq!(opened(&apps), names(&["a", "c"]), "none is closed");
        assert_eq!(apps.opened(&client("x"), names(&["b"])), names(&["b"]));
        assert_eq!(
            apps.opened(&client("y"), all.clone()),
            all,
            "another client"
        );
    }

    #[test]
    fn clients_that_come_and_go_cost_nothing_and_take_nothing_from_others() {
        let mut apps = OpenedApps::default();
        for number in 0..3 * MAX_CLIENTS {
            apps.record(client(&number.to_string()), &"b".into(), AppUse::Called);
            if number % 100 == 0 {
                apps.record(client("x"), &"a".into(), AppUse::Called);
            }
        }
        assert!(apps.clients.len() <= MAX_CLIENTS, "{}", apps.clients.len());
        let opened = apps.opened(&client("x"), names(&["a", "b"]));
        assert_eq!(opened, names(&["a"]));
    }
}
