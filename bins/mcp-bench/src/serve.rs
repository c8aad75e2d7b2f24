//! Minimal HTTP/1.1 server on hyper.

use std::io::{self, Write as _};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::cli::serve::ServerArguments;
use crate::failure::BoxError;
use crate::interrupt::interrupted;

/// Path of the MCP endpoint.
pub(crate) const PATH: &str = "/mcp";

/// Delay after a failed accept, as without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until the process receives a signal to terminate; the first line of standard output is
/// the URL.
///
/// # Errors
///
/// Fails when the address cannot be listened on.
pub(crate) async fn serve<S, B>(arguments: &ServerArguments, service: S) -> anyhow::Result<()>
where
    S: HttpService<Incoming, ResBody = B, Future: Send> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let listener = TcpListener::bind(arguments.listen).await?;
    let mut output = io::stdout();
    writeln!(output, "http://{}{PATH}", listener.local_addr()?)?;
    output.flush()?;
    tokio::select! {
        () = accept(listener, service) => {}
        signal = interrupted() => signal?,
        () = input_ended(), if arguments.until_input_ends => {}
    }
    Ok(())
}

async fn accept<S, B>(listener: TcpListener, service: S)
where
    S: HttpService<Incoming, ResBody = B, Future: Send> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                let _ = stream.set_nodelay(true);
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
                // How a connection ends is the client's business.
                connections.spawn(async move { drop(connection.await) });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Waits until standard input is closed.
async fn input_ended() {
    let mut buffer = [0; 64];
    let mut input = tokio::io::stdin();
    while !matches!(input.read(&mut buffer).await, Ok(0) | Err(_)) {}
}
