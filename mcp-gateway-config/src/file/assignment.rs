//! Entries of `gateways[].assignments`.
//!
//! | Key | Type |
//! |---|---|
//! | `server` | name of a server, required |
//! | `tools` | list of names of tools, or `"*"`, the default |
//! | `connection` | `caller`, `enterprise`, `organization` or `{ team: NAME }` |
//!
//! A server has one assignment in a gateway, or is one of its `servers`: its list is that of one
//! connection. There is no value for the connection of a user, which cannot be pinned.

use std::collections::BTreeSet;
use std::sync::Arc;

use mcp_gateway_auth::accounts::SharedOwner;
use mcp_gateway_platform::spec::{AssignedConnection, Assignment, GatewaySpec};

use super::gateway::{KnownServers, label};
use crate::document::Field;

/// Reads assignments, and adds them to `gateway`.
///
/// Records an error for each server that `gateway` has already, and for each that is not among
/// `servers`. Invalid assignments are left out.
pub(super) fn read_all(
    field: &Field<'_>,
    servers: KnownServers<'_>,
    mut gateway: GatewaySpec,
) -> GatewaySpec {
    for field in field.items().unwrap_or_default() {
        let Some(assignment) = read(&field) else {
            continue;
        };
        let server = &assignment.server;
        if gateway.servers.contains(server) {
            field.error(format!("the gateway has the server {server:?} already"));
        } else if servers.check(&field, server) {
            gateway = gateway.with_assignment(assignment);
        }
    }
    gateway
}

/// Reads an assignment.
fn read(field: &Field<'_>) -> Option<Assignment> {
    let mut table = field.table()?;
    let server: Option<Arc<str>> = table.required("server", Field::read);
    let tools = table.get_with("tools", tools).flatten();
    let connection = table.get_with("connection", connection).unwrap_or_default();
    table.finish();
    let mut assignment = Assignment::new(server?);
    (assignment.tools, assignment.connection) = (tools, connection);
    Some(assignment)
}

/// Reads the names of tools; `None` for all features of the server.
///
/// Patterns are not accepted: a tool that a server adds later is not assigned by accident.
fn tools(field: &Field<'_>) -> Option<Option<BTreeSet<Arc<str>>>> {
    if field.is_scalar() {
        return field.choice(&[(ALL, None)]);
    }
    let mut tools = BTreeSet::new();
    for field in field.items()? {
        match field.text() {
            Some(ALL) => field.error("write tools: \"*\" for all tools, without a list"),
            Some(name) if !tools.insert(Arc::from(name)) => {
                field.error(format!("duplicate tool {name:?}"));
            }
            Some(_) | None => {}
        }
    }
    Some(Some(tools))
}

/// Reads the connection with which a server is called.
fn connection(field: &Field<'_>) -> Option<AssignedConnection> {
    if field.is_scalar() {
        let organization = AssignedConnection::Pinned(SharedOwner::Organization);
        return field.choice(&[
            ("caller", AssignedConnection::Caller),
            ("enterprise", AssignedConnection::Enterprise),
            ("organization", organization),
        ]);
    }
    let mut table = field.table()?;
    let team = table.required("team", |field| field.parse("a team", label));
    table.finish();
    Some(AssignedConnection::Pinned(SharedOwner::Team(team?)))
}

/// Value of `tools` for all features of a server.
const ALL: &str = "*";
