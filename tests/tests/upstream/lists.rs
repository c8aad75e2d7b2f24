//! Lists that lie.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use mcp_gateway_tests::script::{self, ReceivedRequest, Scripted, Step, Steps, document, response};
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use super::harness::{Harness, SILENCE, impatient, patient};

/// A server of both eras whose list of tools is what `list` says.
async fn listing(
    modern: bool,
    list: impl Fn(&ReceivedRequest) -> Steps + Send + Sync + 'static,
) -> Scripted {
    let script = move |asked: &ReceivedRequest| match (asked.method(), modern) {
        ("tools/list", _) => list(asked),
        (_, true) => script::modern(asked).unwrap_or_default(),
        (_, false) => script::legacy(asked).unwrap_or_default(),
    };
    Scripted::start(script).await.unwrap()
}

fn tools(asked: &ReceivedRequest, tools: &Value) -> Steps {
    document(&asked.result(&json!({ "resultType": "complete", "tools": tools })))
}

/// Keeps what is logged.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Captures the log of this process from now on.
    ///
    /// There is one subscriber for all threads: whether anybody listens is remembered for each
    /// place that logs, by whichever thread comes there first.
    fn begin() -> Self {
        static ALL: OnceLock<Log> = OnceLock::new();
        let all = ALL.get_or_init(|| {
            let log = Self::default();
            let subscriber = tracing_subscriber::fmt().with_writer(log.clone());
            subscriber.with_ansi(false).init();
            log
        });
        all.clone()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Invalid tool: its definition, and the reason for which it is omitted.
fn bad_tools() -> Vec<Value> {
    let schema = json!({ "type": "object" });
    let with = |name: Value| json!({ "name": name, "inputSchema": schema });
    vec![
        json!(null),
        json!(7),
        json!("tool"),
        json!([]),
        json!({}),
        with(json!(null)),
        with(json!(7)),
        with(json!("")),
        with(json!("a\nb")),
        with(json!("a\u{0}b")),
        with(json!("n".repeat(100_000))),
        json!({ "name": "bad_header", "inputSchema": {
            "type": "object",
            "properties": { "a": { "type": "string", "x-mcp-header": "a b" } },
        } }),
        json!({ "name": "two_headers", "inputSchema": {
            "type": "object",
            "properties": {
                "a": { "type": "string", "x-mcp-header": "X" },
                "b": { "type": "string", "x-mcp-header": "x" },
            },
        } }),
    ]
}

#[tokio::test]
async fn tools_that_no_client_could_use_are_left_out_with_a_warning() {
    for modern in [true, false] {
        let log = Log::begin();
        let before = log.text().len();
        let liar = listing(modern, |asked| {
            let good = |name: &str| json!({ "name": name, "inputSchema": { "type": "object" } });
            let mut all = vec![good("truth")];
            all.extend(bad_tools());
            // The first of a name is the one.
            all.extend([good("truth"), good("last")]);
            tools(asked, &all.into())
        })
        .await;
        let harness = Harness::over(liar, patient()).await;
        let names = harness.tools().await;
        assert_eq!(
            names,
            ["liar__truth", "liar__last", "honest__truth", "honest__lie"]
        );
        harness.goes_on("a list with bad tools").await;
        let text = log.text().split_off(before);
        let warnings = text.matches("entry dropped").count();
        assert!(warnings > bad_tools().len(), "{text}");
        assert!(text.contains("duplicate entry dropped"));
        let longest = text.lines().map(str::len).max().unwrap();
        assert!(longest < 2_000, "the log repeats what it was told");
    }
}

#[tokio::test]
async fn tools_that_cost_a_client_its_list_are_adapted() {
    for modern in [true, false] {
        let log = Log::begin();
        let before = log.text().len();
        let object = json!({ "type": "object" });
        let schema = object.clone();
        let liar = listing(modern, move |asked| {
            let all = json!([
                { "name": "no_schema" },
                { "name": "null_schema", "inputSchema": null },
                { "name": "text_schema", "inputSchema": "object" },
                { "name": "list_schema", "inputSchema": [] },
                { "name": "bad_output", "inputSchema": schema, "outputSchema": 7 },
                { "name": "nulls", "inputSchema": schema, "description": null,
                    "annotations": { "title": null } },
            ]);
            tools(asked, &all)
        })
        .await;
        let harness = Harness::over(liar, patient()).await;
        let names = harness.tools().await;
        assert_eq!(
            names[..6].join(" "),
            "liar__no_schema liar__null_schema liar__text_schema \
             liar__list_schema liar__bad_output liar__nulls"
        );
        let answer = harness.wire().request("tools/list", json!({})).await;
        let answer = answer.unwrap().answer();
        let listed = answer["result"]["tools"].as_array().unwrap();
        assert!(
            listed.iter().all(|tool| tool["inputSchema"] == object),
            "{answer}"
        );
        assert!(!answer.to_string().contains("null,"), "{answer}");
        assert!(!answer.to_string().contains("outputSchema"), "{answer}");
        let text = log.text().split_off(before);
        let lines = text.matches("invalid definitions adapted").count();
        assert_eq!(lines, 1, "{text}");
    }
}

#[tokio::test]
async fn a_list_that_is_none_costs_the_tools_of_its_server() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let bodies: Vec<String> = vec![
        "<html></html>".to_owned(),
        "{}".to_owned(),
        r#"{"jsonrpc":"2.0","id":ID,"result":[]}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":ID,"result":{"tools":{}}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":ID,"result":{"tools":"x"}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":ID,"result":{"tools":[],"tools":[]}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32603,"message":"no"}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":ID,"error":null}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":"other","result":{"tools":[]}}"#.to_owned(),
        format!(r#"{{"jsonrpc":"2.0","id":ID,"result":{{"tools":[{deep}]}}}}"#),
    ];
    for modern in [true, false] {
        for body in &bodies {
            let text = body.clone();
            let liar = listing(modern, move |asked| {
                let text = text.replace("ID", &asked.message["id"].to_string());
                response("200 OK", "Content-Type: application/json\r\n", &text)
            })
            .await;
            let harness = Harness::over(liar, patient()).await;
            assert_eq!(
                harness.tools().await,
                ["honest__truth", "honest__lie"],
                "{body}"
            );
            harness.goes_on(body).await;
        }
    }
}

#[tokio::test]
async fn a_list_without_end_ends() {
    let endless: [fn(&ReceivedRequest) -> String; 3] = [
        |_| "same".to_owned(),
        |asked| match asked.message["params"]["cursor"].as_str() {
            Some("a") => "b".to_owned(),
            _ => "a".to_owned(),
        },
        |asked| {
            let cursor = asked.message["params"]["cursor"]
                .as_str()
                .unwrap_or_default();
            format!("{}", cursor.parse::<u64>().unwrap_or(0) + 1)
        },
    ];
    // A cursor that comes back ends the list at once.
    let bounds = [2, 3, 1000];
    for modern in [true, false] {
        for (next, bound) in endless.into_iter().zip(bounds) {
            let liar = listing(modern, move |asked| {
                let cursor = next(asked);
                let name = format!("t{cursor}");
                let tools = json!([{ "name": name, "inputSchema": { "type": "object" } }]);
                let page =
                    json!({ "resultType": "complete", "tools": tools, "nextCursor": cursor });
                document(&asked.result(&page))
            })
            .await;
            let harness = Harness::over(liar, patient()).await;
            let start = Instant::now();
            let names = harness.tools().await;
            assert!(
                names.iter().any(|name| name.starts_with("liar__t")),
                "{names:?}"
            );
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "{:?}",
                start.elapsed()
            );
            let pages = harness.liar.count("tools/list");
            assert!(pages <= bound, "{pages} pages were read");
            let answer = harness.call("honest__truth").await.answer();
            assert!(answer["result"].is_object(), "{answer}");
        }
    }
}

