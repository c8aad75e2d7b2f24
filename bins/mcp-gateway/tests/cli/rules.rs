//! Rules in the store.

use mcp_gateway_tests::postgres::Postgres;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::api::{api, change};
use crate::harness::{Done, Folder, Gateway, eventually, run_with_env};

const ADMIN: &str = "the-token-of-the-admin-is-this";
const BOB: &str = "the-token-of-bob-is-this";
const KEY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

const RULES: &str = "
policy:
  rules:
    - { name: greeting, effect: allow, tools: [greet, current_time] }
";

/// Starts a gateway with an administrator and a member of a team; `store` is YAML.
async fn serve(folder: &Folder, store: &str, database: &str) -> Gateway {
    let config = format!(
        "store: {store}\nsessionKey: {{ env: KEY }}\naudit: {{}}\nservers: [{{ name: demo, builtin: demo }}]\n\
         auth:\n  tokens:\n\
         \x20   - {{ name: root, token: {{ env: MCP_GATEWAY_TOKEN }}, admin: true }}\n\
         \x20   - {{ name: bob, token: {{ env: BOB }}, teams: [ops] }}\n{RULES}"
    );
    let config = folder.write("gateway.yaml", &config);
    let env = [
        ("MCP_GATEWAY_TOKEN", ADMIN),
        ("BOB", BOB),
        ("DATABASE", database),
        ("KEY", KEY),
    ];
    Gateway::serve_with(&config, &env).await
}

async fn serve_sqlite(folder: &Folder) -> Gateway {
    let store = format!("{{ sqlite: {} }}", folder.path("gateway.db"));
    serve(folder, &store, "").await
}

/// Adds the rule of `entry`.
async fn add(gateway: &Gateway, entry: Value) -> Value {
    let added = api(gateway, "POST", "/policy/rules", entry).await;
    assert_eq!(added.status, 201, "{}", added.body);
    added.body
}

/// Returns the names of the rules in their order.
async fn names(gateway: &Gateway) -> Vec<String> {
    let rules = api(gateway, "GET", "/policy/rules?limit=500", Value::Null).await;
    let rules = rules.body["items"].as_array().unwrap().clone();
    let name = |rule: Value| rule["name"].as_str().unwrap().to_owned();
    rules.into_iter().map(name).collect()
}

async fn has_tool(gateway: &Gateway, tool: &str) -> bool {
    let wire = gateway.wire_with(Some(BOB));
    let reply = wire.request("tools/list", json!({})).await.unwrap();
    let answer = reply.answer();
    let tools = answer["result"]["tools"].as_array().unwrap();
    tools.iter().any(|listed| listed["name"] == tool)
}

/// Returns `true` if bob may call `tool`.
async fn permits(gateway: &Gateway, tool: &str, arguments: Value) -> bool {
    let wire = gateway.wire_with(Some(BOB));
    let answer = wire.call(tool, arguments).await.unwrap().answer();
    answer["result"].is_object() && answer["result"]["isError"] != true
}

#[tokio::test]
async fn a_rule_of_the_store_is_in_force_without_a_restart() {
    let folder = Folder::new();
    let gateway = serve_sqlite(&folder).await;
    let session = gateway.initialize().await;
    let entry = json!({ "name": "no echo", "effect": "deny", "tools": ["echo"] });
    let adding = async {
        let added = add(&gateway, entry.clone()).await;
        let expected = json!({
            "name": "no echo", "position": 2, "source": "store",
            "effect": "deny", "dryRun": false, "entry": entry,
        });
        assert_eq!(added, expected);
    };
    gateway
        .hears(&session, "notifications/tools/list_changed", adding)
        .await;
    assert!(
        !gateway
            .tools_in(&session)
            .await
            .contains(&"demo__echo".to_owned())
    );
    assert!(!permits(&gateway, "demo__echo", json!({ "text": "x" })).await);
    let taken = api(&gateway, "POST", "/policy/rules", entry.clone()).await;
    assert_eq!(taken.status, 409);

    // The operator of the file decides first.
    add(&gateway, json!({ "name": "nothing", "effect": "deny" })).await;
    assert!(permits(&gateway, "demo__current_time", json!({})).await);
    assert_eq!(names(&gateway).await, ["greeting", "no echo", "nothing"]);
    for (method, body) in [("PUT", deny("greeting")), ("DELETE", Value::Null)] {
        let fixed = change(&gateway, method, "/policy/rules/greeting", "*", body).await;
        assert_eq!(fixed.status, 409, "{}", fixed.body);
    }
}

