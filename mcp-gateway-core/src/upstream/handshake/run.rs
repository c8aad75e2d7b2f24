//! Loop of steps and events, with the limits.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time;

use super::answer::{self, Answer, Payload};
use super::{Handshake, HandshakeDetails, HandshakeError, Negotiated, UpstreamProtocol};
use crate::error::UpstreamError;
use crate::transport::{HttpTransport, ProgramOutput, Transport};
use crate::upstream::connection::UpstreamConnection;
use crate::upstream::detection::{self, Detection, Event, Limit, Plan, Request, Step};
use crate::upstream::http_endpoint::HttpEndpoint;
use crate::upstream::legacy_http::{HttpSession, LegacyHttpConnection};
use crate::upstream::modern_http::ModernHttpConnection;
use crate::upstream::multiplexed::{Channel, UnnegotiatedConnection};
use crate::upstream::{DiscoverResult, Instance, RuntimeBackend};
use crate::{BoxFuture, Mask};

/// A handshake in progress.
///
/// Dropping it closes the connection.
pub(super) struct Run<'a> {
    pub(super) handshake: &'a Handshake,
    backend: &'a dyn RuntimeBackend,
    instance: &'a Instance,
    /// Secrets that the server has received, which its answers may quote.
    pub(super) mask: Arc<Mask>,
    /// Connection to the server.
    pub(super) wire: Wire,
    /// Requests that the server has not answered.
    pub(super) pending: FuturesUnordered<BoxFuture<'static, (Request, Answer)>>,
    /// Discover result of the modern era.
    modern: Option<DiscoverResult>,
    /// Result of `initialize`.
    pub(super) session: Option<Session>,
}

/// Connection to the server during the handshake.
pub(super) enum Wire {
    /// Streamable HTTP, or HTTP+SSE.
    Http {
        /// Client of the endpoint, with the credential.
        endpoint: Box<HttpEndpoint>,
        /// Transport of the endpoint.
        transport: HttpTransport,
        /// Channel over the event stream of HTTP+SSE, once it is open.
        sse: Option<Arc<UnnegotiatedConnection>>,
    },
    /// A pair of byte streams.
    Stdio {
        /// Channel over the streams.
        channel: Arc<UnnegotiatedConnection>,
        /// Output of the program behind them, if it is one.
        output: Option<Arc<ProgramOutput>>,
    },
}

/// A negotiated session of the legacy era.
pub(super) struct Session {
    /// Self-description of the server.
    info: DiscoverResult,
    /// Client of the endpoint, with session ID and version; `None` over a channel.
    pub(super) endpoint: Option<HttpEndpoint>,
}

impl<'a> Run<'a> {
    /// Connects to the server.
    ///
    /// # Errors
    ///
    /// Those of the backend, and [`UpstreamError::Timeout`] after the deadline.
    pub(super) async fn begin(
        handshake: &'a Handshake,
        backend: &'a dyn RuntimeBackend,
        instance: &'a Instance,
    ) -> Result<Self, HandshakeError> {
        let wire = Wire::connect(handshake, backend, instance).await;
        let wire = wire.map_err(HandshakeError::unreached)?;
        Ok(Self {
            handshake,
            backend,
            instance,
            mask: wire.mask(handshake),
            wire,
            pending: FuturesUnordered::new(),
            modern: None,
            session: None,
        })
    }

    /// Executes the steps of the detection until it ends.
    pub(super) async fn complete(mut self) -> Result<Negotiated, HandshakeError> {
        let (mut detection, mut step) = Detection::new(self.plan());
        loop {
            tracing::trace!(?step, "handshake step");
            let limit = match self.execute(step).await {
                Ok(Some(limit)) => limit,
                Ok(None) => break,
                Err(error) => return Err(self.failed(error, &detection).await),
            };
            match self.next(limit, &detection).await {
                Some(event) => step = detection.on(event),
                None => {
                    let memory = Some(detection.expired());
                    let failed = self.failed(UpstreamError::Timeout, &detection).await;
                    return Err(HandshakeError { memory, ..failed });
                }
            }
        }
        // The channel must have no other owner.
        self.pending.clear();
        let is_stdio = self.is_stdio();
        let answers = detection.answers().clone();
        match step {
            Step::Done(protocol) => match self.connection(protocol) {
                Some(connection) => Ok(Negotiated {
                    protocol,
                    is_stdio,
                    connection,
                    answers,
                }),
                None => Err(HandshakeError::unreached(UpstreamError::Closed)),
            },
            _ => {
                let failed = self.failed(UpstreamError::Closed, &detection).await;
                let error = detection.into_error();
                Err(HandshakeError { error, ..failed })
            }
        }
    }

