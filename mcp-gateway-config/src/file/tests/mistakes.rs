//! Mistakes, and their messages.

use super::*;

#[test]
fn one_mistake_has_one_message() {
    for (text, expected) in MISTAKES {
        let lines = problems(text);
        assert!(
            lines.iter().any(|line| line == expected),
            "{text}\n{lines:#?}"
        );
    }
}

/// Without a value, each of these keys would have a default that is wider than it seems.
#[test]
fn category_empty_value_is_rejected() {
    for (text, path) in [
        (
            "servers: [{ name: a, builtin: demo, tools: }]",
            "servers[0].tools",
        ),
        (
            "servers: [{ name: a, builtin: demo, tools: { allow: } }]",
            "servers[0].tools.allow",
        ),
        (
            "servers: [{ name: a, builtin: demo, tools: { deny: null } }]",
            "servers[0].tools.deny",
        ),
        (
            "servers: [{ name: a, builtin: demo, tools: { rename: ~ } }]",
            "servers[0].tools.rename",
        ),
        (
            "servers: [{ name: a, remote: { url: http://a }, roots: }]",
            "servers[0].roots",
        ),
        ("gateways: [{ name: a, servers: }]", "gateways[0].servers"),
        (
            "policy: { rules: [{ name: a, effect: approve, approvers: }] }",
            "policy.rules[0].approvers",
        ),
        ("gateways: [{ name: a, teams: }]", "gateways[0].teams"),
        (
            "auth: { issuers: [{ issuer: https://a.example, audience: }] }",
            "auth.issuers[0].audience",
        ),
        (
            "auth: { issuers: [{ issuer: https://a.example, requiredScopes: }] }",
            "auth.issuers[0].requiredScopes",
        ),
        (
            "auth: { oauth: { clients: [{ id: a, scopes: }] } }",
            "auth.oauth.clients[0].scopes",
        ),
        ("origins:", "origins"),
        ("servers: [{ name: }]", "servers[0].name"),
    ] {
        let expected =
            format!("{path}: missing value; use [] for an empty list, or remove the key");
        let lines = problems(text);
        assert!(
            lines.iter().any(|line| line.ends_with(&expected)),
            "{text}\n{lines:#?}"
        );
    }
}

