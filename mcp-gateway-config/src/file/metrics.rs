//! Section `metrics`: either `token` (a secret) or `listen` (an address).

use std::net::SocketAddr;

use mcp_gateway_platform::spec::Metrics;

use super::listen_address;
use crate::document::{Field, FromField};

/// Section `metrics`.
#[derive(Debug, Default)]
pub(super) struct MetricsSection {
    pub(super) audience: Metrics,
    pub(super) listen: Option<SocketAddr>,
}

impl FromField for MetricsSection {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let choice = table.one_of(&["listen", "token"]);
        table.finish();
        let (key, field) = choice?;
        match key {
            "listen" => {
                let address = field.parse("an address", listen_address)?;
                Some(Self {
                    audience: Metrics::Separate,
                    listen: Some(address),
                })
            }
            _ => Some(Self {
                audience: Metrics::Token(field.read()?),
                listen: None,
            }),
        }
    }
}
