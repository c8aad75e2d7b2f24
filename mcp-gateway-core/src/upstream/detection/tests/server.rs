//! Grammar of the behaviors of servers.

use http::StatusCode;
use proptest::prelude::*;

use super::network::{LIMIT, PROBE};
use crate::jsonrpc::code;
use crate::protocol::{Era, ProtocolVersion};
use crate::upstream::UpstreamProtocol;
use crate::upstream::detection::{Cause, Transport};

/// A server, as its answers to the first requests describe it.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) transport: Transport,
    /// Time to start, of a program.
    pub(super) start: u64,
    /// `true` if a program writes something as soon as it is executed.
    pub(super) banner: bool,
    /// `true` if it is observed when a program reads its input.
    pub(super) observed: bool,
    /// Latency of answers.
    pub(super) latency: u64,
    pub(super) discover: Reaction,
    pub(super) initialize: Reaction,
    /// Answer to `notifications/initialized`; `None` for silence.
    pub(super) initialized: Option<Result<(), Cause>>,
    /// Answer to the request for the event stream of HTTP+SSE.
    pub(super) event_stream: Reaction,
    /// Effect on a program of a first message that it does not expect.
    pub(super) confusion: Confusion,
    /// First message that a program expects; `None` if it is prepared for anything.
    pub(super) expects: Option<Expected>,
}

/// First message that a strict program expects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Expected {
    Discover,
    Initialize,
}

/// Effect of an unexpected first message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Confusion {
    /// It exits.
    Exits,
    /// It answers every request with an error from then on.
    Rejects,
    /// It answers nothing any more.
    Wedges,
}

/// Answer to a request.
#[derive(Clone, Debug)]
pub(super) enum Reaction {
    /// A result of the era of the request; `initialize` with one of these versions.
    Accepts(Vec<ProtocolVersion>, Refusal),
    /// No result.
    Refuses(Cause),
    /// A discover result without required members.
    Incomplete,
    /// Any of these after a while, in milliseconds.
    Late(u64, Box<Self>),
    /// Nothing.
    Silent,
}

/// Answer to `initialize` with a version that the server does not support.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// Result with a version that it supports, as the specification requires.
    Negotiates,
    /// Error that lists the supported versions.
    Lists,
    /// Error without a list.
    Refuses,
}

impl Reaction {
    fn is_accepting(&self) -> bool {
        match self {
            Self::Accepts(..) => true,
            Self::Late(_, then) => then.is_accepting(),
            Self::Incomplete | Self::Refuses(_) | Self::Silent => false,
        }
    }

    fn is_incomplete(&self) -> bool {
        matches!(self, Self::Incomplete)
    }
}

impl Server {
    /// Returns the protocols by which a client that speaks nothing else could use the server.
    pub(super) fn usable(&self) -> Vec<UpstreamProtocol> {
        let mut usable = Vec::new();
        let modern = self.discover.is_accepting() || self.discover.is_incomplete();
        if modern && self.expects != Some(Expected::Initialize) {
            usable.push(UpstreamProtocol::Modern);
        }
        if self.initialize.is_accepting() && self.expects != Some(Expected::Discover) {
            usable.push(UpstreamProtocol::Legacy);
        }
        if self.event_stream.is_accepting() {
            usable.push(UpstreamProtocol::Sse);
        }
        usable
    }

    /// Returns `true` if one time limit is enough for a detection that begins with `era`.
    ///
    /// It must be enough for all starts of the program, and for its answers: a second start is needed
    /// if the first message is not the one that the program expects.
    ///
    /// If its input is not observed, a program that ignores that message cannot be told from one
    /// that is slow to start.
    pub(super) fn fits_into_one_limit(&self, era: Era) -> bool {
        let (ours, expected) = match era {
            Era::Legacy => (&self.initialize, Expected::Initialize),
            Era::Modern => (&self.discover, Expected::Discover),
        };
        let is_right = ours.is_accepting() && self.expects.is_none_or(|it| it == expected);
        if self.observed {
            let starts = if is_right { 1 } else { 2 };
            let answers = self.latency * MAX_MESSAGES;
            return (self.start + PROBE) * starts + answers <= LIMIT;
        }
        let ignores = era == Era::Legacy && matches!(ours, Reaction::Silent);
        let wedges = self.expects.is_some() && self.confusion == Confusion::Wedges;
        self.start <= 4_000 && (self.banner || !ignores && !wedges)
    }
}

/// Maximum number of messages of a detection: one for each protocol version, and the notification
/// that it is complete, with some to spare.
const MAX_MESSAGES: u64 = 8;

/// Generates servers: of each era, of both, of neither.
pub(super) fn any_server() -> impl Strategy<Value = Server> {
    prop_oneof![stdio(), http()]
}

