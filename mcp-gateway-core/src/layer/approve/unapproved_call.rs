//! Call that may require an approval, sent until it has one or is rejected.

use std::sync::Arc;

use tower::ServiceExt;

use super::Shared;
use super::waiting::Waiting;
use crate::approval::{
    Approval, ApprovalPass, ApprovalRequest, ApprovalState as State, Unapproved, Verdict,
};
use crate::era::{self, ApprovalQuestion, ApprovalState, UserAnswer};
use crate::error::BoxError;
use crate::layer::call_service::CallService;
use crate::protocol::Era;
use crate::seal::SealError;
use crate::{BoxFuture, Call, Error, Reply};

/// Call that may require an approval.
pub(super) struct UnapprovedCall<S> {
    pub(super) inner: Arc<S>,
    pub(super) shared: Arc<Shared>,
    pub(super) call: Call,
}

impl<S: CallService> UnapprovedCall<S> {
    /// Answers a retry, whose state may be that of its server.
    pub(super) fn answer_retry(mut self) -> BoxFuture<'static, Result<Reply, Error>> {
        Box::pin(async move {
            let state = ApprovalState::open(&self.call, self.shared.parked_calls.sealer())?;
            let Some(state) = state else {
                return self.attempt().await;
            };
            if state.step() > 0 {
                return self.continue_call(state).await;
            }
            let answer = ApprovalQuestion::answer_of_retry(self.call.request());
            self.call = era::without_retry(&self.call);
            match answer {
                UserAnswer::Accepted => self.confirmed(&state, true).await,
                UserAnswer::Declined | UserAnswer::Failed => self.confirmed(&state, false).await,
                UserAnswer::Missing => self.wait_again(state).await,
            }
        })
    }

    /// Records the answer of the caller, and sends the call accordingly.
    async fn confirmed(self, state: &ApprovalState, accept: bool) -> Result<Reply, Error> {
        let approvals = &self.shared.approvals;
        match approvals.confirm(state.id(), &state.key(), accept).await {
            Ok(()) if accept => self.attempt().await,
            Ok(()) => self.reject(Unapproved::Declined).await,
            Err(error) => self.reject(error.into()).await,
        }
    }

    /// Sends the call, and asks if the policy wants an approval.
    pub(super) fn attempt(self) -> BoxFuture<'static, Result<Reply, Error>> {
        Box::pin(async move {
            match self.send(self.call.share()).await {
                Err(Error::ApprovalRequired(request)) => self.ask(*request).await,
                reply => reply,
            }
        })
    }

    /// Sends the call that has waited before with `state`.
    async fn wait_again(self, state: ApprovalState) -> Result<Reply, Error> {
        let found = self.shared.approvals.find(state.id()).await;
        match found.map(|approval| refusal(&approval)) {
            Ok(None) => {}
            Ok(Some(cause)) => return self.reject(cause).await,
            Err(error) => return self.reject(error.into()).await,
        }
        match self.send(self.call.share()).await {
            Err(Error::ApprovalRequired(request)) => self.decide(*request, Some(state)).await,
            reply => reply,
        }
    }

    /// Obtains an approval of the call, which the policy rejects with `request`.
    pub(super) fn ask(self, request: ApprovalRequest) -> BoxFuture<'static, Result<Reply, Error>> {
        Box::pin(self.decide(request, None))
    }

    /// Runs the call if it is approved; otherwise asks its caller, or waits. `waited` is the state of
    /// a retry.
    async fn decide(
        self,
        request: ApprovalRequest,
        waited: Option<ApprovalState>,
    ) -> Result<Reply, Error> {
        let approval = match self.shared.approvals.open(&request).await {
            Ok(approval) => approval,
            Err(error) => return self.reject(error.into()).await,
        };
        if approval.state == State::Approved {
            let state = ApprovalState::new(&self.call, &request.subject.server, &approval);
            return self.run(state, &request).await;
        }
        if approval.state != State::Pending || approval.key != *request.key() {
            return self.reject(Unapproved::Void).await;
        }
        let waited = waited.filter(|state| state.id() == &*approval.id);
        if waited.is_none() {
            log("approval requested", &approval.id, &request);
        }
        let is_caller = request.terms.approvers().is_caller();
        match (is_caller, self.call.client().era()) {
            (true, _) if !era::supports_form_elicitation(&self.call) => {
                self.reject(pending(&approval, &request)).await
            }
            (true, Era::Modern) => self.question(&approval, &request),
            (_, era) => {
                let state = waited.unwrap_or_else(|| {
                    ApprovalState::new(&self.call, &request.subject.server, &approval)
                });
                let state = Some(state).filter(|_| era == Era::Modern);
                match Waiting::new(self.to_owned(), &approval, &request, state) {
                    Some(waiting) => Ok(Reply::Events(waiting.into_messages())),
                    None => self.reject(pending(&approval, &request)).await,
                }
            }
        }
    }

    /// Returns the question to the caller of the modern era.
    fn question(&self, approval: &Approval, request: &ApprovalRequest) -> Result<Reply, Error> {
        let state = ApprovalState::new(&self.call, &request.subject.server, approval);
        let state = state.seal(self.shared.parked_calls.sealer());
        let state = state.map_err(no_randomness)?;
        let question = ApprovalQuestion::new(&approval.id, request);
        let result = question.to_input_required(&state);
        Ok(Reply::result(self.call.request().id(), &result))
    }

    /// Continues an approved call, whose server has asked a question.
    async fn continue_call(mut self, state: ApprovalState) -> Result<Reply, Error> {
        let continued = state.to_server(&self.call);
        let original = std::mem::replace(&mut self.call, continued);
        let request = match self.send(self.call.share()).await {
            Err(Error::ApprovalRequired(request)) => request,
            reply => return reply,
        };
        let approvals = &self.shared.approvals;
        let key = request.key();
        match approvals.redeem(state.id(), key, state.step()).await {
            Ok(()) => self.send_approved(state, &request).await,
            Err(error) => {
                // What has been redeemed, or belongs to another call, is a new call.
                tracing::debug!(%error, "retry does not continue an approved call");
                self.call = era::without_retry(&original);
                self.ask(*request).await
            }
        }
    }

    /// Redeems the approval of `state`, and sends the call.
    async fn run(self, state: ApprovalState, request: &ApprovalRequest) -> Result<Reply, Error> {
        let approvals = &self.shared.approvals;
        match approvals.redeem(state.id(), request.key(), 0).await {
            Ok(()) => self.send_approved(state, request).await,
            Err(error) => self.reject(error.into()).await,
        }
    }

    /// Sends the call, whose approval has been redeemed. A question of the server gets a state by which
    /// the retry continues the call.
    async fn send_approved(
        self,
        state: ApprovalState,
        request: &ApprovalRequest,
    ) -> Result<Reply, Error> {
        log("approval redeemed", state.id(), request);
        let pass = ApprovalPass::new(request.key().clone());
        let mut call = self.call.share();
        call.extensions_mut()
            .insert(Verdict::Approved(pass.clone()));
        let reply = match self.send(call).await {
            // The rules have changed in the meantime.
            Err(Error::ApprovalRequired(_)) => return self.reject(Unapproved::Void).await,
            Err(error) if pass.is_restored() => {
                self.restore(&state, request).await;
                return Err(error);
            }
            reply => reply?,
        };
        if self.call.client().era() == Era::Legacy {
            return Ok(reply);
        }
        let (state, parked_calls) = (state.next_step(), self.shared.parked_calls.clone());
        let reply = reply.map_response(move |response| state.wrap(response, parked_calls.sealer()));
        reply
            .await
            .map_err(Error::of_server(&request.subject.server))
    }

    /// Takes the redemption back: nothing was sent.
    ///
    /// If that fails, the caller needs another approval.
    async fn restore(&self, state: &ApprovalState, request: &ApprovalRequest) {
        let approvals = &self.shared.approvals;
        let restored = approvals.restore(state.id(), request.key(), state.step());
        match restored.await {
            Ok(()) => log("approval restored", state.id(), request),
            Err(error) => {
                let error = crate::error_chain(&error);
                tracing::warn!(error, "approval of a call that was not sent is lost");
            }
        }
    }

    /// Sends the call in such a way that it is rejected because of `cause` and observed, and does not
    /// run.
    pub(super) async fn reject(&self, cause: Unapproved) -> Result<Reply, Error> {
        tracing::info!(%cause, "call not approved");
        let mut call = self.call.share();
        call.extensions_mut().insert(Verdict::Rejected(cause));
        self.send(call).await
    }

    async fn send(&self, call: Call) -> Result<Reply, Error> {
        S::clone(&self.inner).oneshot(call).await
    }
}