#[tokio::test]
async fn a_rule_of_the_store_is_replaced_by_its_version() {
    let folder = Folder::new();
    let gateway = serve_sqlite(&folder).await;
    let entry = json!({ "name": "no echo", "effect": "deny", "tools": ["echo"] });
    add(&gateway, entry.clone()).await;
    let path = "/policy/rules/no%20echo";
    let shown = api(&gateway, "GET", path, Value::Null).await;
    let mut entry = entry;
    entry["when"] = "arguments.text == 'secret'".into();
    assert_eq!(api(&gateway, "PUT", path, entry.clone()).await.status, 428);
    assert_eq!(
        change(&gateway, "PUT", path, "\"0\"", entry.clone())
            .await
            .status,
        412
    );
    let replaced = change(&gateway, "PUT", path, shown.tag(), entry).await;
    assert_eq!(replaced.status, 200, "{}", replaced.body);
    assert!(permits(&gateway, "demo__echo", json!({ "text": "x" })).await);
    assert!(!permits(&gateway, "demo__echo", json!({ "text": "secret" })).await);

    let deleted = api(&gateway, "DELETE", path, Value::Null).await;
    assert_eq!(deleted.status, 204);
    assert!(permits(&gateway, "demo__echo", json!({ "text": "secret" })).await);

    // Records are appended in the background.
    eventually(async || {
        let records = api(&gateway, "GET", "/audit?limit=100", Value::Null).await;
        let records = records.body.to_string();
        let expected = [
            "rule.create",
            "rule.replace",
            "rule.delete",
            "rule/no echo",
            "before: sha256:",
        ];
        expected.iter().all(|expected| records.contains(expected))
    })
    .await;
}

fn deny(name: &str) -> Value {
    json!({ "name": name, "effect": "deny" })
}

#[tokio::test]
async fn rules_are_validated_as_those_of_the_file() {
    let folder = Folder::new();
    let gateway = serve_sqlite(&folder).await;
    for (entry, paths) in [
        (
            json!({ "name": "a", "effect": "no", "tool": [] }),
            json!(["", "effect"]),
        ),
        (
            json!({ "name": "a", "effect": "deny", "when": "caller.team == 'x'" }),
            json!(["when"]),
        ),
        (json!({ "name": 5, "effect": "deny" }), json!(["name"])),
        (
            json!({ "name": "a", "effect": "deny", "tools": [1, "a"] }),
            json!(["tools[0]"]),
        ),
        (
            json!({ "name": "a", "effect": "allow", "reason": "x" }),
            json!(["reason"]),
        ),
        (json!({ "name": " a", "effect": "allow" }), json!(["name"])),
        (json!({ "effect": "allow" }), json!(["name"])),
    ] {
        let added = api(&gateway, "POST", "/policy/rules", entry.clone()).await;
        assert_eq!(added.status, 422, "{entry} {}", added.body);
        let errors = added.body["errors"].as_array().unwrap();
        let mut found: Vec<_> = errors.iter().map(|error| error["path"].clone()).collect();
        found.sort_by_key(Value::to_string);
        assert_eq!(Value::from(found), paths, "{entry} {}", added.body);
    }
    let added = api(&gateway, "POST", "/policy/rules?before=none", deny("a")).await;
    assert_eq!(
        (added.status, &added.body["errors"][0]["path"]),
        (422, &json!("before"))
    );
    assert_eq!(names(&gateway).await, ["greeting"]);
}

/// Runs a command with the token of the administrator.
async fn command(gateway: &Gateway, args: &[&str]) -> Done {
    let args = [&["policy"][..], args, &["--url", &*gateway.url]].concat();
    run_with_env(&args, &[("MCP_GATEWAY_TOKEN", ADMIN)]).await
}

/// Runs a command that succeeds; returns what it prints.
async fn prints(gateway: &Gateway, args: &[&str]) -> String {
    let done = command(gateway, args).await;
    assert_eq!(done.code, Some(0), "{args:?} {}", done.stderr);
    done.stdout
}

/// Adds three rules at the command line.
async fn add_three(gateway: &Gateway) {
    for line in [
        "add|large sums|--effect|deny|--tool|add|--reason|too large",
        "add|small sums|--effect|allow|--tool|add|--when|arguments.a + arguments.b <= 10|--before|large sums",
        "add|last|--effect|approve|--annotation|destructive|--annotation|readOnly=false|--dry-run",
    ] {
        let args: Vec<_> = line.split('|').collect();
        assert_eq!(prints(gateway, &args).await, "");
    }
}