fn stdio() -> impl Strategy<Value = Server> {
    let start = prop_oneof![0_u64..4_000, 4_000_u64..50_000];
    let eras = prop_oneof![
        (accepts_discover(), refuses_on_stdio()),
        (refuses_on_stdio(), accepts_initialize()),
        (accepts_discover(), accepts_initialize()),
        (Just(Reaction::Incomplete), refuses_on_stdio()),
        (Just(Reaction::Incomplete), accepts_initialize()),
        (refuses_on_stdio(), refuses_on_stdio()),
    ];
    let confusion =
        prop::sample::select(&[Confusion::Exits, Confusion::Rejects, Confusion::Wedges]);
    (start, any::<[bool; 3]>(), 1_u64..500, eras, confusion).prop_map(
        |(start, [banner, observed, strict], latency, (discover, initialize), confusion)| {
            let modern = discover.is_accepting() || discover.is_incomplete();
            let expects = match (modern, initialize.is_accepting()) {
                (true, false) => Some(Expected::Discover),
                (false, true) => Some(Expected::Initialize),
                _ => None,
            };
            Server {
                transport: Transport::Stdio,
                start,
                banner,
                observed,
                latency,
                discover,
                initialize,
                initialized: Some(Ok(())),
                event_stream: Reaction::Silent,
                confusion,
                expects: expects.filter(|_| strict),
            }
        },
    )
}

fn http() -> impl Strategy<Value = Server> {
    let none = || refuses(any_status());
    let eras = prop_oneof![
        (accepts_discover(), none(), none()),
        (late(accepts_discover()), none(), none()),
        (Just(Reaction::Incomplete), none(), none()),
        (
            Just(Reaction::Incomplete),
            late(accepts_initialize()),
            none()
        ),
        (none(), accepts_initialize(), none()),
        (none(), late(accepts_initialize()), none()),
        (late(accepts_discover()), late(accepts_initialize()), none()),
        (none(), refuses(plain_status()), accepts_initialize()),
        (none(), none(), none()),
    ];
    let initialized = prop_oneof![
        Just(Some(Ok(()))),
        any_status().prop_map(|status| Some(Err(Cause::Status(status)))),
        Just(Some(Err(Cause::Closed))),
        Just(None),
    ];
    (1_u64..2_000, eras, initialized).prop_map(|(latency, eras, initialized)| {
        let (discover, initialize, event_stream) = eras;
        Server {
            transport: Transport::Http,
            start: 0,
            banner: true,
            observed: false,
            latency,
            discover,
            initialize,
            initialized,
            event_stream,
            confusion: Confusion::Exits,
            expects: None,
        }
    })
}

fn accepts_discover() -> BoxedStrategy<Reaction> {
    Just(Reaction::Accepts(
        vec![ProtocolVersion::LATEST],
        Refusal::Negotiates,
    ))
    .boxed()
}

fn accepts_initialize() -> BoxedStrategy<Reaction> {
    let legacy = &ProtocolVersion::ALL[1..];
    let refusal = prop::sample::select(&[Refusal::Negotiates, Refusal::Lists, Refusal::Refuses]);
    (prop::sample::subsequence(legacy, 1..=4), refusal)
        .prop_map(|(versions, refusal)| Reaction::Accepts(versions, refusal))
        .boxed()
}

fn late(reaction: BoxedStrategy<Reaction>) -> BoxedStrategy<Reaction> {
    (0_u64..9_000, reaction)
        .prop_map(|(pause, then)| Reaction::Late(pause, Box::new(then)))
        .boxed()
}

fn refuses_on_stdio() -> BoxedStrategy<Reaction> {
    prop_oneof![
        error().prop_map(Reaction::Refuses),
        Just(Reaction::Refuses(Cause::Closed)),
        Just(Reaction::Silent),
    ]
    .boxed()
}

fn refuses(statuses: BoxedStrategy<StatusCode>) -> BoxedStrategy<Reaction> {
    prop_oneof![
        error().prop_map(Reaction::Refuses),
        statuses.prop_map(|status| Reaction::Refuses(Cause::Status(status))),
        Just(Reaction::Refuses(Cause::Closed)),
        Just(Reaction::Refuses(Cause::Invalid)),
        Just(Reaction::Silent),
    ]
    .boxed()
}

fn error() -> BoxedStrategy<Cause> {
    let codes = &[
        code::HEADER_MISMATCH,
        code::INTERNAL_ERROR,
        code::INVALID_PARAMS,
        code::INVALID_REQUEST,
        code::METHOD_NOT_FOUND,
        code::PARSE_ERROR,
        code::UNSUPPORTED_VERSION,
        -32000,
        -32001,
        0,
        404,
    ];
    prop_oneof![
        prop::sample::select(codes).prop_map(|code| Cause::Error { code }),
        prop::sample::subsequence(&ProtocolVersion::ALL[1..], 0..=4)
            .prop_map(|versions| Cause::Unsupported { versions }),
    ]
    .boxed()
}

/// Generates statuses that concern one request.
fn plain_status() -> BoxedStrategy<StatusCode> {
    let plain =
        |status: &StatusCode| !status.is_redirection() && !matches!(status.as_u16(), 401 | 429);
    any_status()
        .prop_filter("it concerns all requests", plain)
        .boxed()
}

fn any_status() -> BoxedStrategy<StatusCode> {
    prop::sample::select(&[
        301_u16, 307, 400, 401, 403, 404, 405, 406, 408, 410, 415, 422, 429, 500, 501, 502, 503,
        504,
    ])
    .prop_filter_map("a status", |status| StatusCode::from_u16(status).ok())
    .boxed()
}
