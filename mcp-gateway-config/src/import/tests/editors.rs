//! Files of editors and of their extensions.

use super::*;

#[test]
fn zed_has_entries_of_extensions_and_commands_as_maps() {
    let text = r#"{ "context_servers": {
  "github": { "source": "extension", "enabled": true, "settings": { "token": "x" } },
  "notion": { "command": { "path": "npx", "args": ["-y", "notion"], "env": { "A": "b" } }, "settings": {} },
  "local": { "source": "custom", "command": "uvx", "args": ["mcp-server-time"] }
} }"#;
    assert_eq!(
        described(text),
        [
            r#"notion: npx ["-y", "notion"] A="b""#,
            r#"local: uvx ["mcp-server-time"]"#
        ]
    );
    assert_eq!(
        problems(text),
        [
            "f:2:13: warning: context_servers.github: only the client itself can provide this server",
            "f:2:13: warning: context_servers.github: server \"github\" is not served",
        ]
    );
}

#[test]
fn editors_have_settings_of_several_forms() {
    let server = r#"{ "a": { "command": "a" } }"#;
    for text in [
        format!(r#"{{ "mcp.servers": {server} }}"#),
        format!(r#"{{ "mcp": {{ "servers": {server} }} }}"#),
        format!(r#"{{ "folders": [], "settings": {{ "mcp": {{ "servers": {server} }} }} }}"#),
    ] {
        assert_eq!(described(&text), ["a: a []"], "{text}");
    }
}

#[test]
fn continue_writes_lists_in_yaml() {
    let text = "
name: config
mcpServers:
  - name: docs
    command: uvx
    args: [docs, --key, '${{ secrets.example/TOKEN }}']
  - name: web
    type: streamable-http
    url: https://web.example.com/mcp
    apiKey: ${{ secrets.API_KEY }}
    requestOptions: { headers: { x-a: b } }
    connectionTimeout: 5000
";
    let path = "/home/alice/.continue/config.yaml";
    assert_eq!(
        described_at(path, text),
        [
            r#"docs: uvx ["docs", "--key", "t0k3n"]"#,
            "web: https://web.example.com/mcp None x-a: b authorization: Bearer t0k3n",
        ]
    );
    let (servers, _) = read_at(path, text).unwrap();
    let timeout = std::time::Duration::from_secs(5);
    assert_eq!(servers[1].connect_timeout, Some(timeout));
}

#[test]
fn cline_nests_the_transport_alone() {
    let text = r#"{ "mcpServers": { "a": {
        "transport": { "type": "stdio", "command": "a" }, "timeout": 1500, "disabledTools": ["x"], "metadata": {}
    } } }"#;
    let path = "/home/alice/.cline/data/settings/cline_mcp_settings.json";
    let (servers, warnings) = read_at(path, text).unwrap();
    assert!(warnings.is_empty(), "{warnings}");
    let timeout = std::time::Duration::from_secs(1500);
    assert_eq!(
        servers[0].limits.calls,
        Limits::default().with_timeout(timeout)
    );
    assert!(!servers[0].tools.allows("x"));
}

#[test]
fn continue_has_blocks_of_its_hub() {
    let text = "
mcpServers:
  - uses: example/docs-mcp
  - { command: a }
  - { name: b, command: b, faviconUrl: x }
";
    let path = "/home/alice/.continue/config.yaml";
    assert_eq!(described_at(path, text), ["server: a []", "b: b []"]);
    let lines = problems_at(path, text);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("a block of the hub"), "{lines:?}");
    assert!(
        lines[1].ends_with(r#"server "example/docs-mcp" is not served"#),
        "{lines:?}"
    );
    let old = r#"{ "experimental": { "modelContextProtocolServers": [
        { "transport": { "type": "stdio", "command": "a" } },
        { "transport": { "type": "sse", "url": "https://b.example.com/sse" } } ] } }"#;
    assert_eq!(
        described_at("/home/alice/.continue/config.json", old),
        [
            "server: a []",
            "server-2: https://b.example.com/sse Some(Sse)"
        ]
    );
}

#[test]
fn extensions_of_editors_have_settings_of_their_own() {
    for text in [
        r#"{ "amp.mcpServers": { "a": { "command": "a", "active": true }, "b": { "command": "b", "active": false } } }"#,
        r#"{ "augment.advanced": { "mcpServers": [{ "name": "a", "command": "a" }] } }"#,
    ] {
        assert_eq!(described(text), ["a: a []"], "{text}");
        assert!(problems(text).is_empty(), "{text}");
    }
}

#[test]
fn editors_have_more_places_and_references() {
    let server = r#"{ "a": { "command": "a", "args": ["${cwd}", "${workspaceFolder:project}", "${file:key.txt}"] } }"#;
    let container = format!(
        r#"{{ "customizations": {{ "vscode": {{ "extensions": ["x"], "mcp": {{ "servers": {server} }} }} }} }}"#
    );
    assert_eq!(
        described_at(
            "/project/.devcontainer/devcontainer.json",
            &container.replace(", \"${file:key.txt}\"", "")
        ),
        [r#"a: a ["/project", "/project"] in /project"#]
    );
    let workspace = format!(
        r#"{{ "extensions": {{ "recommendations": ["x"] }}, "settings": {{ "mcp": {{ "servers": {server} }} }} }}"#
    );
    assert_eq!(
        described_at("/project/p.code-workspace", &workspace),
        [r#"a: a ["/project", "/project", "k3y"]"#]
    );
    assert!(problems_at("/project/p.code-workspace", &workspace).is_empty());
}
