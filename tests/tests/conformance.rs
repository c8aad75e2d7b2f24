//! The official conformance suite, against the fixture and through the gateway.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test panics when it fails, and prints what it found"
)]

use std::time::Duration;

use mcp_gateway_tests::{
    conformance::{Report, Revision, Suite},
    environment::Environment,
    fixture::Era,
    process::Process,
};
use tokio::process::Command;

const START_DEADLINE: Duration = Duration::from_secs(30);

/// Starts a fixture of `era`, and returns it with its URL.
async fn start_fixture(era: Era, options: &[&str]) -> (Process, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fixture-server"));
    command
        .args(["--http", "127.0.0.1:0", "--era", &era.to_string()])
        .args(options);
    let mut fixture = Process::start(command).unwrap();
    let url = fixture.url(START_DEADLINE).await.unwrap();
    (fixture, url)
}

async fn run(suite: &Suite, url: &str, revision: Revision, server: Era) -> Report {
    let report = suite.run(url, revision).await.unwrap();
    println!("{}\n{report}", report.summary(server));
    assert!(report.failures().is_empty(), "{report}");
    report
}

async fn suite() -> Suite {
    Suite::new(Environment::installed().await.unwrap())
}

mod fixture_passes_directly {
    use mcp_gateway_tests::conformance::{Status, Verdict};

    use super::*;

    /// Beyond what is required, the fixture also passes everything that is only reported.
    async fn passes_everything(server: Era, revision: Revision) {
        let (_fixture, url) = start_fixture(server, &[]).await;
        let report = run(&suite().await, &url, revision, server).await;
        assert_eq!(report.count(Status::Failure), 0);
        assert_eq!(report.count(Status::Warning), 0);
        for scenario in report.not_scored() {
            let verdict = scenario.verdict();
            assert!(
                matches!(verdict, Verdict::Passed | Verdict::Skipped),
                "{scenario}"
            );
        }
    }

    #[tokio::test]
    async fn modern_on_dual() {
        passes_everything(Era::Dual, Revision::V2026_07_28).await;
    }

    #[tokio::test]
    async fn modern_on_modern() {
        passes_everything(Era::Modern, Revision::V2026_07_28).await;
    }

    #[tokio::test]
    async fn legacy_on_dual() {
        passes_everything(Era::Dual, Revision::V2025_11_25).await;
    }

    #[tokio::test]
    async fn legacy_on_legacy() {
        passes_everything(Era::Legacy, Revision::V2025_11_25).await;
    }
}

mod through_the_gateway {
    use mcp_gateway_tests::gateway::Backends;

    use super::*;

    async fn passes(server: Era, revision: Revision) {
        passes_but(server, revision, []).await;
    }

    /// Passes every scenario but those that no gateway can pass between the two eras.
    async fn passes_but<const N: usize>(
        server: Era,
        revision: Revision,
        impossible: [(&str, &str); N],
    ) {
        let (_fixture, url) = start_fixture(server, &[]).await;
        let gateway = Backends::only(&url).start().await;
        let suite = suite().await.with_header("Authorization", "Bearer alice");
        let report = suite.run(&gateway.url, revision).await.unwrap();
        println!("{}\n{report}", report.summary(server));
        for (scenario, reason) in impossible {
            println!("impossible: {scenario}: {reason}");
        }
        let failed = report.failures().into_iter();
        let failed: Vec<_> = failed.map(|scenario| scenario.name.as_str()).collect();
        assert_eq!(failed, impossible.map(|(scenario, _)| scenario), "{report}");
        gateway.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn modern_on_modern() {
        passes(Era::Modern, Revision::V2026_07_28).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn legacy_on_legacy() {
        passes(Era::Legacy, Revision::V2025_11_25).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn modern_on_legacy() {
        let keys = "a server of this revision gives its questions numbers, and the scenario wants \
                    to see a name of the server's own";
        let impossible = [("input-required-result-basic-elicitation", keys)];
        passes_but(Era::Legacy, Revision::V2026_07_28, impossible).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn legacy_on_modern() {
        passes(Era::Modern, Revision::V2025_11_25).await;
    }
}

mod the_suite {
    use mcp_gateway_tests::conformance::Verdict;

    use super::*;

    #[tokio::test]
    async fn sends_the_headers_that_it_is_given() {
        let server = Era::Dual;
        let (_fixture, url) = start_fixture(server, &["--bearer", "secret"]).await;
        let suite = suite().await.with_header("Authorization", "Bearer secret");
        for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
            run(&suite, &url, revision, server).await;
        }
    }

    #[tokio::test]
    async fn reports_what_a_server_cannot_do() {
        let (_fixture, url) = start_fixture(Era::Legacy, &["--bearer", "secret"]).await;
        let report = suite().await.run(&url, Revision::V2025_11_25).await;
        let report = report.unwrap();
        let failures = report.failures();
        println!("{}\n{report}", report.summary(Era::Legacy));
        let ping = failures.iter().find(|scenario| scenario.name == "ping");
        assert_eq!(ping.unwrap().verdict(), Verdict::Failed);
    }
}
