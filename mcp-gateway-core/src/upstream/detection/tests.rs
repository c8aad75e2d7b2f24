//! Model test: random servers from a grammar of behaviors, against the machine.

mod network;
mod server;

use std::sync::Arc;

use proptest::prelude::*;

use self::network::{Network, Verdict};
use self::server::{Server, any_server};
use super::{Cause, Detection, Event, Memory, Plan, Rejection, Request, Step, Transport};
use crate::error::UpstreamError;
use crate::protocol::{Era, ProtocolVersion};
use crate::upstream::UpstreamProtocol;

/// Returns the plan for a server of which nothing is known.
fn plan(transport: Transport) -> Plan {
    Plan {
        transport,
        observes_start: false,
        configured: None,
        memory: Memory::default(),
        era: Era::Modern,
        version: ProtocolVersion::LATEST,
    }
}

/// Connects up to `attempts` times, as a caller that tries again would, and returns the result of
/// the last attempt.
fn connect(server: &Server, plan: &Plan, attempts: usize) -> Verdict {
    let mut plan = plan.clone();
    let mut last = Network::run(server, &plan);
    for _ in 1..attempts {
        match &last {
            Verdict {
                protocol: None,
                memory,
                ..
            } => plan.memory = *memory,
            Verdict {
                protocol: Some(_), ..
            } => break,
        }
        last = Network::run(server, &plan);
    }
    last
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn a_server_that_a_client_of_its_era_could_use_is_used(server in any_server(), legacy: bool) {
        let mut plan = plan(server.transport);
        plan.observes_start = server.observed;
        if legacy {
            plan.era = Era::Legacy;
        }
        let usable = server.usable();
        let attempts = if server.fits_into_one_limit(plan.era) { 1 } else { 4 };
        let verdict = connect(&server, &plan, attempts);
        prop_assert!(verdict.steps <= MAX_STEPS, "{verdict:?}");
        match verdict.protocol {
            None => prop_assert!(usable.is_empty(), "usable by {usable:?}: {verdict:?}"),
            Some(protocol) => {
                prop_assert!(usable.contains(&protocol), "usable by {usable:?}: {verdict:?}");
                let again = Network::run(&server, &Plan { memory: Memory::of(protocol), ..plan });
                prop_assert_eq!(again.protocol, Some(protocol), "{:?}", again);
                prop_assert_eq!(again.starts, 1, "{:?}", again);
                prop_assert!(again.steps <= 8, "{again:?}");
            }
        }
    }

    #[test]
    fn a_result_that_stops_fitting_leads_to_a_detection(
        server in any_server(),
        remembered in prop::sample::select(&[UpstreamProtocol::Legacy, UpstreamProtocol::Modern, UpstreamProtocol::Sse]),
    ) {
        let plan = Plan { memory: Memory::of(remembered), observes_start: server.observed, ..plan(server.transport) };
        let usable = server.usable();
        let verdict = connect(&server, &plan, 5);
        prop_assert!(verdict.steps <= MAX_STEPS, "{verdict:?}");
        match verdict.protocol {
            None => prop_assert!(usable.is_empty(), "usable by {usable:?}: {verdict:?}"),
            Some(protocol) => prop_assert!(usable.contains(&protocol), "{verdict:?}"),
        }
    }

    #[test]
    fn a_configured_protocol_is_the_only_one(
        server in any_server(),
        configured in prop::sample::select(&[UpstreamProtocol::Legacy, UpstreamProtocol::Modern, UpstreamProtocol::Sse]),
    ) {
        let plan = Plan { configured: Some(configured), observes_start: server.observed, ..plan(server.transport) };
        let verdict = Network::run(&server, &plan);
        if let Some(protocol) = verdict.protocol {
            prop_assert_eq!(protocol.era(), configured.era(), "{:?}", verdict);
        }
        let fits = server.usable().contains(&configured);
        prop_assert!(!fits || verdict.protocol.is_some(), "{verdict:?}");
    }
}

/// Creates a rejection with the text `answer`.
fn rejection(cause: Cause, error: UpstreamError, answer: &str) -> Rejection {
    Rejection::new(cause, error, Arc::from(answer))
}

#[test]
fn a_failure_names_all_answers() {
    let (mut detection, _) = Detection::new(plan(Transport::Http));
    let status = http::StatusCode::INTERNAL_SERVER_ERROR;
    let refused = |answer| rejection(Cause::Status(status), UpstreamError::Status(status), answer);
    let step = detection.on(Event::Rejected(
        Request::Discover,
        refused("status 500 \"a\""),
    ));
    assert!(matches!(step, Step::Initialize { .. }));
    let step = detection.on(Event::Rejected(
        Request::Initialize,
        refused("status 500 \"b\""),
    ));
    assert_eq!(step, Step::OpenEventStream);
    let step = detection.on(Event::Quiet);
    assert!(
        matches!(step, Step::Discover { .. }),
        "500 may have been transient"
    );
    let step = detection.on(Event::Rejected(
        Request::Discover,
        refused("status 500 \"c\""),
    ));
    assert_eq!(step, Step::Fail);
    assert_eq!(
        detection.answers().to_string(),
        "server/discover: status 500 \"a\"; initialize: status 500 \"b\"; \
         HTTP+SSE event stream: no answer; server/discover: status 500 \"c\""
    );
    assert!(matches!(detection.into_error(), UpstreamError::Status(failed) if failed == status));
}

#[test]
fn a_rejected_credential_is_the_error() {
    let (mut detection, _) = Detection::new(plan(Transport::Http));
    let unauthorized = Cause::Status(http::StatusCode::UNAUTHORIZED);
    let refused = rejection(unauthorized, UpstreamError::Redirect, "status 401");
    let step = detection.on(Event::Rejected(Request::Discover, refused.clone()));
    assert!(
        matches!(step, Step::Initialize { .. }),
        "it may be open to all"
    );
    let step = detection.on(Event::Rejected(Request::Initialize, refused));
    assert_eq!(step, Step::Fail);
    assert!(matches!(detection.into_error(), UpstreamError::Redirect));
}

/// Upper bound for the number of steps of a detection.
///
/// `server/discover` is sent up to three times, `initialize` twice with up to four versions, and
/// once again over HTTP+SSE; there is a wait after each of them.
const MAX_STEPS: usize = 32;
