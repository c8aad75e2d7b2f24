//! Connections on which a test writes what no client would.

use std::io;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// No answer takes so long, unless there is none.
const DEADLINE: Duration = Duration::from_secs(60);

/// Long beside what an early answer takes.
const PAUSE: Duration = Duration::from_millis(50);

/// A connection of HTTP/1.1 whose bytes the test writes.
#[derive(Debug)]
pub struct Raw {
    stream: BufReader<TcpStream>,
    host: String,
}

/// A response as it was read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RawReply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, without its framing.
    pub body: String,
}

impl Raw {
    /// Connects to the server at `url`.
    ///
    /// # Errors
    ///
    /// Fails if nothing accepts connections there.
    pub async fn connect(url: &str) -> io::Result<Self> {
        let host = url.trim_start_matches("http://");
        let host = host.split('/').next().unwrap_or_default().to_owned();
        let stream = BufReader::new(TcpStream::connect(&host).await?);
        Ok(Self { stream, host })
    }

    /// The host and port of the server.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Writes `bytes`, whatever they are.
    ///
    /// # Errors
    ///
    /// Fails if the server has closed the connection.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]> + Send) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref()).await?;
        self.stream.get_mut().flush().await
    }

    /// Writes `head`, and `body` after a server has had time to answer without it.
    ///
    /// # Errors
    ///
    /// Fails if the server has closed the connection.
    pub async fn write_apart(&mut self, head: &str, body: &str) -> io::Result<()> {
        self.write(head).await?;
        sleep(PAUSE).await;
        self.write(body).await
    }

    /// Says that nothing more will be written.
    ///
    /// # Errors
    ///
    /// Fails if the connection is gone.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.stream.get_mut().shutdown().await
    }

    /// Reads the next response.
    ///
    /// # Errors
    ///
    /// Fails if the server closes the connection before the end of a response, or is silent.
    pub async fn reply(&mut self) -> io::Result<RawReply> {
        within(async {
            let (status, headers) = self.head().await?;
            let body = self.body(&headers).await?;
            let body = String::from_utf8_lossy(&body).into_owned();
            Ok(RawReply {
                status,
                headers,
                body,
            })
        })
        .await
    }

    /// Reads the status and the headers of a response.
    ///
    /// # Errors
    ///
    /// Fails if the server closes the connection before, or is silent.
    pub async fn head(&mut self) -> io::Result<(StatusCode, HeaderMap)> {
        within(async {
            let first = self.line().await?;
            let status = first.split(' ').nth(1).unwrap_or_default();
            let status = status.parse().map_err(|_| invalid(&first))?;
            let mut headers = HeaderMap::new();
            loop {
                let line = self.line().await?;
                if line.is_empty() {
                    return Ok((status, headers));
                }
                let (name, value) = line.split_once(':').ok_or_else(|| invalid(&line))?;
                let name: HeaderName = name.parse().map_err(|_| invalid(&line))?;
                let value = HeaderValue::from_str(value.trim()).map_err(|_| invalid(&line))?;
                headers.append(name, value);
            }
        })
        .await
    }

    /// Reads until the server closes the connection.
    ///
    /// # Errors
    ///
    /// Fails if the server does not close it.
    pub async fn rest(&mut self) -> io::Result<Vec<u8>> {
        within(async {
            let mut rest = Vec::new();
            match self.stream.read_to_end(&mut rest).await {
                Ok(_) => Ok(rest),
                // A server that closes before it has read everything resets the connection.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(rest),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Reads one line, without its end.
    ///
    /// # Errors
    ///
    /// Fails if the server closes the connection before, or is silent.
    pub async fn line(&mut self) -> io::Result<String> {
        within(async {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(line.trim_end_matches(['\r', '\n']).to_owned())
        })
        .await
    }

    async fn body(&mut self, headers: &HeaderMap) -> io::Result<Vec<u8>> {
        let length = headers.get(http::header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        if let Some(length) = length {
            let mut body = vec![0; length];
            self.stream.read_exact(&mut body).await?;
            return Ok(body);
        }
        let mut body = Vec::new();
        if !headers.contains_key(http::header::TRANSFER_ENCODING) {
            return Ok(body);
        }
        loop {
            let line = self.line().await?;
            let size = usize::from_str_radix(&line, 16).map_err(|_| invalid(&line))?;
            let start = body.len();
            body.resize(start + size, 0);
            self.stream.read_exact(&mut body[start..]).await?;
            self.line().await?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
}

impl RawReply {
    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

fn invalid(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{line:?}"))
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the server is silent");
    timeout(DEADLINE, work)
        .await
        .unwrap_or_else(|error| Err(late(error)))
}
