//! Entries of `gateways`.
//!
//! | Key | Type |
//! |---|---|
//! | `name` | path segment, required |
//! | `title`, `description` | string |
//! | `servers` | list of server names; all servers if absent, and no `assignments` |
//! | `assignments` | list of `assignment` |
//! | `visibility` | `organization`, `{ teams: [..] }` or `{ user: SUBJECT }` |
//! | `forwardHeaders` | list of header names |
//! | `pageSize` | positive number |
//! | `untrusted` | boolean: the context of all its callers is untrusted |
//! | `exposure` | `list`, `search` or `code` |
//! | `visibleTools` | list of patterns, with `exposure: search` or `code` |
//! | `maxToolName` | number from 48 to 128 |
//! | `toolPrefix` | `always`, `onCollision` or `never` |
//! | `instructions` | string |
//! | `compatibility` | list of `version-header` |
//! | `dpop` | `optional` or `required` |
//! | `teams` | list of strings; the same as `visibility: { teams: [..] }` |

use std::ops::RangeInclusive;
use std::sync::Arc;

use http::HeaderName;
use mcp_gateway_core::endpoint::{Compatibility, is_forwardable};
use mcp_gateway_core::layer::dispatch::ToolSearch;
use mcp_gateway_core::route::PrefixMode;
use mcp_gateway_platform::spec::{AssignedConnection, GatewaySpec, Visibility};

use super::assignment;
use crate::document::{Count, Field, Table, suggestion};

/// Servers that a gateway may refer to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KnownServers<'a> {
    /// Servers of the same file, in this order. All others are errors.
    File(&'a [&'a str]),
    /// Servers of the file and of the store, which are added and removed independently.
    Any,
}

impl KnownServers<'_> {
    /// Records an error unless the server `name` may exist.
    pub(super) fn check(self, field: &Field<'_>, name: &str) -> bool {
        match self {
            Self::File(servers) if !servers.contains(&name) => {
                let instead = suggestion(name, servers);
                field.error(format!("unknown server {name:?}; {instead}"));
                false
            }
            Self::File(_) | Self::Any => true,
        }
    }
}

/// Reads a gateway over a subset of `servers`.
///
/// Without `servers` and `assignments`, it has all servers. Those of a store are added when it is
/// applied, because they come and go.
pub(crate) fn read(field: &Field<'_>, servers: KnownServers<'_>) -> Option<GatewaySpec> {
    let mut table = field.table()?;
    let name = table.required("name", |field| field.parse("the name of a gateway", slug));
    let chosen = table.field("servers");
    let assigned = table.field("assignments");
    let mut gateway = GatewaySpec::new(name.unwrap_or_default());
    gateway.title = table.get("title");
    gateway.description = table.get("description");
    gateway.has_all = chosen.is_none() && assigned.is_none();
    gateway.servers = match (chosen, servers) {
        (Some(field), _) => choose(&field, servers),
        (None, KnownServers::File(servers)) if gateway.has_all => {
            servers.iter().map(|name| Arc::from(*name)).collect()
        }
        (None, _) => Vec::new(),
    };
    if let Some(field) = assigned {
        gateway = assignment::read_all(&field, servers, gateway);
    }
    gateway.visibility = visibility(&mut table, &gateway);
    gateway.forward_headers = table
        .get_with("forwardHeaders", forward_headers)
        .unwrap_or_default();
    gateway.is_untrusted = table.get("untrusted").unwrap_or_default();
    gateway.page_size = table.get("pageSize").map(|Count(count)| count);
    gateway.tool_search = tool_search(&mut table);
    gateway.max_tool_name = table.get_with("maxToolName", max_tool_name);
    if let Some(mode) = table.get_with("toolPrefix", |field| field.choice(&PREFIX_MODES)) {
        gateway.tool_prefix = mode;
    }
    let binding = table.get_with("dpop", |field| {
        field.choice(&[("optional", false), ("required", true)])
    });
    gateway.requires_bound_tokens = binding.unwrap_or_default();
    gateway.instructions = table.get("instructions");
    gateway.compatibility = table
        .get_with("compatibility", compatibility)
        .unwrap_or_default();
    table.finish();
    Some(gateway)
}

/// Reads the search that takes the place of a long list of tools.
fn tool_search(table: &mut Table<'_>) -> Option<ToolSearch> {
    let exposure = table
        .get_with("exposure", |field| field.choice(&EXPOSURES))
        .unwrap_or_default();
    let visible = table.field("visibleTools");
    if let (Exposure::List, Some(field)) = (exposure, &visible) {
        field.error("visibleTools requires exposure: search or code");
    }
    let names: Option<Vec<String>> = visible.and_then(|field| field.read());
    let search = ToolSearch::new().with_visible(names.unwrap_or_default());
    match exposure {
        Exposure::Code => Some(search.with_scripts()),
        Exposure::List => None,
        Exposure::Search => Some(search),
    }
}

/// Reads the callers for whom `gateway` exists.
///
/// To pin a connection is to grant it to all who see the gateway, so that they must be named.
fn visibility(table: &mut Table<'_>, gateway: &GatewaySpec) -> Visibility {
    let (of_teams, chosen) = (table.field("teams"), table.field("visibility"));
    let is_pinned =
        |connection: &AssignedConnection| matches!(connection, AssignedConnection::Pinned(_));
    let mut assignments = gateway.assignments.iter();
    match (of_teams, chosen) {
        (Some(_), Some(chosen)) => {
            chosen.error("teams and visibility exclude each other");
            Visibility::default()
        }
        (Some(field), None) => teams(&field).map(Visibility::Teams).unwrap_or_default(),
        (None, Some(chosen)) => chosen_visibility(&chosen).unwrap_or_default(),
        (None, None) => {
            if assignments.any(|assignment| is_pinned(&assignment.connection)) {
                table.whole().error(
                    "a pinned connection is granted to all who see the gateway; set visibility",
                );
            }
            Visibility::default()
        }
    }
}

