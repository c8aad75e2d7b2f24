//! Files of particular clients.

use super::*;

#[test]
fn gemini_writes_references_with_a_dollar_sign() {
    let text = r#"{ "mcpServers": { "a": {
        "httpUrl": "https://a.example.com/$API_KEY/mcp",
        "headers": { "Authorization": "Bearer $TOKEN", "x": "${TOKEN}$", "y": "$5 $UNKNOWN" },
        "timeout": 1500
    } } }"#;
    let path = "/project/gemini-extension.json";
    assert_eq!(
        described_at(path, text),
        [
            "a: https://a.example.com/t0k3n/mcp None authorization: Bearer t0k3n x: t0k3n$ y: $5 $UNKNOWN"
        ]
    );
    let lines = problems_at(path, text);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[1].ends_with("environment variable UNKNOWN is not set; $UNKNOWN is passed as it is")
    );
    let (servers, _) = read_at(path, text).unwrap();
    let timeout = std::time::Duration::from_millis(1500);
    assert_eq!(
        servers[0].limits.calls,
        Limits::default().with_timeout(timeout)
    );
    // Other clients send these words.
    assert!(described_at("/project/mcp.json", text)[0].contains("Bearer $TOKEN"));
}

#[test]
fn the_coding_agent_of_copilot_marks_its_variables() {
    let text = r#"{ "mcpServers": { "a": {
        "command": "a", "args": ["$COPILOT_MCP_KEY", "$TOKEN"], "tools": ["*"]
    } } }"#;
    assert_eq!(described(text), [r#"a: a ["t0k3n", "$TOKEN"]"#]);
    assert!(problems(text).is_empty());
}

#[test]
fn gemini_skips_servers_by_name() {
    let list = r#""mcpServers": { "a": { "command": "a" }, "b": { "command": "b" }, "c": { "command": "c" } }"#;
    let excluded = format!(r#"{{ "mcp": {{ "excluded": ["b"] }}, {list} }}"#);
    assert_eq!(described(&excluded), ["a: a []", "c: c []"]);
    let allowed = format!(r#"{{ "mcp": {{ "allowed": ["b", "c"], "excluded": ["c"] }}, {list} }}"#);
    assert_eq!(described(&allowed), ["b: b []"]);
    let old = format!(r#"{{ "allowMCPServers": ["a"], {list} }}"#);
    assert_eq!(described(&old), ["a: a []"]);
    let none = format!(r#"{{ "mcp": {{ "allowed": [] }}, {list} }}"#);
    assert!(described(&none).is_empty());
}

#[test]
fn programs_of_a_project_run_in_its_folder() {
    let text = r#"{ "servers": { "a": { "command": "python3", "args": ["build/index.py"] },
        "b": { "command": "b", "cwd": "sub" }, "c": { "command": "c", "cwd": "/srv" } } }"#;
    assert_eq!(
        described_at("/project/.vscode/mcp.json", text),
        [
            r#"a: python3 ["build/index.py"] in /project"#,
            "b: b [] in /project/sub",
            "c: c [] in /srv",
        ]
    );
    assert_eq!(
        described_at("/project/claude_desktop_config.json", text)[0],
        r#"a: python3 ["build/index.py"]"#
    );
    // The home directory is nobody's project.
    assert_eq!(
        described_at("/home/alice/.cursor/mcp.json", text)[0],
        r#"a: python3 ["build/index.py"]"#
    );
}

#[test]
fn a_file_may_be_the_map_of_servers_itself() {
    let text = r#"{ "firebase": { "command": "npx", "args": ["-y", "firebase-tools", "mcp"] } }"#;
    assert_eq!(
        described_at("/plugin/.mcp.json", text),
        [r#"firebase: npx ["-y", "firebase-tools", "mcp"] in /plugin"#]
    );
}

#[test]
fn claude_code_has_servers_of_projects() {
    let text = r#"{ "numStartups": 3,
        "mcpServers": { "a": { "command": "a" } },
        "projects": {
            "/srv/one": { "mcpServers": { "b": { "command": "b" }, "x": { "command": "x" } },
                "disabledMcpServers": ["x"] },
            "/srv/two": { "mcpServers": { "b": { "type": "http", "url": "https://b.example.com" } } },
            "/srv/three": { "history": [] } } }"#;
    assert_eq!(
        described_at("/home/alice/.claude.json", text),
        [
            "a: a []",
            "b: b [] in /srv/one",
            "b-2: https://b.example.com/ None",
        ]
    );
}

#[test]
fn headers_have_several_places() {
    let text = r#"{ "mcpServers": {
        "a": { "url": "https://a.example.com", "requestInit": { "headers": { "x-key": "${TOKEN}" } } },
        "b": { "transport": { "type": "streamableHttp", "url": "https://b.example.com", "headers": { "x-key": "b" } } },
        "c": { "transport": "sse", "url": "https://c.example.com/sse" }
    } }"#;
    assert_eq!(
        described(text),
        [
            "a: https://a.example.com/ None x-key: t0k3n",
            "b: https://b.example.com/ None x-key: b",
            "c: https://c.example.com/sse Some(Sse)",
        ]
    );
}

#[test]
fn codex_writes_toml() {
    let text = r#"
model = "gpt-5"

[mcp_servers.docs]
command = "npx"
args = ["-y", "docs"]
env_vars = ["TOKEN", "MISSING"]
startup_timeout_sec = 20
tool_timeout_sec = 45.5

[mcp_servers.docs.env]
LEVEL = "info"

[mcp_servers.figma]
url = "https://figma.example.com/mcp"
bearer_token_env_var = "TOKEN"
http_headers = { "X-Region" = "eu" }
env_http_headers = { "X-Key" = "API_KEY" }

[mcp_servers.off]
command = "off"
enabled = false

[mcp_servers.bad]
url = "https://bad.example.com/mcp"
bearer_token_env_var = "MISSING"
"#;
    let path = "/home/alice/.codex/config.toml";
    assert_eq!(
        described_at(path, text),
        [
            r#"docs: npx ["-y", "docs"] TOKEN="t0k3n" LEVEL="info""#,
            "figma: https://figma.example.com/mcp None x-region: eu x-key: t0k3n authorization: Bearer t0k3n",
        ]
    );
    let (servers, _) = read_at(path, text).unwrap();
    let seconds = std::time::Duration::from_secs_f64;
    assert_eq!(servers[0].connect_timeout, Some(seconds(20.0)));
    assert_eq!(
        servers[0].limits.calls,
        Limits::default().with_timeout(seconds(45.5))
    );
    let lines = problems_at(path, text);
    assert!(
        lines[0].starts_with("f:24:1: warning: mcp_servers.bad"),
        "{lines:?}"
    );
    assert!(
        lines[1].contains("environment variable MISSING is not set"),
        "{lines:?}"
    );
}

#[test]
fn opencode_has_commands_as_lists() {
    let text = r#"{ "$schema": "https://opencode.ai/config.json", "mcp": {
        "a": { "type": "local", "command": ["npx", "-y", "a"], "environment": { "K": "{env:TOKEN}" }, "timeout": 10000 },
        "b": { "type": "remote", "url": "https://b.example.com", "headers": { "x": "{file:key.txt} {env:NONE}{}" } },
        "c": { "type": "remote", "url": "https://c.example.com", "enabled": false }
    } }"#;
    assert_eq!(
        described_at("/project/opencode.json", text),
        [
            r#"a: npx ["-y", "a"] K="t0k3n" in /project"#,
            "b: https://b.example.com/ None x: k3y {}",
        ]
    );
}

