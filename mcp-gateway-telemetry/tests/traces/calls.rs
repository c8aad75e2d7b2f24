//! Spans of calls, and the contexts that servers receive.

use std::sync::Arc;

use mcp_gateway_core::trace::{SessionEnd, Span, SpanObserver};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;

use super::collector::ReceivedSpan;
use super::conventions::check;
use super::stage::{Era, Stage};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const IN_META: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const IN_HEADER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Returns the span of `method`, of the kind.
#[track_caller]
fn span<'s>(spans: &'s [ReceivedSpan], kind: SpanKind, name: &str) -> &'s ReceivedSpan {
    let found = spans
        .iter()
        .find(|span| span.kind == kind && span.name == name);
    found.unwrap_or_else(|| panic!("{kind:?} {name}: {spans:#?}"))
}

/// Waits for the two spans of a call.
async fn both(stage: &Stage, tool: &str) -> (ReceivedSpan, ReceivedSpan) {
    let name = format!("tools/call {tool}");
    let of_call = |spans: &[ReceivedSpan]| spans.iter().filter(|span| span.name == name).count();
    let received = stage
        .sink
        .wait(|received| of_call(&received.spans) >= 2)
        .await;
    received.spans.iter().for_each(check);
    let server = span(&received.spans, SpanKind::Server, &name).clone();
    let client = span(&received.spans, SpanKind::Client, &name).clone();
    (server, client)
}

#[tokio::test]
async fn a_client_span_is_inside_of_the_server_span_in_all_cells() {
    for (client, server) in [
        (Era::Modern, Era::Modern),
        (Era::Modern, Era::Legacy),
        (Era::Legacy, Era::Modern),
        (Era::Legacy, Era::Legacy),
    ] {
        let stage = Stage::over(server).await;
        let meta =
            json!({ "traceparent": IN_META, "tracestate": "v=1", "baggage": "user=1", "x": 1 });
        let reply = stage.call(client, "truth", (&[], meta)).await;
        assert!(
            reply.answer()["result"].is_object(),
            "{client:?} {server:?} {}",
            reply.body
        );
        let (outer, inner) = both(&stage, "truth").await;
        assert_eq!((&*outer.trace, &*outer.parent), (TRACE, "00f067aa0ba902b7"));
        assert_eq!((&*inner.trace, &inner.parent), (TRACE, &outer.id));
        assert_eq!((&*outer.state, &*inner.state), ("v=1", "v=1"));
        assert!(outer.nanoseconds >= inner.nanoseconds);
        // The server receives the context of the client span, in both places.
        let asked = stage.forwarded();
        let meta = &asked.message["params"]["_meta"];
        let parent = format!("00-{TRACE}-{}-01", inner.id);
        assert_eq!(meta["traceparent"], parent);
        assert_eq!(
            (&meta["tracestate"], &meta["x"]),
            (&json!("v=1"), &json!(1))
        );
        assert_eq!(meta.get("baggage"), None);
        let head = asked.head.to_lowercase();
        assert!(head.contains(&format!("traceparent: {parent}")), "{head}");
        assert!(!head.contains("baggage"), "{head}");
        let version = |era| match era {
            Era::Modern => "2026-07-28",
            Era::Legacy => "2025-11-25",
        };
        assert_eq!(outer.attributes["mcp.protocol.version"], version(client));
        assert_eq!(inner.attributes["mcp.protocol.version"], version(server));
        assert_eq!(
            outer.attributes.contains_key("mcp.session.id"),
            client == Era::Legacy
        );
        assert_eq!(outer.attributes["client.address"], "127.0.0.1");
        assert_eq!(inner.attributes["server.address"], "127.0.0.1");
        assert_eq!(inner.attributes["mcp_gateway.server"], "only");
        if client == Era::Legacy {
            let spans = stage.sink.received().spans;
            span(&spans, SpanKind::Server, "initialize");
        }
    }
}

