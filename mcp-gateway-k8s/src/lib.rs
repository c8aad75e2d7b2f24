//! MCP servers of a gateway on Kubernetes.
//!
//! The data plane, `mcp-gateway-core`, asks a `RuntimeBackend` to make a server reachable, and does
//! not care where the server runs. This crate will be the backend for clusters: it will run
//! self-hosted servers as Deployments, start, scale, wake and delete them, reach them by Service or
//! by attaching to their container, and keep them apart with network policies. It knows the
//! Kubernetes API, and nothing of MCP beyond that trait, or of who calls.
//!
//! There is nothing in it yet: the program `mcp-gateway` runs in a cluster like any other, and
//! reaches servers there over HTTP.

#![cfg_attr(docsrs, feature(doc_cfg))]