#[tokio::test]
async fn a_list_that_hangs_does_not_hold_up_the_others() {
    for modern in [true, false] {
        let liar = listing(modern, |_| vec![Step::Hang]).await;
        let harness = Harness::over(liar, impatient()).await;
        let start = Instant::now();
        assert_eq!(harness.tools().await, ["honest__truth", "honest__lie"]);
        assert!(start.elapsed() < SILENCE * 10, "{:?}", start.elapsed());
        let answer = harness.call("honest__truth").await.answer();
        assert!(answer["result"].is_object(), "{answer}");
    }
}

#[tokio::test]
async fn hints_that_are_none_are_not_believed() {
    for hint in [
        json!(-1),
        json!("soon"),
        json!(1.5),
        json!(null),
        json!(u64::MAX),
        json!([]),
        json!(1e300),
    ] {
        let value = hint.clone();
        let liar = listing(true, move |asked| {
            let tool = json!({ "name": "truth", "inputSchema": { "type": "object" } });
            let page = json!({
                "resultType": "complete", "tools": [tool], "ttlMs": value, "cacheScope": value,
            });
            document(&asked.result(&page))
        })
        .await;
        let harness = Harness::over(liar, patient()).await;
        let reply = harness
            .wire()
            .request("tools/list", json!({}))
            .await
            .unwrap();
        let result = &reply.answer()["result"];
        assert!(result["ttlMs"].is_u64(), "{hint}: {result}");
        assert_eq!(result["cacheScope"], "private", "{hint}");
        harness.goes_on("strange hints").await;
    }
}
