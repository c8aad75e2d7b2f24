//! Page with the connections of an owner.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use serde::Deserialize;
use url::form_urlencoded::byte_serialize;

use super::error::ConnectError;
use super::inputs::{InputServer, SuppliedInputs};
use super::pages::{AccountPages, Pages, Visitor};
use super::{ConnectedAccount, Owner};
use crate::pages::{CONNECT, ConnectionItem, ConnectionsPage, OwnerLink, page};

/// Query with the owner of connections; the user if absent.
#[derive(Deserialize)]
pub(super) struct OwnerQuery {
    owner: Option<String>,
}

/// `GET /connect`: lists the servers and the connections.
pub(super) async fn list(
    State(pages): Pages,
    query: Result<Query<OwnerQuery>, QueryRejection>,
    request: Parts,
) -> Result<Response, ConnectError> {
    let Query(OwnerQuery { owner }) = query?;
    let visitor = match pages.visitor(&request).await? {
        Ok(visitor) => visitor,
        Err(login) => return Ok(login),
    };
    let owner = visitor.owner(owner.as_deref())?;
    let connections = pages.connections(&visitor, &owner).await?;
    let lead = format!(
        "You are logged in as {}. {}",
        visitor.user.name,
        lead(&owner)
    );
    let owner_text = owner.to_string();
    let shown = ConnectionsPage {
        lead: &lead,
        connections: &connections,
        csrf: &pages.csrf(&visitor),
        owner: &owner_text,
        others: &pages.others(&visitor, &owner),
    };
    Ok(pages.remember(&visitor, page(StatusCode::OK, &shown, None)))
}

/// Returns the path of the list of `owner`.
pub(super) fn list_path(owner: &Owner) -> String {
    match owner {
        Owner::User(_) => CONNECT.to_owned(),
        owner => {
            let owner: String = byte_serialize(owner.to_string().as_bytes()).collect();
            format!("{CONNECT}?owner={owner}")
        }
    }
}

/// Returns the sentence that tells whose calls are made with the connections.
fn lead(owner: &Owner) -> String {
    match owner {
        Owner::User(_) => "Servers are called with the accounts that you connect here.".to_owned(),
        Owner::Team(team) => format!(
            "Members of the team {team} who have connected no account of their own call servers \
             with these."
        ),
        Owner::Organization => "Everybody who has no account of a closer owner calls servers with \
                                these."
            .to_owned(),
    }
}

impl AccountPages {
    /// Returns the links to the lists of other owners, if the visitor manages them.
    fn others(&self, visitor: &Visitor, shown: &Owner) -> Vec<OwnerLink> {
        let organization = visitor.is_admin().then_some(Owner::Organization);
        let owners = [visitor.as_owner()].into_iter().chain(organization);
        let owners = owners.chain(self.managed_teams(visitor).into_iter().map(Owner::Team));
        let others = owners.filter(|owner| owner != shown);
        others
            .map(|owner| OwnerLink {
                href: list_path(&owner),
                label: match &owner {
                    Owner::User(_) => "Your own".to_owned(),
                    Owner::Team(team) => format!("Team {team}"),
                    Owner::Organization => "Organization".to_owned(),
                },
            })
            .collect()
    }

    /// Returns the teams whose connections the visitor manages: those of which the visitor is an
    /// administrator, or all that are known.
    fn managed_teams(&self, visitor: &Visitor) -> BTreeSet<Arc<str>> {
        if !visitor.is_admin() {
            return visitor.user.administered_teams.iter().cloned().collect();
        }
        let (accounts, inputs) = (self.credentials().servers(), self.credentials().inputs());
        let mut teams: BTreeSet<Arc<str>> = visitor.user.teams.iter().cloned().collect();
        for server in accounts.filtered(|_| true) {
            teams.extend(server.teams().iter().cloned());
        }
        for server in inputs.servers().filtered(|_| true) {
            teams.extend(server.teams().iter().cloned());
        }
        teams
    }

    /// Returns the servers that `visitor` may connect for `owner`, and all connections of `owner`,
    /// ordered by name.
    async fn connections(
        &self,
        visitor: &Visitor,
        owner: &Owner,
    ) -> Result<Vec<ConnectionItem>, ConnectError> {
        let stored = self.credentials().renewals().accounts();
        let (accounts, inputs) = (stored.list(owner).await?, stored.list_inputs(owner).await?);
        let servers = self.credentials().servers();
        let servers = servers.filtered(|server| visitor.may_connect(owner, |it| server.allows(it)));
        let with_login = servers.iter().map(|server| {
            let state = of_server(&accounts, server.name()).map(account_state);
            item(server.name(), state)
        });
        let servers = self.credentials().inputs().servers();
        let servers = servers.filtered(|server| visitor.may_connect(owner, |it| server.allows(it)));
        let with_inputs = servers.iter().map(|server| {
            let supplied = of_server(&inputs, server.name());
            item(
                server.name(),
                supplied.map(|supplied| input_state(supplied, server)),
            )
        });
        let mut connections: Vec<_> = with_login.chain(with_inputs).collect();
        let names = accounts.iter().map(|(name, _)| name);
        let names = names.chain(inputs.iter().map(|(name, _)| name));
        let is_known = |name: &&Arc<str>| connections.iter().any(|item| item.server == **name);
        let left: Vec<_> = names
            .filter(|name| !is_known(name))
            .map(left_item)
            .collect();
        connections.extend(left);
        connections.sort_by(|a, b| a.server.cmp(&b.server));
        Ok(connections)
    }
}

/// Returns the connection of the server `name`.
fn of_server<'a, T>(connections: &'a [(Arc<str>, T)], name: &str) -> Option<&'a T> {
    let (_, found) = connections.iter().find(|(server, _)| **server == *name)?;
    Some(found)
}

/// Returns the state of a connected account.
fn account_state(account: &ConnectedAccount) -> String {
    match account.end() {
        None => format!("Connected with {}", account.issuer()),
        Some(_) => format!("Ended by {}; connect it again", account.issuer()),
    }
}

/// Returns the state of supplied values.
fn input_state(supplied: &SuppliedInputs, server: &InputServer) -> String {
    match (supplied.is_for(server), supplied.rejection()) {
        (true, None) => "Connected with what you have entered".to_owned(),
        (true, Some(rejection)) => format!("What you have entered was {rejection}"),
        (false, _) => "The server has been changed; connect it again".to_owned(),
    }
}

/// Returns the item of the server `name`; `state` is that of its connection.
fn item(name: &Arc<str>, state: Option<String>) -> ConnectionItem {
    ConnectionItem {
        path: byte_serialize(name.as_bytes()).collect(),
        is_connected: state.is_some(),
        is_usable: true,
        state: state.unwrap_or_else(|| "Not connected".to_owned()),
        server: Arc::clone(name),
    }
}

/// Returns the item of a connection of a server `name` that the user may not use.
fn left_item(name: &Arc<str>) -> ConnectionItem {
    let state = "The server has been removed, or you may not use it any more".to_owned();
    ConnectionItem {
        is_usable: false,
        ..item(name, Some(state))
    }
}