/// Texts, and what is said of them.
const MISTAKES: &[(&str, &str)] = &[
    (
        "servers: [{ name: a, process: { command: a }, roots: on }]",
        "1:54: servers[0].roots: on is for remote servers only; list the allowed directories",
    ),
    (
        "servers: [{ name: a, process: { command: a }, roots: [/srv, files] }]",
        "1:61: servers[0].roots[1]: \"files\" is not a directory: expected an absolute path",
    ),
    (
        "servers: [{ name: a, process: { command: a }, roots: [] }]",
        "1:54: servers[0].roots: at least one directory is required; use off for no roots",
    ),
    (
        "servers: [{ name: a, process: { command: a }, roots: /srv }]",
        "1:54: servers[0].roots: unknown value \"/srv\"; available: off, on",
    ),
    ("", "1:1: the file is empty"),
    ("[]", "1:1: expected a map, not a list"),
    (
        "x: 1",
        "1:1: unknown key \"x\"; available: listen, publicUrl, hosts, origins, replicaUrl, servers, gateways, defaultGateway, auth, limits, sessionKey, store, audit, kubernetes, metrics, log, traces, shutdownTimeout, policy, registry, pins, search",
    ),
    (
        "auth: { oauth: { clients: [{ id: a, jwks: { env: A } }] } }",
        "1:43: auth.oauth.clients[0].jwks: expected a JSON Web Key Set with a public key",
    ),
    (
        "auth: { oauth: { clients: [{ id: a }] } }",
        "1:28: auth.oauth.clients[0]: the grant type client_credentials requires secret, jwks or jwksUrl",
    ),
    (
        "auth: { forward: [{ name: default, url: https://a.example }] }",
        "1:7: auth: \"default\" is already the name of another resource",
    ),
    (
        "auth: { forward: [{ name: a, url: https://a.example/?x }] }",
        "1:35: auth.forward[0].url: \"https://a.example/?x\" is not the URL of a server: must not have a query or fragment",
    ),
    (
        "replicaUrl: http://10.0.0.7:8080",
        "1:1: replicaUrl requires a sessionKey, common to all replicas",
    ),
    (
        "replicaUrl: http://10.0.0.7:8080/x",
        "1:13: replicaUrl: \"http://10.0.0.7:8080/x\" is not the URL of a replica: expected a URL without a path, such as http://10.0.0.7:8080",
    ),
    (
        "replicaUrl: { value: 10.0.0.7 }",
        "1:13: replicaUrl: must begin with http:// or https://; expected a URL such as https://mcp.example.com/mcp",
    ),
    (
        "listen: 127.0.0.1:80\nlisten: 127.0.0.1:80",
        "2:1: duplicate key \"listen\"; first in line 1",
    ),
    (
        "gateways: []",
        "1:11: gateways: at least one gateway is required; omit the key for one over all servers",
    ),
    (
        "gateways: [{ name: sse }]",
        "1:20: gateways[0].name: \"sse\" is not the name of a gateway: reserved for the default gateway",
    ),
    (
        "limits: { workers: 1000000000 }",
        "1:20: limits.workers: must be at most 1024",
    ),
    (
        "defaultGateway: x",
        "1:17: defaultGateway: unknown gateway \"x\"; available: default",
    ),
    (
        "servers: [{ name: a__b, builtin: demo }]",
        "1:19: servers[0].name: the name is not a valid prefix; set prefix: \"a__b\" cannot be a prefix: use letters, digits, '-', '.' and single '_', neither beginning nor ending with '_', up to 32 characters",
    ),
    (
        "servers: [{ name: a, builtin: demo, prefix: '' }, { name: b, builtin: demo, prefix: '' }]",
        "1:10: servers: \"b\" cannot have the prefix \"\", which \"a\" has",
    ),
    (
        "servers: [{ name: a }]",
        "1:11: servers[0]: missing one of: builtin, process, remote, kubernetes",
    ),
    (
        "servers: [{ name: a, builtin: demo, remote: { url: http://a } }]",
        "1:11: servers[0]: only one of these is allowed: builtin, process, remote, kubernetes",
    ),
    (
        "servers: [{ name: a, process: { command: npx -y x } }]",
        "1:42: warning: servers[0].process.command: the program name contains spaces; arguments belong in args",
    ),
    (
        "servers: [{ name: a, remote: { url: http://a, headers: { host: { value: x } } } }]",
        "1:64: servers[0].remote.headers.host: the header belongs to the connection or the protocol",
    ),
    (
        "servers: [{ name: a, remote: { url: http://a, headers: { Authorization: { value: x } } } }]",
        "1:75: servers[0].remote.headers.Authorization: unknown key \"value\"; available: env, file",
    ),
    (
        "servers: [{ name: a, remote: { url: https://a, auth: { oauth: {} } } }]",
        "1:11: servers[0]: auth.oauth requires users who log in; add auth.login",
    ),
    (
        "servers: [{ name: a, remote: { url: http://a, auth: { oauth: {} } } }]",
        "1:53: servers[0].remote.auth: auth requires a url with https: tokens would be readable in transit",
    ),
    (
        "servers: [{ name: a, remote: { url: https://a, bearer: { env: X }, auth: { oauth: {} } } }]",
        "1:74: servers[0].remote.auth: auth and a configured authorization are mutually exclusive",
    ),
    (
        "servers: [{ name: a, remote: { url: https://a, auth: { oauth: { clientSecret: { env: X } } } } }]",
        "1:63: servers[0].remote.auth.oauth: clientSecret requires clientId",
    ),
    (
        "servers: [{ name: a, remote: { url: https://a, auth: { clientCredentials: { clientId: a } } } }]",
        "1:75: servers[0].remote.auth.clientCredentials: missing one of: assertion, assertionFile, clientSecret, privateKey",
    ),
    (
        "servers: [{ name: a, remote: { url: https://a, auth: { clientCredentials: { clientId: a, clientSecret: { env: X }, keyId: k } } } }]",
        "1:75: servers[0].remote.auth.clientCredentials: keyId and audience require privateKey",
    ),
    (
        "servers: [{ name: a, remote: { url: https://a, auth: { clientCredentials: { clientId: a, privateKey: { env: X }, authMethod: client_secret_post } } } }]",
        "1:75: servers[0].remote.auth.clientCredentials: authMethod requires clientSecret",
    ),
    (
        "servers: [{ name: a, remote: { url: https://a, auth: { oauth: {}, clientCredentials: {} } } }]",
        "1:54: servers[0].remote.auth: only one of these is allowed, except for oauth with tokenExchange: clientCredentials, forward, oauth, tokenExchange",
    ),
    (
        "servers: [{ name: a, remote: { url: https://a, auth: { forward: { audiences: [https://a] } } } }]",
        "1:11: servers[0]: auth.forward requires callers with tokens of auth.issuers",
    ),
    (
        "auth: { issuers: [{ issuer: https://i }] }\nservers: [{ name: a, remote: { url: https://a, auth: { forward: { audiences: [https://a], issuers: [https://j] } } } }]",
        "2:11: servers[0]: auth.forward: https://j is not one of auth.issuers",
    ),
    (
        "servers: [{ name: a, remote: { url: https://a, auth: { forward: { audiences: [] } } } }]",
        "1:65: servers[0].remote.auth.forward: at least one audience of the server is required",
    ),
    (
        "servers: [{ name: a, remote: { url: http://a.example, auth: { forward: { audiences: [https://a] } } } }]",
        "1:61: servers[0].remote.auth: auth requires a url with https: tokens would be readable in transit",
    ),
    (
        "servers: [{ name: a, remote: { url: https://a, auth: { clientCredentials: { clientId: a, clientSecret: { env: X }, grant: jwt-bearer } } } }]",
        "1:75: servers[0].remote.auth.clientCredentials: grant: jwt-bearer requires assertion or assertionFile",
    ),
    (
        "servers: [{ name: a, remote: { url: https://a, auth: {} } }]",
        "1:54: servers[0].remote.auth: missing one of: clientCredentials, forward, oauth, tokenExchange",
    ),
    (
        "servers: [{ name: a, remote: { url: https://a, auth: { tokenExchange: { issuer: https://i, client: { clientId: a, assertionFile: /t }, profile: identityAssertion } } } }]",
        "1:71: servers[0].remote.auth.tokenExchange: profile: identityAssertion requires serverClient",
    ),
    (
        "servers: [{ name: a, remote: { url: https://a, auth: { tokenExchange: { issuer: https://i, client: { clientId: a, assertionFile: /t }, profile: onBehalfOf } } } }]",
        "1:71: servers[0].remote.auth.tokenExchange: profile: onBehalfOf requires scopes",
    ),
    (
        "servers: [{ name: callback, remote: { url: https://a, auth: { oauth: {} } } }]",
        "1:11: servers[0]: the name \"callback\" is reserved for servers with auth",
    ),
    (
        "servers: [{ name: a, remote: { url: https://a, bearer: { value: '${input:token}' } } }]",
        "1:11: servers[0]: unknown input \"token\"; define it in inputs of the server",
    ),
    (
        "servers: [{ name: a, inputs: [{ name: token }], remote: { url: https://a, bearer: { value: '${input:tokn}' } } }]",
        "1:30: servers[0].inputs: unknown input \"tokn\"; did you mean \"token\"?",
    ),
    (
        "servers: [{ name: a, inputs: [{ name: token }], remote: { url: http://a, bearer: { value: '${input:token}' } } }]",
        "1:57: servers[0].remote: an input requires a url with https: tokens would be readable in transit",
    ),
    (
        "servers: [{ name: a, inputs: [{ name: token }], remote: { url: https://a } }]",
        "1:11: servers[0]: inputs requires users who log in; add auth.login",
    ),
    (
        "servers: [{ name: a, inputs: [{ name: t }, { name: t }], remote: { url: https://a } }]",
        "1:30: servers[0].inputs: duplicate input \"t\"",
    ),
    (
        "servers: [{ name: a, inputs: [{ name: t, default: x }], remote: { url: https://a } }]",
        "1:51: servers[0].inputs[0].default: a secret has none; set secret: false for a value that everybody may know",
    ),
    (
        "servers: [{ name: a, inputs: [{ name: t }], remote: { url: https://a, auth: { oauth: {} } } }]",
        "1:30: servers[0].inputs: inputs and remote.auth are mutually exclusive",
    ),
    (
        "servers: [{ name: a, process: { command: a, args: ['--key=${input:key}'] } }]",
        "1:11: servers[0]: unknown input \"key\"; define it in inputs of the server",
    ),
    (
        "servers: [{ name: a, inputs: [{ name: key }], process: { command: a, args: ['${input:key}'] } }]",
        "1:76: warning: servers[0].process.args: other users of the machine can see secrets in arguments; use env",
    ),
    (
        "servers: [{ name: a, inputs: [{ name: key }], process: { command: a, cleanup: [b, '${input:key}'] } }]",
        "1:79: servers[0].process.cleanup: inputs have no values here, because it may run after a restart",
    ),
    (
        "servers: [{ name: a, inputs: [{ name: key }], process: { command: a }, sessions: shared }]",
        "1:30: servers[0].inputs: sessions: shared shares the process, and so the values",
    ),
    (
        "servers: [{ name: a, inputs: [{ name: key }], builtin: demo }]",
        "1:30: servers[0].inputs: inputs are for remote servers and programs",
    ),
    (
        "auth: { anonymous: 'true' }",
        "1:20: auth.anonymous: expected true or false without quotes",
    ),
    (
        "auth: { tokens: [{ name: a, token: hunter2 }] }",
        "1:36: auth.tokens[0].token: secrets must not be in this file; expected { env: NAME } or { file: PATH }",
    ),
    (
        "auth: { tokens: [{ name: a, token: { env: A } }, { name: b, token: { env: A } }] }",
        "1:17: auth.tokens: duplicate token of \"b\"",
    ),
    (
        "sessionKey: { env: A }",
        "1:13: sessionKey: the key must have 32 bytes; generate one with: openssl rand -base64 32",
    ),
    (
        "log: { level: loud }",
        "1:15: log.level: \"loud\" is not a level: expected one of: trace, debug, info, warn, error, off",
    ),
    (
        "limits: { sessions: { idle: 2d } }",
        "1:21: limits.sessions: idle must not exceed lifetime",
    ),
    (
        "auth: { login: { oidc: [{ name: a, issuer: https://a.example, clientId: a, allowedGroups: [] }] } }",
        "1:91: auth.login.oidc[0].allowedGroups: an empty list would allow everybody; remove the key to do so",
    ),
    (
        "servers: [{ name: .., builtin: demo }]",
        "1:19: servers[0].name: \"..\" is not the name of a server: expected more than dots",
    ),
    (
        "servers: [{ name: callback, remote: { url: https://a/mcp, auth: { oauth: {} } } }]",
        "1:19: servers[0].name: reserved for the pages on which accounts are connected",
    ),
    (
        "servers: [{ name: a, builtin: demo, tools: { rename: { \"get_*\": x } } }]",
        "1:65: servers[0].tools.rename.get_*: expected the name of one tool, without *",
    ),
    (
        "servers: [{ name: a, builtin: demo, tools: { rename: { \"\": x } } }]",
        "1:60: servers[0].tools.rename.: \"\" is not the name of a tool: expected printable characters, up to 2048 bytes",
    ),
    (
        "servers: [{ name: a, builtin: demo, tools: { rename: { b: x y } } }]",
        "1:59: servers[0].tools.rename.b: \"x y\" is not an alias: expected letters, digits, '-', '_' and '.', up to 64 characters",
    ),
    (
        "servers: [{ name: a, builtin: demo, tools: { rename: { b: x, c: x } } }]",
        "1:65: servers[0].tools.rename.c: duplicate alias \"x\"",
    ),
    (
        "servers: [{ name: a, builtin: demo, tools: { deny: [b], rename: { b: x } } }]",
        "1:70: warning: servers[0].tools.rename.b: the alias has no effect, because the tool is not offered",
    ),
    (
        "servers: [{ name: a, builtin: demo, tools: { allow: [\"\"] } }]",
        "1:54: servers[0].tools.allow[0]: \"\" is not the name of a tool: expected printable characters, up to 2048 bytes",
    ),
];

#[test]
fn an_approval_has_approvers_and_bounded_times() {
    let rule = |keys: &str| {
        let text = format!("policy: {{ rules: [{{ name: a, {keys} }}] }}");
        problems(&text).join("\n")
    };
    for (keys, expected) in [
        ("effect: approve, approvers: {}", "name a role or a team"),
        (
            "effect: approve, approvers: { users: [ada] }",
            "unknown key \"users\"",
        ),
        ("effect: approve, timeout: 0s", "must be positive"),
        ("effect: approve, validFor: 8d", "must be between 1s and 7d"),
        (
            "effect: deny, timeout: 1h",
            "only a rule with effect: approve has timeout",
        ),
        (
            "effect: allow, reason: x",
            "only a rule with effect: deny or approve has a reason",
        ),
    ] {
        let problems = rule(keys);
        assert!(problems.contains(expected), "{keys}: {problems}");
    }
    let keys = "effect: approve, approvers: { teams: [a] }, timeout: 1h, validFor: 7d, reason: x";
    assert_eq!(rule(keys), "");
}