#[tokio::test]
async fn a_program_receives_the_context_of_the_client_span() {
    let stage = Stage::over_stdio().await;
    for client in [Era::Modern, Era::Legacy] {
        let meta = json!({ "traceparent": IN_META });
        let reply = stage.call(client, "truth", (&[], meta)).await;
        let text = reply.answer()["result"]["content"][0]["text"].clone();
        let count = if client == Era::Modern { 2 } else { 4 };
        let named = |span: &&ReceivedSpan| span.name == "tools/call truth";
        let of_call = |spans: &[ReceivedSpan]| spans.iter().filter(named).count();
        let received = stage
            .sink
            .wait(|received| of_call(&received.spans) >= count)
            .await;
        received.spans.iter().for_each(check);
        let mut inner = received.spans.iter().filter(named);
        let inner = inner.rfind(|span| span.kind == SpanKind::Client).unwrap();
        assert!(
            text.as_str().unwrap().contains(&inner.id),
            "{text} {inner:?}"
        );
        assert_eq!(inner.attributes["network.transport"], "pipe");
        assert!(!inner.attributes.contains_key("server.address"));
    }
}

#[tokio::test]
async fn a_notification_has_spans_without_an_identifier() {
    let stage = Stage::over(Era::Legacy).await;
    let method = "notifications/x";
    let meta = json!({ "traceparent": IN_META, "baggage": "user=1" });
    stage.notify(method, meta).await;
    let named = |span: &&ReceivedSpan| span.name == method;
    let received = stage
        .sink
        .wait(|received| received.spans.iter().filter(named).count() >= 2)
        .await;
    received.spans.iter().for_each(check);
    let outer = span(&received.spans, SpanKind::Server, method);
    let inner = span(&received.spans, SpanKind::Client, method);
    assert_eq!((&*outer.trace, &*outer.parent), (TRACE, "00f067aa0ba902b7"));
    assert_eq!((&*inner.trace, &inner.parent), (TRACE, &outer.id));
    let asked = stage.server.as_ref().unwrap().asked();
    let mut asked = asked.iter().filter(|asked| asked.method() == method);
    let meta = &asked.next().unwrap().message["params"]["_meta"];
    let parent = format!("00-{TRACE}-{}-01", inner.id);
    assert_eq!(meta["traceparent"], parent);
    assert_eq!(meta.get("baggage"), None);
}

#[tokio::test]
async fn the_context_of_headers_is_a_link_beside_that_of_meta() {
    let stage = Stage::over(Era::Modern).await;
    let header = [("traceparent", IN_HEADER)];
    let link = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
    let table = [
        (
            json!({ "traceparent": IN_META }),
            &header[..],
            TRACE,
            vec![link],
        ),
        (
            json!({}),
            &header[..],
            "0af7651916cd43dd8448eb211c80319c",
            vec![],
        ),
        (
            json!({ "traceparent": IN_META }),
            &[("traceparent", "00-x")][..],
            TRACE,
            vec![],
        ),
        (
            json!({ "traceparent": 7 }),
            &header[..],
            "0af7651916cd43dd8448eb211c80319c",
            vec![],
        ),
        (
            json!({ "traceparent": IN_META.to_uppercase() }),
            &[][..],
            "",
            vec![],
        ),
    ];
    for (at, (meta, headers, trace, links)) in table.into_iter().enumerate() {
        stage
            .call(Era::Modern, "truth", (headers, meta.clone()))
            .await;
        let named = |span: &&ReceivedSpan| span.name == "tools/call truth";
        let count = |spans: &[ReceivedSpan]| spans.iter().filter(named).count();
        let received = stage
            .sink
            .wait(|received| count(&received.spans) > 2 * at + 1)
            .await;
        let outer = received
            .spans
            .iter()
            .rfind(|span| span.kind == SpanKind::Server)
            .unwrap();
        match trace.is_empty() {
            true => assert!(outer.parent.is_empty() && outer.trace != TRACE, "{meta}"),
            false => assert_eq!(outer.trace, trace, "{meta}"),
        }
        assert_eq!(outer.links, links, "{meta}");
    }
}

#[tokio::test]
async fn what_is_an_error_depends_on_the_side() {
    let stage = Stage::over(Era::Modern).await;
    for (tool, outer_type, inner_type) in [
        ("fails", Some("tool_error"), Some("tool_error")),
        ("-32602", None, Some("-32602")),
        ("-32603", Some("-32603"), Some("-32603")),
        ("broken", Some("-32603"), Some("upstream_status")),
    ] {
        stage.call(Era::Modern, tool, (&[], json!({}))).await;
        let (outer, inner) = both(&stage, tool).await;
        let error = |span: &ReceivedSpan| span.attributes.get("error.type").cloned();
        assert_eq!(error(&outer).as_deref(), outer_type, "{tool}");
        assert_eq!(error(&inner).as_deref(), inner_type, "{tool}");
    }
}