/// Explains a sum to a member of a team.
async fn explain(gateway: &Gateway, arguments: &str) -> String {
    let args = ["explain", "demo/add", "--team", "ops"];
    let args = [&args[..], &["--arguments", arguments]].concat();
    prints(gateway, &args).await
}

#[tokio::test]
async fn rules_are_added_and_explained_at_the_command_line() {
    let folder = Folder::new();
    let gateway = serve_sqlite(&folder).await;
    add_three(&gateway).await;
    let listed = prints(&gateway, &["list"]).await;
    let expected = [
        "POSITION  NAME        EFFECT             SOURCE  ERROR",
        "1         greeting    allow              file",
        "2         small sums  allow              store",
        "3         large sums  deny               store",
        "4         last        approve (dry run)  store",
    ];
    assert!(listed.lines().eq(expected), "{listed}");

    let explained = explain(&gateway, r#"{ "a": 10, "b": 0.5 }"#).await;
    let expected = "small sums: has a condition that is false\nlarge sums: decides\n\
                    The call is rejected: too large\n";
    assert_eq!(explained, expected);
    let explained = explain(&gateway, r#"{ "a": 1, "b": 2 }"#).await;
    assert_eq!(explained, "small sums: decides\nThe call is permitted.\n");
    let other = prints(&gateway, &["explain", "missing/add"]).await;
    assert_eq!(other, "The gateway does not offer the tool.\n");
}

#[tokio::test]
async fn rules_are_moved_and_removed_at_the_command_line() {
    let folder = Folder::new();
    let gateway = serve_sqlite(&folder).await;
    add_three(&gateway).await;
    prints(&gateway, &["move", "large sums", "--before", "small sums"]).await;
    let explained = explain(&gateway, r#"{ "a": 1, "b": 2 }"#).await;
    let expected = "large sums: decides\nThe call is rejected: too large\n";
    assert_eq!(explained, expected);
    prints(&gateway, &["move", "large sums"]).await;
    let expected = ["greeting", "small sums", "last", "large sums"];
    assert_eq!(names(&gateway).await, expected);

    prints(&gateway, &["remove", "last"]).await;
    for args in [
        ["remove", "last"],
        ["show", "last"],
        ["remove", "greeting"],
        ["move", "greeting"],
    ] {
        let done = command(&gateway, &args).await;
        assert_eq!(done.code, Some(1), "{args:?}");
    }
}

#[tokio::test]
async fn exported_rules_are_those_of_a_file() {
    let folder = Folder::new();
    let gateway = serve_sqlite(&folder).await;
    add_three(&gateway).await;
    let shown = prints(&gateway, &["show", "last"]).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let annotations = json!({ "destructive": true, "readOnly": false });
    assert_eq!(shown["entry"]["annotations"], annotations);

    let exported = prints(&gateway, &["export"]).await;
    let text = format!("servers: [{{ name: demo, builtin: demo }}]\n{exported}");
    let file = folder.write("exported.yaml", &text);
    let args = ["policy", "explain", "demo/add", "--config", &file];
    let args = [&args[..], &["--arguments", r#"{ "a": 9, "b": 2 }"#]].concat();
    let done = run_with_env(&args, &[]).await;
    let last = done.stdout.lines().last();
    let expected = "The call is rejected: too large";
    assert_eq!(last, Some(expected), "{done:?} {exported}");
}

#[tokio::test]
async fn a_changed_order_is_not_overwritten() {
    let folder = Folder::new();
    let gateway = serve_sqlite(&folder).await;
    for name in ["a", "b", "c"] {
        add(&gateway, deny(name)).await;
    }
    let order = api(&gateway, "GET", "/policy/order", Value::Null).await;
    assert_eq!(order.body, json!({ "names": ["a", "b", "c"] }));
    let put = async |tag: &str, names: Value| {
        change(
            &gateway,
            "PUT",
            "/policy/order",
            tag,
            json!({ "names": names }),
        )
        .await
    };
    let moved = put(order.tag(), json!(["c", "a", "b"])).await;
    assert_eq!(moved.status, 200, "{}", moved.body);
    assert_eq!(put(order.tag(), json!(["b", "a", "c"])).await.status, 412);
    for names in [
        json!([]),
        json!(["a", "b"]),
        json!(["a", "b", "c", "c"]),
        json!(["a", "b", "greeting"]),
    ] {
        assert_eq!(put(moved.tag(), names).await.status, 422);
    }
    assert_eq!(names(&gateway).await, ["greeting", "c", "a", "b"]);
    let page = api(&gateway, "GET", "/policy/rules?limit=2", Value::Null)
        .await
        .body;
    let path = format!(
        "/policy/rules?limit=2&after={}",
        page["next"].as_str().unwrap()
    );
    let rest = api(&gateway, "GET", &path, Value::Null).await.body;
    assert_eq!(
        (&rest["items"][0]["name"], &rest["next"]),
        (&json!("a"), &Value::Null)
    );
}

#[tokio::test]
async fn an_explanation_has_the_annotations_of_the_server_and_no_arguments_in_the_log() {
    let folder = Folder::new();
    let gateway = serve_sqlite(&folder).await;
    let reading =
        json!({ "name": "reading", "effect": "allow", "annotations": { "readOnly": true } });
    add(&gateway, reading).await;
    add(&gateway, json!({ "name": "text", "effect": "allow", "tools": ["echo"], "when": "arguments.text == 'hunter2'" })).await;
    add(&gateway, deny("rest")).await;
    let explain = async |call: Value| api(&gateway, "POST", "/policy/explain", call).await;
    let call = json!({ "tool": "demo/echo", "arguments": { "text": "hunter2", "n": 1e2 } });
    let unlisted = explain(call.clone()).await.body;
    assert_eq!(
        (&unlisted["effect"], &unlisted["rule"]),
        (&json!("deny"), &json!("reading")),
        "{unlisted}"
    );
    assert!(has_tool(&gateway, "demo__greet").await);
    let explained = explain(call).await.body;
    assert_eq!(explained["decidedBy"], "rule", "{explained}");
    assert_ne!(
        explained["steps"][0]["finding"],
        unlisted["steps"][0]["finding"]
    );
    for (call, path) in [
        (json!({ "tool": "demo" }), "tool"),
        (json!({ "tool": "demo/x", "arguments": [] }), "arguments"),
        (json!({ "tool": "demo/x", "gateway": "none" }), "gateway"),
    ] {
        let rejected = explain(call).await;
        assert_eq!(
            (rejected.status, &rejected.body["errors"][0]["path"]),
            (422, &json!(path))
        );
    }
    assert_eq!(
        explain(json!({ "tool": "demo/x", "argument": {} }))
            .await
            .status,
        422
    );
    let records = api(&gateway, "GET", "/audit?limit=100", Value::Null)
        .await
        .body
        .to_string();
    assert!(!records.contains("hunter2") && !gateway.stderr().contains("hunter2"));
}

#[tokio::test]
async fn a_table_of_cases_is_decided_by_the_rules_in_force() {
    let folder = Folder::new();
    let gateway = serve_sqlite(&folder).await;
    add(
        &gateway,
        json!({ "name": "no echo", "effect": "deny", "tools": ["echo"] }),
    )
    .await;
    let case = |name: &str, expect: &str, rule: Value| {
        let call = json!({ "tool": "demo/echo" });
        json!({ "name": name, "call": call, "expect": expect, "rule": rule })
    };
    let cases = json!({ "cases": [
        case("a", "deny", Value::Null),
        case("b", "deny", "no echo".into()),
        case("c", "deny", "other".into()),
        case("d", "allow", Value::Null),
    ] });
    let tested = api(&gateway, "POST", "/policy/test", cases).await;
    assert_eq!(
        (tested.status, &tested.body["passed"]),
        (200, &json!(2)),
        "{}",
        tested.body
    );
    let failures = tested.body["failures"].as_array().unwrap();
    let names: Vec<_> = failures.iter().map(|failure| &failure["name"]).collect();
    assert_eq!(names, ["c", "d"]);
    let wrong = json!({ "cases": [case("a", "maybe", Value::Null)] });
    assert_eq!(
        api(&gateway, "POST", "/policy/test", wrong).await.status,
        422
    );
}

/// Tools of the server with arguments, and the patterns that match them.
const TOOLS: [(&str, &str, &[&str]); 3] = [
    ("add", r#"{ "a": 1, "b": 2 }"#, &["*", "a*"]),
    ("echo", r#"{ "text": "x" }"#, &["*", "*c*", "echo"]),
    ("wait", r#"{ "seconds": 0 }"#, &["*", "*t*", "wait"]),
];

/// Random numbers, the same ones in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    /// Returns a rule without a name: its effect and pattern.
    fn rule(&mut self) -> (&'static str, &'static str) {
        let effect = ["allow", "deny"][self.below(2)];
        (
            effect,
            ["*", "a*", "*t*", "*c*", "echo", "wait"][self.below(6)],
        )
    }
}

type Rule = (String, (&'static str, &'static str));

/// Makes a random change of the rules at `gateway`, and of `rules`, which are expected then.
async fn change_one(gateway: &Gateway, numbers: &mut Numbers, rules: &mut Vec<Rule>, at: usize) {
    let entry = |name: &str, (effect, tool): (&str, &str)| json!({ "name": name, "effect": effect, "tools": [tool] });
    let kind = numbers.below(4);
    if kind == 0 || rules.len() < 2 {
        let (name, rule, place) = (
            format!("r{at}"),
            numbers.rule(),
            numbers.below(rules.len() + 1),
        );
        let before = rules.get(place).map(|(name, _)| format!("?before={name}"));
        let path = format!("/policy/rules{}", before.unwrap_or_default());
        let added = api(gateway, "POST", &path, entry(&name, rule)).await;
        assert_eq!(added.status, 201, "{}", added.body);
        rules.insert(place, (name, rule));
        return;
    }
    let place = numbers.below(rules.len());
    let path = format!("/policy/rules/{}", rules[place].0);
    let status = match kind {
        1 => {
            rules[place].1 = numbers.rule();
            let entry = entry(&rules[place].0, rules[place].1);
            change(gateway, "PUT", &path, "*", entry).await.status
        }
        2 => {
            rules.remove(place);
            api(gateway, "DELETE", &path, Value::Null).await.status - 4
        }
        _ => {
            rules.rotate_left(place);
            let names: Vec<_> = rules.iter().map(|(name, _)| name).collect();
            let order = json!({ "names": names });
            change(gateway, "PUT", "/policy/order", "*", order)
                .await
                .status
        }
    };
    assert_eq!(status, 200, "{kind}");
}

#[tokio::test]
async fn what_is_listed_can_be_called_under_random_changes_of_rules() {
    let folder = Folder::new();
    let gateway = serve_sqlite(&folder).await;
    let (mut numbers, mut rules) = (Numbers(7), Vec::new());
    for at in 0..60 {
        change_one(&gateway, &mut numbers, &mut rules, at).await;
        for (tool, arguments, patterns) in TOOLS {
            let deciding = rules
                .iter()
                .find(|(_, (_, pattern))| patterns.contains(pattern));
            let expected = deciding.is_none_or(|(_, (effect, _))| *effect == "allow");
            let name = format!("demo__{tool}");
            let arguments = serde_json::from_str(arguments).unwrap();
            assert_eq!(
                has_tool(&gateway, &name).await,
                expected,
                "{at}: {tool} {rules:?}"
            );
            assert_eq!(
                permits(&gateway, &name, arguments).await,
                expected,
                "{at}: {tool} {rules:?}"
            );
        }
    }
}

/// Changes rules at two replicas over one store, of which one is killed.
async fn replicas_agree(store: &str, database: &str) {
    let folders = [Folder::new(), Folder::new()];
    let mut first = serve(&folders[0], store, database).await;
    let second = serve(&folders[1], store, database).await;
    assert!(has_tool(&second, "demo__echo").await);
    add(
        &first,
        json!({ "name": "no echo", "effect": "deny", "tools": ["echo"] }),
    )
    .await;
    assert!(!has_tool(&first, "demo__echo").await);
    eventually(async || !has_tool(&second, "demo__echo").await).await;
    let taken = api(&second, "POST", "/policy/rules", deny("no echo")).await;
    assert_eq!(taken.status, 409, "{}", taken.body);

    for at in 0..20 {
        add(
            &first,
            json!({ "name": format!("rule {at}"), "effect": "deny", "tools": ["wait"] }),
        )
        .await;
    }
    first.signal(Signal::KILL);
    first.finish().await;
    eventually(async || names(&second).await.len() == 22).await;
    let all = names(&second).await;
    let first = serve(&folders[0], store, database).await;
    assert_eq!(names(&first).await, all);
    assert!(!has_tool(&first, "demo__wait").await);

    // A rule before the others takes effect everywhere at once.
    let allow = json!({ "name": "echo", "effect": "allow", "tools": ["echo"] });
    let added = api(&second, "POST", "/policy/rules?before=no%20echo", allow).await;
    assert_eq!(added.status, 201, "{}", added.body);
    assert!(has_tool(&second, "demo__echo").await);
    eventually(async || has_tool(&first, "demo__echo").await).await;
    assert_eq!(names(&first).await, names(&second).await);
}

#[tokio::test]
async fn replicas_on_sqlite_agree_about_rules() {
    let folder = Folder::new();
    let store = format!("{{ sqlite: {} }}", folder.path("gateway.db"));
    replicas_agree(&store, "").await;
}

#[tokio::test]
async fn replicas_on_postgres_agree_about_rules() {
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    replicas_agree("{ postgres: { env: DATABASE } }", &database).await;
}