#[test]
fn crush_has_entries_under_mcp() {
    let text = r#"{ "mcp": { "a": { "type": "stdio", "command": "a", "env": { "K": "$TOKEN" }, "timeout": 120 },
        "b": { "type": "http", "url": "https://b.example.com", "disabled": true } } }"#;
    assert_eq!(
        described_at("/project/crush.json", text),
        [r#"a: a [] K="t0k3n" in /project"#]
    );
}

#[test]
fn goose_has_extensions() {
    let text = "
GOOSE_MODEL: x
extensions:
  developer: { type: builtin, enabled: true, name: developer }
  docs:
    type: stdio
    enabled: true
    cmd: uvx
    args: [docs]
    envs: { LEVEL: info }
    env_keys: [TOKEN]
    timeout: 300
  web: { type: streamable_http, enabled: true, uri: 'https://web.example.com/mcp', headers: { x: y } }
  off: { type: stdio, enabled: false, cmd: off }
";
    let path = "/home/alice/.config/goose/config.yaml";
    assert_eq!(
        described_at(path, text),
        [
            r#"docs: uvx ["docs"] TOKEN="t0k3n" LEVEL="info""#,
            "web: https://web.example.com/mcp None x: y",
        ]
    );
    assert!(problems_at(path, text)[0].contains("only the client itself can provide this server"));
}

#[test]
fn goose_requires_the_variables_that_it_names() {
    let text = "
extensions:
  docs: { type: stdio, cmd: uvx, args: [docs], env_keys: [MISSING], timeout: 1200 }
  web: { type: streamable_http, uri: 'https://web.example.com', envs: { K: v }, headers: { x: '${K}' } }
";
    assert!(is_client_file(text));
    let path = "/srv/any-name.yaml";
    assert_eq!(
        described_at(path, text),
        [
            r#"docs: uvx ["docs"]"#,
            "web: https://web.example.com/ None x: v"
        ]
    );
    let (servers, warnings) = read_at(path, text).unwrap();
    assert!(
        warnings
            .to_string()
            .contains("environment variable MISSING is not set")
    );
    let timeout = std::time::Duration::from_secs(1200);
    assert_eq!(
        servers[0].limits.calls,
        Limits::default().with_timeout(timeout)
    );
}