/// Reads the value of `visibility`: `organization`, or a map with one of `teams` and `user`.
fn chosen_visibility(field: &Field<'_>) -> Option<Visibility> {
    if field.is_scalar() {
        return field.choice(&[("organization", Visibility::Organization)]);
    }
    let mut table = field.table()?;
    let (key, field) = table.one_of(&["teams", "user"])?;
    table.finish();
    match key {
        "teams" => teams(&field).map(Visibility::Teams),
        _ => field.parse("a subject", label).map(Visibility::User),
    }
}

/// Reads a non-empty list of teams: an empty one would be a gateway for nobody, by a mistake.
fn teams(field: &Field<'_>) -> Option<Vec<Arc<str>>> {
    let items = field.items()?;
    if items.is_empty() {
        field.error("at least one team is required");
        return None;
    }
    let read = items.iter().map(|field| field.parse("a team", label));
    read.collect()
}

/// Parses the name of a team, or the subject of a user.
///
/// Neither is chosen here: identity providers name them. White space around a name cannot be seen, and
/// an empty name is that of nobody, such as of a variable that is not set.
///
/// # Errors
///
/// A message if nobody could have that name.
pub(super) fn label(text: &str) -> Result<Arc<str>, String> {
    let is_trimmed = !text.is_empty() && text.trim() == text;
    match is_trimmed && text.len() <= MAX_LABEL && !text.contains(char::is_control) {
        true => Ok(text.into()),
        false => Err(format!(
            "expected printable text without spaces around it, up to {MAX_LABEL} bytes"
        )),
    }
}

/// Reads the names of servers, and records unknown and duplicate ones.
fn choose(field: &Field<'_>, servers: KnownServers<'_>) -> Vec<Arc<str>> {
    let mut chosen: Vec<Arc<str>> = Vec::new();
    for field in field.items().unwrap_or_default() {
        let Some(name) = field.text() else { continue };
        if !servers.check(&field, name) {
            continue;
        }
        if chosen.iter().any(|chosen| **chosen == *name) {
            field.error(format!("duplicate server {name:?}"));
        } else {
            chosen.push(name.into());
        }
    }
    chosen
}

/// Reads the maximum length of the name of a tool.
fn max_tool_name(field: &Field<'_>) -> Option<usize> {
    field.parse("a length", |text| match text.parse() {
        Ok(length) if TOOL_NAME_LENGTHS.contains(&length) => Ok(length),
        Ok(_) | Err(_) => Err("expected a number from 48 to 128".to_owned()),
    })
}

/// Reads the names of departures from the specification.
fn compatibility(field: &Field<'_>) -> Option<Compatibility> {
    let mut accepted = Compatibility::default();
    for field in field.items()? {
        field.choice(&[("version-header", ())])?;
        accepted.version_header = true;
    }
    Some(accepted)
}

fn forward_headers(field: &Field<'_>) -> Option<Vec<HeaderName>> {
    Some(field.items()?.iter().filter_map(forward_header).collect())
}

/// Reads the name of a header that may be forwarded to servers.
fn forward_header(field: &Field<'_>) -> Option<HeaderName> {
    field.parse("a forwardable header", |text| {
        let name = text
            .parse::<HeaderName>()
            .map_err(|_| "not a valid header name".to_owned())?;
        match is_forwardable(&name) {
            true => Ok(name),
            false => Err("belongs to the connection, the protocol or the caller".to_owned()),
        }
    })
}

/// Parses the name of a gateway, which is a segment of its path.
pub(super) fn slug(text: &str) -> Result<Arc<str>, String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let well_formed = !text.is_empty()
        && text.len() <= MAX_SLUG
        && text.chars().all(allowed)
        && !text.starts_with('-')
        && !text.ends_with('-');
    match well_formed {
        true if RESERVED.contains(&text) => Err("reserved for the default gateway".to_owned()),
        true => Ok(text.into()),
        false => Err(format!(
            "expected lower-case letters, digits and '-' between them, up to {MAX_SLUG} characters"
        )),
    }
}

/// Form in which a gateway shows its tools.
#[derive(Clone, Copy, Debug, Default)]
enum Exposure {
    Code,
    #[default]
    List,
    Search,
}

/// Values of `exposure`.
const EXPOSURES: [(&str, Exposure); 3] = [
    ("list", Exposure::List),
    ("search", Exposure::Search),
    ("code", Exposure::Code),
];

/// Values of `toolPrefix`.
const PREFIX_MODES: [(&str, PrefixMode); 3] = [
    ("always", PrefixMode::Always),
    ("never", PrefixMode::Never),
    ("onCollision", PrefixMode::OnCollision),
];

/// Permitted limits of the length of tool names. A prefix and a hash need most of the shortest.
const TOOL_NAME_LENGTHS: RangeInclusive<usize> = 48..=128;

/// Maximum length of a team or a subject in bytes.
const MAX_LABEL: usize = 1024;

/// Maximum length of a name: that of a host name label (RFC 1035), so that names can become hosts.
const MAX_SLUG: usize = 63;

/// Path segments below `/v1/mcp` that belong to the default gateway.
const RESERVED: [&str; 2] = ["messages", "sse"];
