//! Files that people write, read so that all their mistakes are found at once.
//!
//! A text becomes a tree of [`Node`]s, each of which knows its place: [`yaml`] and [`jsonc`] make
//! it. The tree is read through [`Field`]s and [`Table`]s, by types that implement [`Read`]. What
//! is wrong is noted in the [`Report`] with its path and place, and reading goes on; a value that
//! could not be read is simply not there. So a reader is a list of what there may be:
//!
//! ```text
//! impl Read for Breaker {
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
//! This is not serde, because a deserializer ends at the first mistake, and knows neither which
//! keys there might have been nor where a missing one was expected.

mod field;
pub mod jsonc;
mod node;
mod outside;
mod problem;
mod quantity;
mod suggest;
mod table;
pub mod yaml;

pub use self::field::{Field, Read, Report};
pub use self::node::Place;
pub use self::node::{Key, Node, Scalar, Value};
pub use self::outside::{Lookup, Nothing, Outside};
pub use self::problem::{Problem, Problems, Severity};
pub use self::quantity::{Bytes, Count, duration};
pub use self::suggest::instead;
pub use self::table::Table;
