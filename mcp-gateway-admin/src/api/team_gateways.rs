//! Gateways of administrators of teams.
//!
//! They grant nothing that the members of the team do not have already: only servers and tools of
//! another gateway that exists for them, called with the connections of the callers or of the team.

use std::sync::Arc;

use mcp_gateway_registry::Violation;

use crate::catalog::{AssignmentDocument, GatewayDocument};

/// Returns `true` if the administrators of `teams` may change and delete `gateway`.
pub(super) fn is_managed(gateway: &GatewayDocument, teams: &[Arc<str>]) -> bool {
    let of_gateway = gateway.teams.as_deref().unwrap_or_default();
    !of_gateway.is_empty() && of_gateway.iter().all(|team| contains(teams, team))
}

/// Returns `true` if the administrators of `teams` may see `gateway`.
pub(super) fn is_visible(gateway: &GatewayDocument, teams: &[Arc<str>]) -> bool {
    match (&gateway.teams, &gateway.user) {
        (None, None) => true,
        (of_gateway, _) => {
            let mut of_gateway = of_gateway.iter().flatten();
            of_gateway.any(|team| contains(teams, team))
        }
    }
}

/// Returns the violations for which administrators of `teams` may not have `gateway` beside `all`
/// gateways.
pub(super) fn violations(
    gateway: &GatewayDocument,
    teams: &[Arc<str>],
    all: &[GatewayDocument],
) -> Vec<Violation> {
    let mut found = Vec::new();
    if !is_managed(gateway, teams) {
        let message = "expected teams that you administer";
        found.push(Violation::new("visibility", message));
    }
    if gateway.all_servers {
        let message = "expected the names of servers";
        found.push(Violation::new("servers", message));
    }
    for server in &gateway.servers {
        let granted = all.iter().filter(|other| other.id != gateway.id);
        let granted = granted.filter(|other| is_granted(other, gateway));
        let assigned = assignment(gateway, server);
        if !granted.clone().any(|other| covers(other, server, assigned)) {
            let message = format!("no gateway of the team has these tools of {server:?}");
            found.push(Violation::new("servers", message));
        }
        let connection = assigned.map_or("caller", |assigned| &assigned.connection);
        let is_of_caller = matches!(connection, "caller" | "enterprise");
        let of_team = connection.strip_prefix("team/");
        if !is_of_caller && !of_team.is_some_and(|team| contains(teams, team)) {
            let message = "expected the connection of the caller, or of a team that you administer";
            found.push(Violation::new("assignments", message));
        }
    }
    found
}

/// Returns `true` if `other` is usable by the members of all teams of `gateway`.
fn is_granted(other: &GatewayDocument, gateway: &GatewayDocument) -> bool {
    let members = gateway.teams.as_deref().unwrap_or_default();
    other.violations.is_empty()
        && other.user.is_none()
        && match &other.teams {
            None => true,
            Some(teams) => members.iter().all(|team| teams.contains(team)),
        }
}

/// Returns `true` if `other` has the tools of `server` that are `assigned`: all without an
/// assignment.
fn covers(other: &GatewayDocument, server: &str, assigned: Option<&AssignmentDocument>) -> bool {
    if !other.servers.iter().any(|name| name == server) {
        return false;
    }
    let tools = assignment(other, server).and_then(|assigned| assigned.tools.as_ref());
    let Some(tools) = tools else {
        return true;
    };
    let wanted = assigned.and_then(|assigned| assigned.tools.as_ref());
    wanted.is_some_and(|wanted| wanted.iter().all(|tool| tools.contains(tool)))
}

/// Returns the assignment of `server` in `gateway`.
fn assignment<'a>(gateway: &'a GatewayDocument, server: &str) -> Option<&'a AssignmentDocument> {
    let mut assignments = gateway.assignments.iter();
    assignments.find(|assigned| assigned.server == server)
}

