//! Approved definitions of MCP servers.
//!
//! [`Pins`] are the definitions of a server that somebody has approved: tools, prompts and
//! instructions, each with the digest of its canonical form. A [`LockFile`] holds those of several
//! servers as a text that can be reviewed and merged. [`Difference`] is the readable difference
//! between what is approved and what a server says now, and [`scan`](scan()) finds what hides in
//! definitions. [`PinnedDefinitions`] hold back what is not approved.

mod difference;
mod held;
mod lock;
mod node;
mod pinned;
mod pins;
mod printable;
mod scan;

pub use self::difference::{Change, Difference};
pub use self::held::HeldDefinitions;
pub use self::lock::{LockError, LockFile};
pub use self::pinned::PinnedDefinitions;
pub use self::pins::Pins;
pub use self::printable::printable;
pub use self::scan::{Finding, Issue, ServerDefinitions, Severity, scan};
