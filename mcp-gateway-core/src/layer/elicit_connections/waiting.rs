//! Wait of a call until its user has connected an account.

use std::time::Duration;

use futures_core::stream::BoxStream;
use futures_util::future::FutureExt;
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::{Instant, sleep_until};

use super::ElicitedCall;
use super::missing::MissingConnection;
use crate::auth::AuthenticationWatch;
use crate::era::{ConnectionRequest, ConnectionState, HeldCall, UserAnswer};
use crate::error::AuthError;
use crate::jsonrpc::Response;
use crate::layer::call_service::CallService;
use crate::layer::messages;
use crate::reply::{ReplyEvent, ReplyStream};
use crate::task::BackgroundTask;
use crate::{Call, Drain, Error, Reply};

/// Wait of a call until its user has connected an account, among the parked calls.
pub(super) struct Waiting {
    changes: BoxStream<'static, ()>,
    /// Answers of a legacy client.
    answers: UnboundedReceiver<Response>,
    deadline: Instant,
    drain: Drain,
    /// Watch over the credential of the caller.
    watch: AuthenticationWatch,
    #[expect(dead_code, reason = "its drop releases the place")]
    held: HeldCall,
}

/// End of one step of the wait.
enum Step {
    Answered(UserAnswer),
    /// A connection has changed.
    Changed,
    /// The user has not connected in time, or the gateway is shut down.
    Expired,
    /// The credential of the caller has been revoked.
    Revoked,
}

impl Waiting {
    /// Starts to wait for a connection of `server` for `time`; `None` if too many calls wait.
    pub(super) fn new<S>(of: &ElicitedCall<S>, server: &str, time: Duration) -> Option<Self> {
        let (shared, caller) = (&of.shared, of.call.caller());
        let held = shared.parked_calls.hold(caller.principal())?;
        let (_, answers) = mpsc::unbounded_channel();
        Some(Self {
            changes: shared.signals.changes(caller.principal(), server),
            answers,
            deadline: Instant::now() + time,
            drain: shared.drain.clone(),
            watch: caller.watch(),
            held,
        })
    }

    /// Waits for the next step.
    async fn step(&mut self) -> Step {
        tokio::select! {
            biased;
            () = self.watch.revoked() => Step::Revoked,
            Some(()) = self.changes.next() => Step::Changed,
            Some(answer) = self.answers.recv() => {
                Step::Answered(ConnectionRequest::answer_of_response(&answer))
            }
            () = self.drain.started() => Step::Expired,
            () = sleep_until(self.deadline) => Step::Expired,
        }
    }

    /// Returns the reply to the retry of a modern client, whose call has failed with `error`.
    pub(super) fn in_request<S: CallService>(
        mut self,
        elicited: ElicitedCall<S>,
        state: ConnectionState,
        mut error: Error,
    ) -> ReplyStream {
        let reply = async move {
            loop {
                let result = match self.step().await {
                    Step::Changed => match retried(&elicited, &mut error).await {
                        Some(result) => result,
                        None => continue,
                    },
                    Step::Expired if self.drain.is_draining() => Err(error),
                    Step::Expired => next_round(&elicited, state).unwrap_or(Err(error)),
                    Step::Answered(_) => continue,
                    Step::Revoked => Err(AuthError::InvalidToken.into()),
                };
                return messages::of_result(&elicited.call, result);
            }
        };
        ReplyStream::new(reply.flatten_stream())
    }

    /// Returns the reply to a legacy client, whose call has failed with `error`: the `request`, and
    /// what follows.
    pub(super) fn in_session<S: CallService>(
        mut self,
        elicited: ElicitedCall<S>,
        request: ConnectionRequest,
        error: Error,
    ) -> ReplyStream {
        let (question, answers) = request.to_server_request();
        self.answers = answers;
        let question = stream::iter([Ok(ReplyEvent::Request(question))]);
        let reply = async move { self.after_request(elicited, request, error).await };
        ReplyStream::new(question.chain(reply.flatten_stream()))
    }

    /// Returns the messages that follow the request to a legacy client.
    async fn after_request<S: CallService>(
        mut self,
        elicited: ElicitedCall<S>,
        request: ConnectionRequest,
        mut error: Error,
    ) -> ReplyStream {
        let (mut before, mut is_answered) = (Vec::new(), false);
        let result = loop {
            match self.step().await {
                Step::Answered(UserAnswer::Accepted) => is_answered = true,
                Step::Answered(UserAnswer::Failed) => {
                    let response = request
                        .to_error()
                        .to_response(Some(elicited.call.request().id()));
                    self.report_completion(&elicited.call, request);
                    return messages::of_response(&response);
                }
                Step::Answered(_) => {
                    is_answered = true;
                    break Err(error);
                }
                Step::Changed => {
                    if let Some(result) = retried(&elicited, &mut error).await {
                        before.push(request.completion());
                        break result;
                    }
                }
                Step::Expired => break Err(error),
                Step::Revoked => break Err(AuthError::InvalidToken.into()),
            }
        };
        if !is_answered {
            before.push(request.withdrawal());
        }
        let before = before
            .into_iter()
            .map(|it| Ok(ReplyEvent::Notification(it)));
        let result = messages::of_result(&elicited.call, result);
        ReplyStream::new(stream::iter(before).chain(result))
    }

    /// Notifies the client on its standalone stream, once its user has connected.
    fn report_completion(mut self, call: &Call, request: ConnectionRequest) {
        let Some(session) = call.client().session().cloned() else {
            return;
        };
        BackgroundTask::detach(async move {
            if let Step::Changed = self.step().await {
                let log = session.state().standalone();
                log.push(request.completion().bytes());
            }
        });
    }
}

/// Sends the call again. Returns `None` if an account is still missing, and sets `error`.
async fn retried<S: CallService>(
    elicited: &ElicitedCall<S>,
    error: &mut Error,
) -> Option<Result<Reply, Error>> {
    match elicited.send_again().await {
        Err(missing) if MissingConnection::of(&missing).is_some() => {
            *error = missing;
            None
        }
        result => {
            tracing::debug!("account connected; call retried");
            Some(result)
        }
    }
}

/// Returns the result upon which a modern client retries, to wait longer; `None` if it has waited
/// long enough.
fn next_round<S>(
    elicited: &ElicitedCall<S>,
    state: ConnectionState,
) -> Option<Result<Reply, Error>> {
    let state = Some(state).filter(|state| !state.remaining().is_zero());
    let state = state.and_then(ConnectionState::next)?;
    let state = state.seal(elicited.shared.parked_calls.sealer());
    Some(state.map_err(super::no_randomness).map(|state| {
        let result = ConnectionRequest::to_next_round(&state);
        Reply::result(elicited.call.request().id(), &result)
    }))
}
