//! The gateways.

use std::sync::Arc;

use http::HeaderName;
use mcp_gateway_core::endpoint::is_forwardable;
use mcp_gateway_platform::spec::Gateway;

use crate::document::{Count, Field, instead};

/// Reads a gateway over some of `servers`.
pub(super) fn read(field: &Field<'_>, servers: &[&str]) -> Option<Gateway> {
    let mut table = field.table()?;
    let name = table.required("name", |field| field.parse("the name of a gateway", slug));
    let chosen = table.field("servers");
    let mut gateway = Gateway::new(name.unwrap_or_default());
    gateway.has_all = chosen.is_none();
    gateway.servers = match chosen {
        Some(field) => choose(&field, servers),
        None => servers.iter().map(|name| Arc::from(*name)).collect(),
    };
    gateway.forward_headers = table
        .get_with("forwardHeaders", forward_headers)
        .unwrap_or_default();
    gateway.page_size = table.get("pageSize").map(|Count(count)| count);
    gateway.instructions = table.get("instructions");
    gateway.teams = table.get("teams");
    table.finish();
    Some(gateway)
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
