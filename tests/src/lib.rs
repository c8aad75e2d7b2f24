//! End-to-end tests of the gateway, and what they need.
//!
//! | module | what it has |
//! |---|---|
//! | [`conformance`] | the official suite, run against a server |
//! | [`environment`] | where the programs are that tests run against |
//! | [`fixture`] | a server to put behind the gateway, for both eras |
//! | [`gateway`] | a gateway inside the test process |
//! | [`guide`] | examples in the documentation, and a place to try them in |
//! | [`harness`] | checks that every implementation of a plug-in passes |
//! | [`kube`] | a Kubernetes of one node |
//! | [`postgres`] | a PostgreSQL server |
//! | [`process`] | programs that run beside a test |
//! | [`raw`] | connections on which a test writes what no client would |
//! | [`script`] | servers that answer as a test says, byte for byte |
//! | [`wire`] | messages over HTTP, byte for byte |

pub mod conformance;
pub mod environment;
pub mod fixture;
pub mod gateway;
pub mod guide;
pub mod harness;
pub mod kube;
pub mod postgres;
pub mod process;
pub mod raw;
pub mod script;
pub mod wire;
