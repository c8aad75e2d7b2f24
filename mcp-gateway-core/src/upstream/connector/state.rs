//! Results of earlier attempts to connect.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

use crate::error::UpstreamError;
use crate::protocol::Era;
use crate::transport::ExitReport;
use crate::upstream::InstanceKey;
use crate::upstream::backoff::Backoff;
use crate::upstream::connection::UpstreamConnection;
use crate::upstream::detection::Memory;
use crate::upstream::handshake::{HandshakeDetails, UpstreamProtocol};
use crate::upstream::protocol_store::DetectedProtocols;
use crate::upstream::view_key::ViewKey;

/// Results of earlier attempts, over all views.
#[derive(Debug, Default)]
pub(super) struct ConnectorState {
    /// Results of earlier handshakes for modern clients.
    pub(super) modern: Memory,
    /// Results of earlier handshakes for legacy clients.
    pub(super) legacy: Memory,
    /// `true` if the server is reached over byte streams; `None` if it was never reached.
    pub(super) is_stdio: Option<bool>,
    /// Last attempt, if it failed.
    pub(super) failure: Option<ConnectFailure>,
    /// Last program that exited during a call; `None` once another one has started.
    pub(super) exit: Option<ExitReport>,
    /// Accounts whose last attempt failed. A program may fail with the values of one account, and
    /// work with those of another.
    failing: HashMap<Arc<str>, FailingAccount>,
    /// Connections of the modern era over stdio, which all views of an instance share.
    shared_connections: HashMap<SharedKey, Weak<dyn UpstreamConnection>>,
}

/// Instance and account of its credential.
type SharedKey = (InstanceKey, Arc<str>);

/// Failed attempts with the credential of one account.
#[derive(Debug)]
struct FailingAccount {
    /// Last failure, so that concurrent callers that waited for it do not fail one after the other.
    last: ConnectFailure,
    /// Delay after failed starts of a program.
    backoff: Backoff,
}

/// A failed attempt to connect.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct ConnectFailure {
    /// Time of the failure.
    pub(super) at: Instant,
    /// Error that callers receive.
    pub(in crate::upstream) error: UpstreamError,
    /// Answers of the server and last output of a program.
    pub(in crate::upstream) details: HandshakeDetails,
}

impl ConnectorState {
    /// Returns the result of earlier handshakes for clients of an era.
    pub(super) fn memory(&mut self, client: Era) -> &mut Memory {
        match client {
            Era::Legacy => &mut self.legacy,
            Era::Modern => &mut self.modern,
        }
    }

    /// Records the protocol of a handshake for a client of an era.
    ///
    /// A server that does not support the era of one client does not support it for the others
    /// either.
    pub(super) fn remember(&mut self, client: Era, protocol: UpstreamProtocol) {
        *self.memory(client) = Memory::of(protocol);
        if protocol.era() != client {
            *self.memory(client.opposite()) = Memory::of(protocol);
        }
    }

    /// Accepts the protocols that an earlier process has detected.
    pub(super) fn recall(&mut self, detected: DetectedProtocols) {
        self.modern.protocol = detected.modern;
        self.legacy.protocol = detected.legacy;
    }

    /// Returns the detected protocols.
    pub(super) fn detected(&self) -> DetectedProtocols {
        DetectedProtocols {
            modern: self.modern.protocol,
            legacy: self.legacy.protocol,
        }
    }

    /// Returns `true` if a connection for clients of an era may be shared by several views, as far
    /// as is known.
    pub(super) fn may_share(&mut self, client: Era) -> bool {
        match self.memory(client).protocol {
            Some(UpstreamProtocol::Modern) => self.is_stdio != Some(false),
            Some(UpstreamProtocol::Legacy | UpstreamProtocol::Sse) => false,
            None => true,
        }
    }

    /// Returns the open connection of the modern era to the instance of `key`, over stdio.
    pub(super) fn shared_connection(&self, key: &ViewKey) -> Option<Arc<dyn UpstreamConnection>> {
        let shared = self.shared_connections.get(&shared_key(key))?.upgrade();
        shared.filter(|connection| connection.is_open())
    }

    /// Shares `connection` with the other views of the instance of `key`.
    pub(super) fn share(&mut self, key: &ViewKey, connection: &Arc<dyn UpstreamConnection>) {
        let shared = &mut self.shared_connections;
        shared.retain(|_, connection| connection.strong_count() > 0);
        shared.insert(shared_key(key), Arc::downgrade(connection));
    }

    /// Records a successful attempt with the credential of `account`.
    pub(super) fn record_success(&mut self, account: &str) {
        self.failure = None;
        self.failing.remove(account);
    }

    /// Records a failed attempt with the credential of `account`. The next ones are delayed if it
    /// is costly.
    pub(super) fn record_failure(
        &mut self,
        account: &Arc<str>,
        failure: ConnectFailure,
        is_costly: bool,
    ) {
        let at = failure.at;
        if self.failing.len() >= MAX_FAILING {
            self.failing
                .retain(|_, failing| failing.backoff.is_pending(at));
        }
        let failing = self.failing.entry(Arc::clone(account));
        let failing = failing.or_insert_with(|| FailingAccount {
            last: failure.clone(),
            backoff: Backoff::default(),
        });
        failing.last = failure.clone();
        if is_costly {
            failing.backoff.fail(at);
        }
        self.failure = Some(failure);
    }

    /// Returns the result of another caller that connected while this one waited since `asked`: a
    /// shared connection, or a failure. A failure also lasts for its delay.
    ///
    /// A legacy client shares a connection of the modern era only if the server has no other one.
    pub(super) fn reuse(
        &mut self,
        key: &ViewKey,
        asked: Instant,
    ) -> Option<Result<Arc<dyn UpstreamConnection>, UpstreamError>> {
        let is_modern = self.memory(key.era).protocol == Some(UpstreamProtocol::Modern);
        if (is_modern || key.era == Era::Modern)
            && let Some(connection) = self.shared_connection(key)
        {
            return Some(Ok(connection));
        }
        let FailingAccount { last, backoff } = self.failing.get(&key.account)?;
        let lasts = last.at >= asked || backoff.is_pending(asked);
        lasts.then(|| Err(last.error.clone()))
    }
}

/// Returns the key of the connection that views with `key` share.
fn shared_key(key: &ViewKey) -> SharedKey {
    (key.instance.clone(), Arc::clone(&key.account))
}

/// Number of failing accounts above which those without a pending delay are removed.
const MAX_FAILING: usize = 64;
