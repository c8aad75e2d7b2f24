use std::sync::Arc;

use http::HeaderName;
use mcp_gateway_core::endpoint::is_forwardable;

use super::Server;
use crate::document::{Count, Field, instead};

/// A named endpoint over some of the servers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Gateway {
    /// The last part of its path.
    pub name: Arc<str>,
    /// The names of its servers, in the order of its lists.
    pub servers: Vec<Arc<str>>,
    /// Whether those are all that there are.
    pub has_all: bool,
    pub forward_headers: Vec<HeaderName>,
    pub page_size: Option<usize>,
    pub instructions: Option<Arc<str>>,
    /// The teams that may know of it; everybody may if `None`.
    pub teams: Option<Vec<Arc<str>>>,
}

impl Gateway {
    /// The gateway that there is when a file describes none.
    pub(super) fn over(servers: &[Server]) -> Self {
        Self {
            name: "default".into(),
            servers: servers
                .iter()
                .map(|server| Arc::clone(&server.name))
                .collect(),
            has_all: true,
            forward_headers: Vec::new(),
            page_size: None,
            instructions: None,
            teams: None,
        }
    }

    /// Reads a gateway over some of `servers`.
    pub(super) fn read(field: &Field<'_>, servers: &[&str]) -> Option<Self> {
        let mut table = field.table()?;
        let name = table.required("name", |field| field.parse("the name of a gateway", slug));
        let chosen = table.field("servers");
        let gateway = Self {
            name: name.unwrap_or_default(),
            has_all: chosen.is_none(),
            servers: match chosen {
                Some(field) => choose(&field, servers),
                None => servers.iter().map(|name| Arc::from(*name)).collect(),
            },
            forward_headers: table
                .get_with("forwardHeaders", forward_headers)
                .unwrap_or_default(),
            page_size: table.get("pageSize").map(|Count(count)| count),
            instructions: table.get("instructions"),
            teams: table.get("teams"),
        };
        table.finish();
        Some(gateway)
    }
}

fn choose(field: &Field<'_>, servers: &[&str]) -> Vec<Arc<str>> {
    let mut chosen: Vec<Arc<str>> = Vec::new();
    for field in field.items().unwrap_or_default() {
        let Some(name) = field.text() else { continue };
        if !servers.contains(&name) {
            let instead = instead(name, servers);
            field.problem(format!("there is no server {name:?}; {instead}"));
        } else if chosen.iter().any(|chosen| **chosen == *name) {
            field.problem(format!("{name:?} is in the list already"));
        } else {
            chosen.push(name.into());
        }
    }
    chosen
}

fn forward_headers(field: &Field<'_>) -> Option<Vec<HeaderName>> {
    Some(field.items()?.iter().filter_map(forward_header).collect())
}

fn forward_header(field: &Field<'_>) -> Option<HeaderName> {
    field.parse("a header that can be passed on", |text| {
        let name = text
            .parse::<HeaderName>()
            .map_err(|_| "it is no name of a header".to_owned())?;
        match is_forwardable(&name) {
            true => Ok(name),
            false => Err("it belongs to the connection, the protocol or the caller".to_owned()),
        }
    })
}

/// Reads the name of a gateway, which is a part of its path.
pub(super) fn slug(text: &str) -> Result<Arc<str>, String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let well_formed = !text.is_empty()
        && text.len() <= MAX_SLUG
        && text.chars().all(allowed)
        && !text.starts_with('-')
        && !text.ends_with('-');
    match well_formed {
        true if RESERVED.contains(&text) => Err("the default gateway has that path".to_owned()),
        true => Ok(text.into()),
        false => Err(format!(
            "use small letters, digits and '-' between them, up to {MAX_SLUG} characters"
        )),
    }
}

/// As long as a label of a host name, which a gateway may become one day.
const MAX_SLUG: usize = 63;

/// What is below the path of the default gateway.
const RESERVED: [&str; 2] = ["messages", "sse"];
