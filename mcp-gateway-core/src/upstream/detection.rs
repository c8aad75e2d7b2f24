//! Detection of the protocol of a server, as a state machine.
//!
//! The machine is pure: it performs no I/O and reads no clock. The handshake executes its
//! [`Step`]s and reports what the server answered as [`Event`]s, until the machine returns
//! [`Step::Done`] or [`Step::Fail`].
//!
//! | answer to `server/discover` | next step |
//! |---|---|
//! | result that lists our modern version | done: modern |
//! | result without required members, or with other versions | `initialize` with a version that it lists; if that fails, modern after all |
//! | JSON-RPC error, any HTTP status, no JSON-RPC message, end of the stream | `initialize` |
//! | exit of the program | restart, then `initialize` |
//! | none within the probe limit | `initialize`, while the answer may still arrive |
//!
//! | answer to `initialize` | next step |
//! |---|---|
//! | result with a supported version | `notifications/initialized`; any answer to that is accepted |
//! | error that may concern the version | `initialize` with another version |
//! | any failure after another request on the same byte streams | restart, then `initialize` |
//! | any other failure | whatever has not been tried: `server/discover`, HTTP+SSE |
//!
//! An unreachable server fails at once. A configured protocol is the only one that is tried. A
//! remembered one is tried first; a fresh detection follows if it no longer fits.

mod answers;
mod attempt;
mod limits;
mod plan;
mod step;
mod versions;

pub(super) use self::answers::Answers;
use self::attempt::{Attempt, Connection};
pub(super) use self::plan::{Memory, Plan, Transport};
pub(super) use self::step::{Cause, Event, Limit, Rejection, Request, Step};
use self::versions::Versions;
use super::UpstreamProtocol;
use crate::error::UpstreamError;
use crate::protocol::Era;

/// State machine that detects the protocol of one server.
///
/// It ends within a bounded number of steps, whatever the server answers.
#[derive(Debug)]
pub(super) struct Detection {
    /// Parameters of the detection.
    plan: Plan,
    /// Protocols in the order in which they are tried.
    order: Vec<UpstreamProtocol>,
    /// State of `server/discover`.
    discover: Attempt,
    /// State of `initialize`.
    initialize: Attempt,
    /// State of the event stream of HTTP+SSE, and of `initialize` over it.
    sse: Attempt,
    /// Versions that `initialize` requests.
    versions: Versions,
    /// `true` if the last `initialize` repeated another one on the same connection.
    repeated: bool,
    /// Legacy protocol whose `initialize` the server has accepted.
    session: Option<UpstreamProtocol>,
    /// State of the connection.
    connection: Connection,
    /// `true` if a discover result without required members is accepted.
    lenient: bool,
    /// `true` if a late answer to `server/discover` was awaited after `initialize` had failed.
    waited: bool,
    /// Failed requests.
    answers: Answers,
}

impl Detection {
    /// Starts a detection; returns it with its first step.
    pub(super) fn new(plan: Plan) -> (Self, Step) {
        let mut detection = Self {
            order: plan.order(),
            discover: Attempt::default(),
            initialize: Attempt::default(),
            sse: Attempt::default(),
            versions: Versions::new(plan.version),
            repeated: false,
            session: None,
            connection: Connection::New,
            lenient: plan.is_modern(),
            waited: false,
            answers: Answers::default(),
            plan,
        };
        let step = detection.next();
        (detection, step)
    }

    /// Returns the step that follows `event`.
    pub(super) fn on(&mut self, event: Event) -> Step {
        if let Some(session) = self.session {
            // No answer to a notification means that the session is unusable.
            if let Event::Rejected(request, rejection) = event {
                self.answers.record(request, rejection);
            }
            return Step::Done(session);
        }
        match event {
            Event::Accepted(request) => self.accepted(request),
            Event::Quiet => self.quiet(),
            Event::Rejected(request, rejection) => self.rejected(request, rejection),
        }
    }

    /// Returns `true` if a discover result without required members is accepted.
    pub(super) fn is_lenient(&self) -> bool {
        self.lenient
    }

    /// Returns the failed requests, for the log and the health endpoint.
    pub(super) fn answers(&self) -> &Answers {
        &self.answers
    }

    /// Returns the error of a detection that has failed.
    pub(super) fn into_error(self) -> UpstreamError {
        self.answers.into_error()
    }

