//! Requests to a collector.

use mcp_gateway_core::trace::SpanObserver as _;
use serde_json::json;

use super::collector::Sink;
use super::stage::{Era, Stage};

/// Calls a tool of a gateway whose spans go to `sink`.
async fn traced(sink: Sink, variables: &[(&str, &str)]) -> Stage {
    let stage = Stage::over(Era::Modern).await;
    let recorder = std::sync::Arc::new(super::stage::recorder(&sink.url, variables));
    let observer = std::sync::Arc::clone(&recorder);
    let server = stage.server.as_ref().unwrap();
    let gateway = mcp_gateway_tests::gateway::Backends::only(&server.url)
        .start_with(|builder| builder.with_span_observer(observer))
        .await;
    let stage = Stage {
        gateway,
        recorder,
        sink,
        ..stage
    };
    stage.call(Era::Modern, "truth", (&[], json!({}))).await;
    stage
}

#[tokio::test]
async fn a_message_is_that_of_the_protocol() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc"),
        ("OTEL_SERVICE_NAME", "svc"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=ra,zone=a%20b"),
    ];
    let stage = traced(Sink::start().await, &variables).await;
    stage.sink.spans(2).await;
    let received = stage.sink.received();
    let (path, headers) = &received.requests[0];
    assert_eq!(path, "/v1/traces");
    assert_eq!(headers["content-type"], "application/x-protobuf");
    assert_eq!(headers["authorization"], "Bearer abc");
    assert_eq!(received.resource["service.name"], "svc");
    assert_eq!(received.resource["zone"], "a b");
    assert_eq!(received.resource["service.instance.id"].len(), 36);
    stage.recorder.close().await;
    let spans = stage.sink.received().spans.len();
    assert_eq!(
        stage.recorder.counts().exported,
        u64::try_from(spans).unwrap()
    );
}

#[tokio::test]
async fn spans_are_sent_over_grpc() {
    let variables = [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
    let stage = traced(Sink::start().await, &variables).await;
    let spans = stage.sink.spans(2).await;
    assert!(spans.iter().any(|span| span.name == "tools/call truth"));
    let (path, headers) = &stage.sink.received().requests[0];
    assert_eq!(
        path,
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    );
    assert_eq!(headers["te"], "trailers");
}

#[tokio::test]
async fn a_message_is_sent_again_while_a_collector_restarts() {
    for variables in [&[][..], &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]] {
        let stage = traced(Sink::answering(&[503, 503]).await, variables).await;
        stage.sink.spans(2).await;
        assert!(stage.sink.received().requests.len() >= 3);
        assert_eq!(stage.recorder.counts().dropped, 0);
    }
}

#[tokio::test]
async fn a_rejected_message_is_dropped_and_counted() {
    let stage = traced(Sink::answering(&[400]).await, &[]).await;
    stage
        .sink
        .wait(|received| !received.requests.is_empty())
        .await;
    stage.call(Era::Modern, "truth", (&[], json!({}))).await;
    stage.sink.spans(2).await;
    stage.recorder.close().await;
    assert!(stage.recorder.counts().dropped >= 1);
}

#[tokio::test]
async fn the_last_spans_are_sent_at_the_end() {
    let late = [("OTEL_BSP_SCHEDULE_DELAY", "3600000")];
    let stage = traced(Sink::start().await, &late).await;
    assert!(stage.sink.received().requests.is_empty());
    stage.recorder.close().await;
    let spans = stage.sink.received().spans;
    assert!(
        spans.iter().any(|span| span.name == "tools/call truth"),
        "{spans:?}"
    );
}
