//! Logs without the secrets of their servers.
//!
//! Programs print their environment, for example when they start or fail. An administrator sees the
//! log of a server, but no secret that the configuration has given it.

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use mcp_gateway_core::{BoxError, Mask};

use crate::isolation::names_secret;
use crate::spec::{KubernetesServer, PodValue};

/// Pieces of a log, which are passed on in whole lines.
struct Lines<S> {
    pieces: S,
    mask: Mask,
    /// Begin of a line whose end has not arrived.
    pending: Vec<u8>,
}

/// Masks the secrets of `server` in the log `pieces`.
pub(super) fn masked<S>(
    pieces: S,
    server: Option<&KubernetesServer>,
) -> impl Stream<Item = Result<Bytes, BoxError>> + Send + use<S>
where
    S: Stream<Item = Result<Bytes, BoxError>> + Send + Unpin,
{
    let lines = Lines {
        pieces,
        mask: server.map(mask).unwrap_or_default(),
        pending: Vec::new(),
    };
    stream::unfold(lines, |mut lines| async move {
        let next = lines.next().await?;
        Some((next, lines))
    })
}

/// Returns the mask of the variables of `server` that are secrets by their names.
fn mask(server: &KubernetesServer) -> Mask {
    let secrets = server.env.iter().filter_map(|(name, value)| match value {
        PodValue::Text(text) if names_secret(name) => Some(text),
        _ => None,
    });
    secrets.fold(Mask::new(), |mask, secret| {
        mask.with_secret(secret.expose())
    })
}

impl<S: Stream<Item = Result<Bytes, BoxError>> + Unpin> Lines<S> {
    /// Returns the next lines, or the rest of the log.
    async fn next(&mut self) -> Option<Result<Bytes, BoxError>> {
        loop {
            let end = self.pending.iter().rposition(|byte| *byte == b'\n');
            let end = end.map(|end| end + 1);
            let too_long = (self.pending.len() > MAX_LINE).then_some(self.pending.len());
            if let Some(end) = end.or(too_long) {
                return Some(Ok(self.take(end)));
            }
            match self.pieces.next().await {
                Some(Ok(piece)) => self.pending.extend_from_slice(&piece),
                Some(Err(error)) => return Some(Err(error)),
                None if self.pending.is_empty() => return None,
                None => return Some(Ok(self.take(self.pending.len()))),
            }
        }
    }

    /// Takes the first bytes, up to `end`, and masks them.
    fn take(&mut self, end: usize) -> Bytes {
        let rest = self.pending.split_off(end);
        let taken = std::mem::replace(&mut self.pending, rest);
        let text = String::from_utf8_lossy(&taken);
        Bytes::from(self.mask.apply(&text).into_owned())
    }
}

/// Longest line that is held back until its end arrives.
const MAX_LINE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(pieces: &'static [&'static str]) -> Vec<String> {
        let mut server = KubernetesServer::new("a");
        let variable = |name: &str, text: &str| (name.to_owned(), PodValue::Text(text.into()));
        server.env = vec![
            variable("API_TOKEN", "hunter2-hunter2"),
            variable("REGION", "eu"),
        ];
        let pieces = stream::iter(
            pieces
                .iter()
                .map(|piece| Ok(Bytes::from_static(piece.as_bytes()))),
        );
        let masked = masked(pieces, Some(&server));
        let masked = masked.map(|piece| String::from_utf8(piece.unwrap().to_vec()).unwrap());
        masked.collect().await
    }

    #[tokio::test]
    async fn category_quoted_secret_in_a_log_of_a_pod_is_masked() {
        let found = read(&[
            "API_TOKEN=hunt",
            "er2-hunter2 REGION=eu\nto",
            "ken hunter2-hunter2",
        ]);
        assert_eq!(found.await, ["API_TOKEN=*** REGION=eu\n", "token ***"]);
    }

    #[tokio::test]
    async fn lines_arrive_when_they_end() {
        assert_eq!(read(&["a\nb\nc", "d\n"]).await, ["a\nb\n", "cd\n"]);
        assert_eq!(read(&[]).await, [""; 0]);
    }
}