    /// Returns the result to remember if the time for the detection is over.
    ///
    /// A remembered protocol is forgotten. Without one, the next detection of a program begins with
    /// the other era. Otherwise a program that takes most of the time to start, and exits on the
    /// probe, would never be reached.
    pub(super) fn expired(&self) -> Memory {
        if self.discover.failure() == Some(&Cause::Incomplete) {
            return Memory::of(UpstreamProtocol::Modern);
        }
        let began_with = self.order.first().map(|protocol| protocol.era());
        let flips = self.is_stdio() && self.plan.memory.protocol.is_none();
        Memory {
            protocol: None,
            first: began_with.map(Era::opposite).filter(|_| flips),
        }
    }

    /// Handles a request that the server has accepted.
    fn accepted(&mut self, request: Request) -> Step {
        match request {
            Request::Discover => Step::Done(UpstreamProtocol::Modern),
            Request::EventStream => self.start_sse_session(),
            Request::Initialize => self.start_session(UpstreamProtocol::Legacy),
            Request::InitializeSse => self.start_session(UpstreamProtocol::Sse),
            Request::Initialized => self.next(),
        }
    }

    /// Completes the handshake of a legacy protocol.
    fn start_session(&mut self, protocol: UpstreamProtocol) -> Step {
        self.session = Some(protocol);
        Step::Notify
    }

    /// Handles a request that the server has not accepted.
    fn rejected(&mut self, request: Request, rejection: Rejection) -> Step {
        let cause = rejection.cause.clone();
        self.answers.record(request, rejection);
        if self.is_stdio() && cause == Cause::Closed {
            self.disconnect();
            self.connection = Connection::Closed;
        }
        match request {
            Request::Discover => self.discover.fail(&cause),
            Request::Initialize => self.initialize.fail(&cause),
            Request::EventStream | Request::InitializeSse => self.sse.fail(&cause),
            Request::Initialized => {}
        }
        if self.is_final(&cause) {
            return Step::Fail;
        }
        self.renegotiated(request, &cause)
            .unwrap_or_else(|| self.next())
    }

    /// Selects another version if that of the failed request may have been the reason, and repeats
    /// `initialize` with it.
    fn renegotiated(&mut self, request: Request, cause: &Cause) -> Option<Step> {
        match request {
            Request::Discover => {
                self.versions.select_listed(cause);
                None
            }
            // The other message may have been the reason.
            Request::Initialize if self.initialize.is_unclean() => {
                self.versions.select_listed(cause);
                None
            }
            // A program may exit on the second `initialize`, but accept the version.
            Request::Initialize if self.connection == Connection::Closed && self.repeated => {
                Some(self.start_initialize(true))
            }
            Request::Initialize if self.versions.select_other(cause) => {
                let step = self.start_initialize(self.connection == Connection::Closed);
                self.repeated = matches!(step, Step::Initialize { fresh: false, .. });
                Some(step)
            }
            Request::InitializeSse if self.versions.select_other(cause) => {
                Some(self.start_sse_session())
            }
            Request::EventStream
            | Request::Initialize
            | Request::InitializeSse
            | Request::Initialized => None,
        }
    }

    /// Handles the end of the time for an answer.
    fn quiet(&mut self) -> Step {
        for (request, attempt) in [
            (Request::Discover, &mut self.discover),
            (Request::Initialize, &mut self.initialize),
            (Request::EventStream, &mut self.sse),
        ] {
            if attempt.expire() {
                self.answers.record_silence(request);
            }
        }
        // The first event follows the head at once. A server without HTTP+SSE may have a stream
        // that stays silent.
        self.sse.abandon();
        self.next()
    }

    /// Returns the next step: a protocol that has not been tried, a second chance, or the wait for
    /// an answer.
    fn next(&mut self) -> Step {
        let attempts = [&self.discover, &self.initialize, &self.sse];
        if attempts.iter().any(|attempt| attempt.is_due()) {
            return Step::Wait(match self.sse.is_due() {
                true => Limit::Probe,
                false => self.limit(),
            });
        }
        let step = self.untried().or_else(|| self.second_chance());
        step.unwrap_or_else(|| self.last_wait())
    }

    /// Starts the first protocol that has not been tried.
    fn untried(&mut self) -> Option<Step> {
        let closed = self.connection == Connection::Closed;
        self.order
            .clone()
            .into_iter()
            .find_map(|protocol| match protocol {
                // A strict server that is starting would exit: behind `initialize`, it expects nothing
                // but `notifications/initialized`.
                UpstreamProtocol::Modern if self.discover.is_untried() => {
                    let fresh = closed || self.is_stdio() && self.initialize.is_pending();
                    Some(self.start_discover(fresh))
                }
                UpstreamProtocol::Legacy if self.initialize.is_untried() => {
                    Some(self.start_initialize(closed))
                }
                UpstreamProtocol::Sse if self.sse.is_untried() => {
                    self.sse.start(true);
                    Some(Step::OpenEventStream)
                }
                UpstreamProtocol::Legacy | UpstreamProtocol::Modern | UpstreamProtocol::Sse => None,
            })
    }

