//! Scripts in the sandbox, and what they cannot do.

#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mcp_gateway_code::{Sandbox, SandboxLimits};
use mcp_gateway_core::script::{Script, ScriptCall, ScriptError, ScriptOutcome, ScriptRunner as _};
use proptest::prelude::*;
use tokio::sync::mpsc;

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_mcp-gateway-sandbox"), [""; 0])
}

/// A sandbox for scripts that reach a limit.
fn small() -> Sandbox {
    let limits = SandboxLimits::default()
        .with_memory(16 * 1024 * 1024)
        .with_processor(Duration::from_secs(1))
        .with_time(Duration::from_secs(20));
    sandbox().with_limits(limits)
}

fn script(source: &str) -> Script {
    let files = ["read", "write", "fail"].map(str::to_owned).to_vec();
    Script::new(source, BTreeMap::from([("files".to_owned(), files)]))
}

/// Answers a call with its arguments; `fail` fails.
fn answer(call: ScriptCall) {
    let arguments = call.arguments.clone();
    match &*call.function {
        "fail" => call.answer(Err("no such file".to_owned())),
        _ => call.answer(Ok(arguments)),
    }
}

async fn run_in(sandbox: &Sandbox, source: &str) -> ScriptOutcome {
    let (calls, mut requested) = mpsc::unbounded_channel();
    let running = sandbox.run(script(source), calls);
    let answering = async {
        while let Some(call) = requested.recv().await {
            answer(call);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        outcome = running => outcome,
        () = answering => unreachable!(),
    }
}

/// Returns the result of a script.
#[track_caller]
fn returned(outcome: ScriptOutcome) -> String {
    outcome.result.unwrap()
}

async fn result(source: &str) -> String {
    returned(run_in(&sandbox(), source).await)
}

/// Returns the error that a script throws.
async fn thrown(source: &str) -> String {
    match run_in(&sandbox(), source).await.result {
        Err(ScriptError::Failed(text)) => text,
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_script_calls_tools_and_returns_a_value() {
    assert_eq!(result("return 1 + 1").await, "2");
    assert_eq!(result("").await, "null");
    assert_eq!(result("async () => { return [1] };").await, "[1]");
    let read = "const a = await tools.files.read({ path: '/a' }); return a.path";
    assert_eq!(result(read).await, "\"/a\"");
    let many = "const all = await Promise.all([1, 2, 3].map((n) => tools.files.read({ n })));
        return all.map((it) => it.n)";
    assert_eq!(result(many).await, "[1,2,3]");
    let caught = "try { await tools.files.fail() } catch (e) { return e.name + ': ' + e.message }";
    assert_eq!(result(caught).await, "\"ToolError: no such file\"");
    let outcome = run_in(&sandbox(), "console.log('a', { b: 1 }); console.error([2])").await;
    assert_eq!(outcome.console, "a {\"b\":1}\n[2]\n");
}

#[tokio::test]
async fn errors_help_to_correct_the_script() {
    let text = thrown("const a = 1;\nnull.b").await;
    assert!(text.contains("TypeError"), "{text}");
    assert!(text.contains("script:2"), "{text}");
    assert!(thrown("return (").await.contains("SyntaxError"));
    let text = thrown("await tools.files.reads({})").await;
    assert!(text.contains("read, write, fail"), "{text}");
    let text = thrown("await tools.file.read({})").await;
    assert!(text.contains("There are: files"), "{text}");
    let text = thrown("await tools.files.read('/a')").await;
    assert!(text.contains("one object"), "{text}");
    assert!(
        thrown("await new Promise(() => {})")
            .await
            .contains("never happens")
    );
    assert!(thrown("throw { get stack() { throw 1 } }").await.len() < 100);
    assert!(
        thrown("await tools.files.fail()")
            .await
            .contains("no such file")
    );
}

#[tokio::test]
async fn category_code_sandbox_a_script_has_nothing_but_its_tools() {
    let names = [
        "fetch",
        "XMLHttpRequest",
        "WebSocket",
        "require",
        "process",
        "Deno",
        "Bun",
        "std",
        "os",
        "WebAssembly",
        "SharedArrayBuffer",
        "Atomics",
        "Worker",
        "setTimeout",
        "setInterval",
        "navigator",
        "performance",
        "print",
        "load",
        "scriptArgs",
        "gc",
        "importScripts",
    ];
    for name in names {
        assert_eq!(
            result(&format!("return typeof {name}")).await,
            "\"undefined\"",
            "{name}"
        );
    }
    for module in [
        "fs",
        "node:fs",
        "std",
        "os",
        "file:///etc/passwd",
        "./prelude.js",
    ] {
        let text = thrown(&format!("await import('{module}')")).await;
        assert!(text.contains("Error"), "{module}: {text}");
    }
    // Code that is made of text has no more than the script.
    let made = "return [eval('typeof fetch'), new Function('return typeof require')(), \
        (async () => {}).constructor('return typeof process')() instanceof Promise]";
    assert_eq!(result(made).await, "[\"undefined\",\"undefined\",true]");
}

#[tokio::test]
async fn scripts_do_not_see_each_other() {
    let spoil = "Object.prototype.spoiled = 1; Array.prototype.map = null; \
        JSON.stringify = () => '{}'; Promise.prototype.then = null; globalThis.kept = 1; return 1";
    let _ = run_in(&sandbox(), spoil).await;
    assert_eq!(
        result("return [typeof kept, ({}).spoiled ?? null, typeof [].map]").await,
        "[\"undefined\",null,\"function\"]"
    );
}

#[tokio::test]
async fn the_processor_time_is_bounded() {
    let endless = [
        "for (;;) {}",
        "(function again() { Promise.resolve().then(again) })(); await new Promise(() => {})",
        "try { for (;;) {} } catch {} finally { for (;;) {} }",
        // Backtracking of a pattern takes all of its time in the engine.
        "return /^(a+)+$/.test('a'.repeat(40) + 'b')",
        "return [1, 2, 3].sort(() => { for (;;) {} })",
        "return JSON.stringify({ toJSON() { for (;;) {} } })",
        "return { toJSON() { for (;;) {} } }",
        "await tools.files.read({ get path() { for (;;) {} } })",
        "await tools.files.read(new Proxy({}, { ownKeys() { for (;;) {} } }))",
        "return { then() { for (;;) {} } }",
    ];
    for source in endless {
        let started = Instant::now();
        let result = run_in(&small(), source).await.result;
        let text = result.unwrap_err().to_string();
        assert!(text.contains("seconds"), "{source}: {text}");
        assert!(started.elapsed() < Duration::from_secs(20), "{source}");
    }
}

#[tokio::test]
async fn the_memory_is_bounded() {
    let greedy = [
        "let s = 'x'; for (;;) s += s; ",
        "const a = []; for (;;) a.push(new Array(1000).fill(1))",
        "return 'x'.repeat(2 ** 29)",
        "return new Uint8Array(2 ** 30).length",
        "return new ArrayBuffer(2 ** 40).byteLength",
        "const m = new Map(); for (let i = 0;; i++) m.set(i, String(i))",
        "return 'x'.repeat(2 ** 22).split('').map((c) => c + c).join('y')",
    ];
    for source in greedy {
        let result = run_in(&small(), source).await.result;
        assert!(result.is_err(), "{source}: {:?}", result.map(|it| it.len()));
    }
    assert_eq!(result("return 1").await, "1");
}

#[tokio::test]
async fn recursion_is_bounded() {
    let deep = [
        "function f() { return f() } return f()",
        "const o = { get a() { return this.a } }; return o.a",
        "return JSON.parse('['.repeat(60000) + ']'.repeat(60000))",
        "let a = []; for (let i = 0; i < 100000; i++) a = [a]; return a",
        "return new RegExp('('.repeat(10000) + ')'.repeat(10000)).test('')",
    ];
    for source in deep {
        let outcome = run_in(&small(), source).await;
        // A value may be returned; it is not the sandbox that ends.
        let is_deep = outcome
            .result
            .as_ref()
            .is_ok_and(|json| json.len() <= 256 * 1024);
        assert!(is_deep || outcome.result.is_err(), "{source}");
    }
    let text = thrown("eval('['.repeat(30000))").await;
    assert!(!text.is_empty());
}

#[tokio::test]
async fn sizes_are_bounded() {
    let text = thrown("return 'x'.repeat(300000)").await;
    assert!(text.contains("more than 262144"), "{text}");
    let large = format!("/*{}*/", "x".repeat(70_000));
    let result = run_in(&sandbox(), &large).await.result;
    assert!(
        matches!(result, Err(ScriptError::TooLarge(_))),
        "{result:?}"
    );
    let outcome = run_in(
        &sandbox(),
        "for (let i = 0; i < 100000; i++) console.log('line')",
    )
    .await;
    assert!(outcome.console.len() <= 17_000, "{}", outcome.console.len());
    let text = thrown("await tools.files.read({ text: 'x'.repeat(2 ** 21) })").await;
    assert!(text.contains("at most 1048576"), "{text}");
    let text = thrown("for (let i = 0; i < 101; i++) await tools.files.read({})").await;
    assert!(text.contains("at most 100 calls"), "{text}");
    assert!(thrown("throw new Error('x'.repeat(100000))").await.len() <= 5_000);
}

#[tokio::test]
async fn the_time_is_bounded_and_the_process_ends_with_its_future() {
    let limits = SandboxLimits::default().with_time(Duration::from_millis(300));
    let sandbox = sandbox().with_limits(limits);
    let (calls, mut requested) = mpsc::unbounded_channel();
    let outcome = sandbox
        .run(script("await tools.files.read({})"), calls)
        .await;
    assert!(matches!(outcome.result, Err(ScriptError::Time(_))));
    assert!(requested.recv().await.is_some());
    assert!(requested.recv().await.is_none(), "nobody sends any more");
}

#[tokio::test]
async fn values_of_calls_are_plain() {
    let thenable =
        "const v = await tools.files.read({ then: 'a', toJSON: 1, __proto__x: 2 }); return v";
    assert_eq!(
        result(thenable).await,
        "{\"then\":\"a\",\"toJSON\":1,\"__proto__x\":2}"
    );
    assert!(
        thrown("await tools.files.read({ n: 1n })")
            .await
            .contains("TypeError")
    );
    assert!(
        thrown("const a = {}; a.a = a; await tools.files.read(a)")
            .await
            .contains("TypeError")
    );
    assert!(
        thrown("const a = {}; a.a = a; return a")
            .await
            .contains("TypeError")
    );
    assert_eq!(
        result("return tools.files.read({ d: new Date(0) })").await,
        "{\"d\":\"1970-01-01T00:00:00.000Z\"}"
    );
    // Tools cannot be replaced; a script that tries deceives itself alone.
    assert!(
        result("tools = 1; return typeof tools")
            .await
            .contains("object")
    );
}

/// Expressions of random scripts.
fn expression() -> impl Strategy<Value = String> {
    let leaves = [
        "1",
        "'a'",
        "null",
        "[]",
        "({})",
        "tools",
        "tools.files",
        "undefined",
        "1n",
        "/a+/g",
        "x",
        "globalThis",
        "new Map()",
        "Symbol('s')",
        "NaN",
        "(async () => 1)",
        "function* () { yield 1 }",
        "class { static #a = 1 }",
    ];
    let leaf = prop::sample::select(leaves.to_vec()).prop_map(|text| format!("({text})"));
    let patterns = [
        "(A ?? B)",
        "[A, ...[B]]",
        "({ k: A, get g() { return B } })",
        "A?.[B]",
        "((x) => A)(B)",
        "(await A)",
        "String(A)",
        "JSON.stringify(A)",
        "new Proxy(Object(A), { get: () => B })",
        "tools.files.read({ v: A })",
        "Object.assign(A, B)",
        "`${A}`",
        "typeof A",
        "Promise.all([A, B])",
        "(A, B)",
        "A in Object(B)",
        "new (class extends A {})()",
        "Reflect.ownKeys(A)",
        "({ then: A })",
        "({ toJSON: A })",
        "eval(A)",
        "A.map(B)",
    ];
    leaf.prop_recursive(4, 24, 2, move |inner| {
        let pattern = prop::sample::select(patterns.to_vec());
        (pattern, inner.clone(), inner).prop_map(|(pattern, a, b)| filled(pattern, &a, &b))
    })
}

/// Statements of random scripts.
fn statement() -> impl Strategy<Value = String> {
    let patterns = [
        "return A;",
        "throw A;",
        "console.log(A, B);",
        "globalThis[A] = B;",
        "delete Object.prototype[A];",
        "if (A) { return B }",
        "for (let i = 0; i < 3; i++) { A; }",
        "try { A; B } catch (x) { return x }",
        "Object.defineProperty(Object.prototype, 'p', { get() { return A }, configurable: true });",
        "Promise.prototype.then = A;",
        "var x = A;",
        "for (const x of A) { B }",
        "async function f() { A } await f();",
    ];
    let pattern = prop::sample::select(patterns.to_vec());
    (pattern, expression(), expression()).prop_map(|(pattern, a, b)| filled(pattern, &a, &b))
}

fn filled(pattern: &str, a: &str, b: &str) -> String {
    let parts = pattern
        .split('A')
        .map(|part| part.split('B').collect::<Vec<_>>().join(b));
    parts.collect::<Vec<_>>().join(a)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a script is, it ends, and its sandbox reports an end.
    #[test]
    fn any_script_ends(
        statements in prop::collection::vec(statement(), 0..8),
        text in prop_oneof![9 => Just(String::new()), 1 => "\\PC{0,20}"],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let source = statements.concat() + &text;
        let outcome = runtime.block_on(run_in(&small(), &source));
        let is_reported = matches!(outcome.result, Ok(_) | Err(ScriptError::Failed(_)));
        prop_assert!(is_reported, "{source:?}: {:?}", outcome.result);
    }
}
