//! Parsing of hand-written files with complete diagnostics.
//!
//! `yaml` and `jsonc` parse a text to nodes with positions. Types that implement `FromField` read them
//! through `Field`s and `Table`s. Errors are recorded in the `DiagnosticSink` with path and position,
//! and reading continues; an invalid value counts as missing. A reader is therefore a list of the
//! expected keys:
//!
//! ```text
//! impl FromField for Breaker {
//!     fn read(field: &Field<'_>) -> Option<Self> {
//!         let mut table = field.table()?;
//!         let breaker = Self {
//!             failures: table.get("failures").unwrap_or(5),
//!             pause: table.get("pause").unwrap_or(DEFAULT_PAUSE),
//!         };
//!         table.finish();
//!         Some(breaker)
//!     }
//! }
//! ```
//!
//! This is not serde, because a deserializer stops at the first error, and provides neither the set
//! of valid keys nor the position of a missing one.

mod diagnostic;
mod environment;
mod field;
pub(crate) mod json;
pub(crate) mod jsonc;
mod node;
mod quantity;
mod scope;
mod suggest;
mod table;
pub(crate) mod toml;
pub(crate) mod yaml;

pub use self::diagnostic::{Diagnostic, Diagnostics, Severity};
pub use self::environment::{Environment, Lookup, NoEnvironment};
pub(crate) use self::field::{DiagnosticSink, Field, FromField};
pub use self::node::Position;
pub(crate) use self::node::{Key, Node, Scalar, Value};
pub use self::quantity::duration;
pub(crate) use self::quantity::{Bytes, Count};
pub use self::scope::LookupScope;
pub(crate) use self::suggest::nearest;
pub use self::suggest::suggestion;
pub(crate) use self::table::Table;