    /// Repeats a request whose failure may have had another reason than the protocol.
    fn second_chance(&mut self) -> Option<Step> {
        let incomplete = self.discover.failure() == Some(&Cause::Incomplete);
        if incomplete && !self.lenient {
            self.lenient = true;
            return Some(self.start_discover(self.connection == Connection::Closed));
        }
        if self.initialize.is_unclean() {
            return Some(self.start_initialize(true));
        }
        self.deserves_discover()
            .then(|| self.start_discover(self.is_stdio()))
    }

    /// Returns `true` if `server/discover` may succeed when it is repeated.
    fn deserves_discover(&self) -> bool {
        if self.discover.is_untried() || self.discover.is_pending() {
            return false;
        }
        let transient = self.discover.failure().is_none_or(|cause| {
            // A program that exits on the first message would do so again.
            cause.is_transient() && !(self.is_stdio() && *cause == Cause::Closed)
        });
        let again = self.discover.is_first_try() && transient && !self.initialize.shows_legacy();
        again || self.discover.is_unclean()
    }

    /// Waits for answers that are overdue, or fails if there are none.
    fn last_wait(&mut self) -> Step {
        if !self.discover.is_pending() && !self.initialize.is_pending() {
            return Step::Fail;
        }
        // The server has shown its era, and callers wait for its error.
        match (self.initialize.shows_legacy(), self.waited) {
            (true, true) => return Step::Fail,
            (true, false) => self.waited = true,
            (false, _) => return Step::Wait(Limit::Rest),
        }
        Step::Wait(Limit::Probe)
    }

    /// Sends `server/discover`.
    fn start_discover(&mut self, fresh: bool) -> Step {
        let clean = self.use_connection(fresh);
        self.discover.start(clean);
        // A server that may be a legacy one should not delay its callers.
        let limit = self.probe_limit(self.discover.is_first_try());
        Step::Discover { fresh, limit }
    }

    /// Sends `initialize`.
    fn start_initialize(&mut self, fresh: bool) -> Step {
        let clean = self.use_connection(fresh);
        self.initialize.start(clean);
        self.repeated = false;
        // Over HTTP, another request does not disturb this one.
        let guess = !self.is_stdio() && self.plan.memory.protocol.is_none();
        let limit = self.probe_limit(guess && self.discover.is_untried());
        Step::Initialize {
            version: self.versions.request(),
            fresh,
            limit,
        }
    }

    /// Sends `initialize` over the event stream of HTTP+SSE.
    fn start_sse_session(&mut self) -> Step {
        if self.sse.is_first_try() {
            self.versions.restart();
        }
        self.sse.start(true);
        Step::InitializeSse {
            version: self.versions.request(),
        }
    }

    /// Records that a request is sent, on a new connection if `fresh`; returns `true` if no other one
    /// preceded it there. Requests over HTTP are independent.
    fn use_connection(&mut self, fresh: bool) -> bool {
        if fresh {
            self.disconnect();
        }
        let clean = fresh || self.connection == Connection::New || !self.is_stdio();
        self.connection = Connection::Used;
        clean
    }

    /// Records that pending answers are lost with their connection.
    fn disconnect(&mut self) {
        for attempt in [&mut self.discover, &mut self.initialize] {
            attempt.abandon();
        }
    }

    /// Returns `true` if `cause` ends the detection.
    ///
    /// A server may demand a credential for some of its methods only, so the answers to all of them
    /// must agree.
    fn is_final(&self, cause: &Cause) -> bool {
        let concerns_all = |protocol: &UpstreamProtocol| match protocol {
            UpstreamProtocol::Legacy => self.initialize.concerned_all(),
            UpstreamProtocol::Modern => self.discover.concerned_all(),
            UpstreamProtocol::Sse => true,
        };
        *cause == Cause::Unreachable || cause.concerns_all() && self.order.iter().all(concerns_all)
    }

    /// Returns `true` if the server is reached over byte streams.
    fn is_stdio(&self) -> bool {
        self.plan.transport == Transport::Stdio
    }
}

#[cfg(test)]
mod tests;