#[tokio::test]
async fn errors_are_recorded_although_they_are_not_sampled() {
    let never = [
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0"),
    ];
    let stage = Stage::with(Era::Modern, &never).await;
    let meta = json!({ "traceparent": IN_META });
    stage.call(Era::Modern, "truth", (&[], meta.clone())).await;
    // The server is not to sample either.
    let parent = stage.forwarded().message["params"]["_meta"]["traceparent"].clone();
    assert!(parent.as_str().unwrap().ends_with("-00"), "{parent}");
    stage.call(Era::Modern, "fails", (&[], meta)).await;
    both(&stage, "fails").await;
    let spans = stage.sink.received().spans;
    assert!(
        spans.iter().all(|span| span.name != "tools/call truth"),
        "{spans:?}"
    );
}

#[tokio::test]
async fn no_argument_is_in_a_span() {
    let stage = Stage::over(Era::Modern).await;
    stage.call(Era::Modern, "truth", (&[], json!({}))).await;
    both(&stage, "truth").await;
    let spans = format!("{:?}", stage.sink.received());
    assert!(
        !spans.contains("s3cr3t") && !spans.contains("gen_ai.tool.call"),
        "{spans}"
    );
}

#[tokio::test]
async fn a_collector_that_is_gone_costs_no_call() {
    let stage = Stage::over(Era::Modern).await;
    let gone = super::stage::recorder("http://127.0.0.1:1", &[("OTEL_BSP_MAX_QUEUE_SIZE", "4")]);
    let stage = Stage {
        recorder: Arc::new(gone),
        ..stage
    };
    let observer = Arc::clone(&stage.recorder);
    let server = stage.server.as_ref().unwrap();
    let gateway = mcp_gateway_tests::gateway::Backends::only(&server.url)
        .start_with(|builder| builder.with_span_observer(observer))
        .await;
    let stage = Stage { gateway, ..stage };
    for _ in 0..20 {
        let reply = stage.call(Era::Modern, "truth", (&[], json!({}))).await;
        assert!(reply.answer()["result"].is_object());
    }
    assert!(
        stage.recorder.counts().dropped >= 20,
        "{:?}",
        stage.recorder.counts()
    );
    stage.recorder.close().await;
    let counts = stage.recorder.counts();
    assert_eq!(counts.exported, 0);
    assert!(counts.dropped >= 40, "{counts:?}");
}

/// Ends of sessions.
#[derive(Debug, Default)]
struct Sessions(std::sync::Mutex<Vec<(SpanKind, &'static str)>>);

impl SpanObserver for Sessions {
    fn on_end(&self, _: &Span) {}

    fn on_session_end(&self, session: &SessionEnd) {
        let kind = match session.kind {
            mcp_gateway_core::trace::SpanKind::Client => SpanKind::Client,
            _ => SpanKind::Server,
        };
        let ended = (kind, session.version.as_str());
        self.0.lock().unwrap().push(ended);
    }
}

#[tokio::test]
async fn the_end_of_each_session_is_reported_once() {
    let server = mcp_gateway_tests::script::Scripted::legacy(|_| Vec::new())
        .await
        .unwrap();
    let sessions = Arc::new(Sessions::default());
    let observer = || Arc::clone(&sessions) as Arc<dyn SpanObserver>;
    let upstream = mcp_gateway_tests::gateway::remote("only", &server.url);
    let upstream = upstream.with_span_observer(observer()).build();
    let gateway = mcp_gateway_tests::gateway::Backends::new()
        .with("only", "", upstream)
        .start()
        .await;
    let registry = gateway.sessions.clone().with_span_observer(observer());
    let stage = Stage::at(gateway).await;
    stage.call(Era::Legacy, "truth", (&[], json!({}))).await;
    assert_eq!(sessions.0.lock().unwrap().len(), 0);
    registry.close();
    let expected = [(SpanKind::Server, "2025-11-25")];
    assert_eq!(*sessions.0.lock().unwrap(), expected);
    stage.gateway.stop().await;
    let ended = || {
        sessions
            .0
            .lock()
            .unwrap()
            .contains(&(SpanKind::Client, "2025-11-25"))
    };
    while !ended() {
        tokio::task::yield_now().await;
    }
    assert_eq!(sessions.0.lock().unwrap().len(), 2);
}