    /// Returns the parameters of the detection.
    fn plan(&self) -> Plan {
        Plan {
            transport: match self.is_stdio() {
                true => detection::Transport::Stdio,
                false => detection::Transport::Http,
            },
            observes_start: self.wire.observes_start(),
            configured: self.handshake.configured,
            memory: self.handshake.memory,
            era: self.handshake.era,
            version: self.handshake.version,
        }
    }

    /// Executes a step; returns its limit, or `None` if it is the last one.
    async fn execute(&mut self, step: Step) -> Result<Option<Limit>, UpstreamError> {
        Ok(Some(match step {
            Step::Done(_) | Step::Fail => return Ok(None),
            Step::Discover { fresh, limit } => {
                self.reconnect(fresh).await?;
                self.discover();
                limit
            }
            Step::Initialize {
                version,
                fresh,
                limit,
            } => {
                self.reconnect(fresh).await?;
                self.initialize(version);
                limit
            }
            Step::InitializeSse { version } => {
                self.initialize_sse(version);
                Limit::Rest
            }
            Step::Notify => {
                self.notify();
                Limit::Probe
            }
            Step::OpenEventStream => {
                self.open_event_stream();
                Limit::Probe
            }
            Step::Wait(limit) => limit,
        }))
    }

    /// Replaces the connection if `fresh`; a program is killed and started again.
    async fn reconnect(&mut self, fresh: bool) -> Result<(), UpstreamError> {
        if fresh && self.is_stdio() {
            self.pending.clear();
            self.wire = Wire::connect(self.handshake, self.backend, self.instance).await?;
        }
        Ok(())
    }

    /// Waits for the next event; returns `None` after the deadline.
    async fn next(&mut self, limit: Limit, detection: &Detection) -> Option<Event> {
        let expiry = self.wire.expiry(limit, self.handshake.deadline);
        let expired = async {
            tokio::select! {
                () = expiry => true,
                () = time::sleep_until(self.handshake.deadline) => false,
            }
        };
        tokio::select! {
            biased;
            Some((request, answer)) = self.pending.next() => {
                Some(self.received(request, answer, detection.is_lenient()))
            }
            in_time = expired => in_time.then_some(Event::Quiet),
        }
    }

    /// Converts an answer into an event, and keeps what the connection needs of it.
    fn received(&mut self, request: Request, answer: Answer, lenient: bool) -> Event {
        let payload = match answer {
            Ok(payload) => payload,
            Err(rejection) => return Event::Rejected(request, rejection),
        };
        let accepted = match (payload, request) {
            (Payload::Accepted, _) => Ok(()),
            (Payload::Response(received), Request::Discover) => {
                let modern = answer::discover(&received, lenient, &self.mask);
                modern.map(|modern| self.modern = Some(modern))
            }
            (Payload::Response(received), _) => {
                let initialized = answer::initialize(&received, &self.mask);
                initialized.map(|info| self.accept_session(request, info, received.session))
            }
            (Payload::EventStream(stream), _) => {
                let channel = UnnegotiatedConnection::new(self.handshake.askable(), |incoming| {
                    stream.channel(incoming)
                });
                if let Wire::Http { sse, .. } = &mut self.wire {
                    *sse = Some(Arc::new(channel));
                }
                Ok(())
            }
        };
        match accepted {
            Ok(()) => Event::Accepted(request),
            Err(rejection) => Event::Rejected(request, rejection),
        }
    }

