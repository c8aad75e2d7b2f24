//! MCP servers on Kubernetes.
