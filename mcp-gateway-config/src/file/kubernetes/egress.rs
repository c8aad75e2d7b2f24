//! Key `servers[].kubernetes.egress`: destinations that pods may reach.
//!
//! `deny`, `internet`, or a list of blocks:
//!
//! | Key | Type |
//! |---|---|
//! | `cidr` | block of addresses, required |
//! | `ports` | list of TCP ports; all if absent |
//!
//! A block has no bits beyond its prefix: `10.0.0.1/8` is more likely a mistake than a block, and
//! would allow more than it seems to. Names of hosts are not possible, because the network policies of
//! Kubernetes have none.

use mcp_gateway_platform::spec::{EgressRule, PodEgress};

use super::names;
use crate::document::Field;

/// Reads the destinations.
pub(super) fn egress(field: &Field<'_>) -> Option<PodEgress> {
    if field.is_scalar() {
        return field.choice(&[
            ("deny", PodEgress::Denied),
            ("internet", PodEgress::Internet),
        ]);
    }
    let items = field.items()?;
    if items.is_empty() {
        field.error("at least one block is required; use deny for none");
        return None;
    }
    let rules: Vec<_> = items.iter().map(rule).collect();
    let rules: Option<Vec<_>> = rules.into_iter().collect();
    rules.map(PodEgress::Allowed)
}

/// Reads a block of addresses with ports.
fn rule(field: &Field<'_>) -> Option<EgressRule> {
    let mut table = field.table()?;
    let block = table.required("cidr", |field| field.parse("a block of addresses", block));
    let ports = table.get_with("ports", ports).unwrap_or_default();
    table.finish();
    let mut rule = EgressRule::new(block?);
    rule.ports = ports;
    Some(rule)
}

/// Parses a block of addresses, which has no bits beyond its prefix and can be allowed.
fn block(text: &str) -> Result<ipnet::IpNet, String> {
    let block: ipnet::IpNet = text.parse().map_err(|_| EXPECTED.to_owned())?;
    if block.trunc() != block {
        return Err(format!("expected {}", block.trunc()));
    }
    match EgressRule::forbidden(&block) {
        Some(range) => Err(format!("no server may reach {range}")),
        None => Ok(block),
    }
}

/// Reads a non-empty list of ports.
fn ports(field: &Field<'_>) -> Option<Vec<u16>> {
    let items = field.items()?;
    if items.is_empty() {
        field.error("at least one port is required; omit the key for all");
        return None;
    }
    let read: Vec<_> = items
        .iter()
        .map(|field| field.parse("a port", names::port))
        .collect();
    read.into_iter().collect()
}

/// Expected form of a block.
const EXPECTED: &str = "expected a form such as 10.20.0.0/16, or 203.0.113.7/32 for one address";
