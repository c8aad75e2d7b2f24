//! Simulated handshake with a server, in virtual time.

use super::server::{Confusion, Expected, Reaction, Refusal, Server};
use crate::error::UpstreamError;
use crate::protocol::ProtocolVersion;
use crate::upstream::UpstreamProtocol;
use crate::upstream::detection::{
    Cause, Detection, Event, Limit, Memory, Plan, Rejection, Request, Step, Transport,
};

/// Result of a handshake.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) protocol: Option<UpstreamProtocol>,
    pub(super) memory: Memory,
    pub(super) steps: usize,
    /// Number of times that a program was started.
    pub(super) starts: usize,
    /// Steps and events, for the message of a failed test.
    #[expect(dead_code, reason = "for the message of a failed test")]
    log: Vec<String>,
}

/// A server and the handshake with it, in virtual milliseconds.
pub(super) struct Network<'a> {
    server: &'a Server,
    now: u64,
    /// Answers that are due, by time.
    due: Vec<(u64, Event)>,
    /// Time of the start of the current program.
    started: u64,
    starts: usize,
    /// `true` once the current program has answered.
    answered: bool,
    /// Time until which the program is busy with earlier messages.
    busy: u64,
    first: Option<Expected>,
    exited: bool,
    log: Vec<String>,
}

impl<'a> Network<'a> {
    /// Performs one handshake.
    pub(super) fn run(server: &'a Server, plan: &Plan) -> Verdict {
        let mut network = Self {
            server,
            now: 0,
            due: Vec::new(),
            started: 0,
            starts: 1,
            answered: false,
            busy: 0,
            first: None,
            exited: false,
            log: Vec::new(),
        };
        let (mut detection, mut step) = Detection::new(plan.clone());
        let mut steps = 1;
        loop {
            network.log.push(format!("{} {step:?}", network.now));
            match step {
                Step::Done(protocol) => {
                    return network.verdict(Some(protocol), Memory::of(protocol), steps);
                }
                Step::Fail => return network.verdict(None, plan.memory, steps),
                _ => {}
            }
            let deadline = network.execute(step, &detection);
            let event = network.next(deadline);
            network.log.push(format!("{} {event:?}", network.now));
            if network.now >= LIMIT || steps > 100 {
                return network.verdict(None, detection.expired(), steps);
            }
            step = detection.on(event);
            steps += 1;
        }
    }

    fn verdict(self, protocol: Option<UpstreamProtocol>, memory: Memory, steps: usize) -> Verdict {
        Verdict {
            protocol,
            memory,
            steps,
            starts: self.starts,
            log: self.log,
        }
    }

    /// Executes a step; returns the time at which its limit ends.
    fn execute(&mut self, step: Step, detection: &Detection) -> u64 {
        match step {
            Step::Discover { fresh, limit } => {
                self.connect(fresh);
                self.send(Request::Discover, &self.server.discover, None, detection);
                self.deadline(limit)
            }
            Step::Initialize {
                version,
                fresh,
                limit,
            } => {
                self.connect(fresh);
                let reaction = &self.server.initialize;
                self.send(Request::Initialize, reaction, Some(version), detection);
                self.deadline(limit)
            }
            Step::InitializeSse { version } => {
                let reaction = &self.server.event_stream;
                self.send(Request::InitializeSse, reaction, Some(version), detection);
                self.deadline(Limit::Rest)
            }
            Step::OpenEventStream => {
                let reaction = match &self.server.event_stream {
                    Reaction::Accepts(..) => {
                        &Reaction::Accepts(vec![ProtocolVersion::LATEST], Refusal::Negotiates)
                    }
                    other => other,
                };
                self.send(Request::EventStream, reaction, None, detection);
                self.deadline(Limit::Probe)
            }
            Step::Notify => {
                self.due.clear();
                let answer = self.server.initialized.clone();
                self.due.extend(answer.map(|answer| {
                    let event = match answer {
                        Ok(()) => Event::Accepted(Request::Initialized),
                        Err(cause) => rejected(Request::Initialized, cause),
                    };
                    (self.now + self.server.latency, event)
                }));
                self.deadline(Limit::Probe)
            }
            Step::Wait(limit) => self.deadline(limit),
            Step::Done(_) | Step::Fail => LIMIT,
        }
    }

    /// Replaces the connection.
    fn connect(&mut self, fresh: bool) {
        if fresh {
            self.due.clear();
            self.started = self.now;
            self.starts += 1;
            self.answered = false;
            self.busy = 0;
            self.first = None;
            self.exited = false;
        }
    }

