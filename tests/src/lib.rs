//! End-to-end tests of the gateway, and what they need.

pub mod environment;
pub mod fixture;
pub mod process;
pub mod wire;
