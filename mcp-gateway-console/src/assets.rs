//! Style sheet, script and icon, at paths with the hash of their content.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::path::ROOT;

/// File that pages refer to.
#[derive(Debug)]
pub(crate) struct Asset {
    /// Path, which changes with the content.
    pub(crate) path: String,
    name: String,
    pub(crate) media_type: &'static str,
    pub(crate) content: &'static str,
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

/// Returns the file with the last segment `name` of its path.
pub(crate) fn find(name: &str) -> Option<&'static Asset> {
    let assets: [&Asset; 3] = [&STYLE, &SCRIPT, &ICON];
    assets.into_iter().find(|asset| asset.name == name)
}
