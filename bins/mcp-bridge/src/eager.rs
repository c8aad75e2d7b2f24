//! A server that runs before its first call.

use std::future::pending;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mcp_gateway_core::Gateway;
use mcp_gateway_core::auth::Principal;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::bridge::Bridge;

/// A server that is started before its first call, and kept.
#[derive(Debug)]
pub(crate) struct EagerServer<'a> {
    bridge: &'a Bridge,
    /// `true` once the server has answered.
    has_run: AtomicBool,
}

impl<'a> EagerServer<'a> {
    pub(crate) fn new(bridge: &'a Bridge) -> Self {
        Self {
            bridge,
            has_run: AtomicBool::new(false),
        }
    }

    /// Starts the server, and again whenever it does not run.
    pub(crate) async fn keep_running(&self, owner: Principal) {
        let mut pause = MIN_PAUSE;
        loop {
            if !self.runs() {
                list_tools(&self.bridge.gateway, owner.clone()).await;
            }
            pause = match self.runs() {
                true => MIN_PAUSE,
                false => (pause * 2).min(MAX_PAUSE),
            };
            self.has_run.fetch_or(self.runs(), Ordering::Relaxed);
            sleep(pause).await;
        }
    }

    fn runs(&self) -> bool {
        self.bridge.server.connections() > 0
    }

    /// Waits until a process of the server exits by itself.
    ///
    /// Some servers exit when they are asked for a protocol version that they do not know, and run
    /// after the next attempt: while it is started, an exit counts if the server cannot be started.
    pub(crate) async fn exited(&self, exits: &mut watch::Receiver<Option<ExitStatus>>) {
        while exits.changed().await.is_ok() {
            while !self.has_run.load(Ordering::Relaxed) {
                if self.bridge.server.last_failure().is_some() {
                    return;
                }
                if self.runs() {
                    break;
                }
                sleep(POLL).await;
            }
            if self.has_run.load(Ordering::Relaxed) {
                return;
            }
        }
        pending().await
    }
}

/// Calls the server as a client would, and ignores the answer: a server without tools runs too.
async fn list_tools(gateway: &Gateway, owner: Principal) {
    let (here, there) = tokio::io::duplex(PIPE);
    let (reader, writer) = tokio::io::split(there);
    let asking = async {
        let (answers, mut questions) = tokio::io::split(here);
        questions.write_all(REQUEST.as_bytes()).await?;
        let mut answer = String::new();
        BufReader::new(answers).read_line(&mut answer).await
    };
    tokio::select! {
        _ = asking => {}
        _ = gateway.serve_lines(owner, reader, writer) => {}
    }
}

const REQUEST: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"#,
    r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
    r#""io.modelcontextprotocol/clientInfo":{"name":"mcp-bridge","version":"1"},"#,
    r#""io.modelcontextprotocol/clientCapabilities":{}}}}"#,
    "\n"
);

/// Size of the buffer between this client and the gateway.
const PIPE: usize = 64 * 1024;
/// Time after which the server is looked at again, while it runs and after the first failure.
const MIN_PAUSE: Duration = Duration::from_secs(1);
/// Longest time between two attempts to start it.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// Interval of the look at a server that is being started.
const POLL: Duration = Duration::from_millis(50);