    /// Sends a request, to which the server reacts.
    fn send(
        &mut self,
        request: Request,
        reaction: &Reaction,
        version: Option<ProtocolVersion>,
        detection: &Detection,
    ) {
        let is_stdio = self.server.transport == Transport::Stdio;
        let mut at = self.now + self.server.latency;
        if is_stdio {
            // A program answers in order.
            at = at.max(self.started + self.server.start).max(self.busy);
            self.busy = at;
            let this = match request {
                Request::Discover => Expected::Discover,
                _ => Expected::Initialize,
            };
            let first = *self.first.get_or_insert(this);
            if self.exited {
                self.due.push((at, rejected(request, Cause::Closed)));
                return;
            }
            if self.server.expects.is_some_and(|expects| expects != first) {
                match self.server.confusion {
                    Confusion::Exits => self.exit(at, request),
                    Confusion::Rejects => {
                        let cause = Cause::Error { code: -32000 };
                        self.due.push((at, rejected(request, cause)));
                    }
                    Confusion::Wedges => {}
                }
                return;
            }
        }
        let lenient = detection.is_lenient();
        let event = answer(request, reaction, version, lenient);
        if let Some((pause, event)) = event {
            self.exited |= matches!(&event, Event::Rejected(_, it) if it.cause == Cause::Closed);
            self.due.push((at + pause, event));
        }
    }

    /// Ends the program.
    fn exit(&mut self, at: u64, request: Request) {
        self.exited = true;
        self.due.push((at, rejected(request, Cause::Closed)));
    }

    /// Returns the time of the first sign of life of a program, and the time that its start has
    /// taken as far as is known. There may be no sign until it answers.
    fn life(&self) -> (u64, u64) {
        let server = self.server;
        match server.transport {
            Transport::Http => (self.started, 0),
            Transport::Stdio if server.observed => (self.started + server.start, server.start),
            Transport::Stdio if server.banner || self.answered => (self.started, 0),
            Transport::Stdio => (LIMIT, 0),
        }
    }

    /// Returns the time at which `limit` ends.
    fn deadline(&self, limit: Limit) -> u64 {
        let (life, start) = self.life();
        let from = life.max(self.now);
        let rest = LIMIT.saturating_sub(from);
        let until = match limit {
            Limit::Rest => LIMIT,
            Limit::Probe if self.server.observed => from + PROBE,
            Limit::Probe => (from + PROBE).min(self.now + MAX_PROBE),
            Limit::Share => from + (rest.saturating_sub(start) / 2).max(PROBE.min(rest / 2)),
        };
        until.min(LIMIT)
    }

    /// Waits for the next answer until `deadline`.
    fn next(&mut self, deadline: u64) -> Event {
        let next = (0..self.due.len()).min_by_key(|at| self.due[*at].0);
        match next.filter(|at| self.due[*at].0 <= deadline) {
            Some(at) => {
                let (time, event) = self.due.remove(at);
                self.now = self.now.max(time);
                self.answered = true;
                event
            }
            None => {
                self.now = deadline;
                Event::Quiet
            }
        }
    }
}

/// Returns the answer to a request, and the time that the server takes for it.
fn answer(
    request: Request,
    reaction: &Reaction,
    version: Option<ProtocolVersion>,
    lenient: bool,
) -> Option<(u64, Event)> {
    let event = match reaction {
        Reaction::Silent => return None,
        Reaction::Late(pause, then) => {
            let (more, event) = answer(request, then, version, lenient)?;
            return Some((pause + more, event));
        }
        Reaction::Incomplete if lenient => Event::Accepted(request),
        Reaction::Incomplete => rejected(request, Cause::Incomplete),
        Reaction::Refuses(cause) => rejected(request, cause.clone()),
        Reaction::Accepts(supported, refusal) => {
            let unsupported = version.is_some_and(|version| !supported.contains(&version));
            match refusal {
                Refusal::Lists if unsupported => {
                    let versions = supported.clone();
                    rejected(request, Cause::Unsupported { versions })
                }
                Refusal::Refuses if unsupported => rejected(request, Cause::Error { code: -32602 }),
                Refusal::Lists | Refusal::Negotiates | Refusal::Refuses => Event::Accepted(request),
            }
        }
    };
    Some((0, event))
}

/// Returns the event of a request that the server has not accepted.
fn rejected(request: Request, cause: Cause) -> Event {
    Event::Rejected(request, Rejection::new(cause, UpstreamError::Closed, ""))
}

/// Time for the whole handshake.
pub(super) const LIMIT: u64 = 60_000;

/// Time for a probe after the first sign of life.
pub(super) const PROBE: u64 = 5_000;

/// Time for a probe without any sign of life.
const MAX_PROBE: u64 = 10_000;