    /// Keeps the result of `initialize`.
    fn accept_session(
        &mut self,
        request: Request,
        info: DiscoverResult,
        session: Option<http::HeaderValue>,
    ) {
        let endpoint = match &self.wire {
            Wire::Http { endpoint, .. } if request == Request::Initialize => {
                let endpoint = HttpEndpoint::clone(endpoint).with_version(info.version);
                Some(endpoint.with_session(session))
            }
            Wire::Http { .. } | Wire::Stdio { .. } => None,
        };
        self.session = Some(Session { info, endpoint });
    }

    /// Returns the connection of the detected protocol.
    fn connection(self, protocol: UpstreamProtocol) -> Option<Arc<dyn UpstreamConnection>> {
        let askable = self.handshake.askable();
        let (info, session) = match (protocol, self.modern, self.session) {
            (UpstreamProtocol::Modern, Some(modern), _) => (modern, None),
            (_, _, Some(session)) => (session.info, session.endpoint),
            _ => return None,
        };
        let channel = match (self.wire, protocol) {
            (Wire::Http { endpoint, .. }, UpstreamProtocol::Modern) => {
                return Some(Arc::new(ModernHttpConnection::new(*endpoint, info)));
            }
            (Wire::Http { .. }, UpstreamProtocol::Legacy) => {
                let attendance = Arc::clone(&self.handshake.attendance);
                let session = HttpSession::new(session?, askable, attendance);
                return Some(Arc::new(LegacyHttpConnection::new(session, info)));
            }
            (Wire::Http { sse, .. }, UpstreamProtocol::Sse) => sse?,
            (Wire::Stdio { channel, .. }, _) => channel,
        };
        Some(Arc::new(Arc::into_inner(channel)?.into_connection(info)))
    }

    /// Returns the failure of the handshake.
    ///
    /// The last lines of a program that has closed its output are awaited for a moment.
    async fn failed(&mut self, error: UpstreamError, detection: &Detection) -> HandshakeError {
        self.pending.clear();
        let mut details = HandshakeDetails {
            answers: detection.answers().clone(),
            ..HandshakeDetails::default()
        };
        if let Wire::Stdio {
            output: Some(output),
            ..
        } = &self.wire
        {
            let output = Arc::clone(output);
            details.program = match error {
                UpstreamError::Closed => output.exit_report().await,
                _ => output.report(),
            };
        }
        HandshakeError {
            error,
            memory: None,
            is_stdio: Some(self.is_stdio()),
            details,
        }
    }

    /// Returns `true` if the server is reached over byte streams.
    fn is_stdio(&self) -> bool {
        matches!(self.wire, Wire::Stdio { .. })
    }
}

impl Wire {
    /// Returns the secrets that the server has received.
    fn mask(&self, handshake: &Handshake) -> Arc<Mask> {
        match self {
            Self::Stdio {
                output: Some(output),
                ..
            } => Arc::clone(output.mask()),
            Self::Http { .. } | Self::Stdio { .. } => Arc::new(handshake.credential.mask()),
        }
    }

    /// Connects to `instance`, starting it if necessary.
    ///
    /// # Errors
    ///
    /// Those of the backend and of the roots policy, and [`UpstreamError::Timeout`] after the
    /// deadline.
    async fn connect(
        handshake: &Handshake,
        backend: &dyn RuntimeBackend,
        instance: &Instance,
    ) -> Result<Self, UpstreamError> {
        let transport = time::timeout_at(handshake.deadline, backend.connect(instance));
        let transport = transport.await.unwrap_or(Err(UpstreamError::Timeout))?;
        handshake.roots.permits(&transport)?;
        Ok(match transport {
            Transport::Http(transport) => {
                let endpoint = HttpEndpoint::new(transport.clone(), handshake.limit)
                    .with_credential(&handshake.credential);
                Self::Http {
                    endpoint: Box::new(endpoint),
                    transport,
                    sse: None,
                }
            }
            Transport::Stdio(stdio) => {
                let output = stdio.output.clone();
                let limit = handshake.limit;
                let channel = UnnegotiatedConnection::new(handshake.askable(), |incoming| {
                    Channel::stdio(stdio, limit, incoming)
                });
                Self::Stdio {
                    channel: Arc::new(channel),
                    output,
                }
            }
        })
    }
}
