//! Users who may use a server.

use std::sync::Arc;

use crate::UserInfo;

/// Users who may use a server: all of them, or members of teams and single users.
#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    /// Teams whose members may use the server; all users if `None`.
    teams: Option<Vec<Arc<str>>>,
    /// Users who may use the server besides those of the teams.
    users: Vec<Arc<str>>,
}

/// Returns a user who is a member of `team`, and nothing else.
pub(super) fn member_of(team: &Arc<str>) -> UserInfo {
    let mut member = UserInfo::new("", "");
    member.teams.push(Arc::clone(team));
    member
}

impl Members {
    /// Restricts the server to members of `teams`.
    pub(super) fn restrict(&mut self, teams: impl IntoIterator<Item = Arc<str>>) {
        self.teams = Some(teams.into_iter().collect());
    }

    /// Adds `users` to those of the teams.
    pub(super) fn add(&mut self, users: impl IntoIterator<Item = Arc<str>>) {
        self.users.extend(users);
    }

    /// Returns `true` if `user` is one of them.
    pub(super) fn contains(&self, user: &UserInfo) -> bool {
        let is_member = |teams: &Vec<_>| teams.iter().any(|team| user.teams.contains(team));
        self.teams.as_ref().is_none_or(is_member) || self.users.contains(&user.id)
    }

    /// Returns the teams; none if the server is for all users.
    pub(super) fn teams(&self) -> &[Arc<str>] {
        self.teams.as_deref().unwrap_or_default()
    }
}
