//! Keys of servers on Kubernetes that have mistakes.

/// Keys of servers, with the places and the messages of their only mistakes.
pub(super) const MISTAKES: &[(&str, &str, &str)] = &[
    ("command: a", "", "missing key \"image\""),
    (
        "image: a",
        "",
        "missing key \"command\": the bridge does not know",
    ),
    (
        "image: A, command: a",
        ".image",
        "\"A\" is not an image: expected a reference",
    ),
    ("image: a, command: []", ".command", "missing program name"),
    (
        "image: a, command: a, http: { port: 1 }, transport: bridge",
        ".transport",
        "transport and http are mutually exclusive",
    ),
    (
        "image: a, command: a, transport: exec",
        ".transport",
        "unknown value \"exec\"; available: bridge, attach",
    ),
    (
        "image: a, http: { port: 0 }",
        ".http.port",
        "\"0\" is not a port: expected a number from 1 to 65535",
    ),
    (
        "image: a, http: { port: 70000 }",
        ".http.port",
        "\"70000\" is not a port",
    ),
    (
        "image: a, http: { path: /mcp }",
        ".http",
        "missing key \"port\"",
    ),
    (
        "image: a, http: { port: 1, path: mcp }",
        ".http.path",
        "\"mcp\" is not a path: expected a path such as /mcp",
    ),
    (
        "image: a, command: a, protocol: sse",
        ".protocol",
        "unknown value \"sse\"",
    ),
    (
        "image: a, command: a, namespace: A_b",
        ".namespace",
        "\"A_b\" is not a namespace: expected lower-case letters",
    ),
    (
        "image: a, command: a, args: [\"${input:x}\"]",
        ".args[0]",
        "callers cannot supply values to pods",
    ),
    (
        "image: a, command: a, env: { A: { value: \"${input:x}\" } }",
        ".env.A",
        "callers cannot supply values to pods",
    ),
    (
        "image: a, command: a, env: { A: b }",
        ".env.A",
        "expected { value: TEXT }, { env: NAME }",
    ),
    (
        "image: a, command: a, env: { \"1A\": { value: b } }",
        ".env.1A",
        "not a valid variable name",
    ),
    (
        "image: a, command: a, env: { A: { value: a }, A: { value: b } }",
        ".env",
        "duplicate key \"A\"; first in line 2",
    ),
    (
        "image: a, command: a, env: { A: { secret: a } }",
        ".env.A",
        "missing key \"key\"",
    ),
    (
        "image: a, command: a, env: { A: { secret: a_b, key: a } }",
        ".env.A.secret",
        "\"a_b\" is not the name of an object",
    ),
    (
        "image: a, command: a, env: { A: { configMap: a, key: a/b } }",
        ".env.A.key",
        "\"a/b\" is not a key",
    ),
    (
        "image: a, command: a, env: { A: { configMap: a, secret: b, key: c } }",
        ".env.A",
        "only one of these is allowed: secret, configMap",
    ),
    (
        "image: a, command: a, files: [{ path: etc, secret: a }]",
        ".files[0].path",
        "\"etc\" is not a folder: expected an absolute path",
    ),
    (
        "image: a, command: a, files: [{ path: /a }]",
        ".files[0]",
        "missing one of: secret, configMap",
    ),
    (
        "image: a, command: a, files: [{ path: /a, secret: a }, { path: /a/, configMap: a }]",
        ".files[1]",
        "duplicate path \"/a\"",
    ),
    (
        "image: a, command: a, pullPolicy: always",
        ".pullPolicy",
        "unknown value \"always\"; did you mean \"Always\"?",
    ),
    (
        "image: a, command: a, pullSecrets: [A]",
        ".pullSecrets[0]",
        "\"A\" is not the name of an object",
    ),
    (
        "image: a, command: a, serviceAccount: A",
        ".serviceAccount",
        "\"A\" is not the name of a service account",
    ),
    (
        "image: a, command: a, resources: { limits: { memory: 1GB } }",
        ".resources.limits.memory",
        "\"1GB\" is not a quantity: expected a form such as",
    ),
    (
        "image: a, command: a, resources: { limits: { mem: 1Gi } }",
        ".resources.limits.mem",
        "unknown resource \"mem\"; available: cpu, memory, ephemeral-storage",
    ),
    (
        "image: a, command: a, resources: { requests: { cpu: 2 }, limits: { cpu: 1500m } }",
        ".resources.requests.cpu",
        "must be at most the limit, 1500m",
    ),
    (
        "image: a, command: a, resources: { limit: {} }",
        ".resources",
        "unknown key \"limit\"",
    ),
    (
        "image: a, command: a, labels: { app.kubernetes.io/name: a }",
        ".labels.app.kubernetes.io/name",
        "the gateway sets keys with this prefix itself",
    ),
    (
        "image: a, command: a, labels: { a b: c }",
        ".labels.a b",
        "not a valid key",
    ),
    (
        "image: a, command: a, labels: { a: b c }",
        ".labels.a",
        "\"b c\" is not the value of a label",
    ),
    (
        "image: a, command: a, annotations: { mcp-gateway.dev/x: b }",
        ".annotations.mcp-gateway.dev/x",
        "the gateway sets keys with this prefix itself",
    ),
    (
        "image: a, command: a, nodeSelector: { a: -b }",
        ".nodeSelector.a",
        "\"-b\" is not the value of a label",
    ),
    (
        "image: a, command: a, tolerations: [{ ky: a }]",
        ".tolerations[0].ky",
        "unknown key \"ky\"; did you mean \"key\"?",
    ),
    (
        "image: a, command: a, tolerations: [{ value: true }]",
        ".tolerations[0].value",
        "expected text, in quotes",
    ),
    (
        "image: a, command: a, securityContext: { runAsNonRot: true }",
        ".securityContext.runAsNonRot",
        "unknown key \"runAsNonRot\"; did you mean",
    ),
    (
        "image: a, command: a, securityContext: { runAsUser: root }",
        ".securityContext.runAsUser",
        "expected a whole number",
    ),
    (
        "image: a, command: a, affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{}] } }",
        ".affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]",
        "missing key \"topologyKey\"",
    ),
    (
        "image: a, command: a, probes: { readiness: { httpGet: { path: / } } }",
        ".probes.readiness.httpGet",
        "missing key \"port\"",
    ),
    (
        "image: a, command: a, probes: { ready: {} }",
        ".probes",
        "unknown key \"ready\"",
    ),
    (
        "image: a, command: a, egress: all",
        ".egress",
        "unknown value \"all\"; available: deny, internet",
    ),
    (
        "image: a, command: a, egress: []",
        ".egress",
        "at least one block is required; use deny for none",
    ),
    (
        "image: a, command: a, egress: [{ cidr: 10.0.0.1/8 }]",
        ".egress[0].cidr",
        "\"10.0.0.1/8\" is not a block of addresses: expected 10.0.0.0/8",
    ),
    (
        "image: a, command: a, egress: [{ cidr: 169.254.169.254/32 }]",
        ".egress[0].cidr",
        "\"169.254.169.254/32\" is not a block of addresses: no server may reach 169.254.0.0/16",
    ),
    (
        "image: a, command: a, egress: [{ cidr: example.com }]",
        ".egress[0].cidr",
        "\"example.com\" is not a block of addresses",
    ),
    (
        "image: a, command: a, egress: [{ cidr: 10.0.0.0/8, ports: [http] }]",
        ".egress[0].ports[0]",
        "\"http\" is not a port",
    ),
    (
        "image: a, command: a, sleep: 10",
        ".sleep",
        "\"10\" is not a duration",
    ),
    (
        "image: a, command: a, patch: { spec: { replicas: 3 } }",
        ".patch.spec.replicas",
        "unknown key \"replicas\"",
    ),
    (
        "image: a, command: a, replicas: 3",
        "",
        "unknown key \"replicas\"",
    ),
];
