//! Connections that are used again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use mcp_gateway_core::runtime::WebClient;
use mcp_gateway_core::upstream::HttpClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// When the HTTP servers of Node.js and uvicorn close a connection that nobody uses.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = vec![0; 4096];
    while stream.read(&mut request).await? > 0 {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await?;
    }
    Ok(())
}

/// A call that meets the end of a connection is lost, and nobody knows whether it was done.
#[tokio::test]
async fn a_connection_is_used_again_but_not_when_the_server_is_about_to_close_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let accepted = Arc::new(AtomicUsize::new(0));
    let mut server = JoinSet::new();
    let count = Arc::clone(&accepted);
    server.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            connections.spawn(answer(stream));
        }
    });
    let client = WebClient::new().unwrap();
    let call = async || {
        let request = Request::post(&url).body(Full::new(Bytes::from_static(b"{}")));
        let response = client.request(request.unwrap()).await.unwrap();
        response.into_body().collect().await.unwrap();
        // The connection goes back when nobody looks.
        sleep(Duration::from_millis(50)).await;
        accepted.load(Ordering::Relaxed)
    };
    assert_eq!(call().await, 1);
    assert_eq!(call().await, 1);
    sleep(KEEP_ALIVE - Duration::from_millis(500)).await;
    assert_eq!(call().await, 2);
}
