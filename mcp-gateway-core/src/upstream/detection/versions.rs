//! Protocol versions that `initialize` requests.

use super::step::Cause;
use crate::protocol::{Era, ProtocolVersion};

/// Version that `initialize` requests next, and those that it has requested.
#[derive(Debug)]
pub(super) struct Versions {
    /// Version of the client, or the latest one of the legacy era.
    preferred: ProtocolVersion,
    /// Version to request next.
    next: ProtocolVersion,
    /// Versions that were requested.
    requested: Vec<ProtocolVersion>,
}

impl Versions {
    /// Begins with the version of the client.
    pub(super) fn new(client: ProtocolVersion) -> Self {
        let preferred = client.min(ProtocolVersion::LATEST_LEGACY);
        Self {
            preferred,
            next: preferred,
            requested: Vec::new(),
        }
    }

    /// Returns the version to request, and records the request.
    pub(super) fn request(&mut self) -> ProtocolVersion {
        self.requested.push(self.next);
        self.next
    }

    /// Begins again, for another transport.
    pub(super) fn restart(&mut self) {
        self.requested.clear();
        self.next = self.preferred;
    }

    /// Selects a version that the server lists, if it lists any: the latest one that is not later
    /// than the next one, otherwise the earliest.
    pub(super) fn select_listed(&mut self, cause: &Cause) -> bool {
        let Cause::Unsupported { versions } = cause else {
            return false;
        };
        let listed = || {
            let versions = versions.iter().copied();
            versions.filter(|version| self.is_unrequested(*version))
        };
        let common = listed().filter(|version| *version <= self.next).max();
        let selected = common.or_else(|| listed().min());
        self.select(selected)
    }

    /// Selects another version after `initialize` has failed with `cause`; returns `false` if the
    /// version is not the reason, or no other one is left.
    pub(super) fn select_other(&mut self, cause: &Cause) -> bool {
        if !cause.may_concern_version() {
            return self.select_listed(cause);
        }
        let unrequested = || {
            let latest_first = ProtocolVersion::ALL.into_iter();
            latest_first.filter(|version| self.is_unrequested(*version))
        };
        let older = unrequested().find(|version| *version < self.next);
        let selected = older.or_else(|| unrequested().next());
        self.select(selected)
    }

    /// Selects a version, if there is one.
    fn select(&mut self, version: Option<ProtocolVersion>) -> bool {
        self.next = version.unwrap_or(self.next);
        version.is_some()
    }

    /// Returns `true` if `initialize` can request `version`, and has not done so.
    fn is_unrequested(&self, version: ProtocolVersion) -> bool {
        version.era() == Era::Legacy && !self.requested.contains(&version)
    }
}
