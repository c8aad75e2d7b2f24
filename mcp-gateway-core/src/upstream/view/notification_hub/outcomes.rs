//! Answers of a legacy server to the subscriptions that the gateway makes for its subscribers.

use std::collections::HashMap;

use crate::jsonrpc::Response;

/// Last answers by the URI of the resource.
#[derive(Debug, Default)]
pub(in crate::upstream::view) struct SubscriptionOutcomes {
    /// Answers, each with `true` if it is one to `resources/subscribe`.
    answers: HashMap<String, (bool, Response)>,
}

impl SubscriptionOutcomes {
    /// Records the answer to a request about `uri`.
    pub(super) fn record(&mut self, uri: &str, subscribed: bool, answer: Response) {
        if self.answers.len() >= MAX_OUTCOMES {
            self.answers.clear();
        }
        self.answers.insert(uri.to_owned(), (subscribed, answer));
    }

    /// Returns the answer to the last request about `uri`, if it was of that kind.
    ///
    /// One to `resources/subscribe` is valid for all subscribers of the resource, one to
    /// `resources/unsubscribe` for the last of them.
    pub(in crate::upstream::view) fn answer(
        &mut self,
        uri: &str,
        subscribed: bool,
    ) -> Option<Response> {
        let (kind, answer) = self.answers.get(uri)?;
        if *kind != subscribed {
            return None;
        }
        let answer = answer.clone();
        if !subscribed {
            self.answers.remove(uri);
        }
        Some(answer)
    }
}

/// Maximum number of answers; beyond it all are forgotten, and servers are asked again.
const MAX_OUTCOMES: usize = 10_000;
