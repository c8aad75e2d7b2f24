//! Connections that are used again.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use mcp_gateway_core::runtime::PooledHttpClient;
use mcp_gateway_core::transport::HttpClient;
use mcp_gateway_tests::script::{Scripted, status};
use tokio::time::{sleep, timeout};

use super::harness::SOON;

/// Idle timeouts of the HTTP servers of Node.js and uvicorn.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// A call that meets the end of a connection is lost, and nobody knows whether it was done.
#[tokio::test]
async fn a_connection_is_used_again_but_not_when_the_server_is_about_to_close_it() {
    let server = Scripted::start(|_| status("200 OK")).await.unwrap();
    let client = PooledHttpClient::new().unwrap();
    let opens_another = async || {
        let before = server.connections();
        let request = Request::post(&server.url).body(Bytes::from_static(b"{}"));
        let response = client.request(request.unwrap()).await.unwrap();
        response.into_body().collect().await.unwrap();
        server.connections() > before
    };
    assert!(opens_another().await);
    // The connection goes back to the pool when nobody looks, so the next call may be too early.
    let used_again = timeout(SOON, async { while opens_another().await {} }).await;
    assert!(used_again.is_ok());
    sleep(KEEP_ALIVE - Duration::from_millis(500)).await;
    assert!(opens_another().await);
}
