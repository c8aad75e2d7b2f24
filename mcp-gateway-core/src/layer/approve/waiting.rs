//! Wait of a call until somebody has decided about it.

use std::time::Duration;

use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::{Instant, sleep_until};

use super::unapproved_call::{UnapprovedCall, no_randomness, pending, refusal};
use crate::approval::{Approval, ApprovalRequest, ApprovalState as State, Unapproved};
use crate::auth::AuthenticationWatch;
use crate::era::{ApprovalQuestion, ApprovalState, HeldCall, UserAnswer};
use crate::error::AuthError;
use crate::jsonrpc::{Notification, Response};
use crate::layer::call_service::CallService;
use crate::layer::elicit_connections::HOLD;
use crate::layer::messages;
use crate::protocol::{Era, Method, meta};
use crate::reply::{ReplyEvent, ReplyStream, ServerRequest};
use crate::task::BackgroundTask;
use crate::{BoxFuture, Error, Reply};

/// Wait of a call until somebody has decided about it, among the parked calls.
pub(super) struct Waiting<S> {
    of: UnapprovedCall<S>,
    approval: Approval,
    /// Reason for which the call fails at the end of the wait.
    pending: Unapproved,
    changes: BoxStream<'static, ()>,
    /// Question to a legacy client that is to confirm the call.
    question: Option<ApprovalQuestion>,
    /// Answers to the question.
    answers: UnboundedReceiver<Response>,
    is_answered: bool,
    /// State of a modern client.
    state: Option<ApprovalState>,
    progress: Progress,
    deadline: Instant,
    /// Watch over the credential of the caller.
    watch: AuthenticationWatch,
    abandonment: Abandonment,
    #[expect(dead_code, reason = "its drop releases the place")]
    held: HeldCall,
}

