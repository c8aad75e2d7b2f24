//! Style sheet, script and icon, at paths with the hash of their content.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

use crate::failure::Failure;
use crate::path::ROOT;

/// File that pages refer to.
#[derive(Debug)]
pub(crate) struct Asset {
    /// Path, which changes with the content.
    pub(crate) path: String,
    name: String,
    media_type: &'static str,
    content: &'static str,
}

impl Asset {
    fn new(name: &str, media_type: &'static str, content: &'static str) -> Self {
        let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, content.as_bytes()));
        let name = format!("{}-{name}", hash.chars().take(16).collect::<String>());
        Self {
            path: format!("{ROOT}/assets/{name}"),
            name,
            media_type,
            content,
        }
    }
}

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let content = include_str!("../templates/console.css");
    Asset::new("console.css", "text/css; charset=utf-8", content)
});

static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let content = include_str!("../templates/console.js");
    Asset::new("console.js", "text/javascript; charset=utf-8", content)
});

static ICON: LazyLock<Asset> = LazyLock::new(|| {
    let content = include_str!("../templates/icon.svg");
    Asset::new("icon.svg", "image/svg+xml", content)
});

/// Returns the style sheet.
pub(crate) fn style() -> &'static Asset {
    &STYLE
}

/// Returns the script.
pub(crate) fn script() -> &'static Asset {
    &SCRIPT
}

/// Returns the icon of the tab.
pub(crate) fn icon() -> &'static Asset {
    &ICON
}

/// `GET /console/assets/{name}`: serves a file, which caches may keep for good.
pub(crate) async fn get(Path(name): Path<String>) -> Result<Response, Failure> {
    let assets: [&Asset; 3] = [&STYLE, &SCRIPT, &ICON];
    let found = assets.into_iter().find(|asset| asset.name == name);
    let asset = found.ok_or(Failure::NotFound)?;
    let headers = [
        (CONTENT_TYPE, asset.media_type),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, asset.content).into_response())
}
