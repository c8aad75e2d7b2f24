use std::net::SocketAddr;

use super::{Secret, listen_address};
use crate::document::{Field, Read};

/// Where the metrics are, and who may see them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Metrics {
    /// At an address of their own, for everybody who reaches it.
    Listen(SocketAddr),
    /// At `/metrics` of the gateway, for its callers.
    #[default]
    Shared,
    /// At `/metrics` of the gateway, for those who present this token, and for its callers.
    Token(Secret),
}

impl Read for Metrics {
    fn read(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let choice = table.one_of(&["listen", "token"]);
        table.finish();
        let (key, field) = choice?;
        match key {
            "listen" => field.parse("an address", listen_address).map(Self::Listen),
            _ => field.read().map(Self::Token),
        }
    }
}
