//! The process of a script.

mod confinement;
mod engine;

use std::io::{self, BufRead as _, Write as _};
use std::process::ExitCode;

use self::engine::Channel;
use crate::message::Start;

/// Runs the script that a [`Sandbox`](crate::Sandbox) sends on standard input.
///
/// The process gives up its rights first: it can open no files and no connections afterwards. It
/// must be single-threaded, and do nothing else. Returns when the script has ended.
#[must_use]
pub fn run_child() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn run() -> io::Result<()> {
    let mut channel = StandardStreams;
    let Some(line) = channel.receive() else {
        return Ok(());
    };
    let start: Start = serde_json::from_str(&line)?;
    drop(line);
    confinement::confine(&start)?;
    engine::run(&start, channel).map_err(io::Error::other)
}

/// Lines on standard input and output.
#[derive(Clone, Copy)]
struct StandardStreams;

impl Channel for StandardStreams {
    fn send(&mut self, line: &str) {
        let mut output = io::stdout().lock();
        let sent = output
            .write_all(line.as_bytes())
            .and_then(|()| output.write_all(b"\n"))
            .and_then(|()| output.flush());
        // Nobody waits for the script any more; the end of the input tells that as well.
        drop(sent);
    }

    fn receive(&mut self) -> Option<String> {
        let mut line = String::new();
        match io::stdin().lock().read_line(&mut line) {
            Ok(bytes) if bytes > 0 => Some(line),
            _ => None,
        }
    }
}
