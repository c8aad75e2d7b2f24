//! Process groups and descendants.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use super::{Scope, Stat};

/// Returns the processes other than `pid` that `scope` includes.
///
/// # Errors
///
/// Fails when the processes of the system cannot be listed.
pub(crate) fn members(pid: u32, scope: Scope) -> io::Result<BTreeSet<u32>> {
    match scope {
        Scope::Alone => Ok(BTreeSet::new()),
        Scope::Group => related(pid, |stat| stat.group == pid),
        Scope::Tree => descendants(pid),
    }
}

/// Returns the descendants of `pid`.
///
/// # Errors
///
/// Fails when the processes of the system cannot be listed.
pub(crate) fn descendants(pid: u32) -> io::Result<BTreeSet<u32>> {
    related(pid, |_| false)
}

/// Returns the descendants of `pid` and of all processes that match `also`, including these.
fn related(pid: u32, also: impl Fn(&Stat) -> bool) -> io::Result<BTreeSet<u32>> {
    let all = all()?;
    let mut found = BTreeSet::new();
    loop {
        let before = found.len();
        for (other, stat) in &all {
            if *other != pid && (stat.parent == pid || found.contains(&stat.parent) || also(stat)) {
                found.insert(*other);
            }
        }
        // A child may be listed before its parent: repeat until there is nothing new.
        if found.len() == before {
            return Ok(found);
        }
    }
}

/// Returns all processes of the system.
fn all() -> io::Result<Vec<(u32, Stat)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let pid = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let stat = pid.and_then(|pid| Some((pid, Stat::read(pid).ok()?)));
        all.extend(stat);
    }
    Ok(all)
}
