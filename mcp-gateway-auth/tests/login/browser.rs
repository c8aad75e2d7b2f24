use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HOST, HeaderMap, LOCATION, SET_COOKIE};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use url::{Url, form_urlencoded};

/// A minimal browser: it stores cookies and follows redirects.
pub(crate) struct Browser {
    client: Client<HttpConnector, Full<Bytes>>,
    pub(crate) cookies: BTreeMap<(String, String), String>,
    /// Headers of every form submission.
    pub(crate) form_headers: Vec<(&'static str, String)>,
}

/// A response to the browser.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) url: Url,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Browser {
    pub(crate) fn new() -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            cookies: BTreeMap::new(),
            form_headers: vec![
                ("origin", "null".to_owned()),
                ("sec-fetch-site", "same-origin".to_owned()),
            ],
        }
    }

    /// Fetches `url` without following redirects.
    pub(crate) async fn get(&mut self, url: &str) -> Page {
        let request = Request::get(url).body(Full::default()).unwrap();
        self.send(url, request).await
    }

    pub(crate) async fn post(&mut self, url: &str, form: &[(&str, &str)]) -> Page {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(form);
        let mut request =
            Request::post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in &self.form_headers {
            request = request.header(*name, value);
        }
        let body = Full::new(Bytes::from(body.finish()));
        self.send(url, request.body(body).unwrap()).await
    }

    /// Fetches `url` and follows redirects until there is a page.
    pub(crate) async fn visit(&mut self, url: &str) -> Page {
        let mut page = self.get(url).await;
        for _ in 0..10 {
            let Some(next) = page.next() else {
                return page;
            };
            page = self.get(&next).await;
        }
        panic!("it goes on and on: {page:?}");
    }

    async fn send(&mut self, url: &str, mut request: Request<Full<Bytes>>) -> Page {
        let url = Url::parse(url).unwrap();
        let site = url.origin().ascii_serialization();
        let ours = self.cookies.iter().filter(|((of, _), _)| *of == site);
        let cookies: Vec<_> = ours
            .map(|((_, name), value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            let cookies = cookies.join("; ").parse().unwrap();
            request.headers_mut().insert(COOKIE, cookies);
        }
        let host = site.split_once("://").unwrap().1.parse().unwrap();
        request.headers_mut().insert(HOST, host);
        let response = self.client.request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (pair, attributes) = cookie.split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let key = (site.clone(), name.to_owned());
            match attributes.contains("Max-Age=0") {
                true => self.cookies.remove(&key),
                false => self.cookies.insert(key, value.to_owned()),
            };
        }
        let body = body.collect().await.unwrap().to_bytes();
        Page {
            url,
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let found = self.cookies.iter().find(|((_, key), _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Page {
    /// Returns the target of the automatic refresh.
    pub(crate) fn next(&self) -> Option<String> {
        let refresh = self
            .body
            .split_once("http-equiv=\"refresh\" content=\"0;url=");
        let refresh = refresh.and_then(|(_, rest)| rest.split_once('"'));
        let refresh = refresh.map(|(to, _)| unescape(to));
        let location = self.headers.get(LOCATION);
        let location = location.map(|to| to.to_str().unwrap().to_owned());
        let next = location.or(refresh)?;
        Some(self.url.join(&next).unwrap().into())
    }

    /// Returns the value of the hidden field `name`.
    pub(crate) fn field(&self, name: &str) -> String {
        let (_, rest) = self
            .body
            .split_once(&format!("name=\"{name}\" value=\""))
            .unwrap();
        unescape(rest.split_once('"').unwrap().0)
    }

    pub(crate) fn title(&self) -> &str {
        let (_, rest) = self.body.split_once("<h1>").unwrap();
        rest.split_once("</h1>").unwrap().0
    }
}

fn unescape(text: &str) -> String {
    let text = text.replace("&#38;", "&").replace("&amp;", "&");
    text.replace("&#34;", "\"").replace("&#39;", "'")
}

pub(crate) fn url(address: SocketAddr, path: &str) -> String {
    format!("http://{address}{path}")
}
