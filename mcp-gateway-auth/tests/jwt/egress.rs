use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body_util::Full;
use mcp_gateway_auth::egress::{ClientAuth, Egress, EgressError, EgressPolicy};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::harness::egress;
use crate::server::{Answer, Server, reply};

#[tokio::test]
async fn a_document_is_fetched_as_it_is() {
    let server = Server::start().await;
    server.json("/doc", &json!({"a": 1}));
    let fetched = egress()
        .get_json(&server.url("/doc?x=1#y"), 7)
        .await
        .unwrap();
    assert_eq!(&fetched.body[..], br#"{"a":1}"#);
    let hit = server.last();
    assert_eq!(hit.head.uri, "/doc?x=1");
    for name in ["accept-encoding", "cookie", "authorization", "referer"] {
        assert!(!hit.head.headers.contains_key(name), "{name}");
    }
    // Also by name, which is resolved.
    let port = server.url("").rsplit_once(':').unwrap().1.to_owned();
    let by_name = format!("http://localhost:{port}/doc");
    assert!(egress().get_json(&by_name, 7).await.is_ok());
    let error = egress().get_json(&server.url("/doc"), 6).await.unwrap_err();
    assert!(matches!(error, EgressError::TooLarge { limit: 6 }));
}

#[tokio::test]
async fn o25_what_is_refused_looks_like_what_is_not_there() {
    let server = Server::start().await;
    server.json("/doc", &json!({}));
    let strict = Egress::new(EgressPolicy::new()).unwrap();
    let port = server.url("").rsplit_once(':').unwrap().1.to_owned();
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    for url in [
        server.url("/doc"),
        server.url("/doc").replace("http", "https"),
        format!("https://localhost:{port}/doc"),
        "https://localhost/doc".to_owned(),
        "https://[::1]/doc".to_owned(),
        "https://2130706433/doc".to_owned(),
        "https://does-not-exist.invalid/".to_owned(),
        "not an address".to_owned(),
        String::new(),
    ] {
        let error = strict.get_json(&url, 100).await.unwrap_err();
        assert!(matches!(error, EgressError::Unavailable), "{url}: {error}");
        assert_eq!(error.to_string(), "address unreachable");
        let posted = strict.post_form(&url, &[], &ClientAuth::None, 100).await;
        assert!(matches!(posted, Err(EgressError::Unavailable)), "{url}");
    }
    let closed = format!("http://127.0.0.1:{closed}/");
    let error = egress().get_json(&closed, 100).await.unwrap_err();
    assert!(matches!(error, EgressError::Unavailable));
    assert_eq!(server.hits("/doc"), 0);
}

#[tokio::test]
async fn o25_a_name_with_a_private_address_is_refused_when_it_is_resolved() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("https://localhost:{port}/doc");
    // The port and the name are permitted, but not the resolved address.
    let strict = Egress::new(EgressPolicy::new().with_port(port)).unwrap();
    let error = strict.get_json(&url, 100).await.unwrap_err();
    assert!(matches!(error, EgressError::Unavailable));
    // No connection was opened: it would reveal whether the port is open.
    let error = listener.accept().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);

    let loopback = ["127.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap());
    let policy = EgressPolicy::new().with_allowed_networks(loopback);
    let allowed = Egress::new(policy).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { allowed.get_json(&url, 100).await.map(|_| ()) });
    let listener = TcpListener::from_std(listener).unwrap();
    listener.accept().await.unwrap();
    let result = tasks.join_next().await.unwrap().unwrap();
    assert!(matches!(result, Err(EgressError::Unavailable)));
}

#[tokio::test]
async fn o25_what_the_address_says_is_looked_at_before_a_connection_is_opened() {
    let server = Server::start().await;
    server.json("/doc", &json!({}));
    let loopback = "127.0.0.0/8".parse().unwrap();
    let allowed = Egress::new(EgressPolicy::new().with_allowed_networks([loopback])).unwrap();
    // A permitted network still requires TLS.
    let plain = allowed.get_json(&server.url("/doc"), 100).await;
    assert!(matches!(plain, Err(EgressError::Unavailable)));
    let credentials = server.url("/doc").replace("//", "//user:password@");
    let named = egress().get_json(&credentials, 100).await;
    assert!(matches!(named, Err(EgressError::Unavailable)));
    assert_eq!(server.hits("/doc"), 0);
    assert!(egress().get_json(&server.url("/doc"), 100).await.is_ok());
}

