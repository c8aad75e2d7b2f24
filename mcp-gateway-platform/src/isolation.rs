//! Isolation of programs: what the instances of a program have of their own.
//!
//! A program whose spec has an [`Isolation`](crate::spec::Isolation) is started by an
//! `IsolatedProcess`. Its instances have, by [owner](mcp_gateway_core::upstream::InstanceOwner):
//!
//! - a *state folder*, which is kept until it is removed: [`StateFolders`];
//! - a *workspace* with a temporary folder, which ends with the last instance that uses it: first
//!   the cleanup command runs, then the folder is removed. That of a killed gateway ends when it
//!   starts the same server again.
//!
//! Folders have mode 0700, a file that names their owner, and are never reached through symbolic
//! links. Programs are not confined: they run as the user of the gateway.

mod backend;
mod folder;
mod program;
mod state;
mod tree;
mod values;
mod workspace;

pub(crate) use self::backend::IsolatedProcess;
pub use self::folder::FolderError;
pub(crate) use self::program::{Program, names_secret};
pub(crate) use self::state::StateRoot;
pub use self::state::{StateFolder, StateFolders};
