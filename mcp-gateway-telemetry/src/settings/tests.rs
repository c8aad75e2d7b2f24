//! Tests of the standard variables.

use super::*;

/// Variables with their values.
type Variables<'a> = &'a [(&'a str, &'a str)];

fn read(
    configured: &Configured,
    variables: &[(&str, &str)],
) -> Result<Option<Settings>, SettingsError> {
    Settings::read(configured, |name| {
        let found = variables.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

fn settings(variables: &[(&str, &str)]) -> Settings {
    let configured = Configured {
        is_enabled: true,
        ..Configured::default()
    };
    read(&configured, variables).unwrap().unwrap()
}

fn problem(variables: &[(&str, &str)]) -> String {
    let configured = Configured {
        is_enabled: true,
        ..Configured::default()
    };
    read(&configured, variables).unwrap_err().to_string()
}

const ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";

#[test]
fn spans_are_exported_if_something_asks_for_it() {
    let table: [(bool, Variables<'_>, bool); 10] = [
        (false, &[], false),
        (true, &[], true),
        (false, &[(ALL, "http://c:4318")], true),
        (false, &[(TRACES, "http://c:4318/x")], true),
        (false, &[(ALL, " ")], false),
        (false, &[("OTEL_TRACES_EXPORTER", "otlp")], true),
        (true, &[("OTEL_TRACES_EXPORTER", "none")], false),
        (true, &[("OTEL_SDK_DISABLED", "TRUE")], false),
        (true, &[("OTEL_SDK_DISABLED", "1")], true),
        (true, &[("OTEL_TRACES_SAMPLER", "always_off")], false),
    ];
    for (is_enabled, variables, expected) in table {
        let configured = Configured {
            is_enabled,
            ..Configured::default()
        };
        let found = read(&configured, variables).unwrap();
        assert_eq!(found.is_some(), expected, "{is_enabled} {variables:?}");
    }
    assert!(problem(&[("OTEL_TRACES_EXPORTER", "zipkin")]).contains("only otlp"));
}

#[test]
fn the_path_depends_on_the_source_of_the_url() {
    let grpc = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let table: [(Variables<'_>, String); 11] = [
        (&[], "http://localhost:4318/v1/traces".into()),
        (
            &[(PROTOCOL, "grpc")],
            format!("http://localhost:4317{grpc}"),
        ),
        (&[(ALL, "http://c:1")], "http://c:1/v1/traces".into()),
        (
            &[(ALL, "https://c/base/")],
            "https://c/base/v1/traces".into(),
        ),
        (&[(TRACES, "http://c:1")], "http://c:1/".into()),
        (
            &[(TRACES, "http://c:1/x?y"), (ALL, "http://d")],
            "http://c:1/x?y".into(),
        ),
        (
            &[(ALL, "http://c:1"), (PROTOCOL, "grpc")],
            format!("http://c:1{grpc}"),
        ),
        (
            &[(ALL, "c:1"), (PROTOCOL, "grpc")],
            format!("https://c:1{grpc}"),
        ),
        (
            &[
                (ALL, "c:1"),
                (PROTOCOL, "grpc"),
                ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
            ],
            format!("http://c:1{grpc}"),
        ),
        (
            &[
                (PROTOCOL, "grpc"),
                ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
            ],
            "http://localhost:4318/v1/traces".into(),
        ),
        (
            &[(PROTOCOL, "http/json")],
            "http://localhost:4318/v1/traces".into(),
        ),
    ];
    for (variables, expected) in table {
        assert_eq!(settings(variables).endpoint(), expected, "{variables:?}");
    }
}

#[test]
fn an_invalid_url_is_named_by_its_variable() {
    for invalid in [
        "c:4318",
        "ftp://c",
        "http://",
        "http://user:secret@c",
        "http://c o",
    ] {
        let problem = problem(&[(ALL, invalid)]);
        assert_eq!(
            problem,
            "invalid OTEL_EXPORTER_OTLP_ENDPOINT: expected an http or https URL"
        );
    }
}

#[test]
fn a_configuration_takes_precedence() {
    let configured = Configured {
        is_enabled: true,
        endpoint: Some(Uri::from_static("http://configured:1")),
        protocol: Some(Protocol::HttpProtobuf),
        ratio: Some(0.25),
        caller_rate: Some(3),
        ..Configured::default()
    };
    let variables = [
        (TRACES, "http://c:1/x"),
        (PROTOCOL, "grpc"),
        ("OTEL_TRACES_SAMPLER", "always_on"),
    ];
    let settings = read(&configured, &variables).unwrap().unwrap();
    assert_eq!(settings.endpoint(), "http://configured:1/v1/traces");
    assert_eq!((settings.ratio, settings.caller_rate), (0.25, 3));
}

#[test]
fn headers_are_decoded_and_stay_secret() {
    let headers = "OTEL_EXPORTER_OTLP_HEADERS";
    let settings = settings(&[(headers, "authorization=Bearer%20abc, x-a = b=c,")]);
    assert_eq!(settings.headers["authorization"], "Bearer abc");
    assert_eq!(settings.headers["x-a"], "b=c");
    assert!(!format!("{settings:?}").contains("abc"));
    for invalid in ["a", "=b", "a b=c", "a=%0a", "a=%ff"] {
        let problem = problem(&[(headers, invalid)]);
        assert!(
            problem.contains("expected name=value"),
            "{invalid}: {problem}"
        );
    }
}

#[test]
fn the_name_of_the_service_has_an_order_of_precedence() {
    let name = |variables: &[(&str, &str)]| {
        let resource = settings(variables).resource;
        let names = resource.iter().filter(|(key, _)| key == "service.name");
        let names: Vec<_> = names.map(|(_, value)| value.clone()).collect();
        assert_eq!(names.len(), 1);
        names[0].clone()
    };
    let attributes = (
        "OTEL_RESOURCE_ATTRIBUTES",
        "service.name=ra,deployment=a%20b",
    );
    assert_eq!(name(&[]), "mcp-gateway");
    assert_eq!(name(&[attributes]), "ra");
    assert_eq!(name(&[attributes, ("OTEL_SERVICE_NAME", "svc")]), "svc");
    let resource = settings(&[attributes]).resource;
    assert!(resource.contains(&("deployment".to_owned(), "a b".to_owned())));
}

#[test]
fn samplers_are_those_of_the_specification() {
    let (name, ratio) = ("OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG");
    let table: [(Variables<'_>, (f64, u32)); 6] = [
        (&[], (1.0, 10)),
        (&[(name, "always_on")], (1.0, 0)),
        (&[(name, "traceidratio"), (ratio, "0.5")], (0.5, 0)),
        (
            &[(name, "parentbased_traceidratio"), (ratio, "0.5")],
            (0.5, 10),
        ),
        (&[(name, "parentbased_traceidratio")], (1.0, 10)),
        (&[(name, "parentbased_always_off")], (0.0, 10)),
    ];
    for (variables, expected) in table {
        let settings = settings(variables);
        assert_eq!(
            (settings.ratio, settings.caller_rate),
            expected,
            "{variables:?}"
        );
    }
    assert!(problem(&[(name, "jaeger_remote")]).contains("always_on"));
    assert!(problem(&[(name, "traceidratio"), (ratio, "2")]).contains("from 0 to 1"));
}

#[test]
fn numbers_have_bounds() {
    let settings = settings(&[
        ("OTEL_BSP_MAX_QUEUE_SIZE", "10"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
    ]);
    assert_eq!(settings.max_queue, 10);
    assert_eq!(settings.delay, Duration::from_millis(100));
    assert_eq!(settings.timeout, Duration::from_secs(2));
    for (name, value) in [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "1000000"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-1"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "soon"),
    ] {
        assert!(problem(&[(name, value)]).contains("out of range"), "{name}");
    }
}
