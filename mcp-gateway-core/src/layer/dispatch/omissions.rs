//! Log of the servers that merged responses lack.

use std::collections::HashSet;
use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};

use super::fan_out::is_refusal;
use crate::protocol::Method;
use crate::{Error, Reply};

/// Servers that did not answer a method at the last request.
///
/// Clients list often, and a dead server fails each time. So only the first failure is a warning, and
/// the next success is logged.
#[derive(Debug, Default)]
pub(super) struct Omissions(Mutex<HashSet<(Arc<str>, Box<str>)>>);

impl Omissions {
    /// Records the answer of `server` to `method`.
    ///
    /// An error that concerns one caller, such as a missing account, says nothing about the server.
    pub(super) fn record(&self, server: &Arc<str>, method: &Method, answer: &Result<Reply, Error>) {
        let method = method.as_str();
        match answer {
            Ok(_) if self.change(server, method, false) => {
                tracing::info!(%server, method, "upstream included in merged response again");
            }
            Err(error) if !is_refusal(error) => {
                let cause = error.source().map(ToString::to_string);
                match matches!(error, Error::Upstream { .. }) && self.change(server, method, true) {
                    true => tracing::warn!(
                        %server, method, %error, cause, "upstream omitted from merged response"
                    ),
                    false => tracing::debug!(
                        %server, method, %error, cause, "upstream omitted from merged response"
                    ),
                }
            }
            Ok(_) | Err(_) => {}
        }
    }

    /// Records whether `server` is omitted; returns `true` if that has changed.
    fn change(&self, server: &Arc<str>, method: &str, is_omitted: bool) -> bool {
        let mut omitted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_omitted && omitted.is_empty() {
            return false;
        }
        let key = (Arc::clone(server), method.into());
        if !is_omitted {
            return omitted.remove(&key);
        }
        if omitted.len() >= MAX_OMISSIONS {
            omitted.clear();
        }
        omitted.insert(key)
    }
}

/// Maximum number of entries; beyond it all are forgotten, and logged again.
const MAX_OMISSIONS: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use tracing::Level;

    use super::*;
    use crate::error::{CredentialError, NameKind, RouteError, UpstreamError};
    use crate::jsonrpc::Id;

    /// Lines of the log while `work` runs.
    fn logged(work: impl FnOnce()) -> Vec<String> {
        #[derive(Clone, Default)]
        struct Log(Arc<Mutex<Vec<u8>>>);

        impl io::Write for Log {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::INFO)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, work);
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn only_changes_of_a_server_are_logged() {
        let omissions = Omissions::default();
        let server: Arc<str> = "files".into();
        let failed = || Err(Error::of_server(&server)(UpstreamError::Closed));
        let answered = || Ok(Reply::result(&Id::from(1), "{}"));
        let record =
            |method, answer| logged(|| omissions.record(&server, &method, &answer)).join("\n");
        assert_eq!(record(Method::ToolsList, answered()), "");
        let line = record(Method::ToolsList, failed());
        assert!(line.contains("WARN") && line.contains("files"), "{line}");
        assert_eq!(record(Method::ToolsList, failed()), "");
        // Another list of the same server has a state of its own.
        assert!(record(Method::PromptsList, failed()).contains("prompts/list"));
        assert_eq!(record(Method::ResourcesList, answered()), "");
        assert!(record(Method::ToolsList, answered()).contains("included"));
        assert_eq!(record(Method::ToolsList, answered()), "");
        assert!(record(Method::ToolsList, failed()).contains("WARN"));
    }

    #[test]
    fn what_concerns_one_caller_is_no_state_of_the_server() {
        let omissions = Omissions::default();
        let server: Arc<str> = "files".into();
        let hidden = RouteError::unknown_name(NameKind::Tool, "x").into();
        let source = CredentialError::NotConnected { url: None };
        let missing = Error::Credential {
            server: Arc::clone(&server),
            source,
        };
        for error in [hidden, missing] {
            let lines = logged(|| omissions.record(&server, &Method::ToolsList, &Err(error)));
            assert!(lines.is_empty(), "{lines:?}");
        }
    }
}