fn contains(teams: &[Arc<str>], team: &str) -> bool {
    teams.iter().any(|known| **known == *team)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServerSource;

    fn gateway(id: &str, servers: &[&str], teams: Option<&[&str]>) -> GatewayDocument {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        GatewayDocument {
            id: id.to_owned(),
            name: id.to_owned(),
            title: None,
            description: None,
            source: ServerSource::Store,
            default: false,
            all_servers: false,
            servers: texts(servers),
            assignments: Vec::new(),
            dangling: Vec::new(),
            exposure: "list",
            visible_tools: Vec::new(),
            teams: teams.map(texts),
            user: None,
            entry: None,
            violations: Vec::new(),
        }
    }

    fn assigned(mut of: GatewayDocument, tools: &[&str], connection: &str) -> GatewayDocument {
        let tools = tools.iter().map(ToString::to_string).collect();
        of.assignments.push(AssignmentDocument {
            server: of.servers[0].clone(),
            tools: Some(tools),
            connection: connection.to_owned(),
        });
        of
    }

    /// Returns the paths of the violations of `new`, for an administrator of `ops` and `web`.
    fn paths(new: &GatewayDocument) -> Vec<String> {
        let personal = GatewayDocument {
            user: Some("ada".to_owned()),
            ..gateway("personal", &["diary"], None)
        };
        let all = [
            gateway("all", &["wiki"], None),
            gateway("ops", &["pager"], Some(&["ops"])),
            gateway("sales", &["crm"], Some(&["sales"])),
            assigned(gateway("few", &["files"], None), &["read"], "caller"),
            personal,
        ];
        let teams = ["ops".into(), "web".into()];
        let found = violations(new, &teams, &all);
        found.into_iter().map(|violation| violation.path).collect()
    }

    #[test]
    fn r1_gateways_of_a_team_grant_what_its_members_have() {
        let ops: Option<&[&str]> = Some(&["ops"]);
        for servers in [&["wiki"][..], &["pager"], &["wiki", "pager"]] {
            assert!(
                paths(&gateway("new", servers, ops)).is_empty(),
                "{servers:?}"
            );
        }
        for server in ["crm", "files", "diary", "unknown"] {
            assert_eq!(
                paths(&gateway("new", &[server], ops)),
                ["servers"],
                "{server}"
            );
        }
        // Members of the other team do not have the pager.
        let both: Option<&[&str]> = Some(&["ops", "web"]);
        assert_eq!(paths(&gateway("new", &["pager"], both)), ["servers"]);
        assert!(paths(&gateway("new", &["wiki"], both)).is_empty());
        let read =
            |connection: &str| assigned(gateway("new", &["files"], ops), &["read"], connection);
        assert!(paths(&read("caller")).is_empty());
        assert!(paths(&read("team/ops")).is_empty());
        for foreign in ["organization", "team/sales"] {
            assert_eq!(paths(&read(foreign)), ["assignments"], "{foreign}");
        }
        let write = assigned(gateway("new", &["files"], ops), &["write"], "caller");
        assert_eq!(paths(&write), ["servers"]);
    }

    #[test]
    fn r1_gateways_of_others_are_not_those_of_a_team() {
        for teams in [
            None,
            Some(&["sales"][..]),
            Some(&["ops", "sales"]),
            Some(&[]),
        ] {
            let found = paths(&gateway("new", &["wiki"], teams));
            assert!(found.contains(&"visibility".to_owned()), "{teams:?}");
        }
        let all = GatewayDocument {
            all_servers: true,
            ..gateway("new", &[], Some(&["ops"]))
        };
        assert_eq!(paths(&all), ["servers"]);
        let ops = ["ops".into()];
        assert!(is_visible(&gateway("x", &[], None), &ops));
        assert!(is_visible(
            &gateway("x", &[], Some(&["sales", "ops"])),
            &ops
        ));
        assert!(!is_visible(&gateway("x", &[], Some(&["sales"])), &ops));
        let personal = GatewayDocument {
            user: Some("ada".to_owned()),
            ..gateway("x", &[], None)
        };
        assert!(!is_visible(&personal, &ops) && !is_managed(&personal, &ops));
    }
}
