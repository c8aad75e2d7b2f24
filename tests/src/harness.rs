//! Checks that every implementation of a plug-in passes, ours and others.

pub mod store;
