//! Who may call an MCP gateway.
