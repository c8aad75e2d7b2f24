//! `mcp-gateway follow`.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use futures_util::StreamExt as _;
use mcp_gateway_core::sse::SseReader;
use serde_json::{Value, json};

use super::admin::AdminArgs;
use crate::output::print_json;

#[derive(Debug, Args)]
pub(super) struct FollowArgs {
    /// Events to follow
    what: Events,
    #[command(flatten)]
    gateway: AdminArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Events {
    /// Calls as they end, at the replica that answers
    Calls,
    /// Changes of objects, at all replicas
    Objects,
}

/// Runs `mcp-gateway follow`: prints each event as a line of JSON, until the gateway ends the stream.
///
/// # Errors
///
/// Fails if the gateway rejects the command or the output is closed.
pub(super) fn run(args: &FollowArgs) -> anyhow::Result<ExitCode> {
    let path = match args.what {
        Events::Calls => "calls",
        Events::Objects => "events",
    };
    args.gateway.with(async |client| {
        let mut pieces = client.text(&[path], &[]).await?;
        let mut reader = SseReader::new(MAX_EVENT);
        while let Some(piece) = pieces.next().await {
            let mut events = Vec::new();
            reader.feed(&piece?, &mut events)?;
            for event in events {
                let data: Value = serde_json::from_slice(&event.data).unwrap_or_default();
                print_json(json!({ "event": event.name, "data": data }))?;
            }
        }
        Ok(())
    })
}

/// Maximum size of an event in bytes.
const MAX_EVENT: usize = 1 << 20;
