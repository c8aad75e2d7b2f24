//! Servers of the MCP registry.

use super::*;

#[test]
fn servers_of_the_registry_run_their_packages() {
    let text = r#"{ "name": "io.github.example/weather", "description": "x", "version": "1.2.0",
        "packages": [
            { "registryType": "mcpb", "identifier": "https://example.com/a.mcpb", "transport": { "type": "stdio" } },
            { "registryType": "npm", "identifier": "@example/weather", "version": "1.2.0",
              "transport": { "type": "stdio" },
              "runtimeArguments": [{ "type": "named", "name": "--silent", "value": "" }],
              "packageArguments": ["serve", { "type": "named", "name": "--unit", "default": "c" },
                  { "type": "positional", "valueHint": "missing" }, { "type": "positional", "value": "{TOKEN}" }],
              "environmentVariables": [{ "name": "API_KEY", "isRequired": true, "isSecret": true },
                  { "name": "OPTIONAL" }, { "name": "REGION", "default": "eu" }] } ] }"#;
    assert_eq!(
        described_at("/srv/server.json", text),
        [
            r#"io.github.example-weather: npx ["-y", "--silent", "@example/weather@1.2.0", "serve", "--unit", "c", "t0k3n"] API_KEY="t0k3n" REGION="eu""#
        ]
    );
    let old = r#"{ "name": "a/b", "packages": [{ "registry_type": "pypi", "identifier": "b", "version": "2",
        "environment_variables": [{ "name": "MISSING", "is_required": true }] }] }"#;
    let lines = problems_at("/srv/server.json", old);
    assert!(
        lines[0].contains("environment variable MISSING is not set"),
        "{lines:?}"
    );
}

#[test]
fn responses_of_the_registry_have_one_or_several_servers() {
    let remote = |name: &str, url: &str| {
        format!(
            r#"{{ "server": {{ "name": "com.example/{name}", "remotes": [{{ "type": "sse", "url": "{url}" }}] }}, "_meta": {{}} }}"#
        )
    };
    let one = remote("a", "https://a.example.com");
    assert_eq!(
        described(&one),
        ["com.example-a: https://a.example.com/ None"]
    );
    let invalid = remote("b", "ftp://b.example.com");
    let several = format!(r#"{{ "servers": [{one}, {invalid}], "metadata": {{ "count": 2 }} }}"#);
    assert_eq!(
        described(&several),
        ["com.example-a: https://a.example.com/ None"]
    );
    let text = problems(&several).join("\n");
    assert!(
        text.contains(r#"server "com.example/b" is not served"#),
        "{text}"
    );
    assert!(
        text.contains("must begin with http:// or https://"),
        "{text}"
    );
}

#[test]
fn servers_of_the_registry_have_endpoints() {
    let text = r#"{ "name": "com.example/api",
        "packages": [{ "registryType": "npm", "identifier": "x", "transport": { "type": "streamable-http", "url": "http://localhost:8080" } }],
        "remotes": [{ "type": "streamable-http", "url": "https://{tenant}.example.com/mcp",
            "variables": { "tenant": { "default": "eu" } },
            "headers": [{ "name": "Authorization", "value": "Bearer {TOKEN}", "isSecret": true },
                { "name": "X-Optional" }] }] }"#;
    assert_eq!(
        described_at("/srv/server.json", text),
        ["com.example-api: https://eu.example.com/mcp None authorization: Bearer t0k3n"]
    );
}