/// Report of a call whose client goes away while it waits: the observer receives its end.
struct Abandonment(Option<BoxFuture<'static, Result<Reply, Error>>>);

/// Notifications of progress, by which a legacy client waits longer.
struct Progress {
    /// JSON text of the token, if the client wants them.
    token: Option<String>,
    count: u32,
    next: Instant,
}

/// End of one step of the wait.
enum Step {
    Answered(UserAnswer),
    /// The record has changed.
    Changed,
    /// Nobody has decided in time, or the gateway is shut down.
    Expired,
    Progress,
    /// The credential of the caller has been revoked.
    Revoked,
}

impl<S: CallService> Waiting<S> {
    /// Starts to wait for `approval`; `None` if too many calls wait. `state` is that of a modern client.
    pub(super) fn new(
        of: UnapprovedCall<S>,
        approval: &Approval,
        request: &ApprovalRequest,
        state: Option<ApprovalState>,
    ) -> Option<Self> {
        let caller = of.call.caller();
        let held = of.shared.parked_calls.hold(caller.principal())?;
        let is_modern = caller.client().era() == Era::Modern;
        let is_asked = !is_modern && request.terms.approvers().is_caller();
        let token = of.call.request().meta(meta::PROGRESS_TOKEN);
        let token = token.filter(|_| !is_modern && !is_asked).map(str::to_owned);
        let time = match is_asked || token.is_some() {
            true => of.shared.parked_calls.lifetime(),
            false => HOLD,
        };
        let now = Instant::now();
        let (_, answers) = mpsc::unbounded_channel();
        let (abandoned, cause) = (of.to_owned(), pending(approval, request));
        let report = Box::pin(async move { abandoned.reject(cause).await });
        Some(Self {
            abandonment: Abandonment(Some(report)),
            changes: of.shared.approvals.changes(&approval.id),
            pending: pending(approval, request),
            question: is_asked.then(|| ApprovalQuestion::new(&approval.id, request)),
            answers,
            is_answered: false,
            state,
            progress: Progress {
                token,
                count: 0,
                next: now + INTERVAL,
            },
            deadline: now + time.min(approval.remaining()),
            watch: caller.watch(),
            held,
            approval: approval.clone(),
            of,
        })
    }

    /// Returns the messages of the reply: the question, progress, and the response.
    pub(super) fn into_messages(mut self) -> ReplyStream {
        let question = self.ask().map(|question| Ok(ReplyEvent::Request(question)));
        let rest = stream::unfold(Some(self), async |waiting| {
            let mut waiting = waiting?;
            let (messages, is_end) = waiting.next().await;
            Some((messages, Some(waiting).filter(|_| !is_end)))
        });
        ReplyStream::new(stream::iter(question).chain(rest.flatten()))
    }

    /// Returns the question to a legacy client.
    fn ask(&mut self) -> Option<ServerRequest> {
        let (question, answers) = self.question.as_ref()?.to_server_request();
        self.answers = answers;
        Some(question)
    }

    /// Returns the next messages, and whether they are the last ones.
    async fn next(&mut self) -> (ReplyStream, bool) {
        loop {
            // The record is read after the subscription to its changes, so that none is missed.
            if let Some(result) = self.decided().await {
                return (self.end(result), true);
            }
            let result = match self.step().await {
                Step::Changed => continue,
                Step::Progress => return (self.progress.notify(), false),
                Step::Answered(answer) => match self.answered(answer).await {
                    Some(result) => result,
                    None => continue,
                },
                // The time of the decision may be over, too.
                Step::Expired => match self.decided().await {
                    Some(result) => result,
                    None => self.expired().await,
                },
                Step::Revoked => {
                    // The observer receives the end of the wait.
                    let _ = self.of.reject(self.pending.clone()).await;
                    Err(AuthError::InvalidToken.into())
                }
            };
            return (self.end(result), true);
        }
    }

    /// Returns the reply to the call once somebody has decided.
    async fn decided(&mut self) -> Option<Result<Reply, Error>> {
        let found = self.of.shared.approvals.find(&self.approval.id).await;
        let cause = match found {
            Ok(approval) if approval.state == State::Pending => return None,
            Ok(approval) => refusal(&approval),
            Err(error) => Some(error.into()),
        };
        Some(match cause {
            Some(Unapproved::Denied { .. }) if self.question.is_some() => {
                self.of.reject(Unapproved::Declined).await
            }
            Some(cause) => self.of.reject(cause).await,
            // One that another call has used requires another approval of this one.
            None => self.of.to_owned().attempt().await,
        })
    }

    /// Waits for the next step.
    async fn step(&mut self) -> Step {
        tokio::select! {
            biased;
            () = self.watch.revoked() => Step::Revoked,
            Some(()) = self.changes.next() => Step::Changed,
            Some(answer) = self.answers.recv() => {
                Step::Answered(ApprovalQuestion::answer_of_response(&answer))
            }
            () = self.of.shared.drain.started() => Step::Expired,
            () = sleep_until(self.deadline) => Step::Expired,
            () = sleep_until(self.progress.next) => Step::Progress,
        }
    }

    /// Records the answer of a legacy client. Returns the reply if the call does not run.
    async fn answered(&mut self, answer: UserAnswer) -> Option<Result<Reply, Error>> {
        self.is_answered = true;
        let accept = match answer {
            UserAnswer::Accepted => true,
            UserAnswer::Declined => false,
            UserAnswer::Failed | UserAnswer::Missing => {
                return Some(self.of.reject(self.pending.clone()).await);
            }
        };
        let approvals = &self.of.shared.approvals;
        let Approval { id, key, .. } = &self.approval;
        match approvals.confirm(id, key, accept).await {
            Ok(()) => None,
            Err(error) => Some(self.of.reject(error.into()).await),
        }
    }

    /// Returns the reply at the end of the wait: upon it, a modern client retries.
    async fn expired(&mut self) -> Result<Reply, Error> {
        let is_draining = self.of.shared.drain.is_draining();
        let state = self.state.take().filter(|_| !is_draining);
        let Some(state) = state.and_then(ApprovalState::next_round) else {
            return self.of.reject(self.pending.clone()).await;
        };
        let state = state.seal(self.of.shared.parked_calls.sealer());
        let state = state.map_err(no_randomness)?;
        let result = ApprovalQuestion::to_next_round(&state);
        Ok(Reply::result(self.of.call.request().id(), &result))
    }

    /// Returns the last messages.
    fn end(&mut self, result: Result<Reply, Error>) -> ReplyStream {
        self.abandonment.0 = None;
        let withdrawn = self.question.as_ref().filter(|_| !self.is_answered);
        let withdrawn = withdrawn.map(ApprovalQuestion::withdrawal);
        let withdrawn = withdrawn.map(|it| Ok(ReplyEvent::Notification(it)));
        let result = messages::of_result(&self.of.call, result);
        ReplyStream::new(stream::iter(withdrawn).chain(result))
    }
}

impl Drop for Abandonment {
    fn drop(&mut self) {
        let has_runtime = Handle::try_current().is_ok();
        if let Some(report) = self.0.take().filter(|_| has_runtime) {
            BackgroundTask::detach(async move {
                let _ = report.await;
            });
        }
    }
}

impl Progress {
    /// Returns a notification, if the client wants one.
    fn notify(&mut self) -> ReplyStream {
        self.next = Instant::now() + INTERVAL;
        self.count += 1;
        let notification = self.token.as_ref().map(|token| {
            let message = json!("Waiting for an approval");
            let count = self.count;
            let params =
                format!(r#"{{"progressToken":{token},"progress":{count},"message":{message}}}"#);
            Notification::new(&Method::Progress, Some(&params))
        });
        let notification = notification.map(|it| Ok(ReplyEvent::Notification(it)));
        ReplyStream::new(stream::iter(notification))
    }
}

/// Interval of notifications of progress, and of reading the record again.
const INTERVAL: Duration = Duration::from_secs(10);
