//! The format `server.json` of the official MCP registry.
//!
//! Reading is lenient, because published files deviate from the schema: older names of keys,
//! missing versions, empty objects, and undeclared inputs are accepted. Writing is strict: what is
//! exported is valid against the schema of [`SCHEMA`].
//!
//! | `registryType` | Program | Form of the package |
//! |---|---|---|
//! | `npm` | `npx -y` | `identifier@version` |
//! | `pypi` | `uvx` | `identifier==version` |
//! | `oci`, `docker` | `docker run -i --rm`, and `-e NAME` for each variable | `identifier:version` |
//! | `nuget` | `dnx --yes` | `identifier@version` |
//!
//! Of several remotes and packages, the first one that can be used becomes the server: remotes come
//! first, because they run no code on the machine of the gateway. An entry without any is kept with
//! the reasons.

mod arguments;
mod check;
mod fields;
mod inputs;
mod package;
mod publish;
mod read;
mod remote;
mod sanitize;

pub use self::check::violations;
pub use self::publish::write;
pub use self::read::{ReadEntry, read};

/// URL of the schema of exported files.
pub const SCHEMA: &str =
    "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json";

/// Member of `_meta` with what the official registry manages.
pub const OFFICIAL: &str = "io.modelcontextprotocol.registry/official";

/// Member of `_meta` with what publishers add.
pub(crate) const PUBLISHER: &str = "io.modelcontextprotocol.registry/publisher-provided";

/// Namespace of entries whose names have none: names of published files need one.
pub(crate) const LOCAL: &str = "local";

#[cfg(test)]
mod tests;
