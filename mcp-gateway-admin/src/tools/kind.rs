//! Kinds of objects, with the operations for each.

/// Kind of objects.
#[derive(Debug)]
pub(super) struct Kind {
    /// Name, as an argument.
    pub(super) name: &'static str,
    /// Operation that lists them.
    pub(super) list: &'static str,
    /// Operation that returns one; `None` if the list says all.
    pub(super) get: Option<&'static str>,
    /// Operation that changes one; `None` if they cannot be changed.
    pub(super) change: Option<Change>,
    /// Operation that deletes or ends one.
    pub(super) delete: Option<&'static str>,
}

/// Change of an object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// The operation takes changes.
    Patch(&'static str),
    /// The operation takes the whole entry, which is the member `entry` of the object.
    Replace(&'static str),
}

impl Kind {
    /// Returns the kind `name`.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// Returns the names of the kinds that `select` selects.
    pub(super) fn names(select: impl Fn(&Self) -> bool) -> Vec<&'static str> {
        let selected = KINDS.iter().filter(|kind| select(kind));
        selected.map(|kind| kind.name).collect()
    }
}

/// All kinds.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "server",
        list: "listServers",
        get: Some("getServer"),
        change: Some(Change::Replace("replaceServer")),
        delete: Some("deleteServer"),
    },
    Kind {
        name: "gateway",
        list: "listGateways",
        get: Some("getGateway"),
        change: Some(Change::Replace("replaceGateway")),
        delete: Some("deleteGateway"),
    },
    Kind {
        name: "rule",
        list: "listRules",
        get: Some("getRule"),
        change: Some(Change::Replace("replaceRule")),
        delete: Some("deleteRule"),
    },
    Kind {
        name: "entry",
        list: "listEntries",
        get: Some("getEntry"),
        change: Some(Change::Replace("replaceEntry")),
        delete: Some("deleteEntry"),
    },
    Kind {
        name: "request",
        list: "listRequests",
        get: Some("getRequest"),
        change: None,
        delete: None,
    },
    Kind {
        name: "connection",
        list: "listConnections",
        get: Some("getConnection"),
        change: None,
        delete: Some("deleteConnection"),
    },
    Kind {
        name: "user",
        list: "listUsers",
        get: Some("getUser"),
        change: Some(Change::Patch("updateUser")),
        delete: Some("deleteUser"),
    },
    Kind {
        name: "token",
        list: "listTokens",
        get: Some("getToken"),
        change: None,
        delete: Some("revokeToken"),
    },
    Kind {
        name: "client",
        list: "listClients",
        get: Some("getClient"),
        change: None,
        delete: Some("deleteClient"),
    },
    Kind {
        name: "approval",
        list: "listApprovals",
        get: Some("getApproval"),
        change: None,
        delete: None,
    },
    Kind {
        name: "pin",
        list: "listPins",
        get: None,
        change: None,
        delete: None,
    },
    Kind {
        name: "taint",
        list: "listTaints",
        get: None,
        change: None,
        delete: Some("clearTaint"),
    },
    Kind {
        name: "usage",
        list: "listUsage",
        get: None,
        change: None,
        delete: None,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::operation::operation;

    #[test]
    fn operations_of_kinds_exist() {
        for kind in KINDS {
            let change = kind.change.map(|change| match change {
                Change::Patch(id) | Change::Replace(id) => id,
            });
            let all = [Some(kind.list), kind.get, change, kind.delete];
            for id in all.into_iter().flatten() {
                assert!(operation(id).is_some(), "{id}");
            }
        }
    }
}
