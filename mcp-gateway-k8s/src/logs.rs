//! Logs of the pods of a server.

use futures_util::stream::{self, Stream};
use futures_util::{AsyncBufRead, AsyncBufReadExt as _};

use bytes::Bytes;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};
use kube::{Client, ResourceExt};
use mcp_gateway_platform::orchestrator::{LogQuery, LogStream, OrchestratorError};

use crate::diagnosis::is_current;
use crate::manifest::pod::{CONTAINER, INSTALLER};
use crate::objects::{Refusal, bounded};
use crate::observed::Observed;

/// Container whose log is read.
pub(crate) struct Source {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    container: &'static str,
}

impl Source {
    /// Returns the container of the newest pod that has started: that of the server, or the one that
    /// failed before it.
    pub(crate) fn of(observed: &Observed) -> Option<Self> {
        let pods = observed.pods.values();
        let newest = pods.max_by_key(|pod| {
            let created = pod.creation_timestamp().map(|time| time.0);
            (is_current(pod), container(pod).is_some(), created)
        })?;
        Some(Self {
            namespace: newest.namespace()?,
            pod: newest.name_any(),
            container: container(newest)?,
        })
    }
}

/// Returns the container of `pod` that has a log.
fn container(pod: &Pod) -> Option<&'static str> {
    let status = pod.status.as_ref()?;
    let started =
        |name: &str, statuses: &Option<Vec<k8s_openapi::api::core::v1::ContainerStatus>>| {
            let mut statuses = statuses
                .iter()
                .flatten()
                .filter(|status| status.name == name);
            statuses.any(|status| {
                let state = status.state.as_ref();
                let runs = state
                    .is_some_and(|state| state.running.is_some() || state.terminated.is_some());
                runs || status.restart_count > 0
            })
        };
    if started(CONTAINER, &status.container_statuses) {
        return Some(CONTAINER);
    }
    started(INSTALLER, &status.init_container_statuses).then_some(INSTALLER)
}

/// Opens the log of `source`, a container of the server `name`.
pub(crate) async fn open(
    client: Client,
    name: &str,
    source: &Source,
    query: LogQuery,
) -> Result<LogStream, OrchestratorError> {
    let params = LogParams {
        container: Some(source.container.to_owned()),
        follow: query.follow,
        previous: query.previous,
        tail_lines: query.tail.map(i64::from),
        ..LogParams::default()
    };
    let pods: Api<Pod> = Api::namespaced(client, &source.namespace);
    let opening = pods.log_stream(&source.pod, &params);
    let reader = bounded(opening)
        .await
        .map_err(|refusal| error(name, &refusal))?;
    Ok(LogStream::new(pieces(Box::pin(reader))))
}

/// Returns the pieces that `reader` reads.
fn pieces<R>(reader: R) -> impl Stream<Item = Result<Bytes, OrchestratorError>> + Send + 'static
where
    R: AsyncBufRead + Send + Unpin + 'static,
{
    stream::try_unfold(reader, |mut reader| async move {
        let piece = reader.fill_buf().await.map(Bytes::copy_from_slice);
        let piece = piece.map_err(|error| OrchestratorError::Unavailable {
            message: error.to_string().into(),
        })?;
        reader.consume_unpin(piece.len());
        Ok((!piece.is_empty()).then_some((piece, reader)))
    })
}

/// Returns the error of the API for a request about the server `name`.
pub(crate) fn error(name: &str, refusal: &Refusal) -> OrchestratorError {
    let message = refusal.text().into();
    match refusal {
        Refusal::Forbidden(_) | Refusal::Unauthorized(_) => {
            OrchestratorError::Forbidden { message }
        }
        Refusal::NotFound | Refusal::Conflict | Refusal::Foreign(_) | Refusal::Invalid(_) => {
            OrchestratorError::NotStarted {
                name: name.into(),
                message,
            }
        }
        Refusal::Unavailable(_) => OrchestratorError::Unavailable { message },
    }
}