#[tokio::test]
async fn o26_answers_that_are_no_documents_are_refused() {
    let server = Server::start().await;
    let mut zipped = Response::new(Full::new(Bytes::from_static(b"\x1f\x8b")));
    let headers = zipped.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    for (answer, expected) in [
        (reply(200, "text/html", "{}"), "response is not JSON"),
        (Answer::Reply(zipped), "response is not JSON"),
        (
            reply(204, "application/json", ""),
            "unexpected response status 204 No Content",
        ),
        (
            reply(301, "application/json", "{}"),
            "unexpected response status 301 Moved Permanently",
        ),
        (
            reply(404, "application/json", "{}"),
            "unexpected response status 404 Not Found",
        ),
        (
            reply(200, "application/json", vec![b' '; 5121]),
            "response larger than 5120 bytes",
        ),
    ] {
        server.answer("/doc", answer);
        let error = egress()
            .get_json(&server.url("/doc"), 5120)
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

/// Serves one connection with one byte of the body per second, after it has signaled the start.
async fn drip(listener: TcpListener, begun: oneshot::Sender<()>) {
    let mut stream = accept(&listener).await;
    stream.write_all(CHUNKED.as_bytes()).await.unwrap();
    begun.send(()).unwrap();
    while stream.write_all(b"1\r\n \r\n").await.is_ok() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Accepts a connection and reads its request.
async fn accept(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut buffer = [0; 4096];
    assert_ne!(stream.read(&mut buffer).await.unwrap(), 0);
    stream
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                       transfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn o26_a_slow_drip_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (begun, has_started) = oneshot::channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(drip(listener, begun));
    let mut fetch = JoinSet::new();
    fetch.spawn(async move { egress().get_json(&url, 5120).await });
    has_started.await.unwrap();
    // From here on, the paused clock advances whenever all tasks are idle.
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let error = fetch.join_next().await.unwrap().unwrap().unwrap_err();
    assert!(matches!(error, EgressError::Timeout));
    assert!(begun.elapsed() < Duration::from_secs(11));
}

#[tokio::test]
async fn o26_a_body_without_an_end_is_cut_off_at_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut stream = accept(&listener).await;
        stream.write_all(CHUNKED.as_bytes()).await.unwrap();
        let chunk = format!("400\r\n{}\r\n", " ".repeat(1024));
        let mut sent = 0_usize;
        while stream.write_all(chunk.as_bytes()).await.is_ok() {
            sent += 1024;
        }
        sent
    });
    let error = egress().get_json(&url, 5120).await.unwrap_err();
    assert!(matches!(error, EgressError::TooLarge { limit: 5120 }));
    let sent = tasks.join_next().await.unwrap().unwrap();
    assert!(sent < 64 * 1024 * 1024, "{sent}");
}

/// Serves an empty document over TLS, and returns its certificate for `localhost`.
async fn tls_server(tasks: &mut JoinSet<()>) -> (u16, Vec<u8>) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let root = own.cert.der().to_vec();
    let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tasks.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that does not trust the certificate disconnects.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut buffer = [0; 4096];
            if stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                stream.write_all(EMPTY.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        }
    });
    (port, root)
}

const EMPTY: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                     connection: close\r\ncontent-length: 2\r\n\r\n{}";

#[tokio::test]
async fn only_a_host_with_a_certificate_that_is_trusted_is_asked() {
    let mut tasks = JoinSet::new();
    let (port, root) = tls_server(&mut tasks).await;
    let policy = EgressPolicy::new().with_insecure_loopback();
    let untrusting = Egress::new(policy.clone()).unwrap();
    let trusting = Egress::new(policy.with_root_certificate(root)).unwrap();
    let by_name = format!("https://localhost:{port}/");
    let by_number = format!("https://127.0.0.1:{port}/");
    let error = untrusting.get_json(&by_name, 2).await.unwrap_err();
    assert!(matches!(error, EgressError::Unavailable));
    // The certificate was issued for another name.
    let error = trusting.get_json(&by_number, 2).await.unwrap_err();
    assert!(matches!(error, EgressError::Unavailable));
    let fetched = trusting.get_json(&by_name, 2).await.unwrap();
    assert_eq!(&fetched.body[..], b"{}");
}