impl<S> UnapprovedCall<S> {
    /// Returns the same call once more.
    pub(super) fn to_owned(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            shared: Arc::clone(&self.shared),
            call: self.call.share(),
        }
    }
}

/// Returns the reason for which the call of `approval` does not run; `None` if it may, or another call
/// has used the approval.
pub(super) fn refusal(approval: &Approval) -> Option<Unapproved> {
    match &approval.state {
        State::Approved | State::Pending | State::Redeemed => None,
        State::Denied { reason } => Some(Unapproved::Denied {
            reason: reason.clone(),
        }),
        State::Expired => Some(Unapproved::Expired),
    }
}

/// Returns the reason for which a call fails that cannot wait for `approval`.
pub(super) fn pending(approval: &Approval, request: &ApprovalRequest) -> Unapproved {
    Unapproved::Pending {
        id: Arc::clone(&approval.id),
        approvers: request.terms.approvers().clone(),
    }
}

fn log(message: &'static str, approval: &str, request: &ApprovalRequest) {
    let ApprovalRequest { subject, rule, .. } = request;
    let (principal, server, tool) = (&subject.principal, &subject.server, &subject.tool);
    tracing::info!(%principal, %server, %tool, %rule, approval, "{message}");
}

/// Returns the error of a system without randomness.
pub(super) fn no_randomness(error: SealError) -> Error {
    Error::Other(BoxError::from(error))
}