#[test]
fn librechat_has_times_in_milliseconds() {
    let text = "
version: 1.2.1
mcpServers:
  files: { command: npx, args: [-y, files], timeout: 60000, initTimeout: 15000, chatMenu: false }
  web: { type: streamable-http, url: 'https://web.example.com/mcp', headers: { Authorization: 'Bearer ${TOKEN}' } }
";
    let path = "/srv/librechat.yaml";
    assert_eq!(
        described_at(path, text),
        [
            r#"files: npx ["-y", "files"]"#,
            "web: https://web.example.com/mcp None authorization: Bearer t0k3n",
        ]
    );
    let (servers, _) = read_at(path, text).unwrap();
    let seconds = std::time::Duration::from_secs;
    assert_eq!(servers[0].connect_timeout, Some(seconds(15)));
    assert_eq!(
        servers[0].limits.calls,
        Limits::default().with_timeout(seconds(60))
    );
}

#[test]
fn librechat_has_values_of_its_users() {
    let text = "
mcpServers:
  a: { type: http, url: 'https://a.example.com', headers: { x: '{{LIBRECHAT_USER_ID}}' } }
  b: { type: http, url: 'https://b.example.com', headers: { x: '{{TOKEN}}' }, customUserVars: { TOKEN: {} } }
";
    let path = "/srv/librechat.yaml";
    assert_eq!(
        described_at(path, text),
        ["b: https://b.example.com/ None x: t0k3n"]
    );
    let lines = problems_at(path, text);
    assert!(
        lines[0].ends_with(r#"server "a" is not served"#),
        "{lines:?}"
    );
    assert!(
        lines[1].contains("{{LIBRECHAT_USER_ID}} stands for"),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn gemini_prefers_the_url_of_http() {
    let text = r#"{ "mcpServers": { "a": {
        "command": "a", "url": "https://a.example.com/sse", "httpUrl": "https://a.example.com/mcp"
    } } }"#;
    assert_eq!(
        described_at("/home/alice/.gemini/settings.json", text),
        ["a: https://a.example.com/mcp None"]
    );
    assert!(problems(text)[0].contains("command and url are mutually exclusive"));
}

#[test]
fn opencode_hides_tools_by_the_names_that_the_model_sees() {
    let read = |tools: &str| {
        let text = format!(
            r#"{{ "$schema": "https://opencode.ai/config.json", {tools},
                "mcp": {{ "a-b": {{ "type": "local", "command": ["a"], "environment": {{ "K": "{{env:MISSING}}" }} }} }} }}"#
        );
        let (servers, warnings) = read_at("/srv/any-name.json", &text).unwrap();
        let expected = "environment variable MISSING is not set; the value is empty";
        assert!(warnings.to_string().contains(expected), "{warnings}");
        let tools = ["get", "set", "del"].into_iter();
        let shown = tools.filter(|tool| servers[0].tools.allows(tool));
        shown.collect::<Vec<_>>().join(" ")
    };
    let table = [
        (
            r#""tools": { "a-b_get": false, "other_set": false, "get": false }"#,
            "set del",
        ),
        (r#""tools": { "a-b_*et": false, "bash": true }"#, "del"),
        (r#""tools": { "a-b*": false }"#, ""),
        (r#""tools": { "*": false, "a-b_set": true }"#, "set"),
        (
            r#""permission": { "a-b_del": "deny", "a-b_get": "ask", "bash": { "*": "ask" } }"#,
            "get set",
        ),
    ];
    for (tools, shown) in table {
        assert_eq!(read(tools), shown, "{tools}");
    }
}

#[test]
fn crush_commands_are_not_run() {
    let text = r#"{ "mcp": {
        "a": { "type": "stdio", "command": "a", "env": { "K": "$(cat key.txt)" } },
        "b": { "type": "stdio", "command": "b", "env": { "K": "$MISSING" } },
        "c": { "type": "stdio", "command": "c", "env": { "K": "$(" } } } }"#;
    let path = "/srv/crush.json";
    assert_eq!(described_at(path, text), [r#"c: c [] K="$(" in /srv"#]);
    let text = problems_at(path, text).join("\n");
    assert!(
        text.contains("unsupported reference $(cat key.txt)"),
        "{text}"
    );
    assert!(
        text.contains("environment variable MISSING is not set"),
        "{text}"
    );
}

#[test]
fn extensions_of_claude_desktop_have_a_manifest() {
    let text = r#"{ "manifest_version": "0.2", "name": "files", "version": "1.0.0",
        "server": { "type": "node", "entry_point": "server.js", "mcp_config": {
            "command": "node", "args": ["${__dirname}/server.js", "${user_config.folder}"],
            "env": { "KEY": "${user_config.api_key}" } } },
        "user_config": { "api_key": { "type": "string", "required": true },
            "folder": { "type": "directory", "default": "/srv" } } }"#;
    assert_eq!(
        described_at("/srv/files/manifest.json", text),
        [r#"files: node ["/srv/files/server.js", "/srv"] KEY="t0k3n""#]
    );
}
