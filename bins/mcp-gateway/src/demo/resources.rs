//! Resources and resource templates of the demo.

use rmcp::ErrorData;
use rmcp::model::{
    ReadResourceResponse, ReadResourceResult, Resource, ResourceContents, ResourceTemplate,
};
use serde_json::json;

pub(super) fn list() -> Vec<Resource> {
    vec![
        Resource::new(ABOUT, "About")
            .with_description("Purpose of this server")
            .with_mime_type(MARKDOWN),
    ]
}

pub(super) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new("demo://table/{number}", "Multiplication table")
            .with_description("The first ten multiples of a number")
            .with_mime_type(MARKDOWN),
    ]
}

pub(super) fn read(uri: &str) -> Result<ReadResourceResponse, ErrorData> {
    let number = uri
        .strip_prefix("demo://table/")
        .and_then(|number| number.parse().ok());
    let text = match (uri, number) {
        (ABOUT, _) => TEXT.to_owned(),
        (_, Some(number)) => table(number),
        (_, None) => {
            let data = json!({ "uri": uri });
            return Err(ErrorData::resource_not_found(
                "Resource not found",
                Some(data),
            ));
        }
    };
    let contents = ResourceContents::text(text, uri).with_mime_type(MARKDOWN);
    Ok(ReadResourceResult::new(vec![contents]).into())
}

fn table(number: i32) -> String {
    let line = |times: i64| format!("- {times} x {number} = {}\n", times * i64::from(number));
    (1..=10).map(line).collect()
}

const ABOUT: &str = "demo://about";
const MARKDOWN: &str = "text/markdown";

const TEXT: &str = "\
# The demo server

This server is built into the gateway, for trying it out. Add your own servers to a configuration
file and start the gateway with `mcp-gateway serve --config FILE`.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_can_be_read() {
        for resource in list() {
            assert!(read(&resource.uri).is_ok(), "{}", resource.uri);
        }
        assert!(read("demo://table/-7").is_ok());
        assert!(table(7).contains("- 3 x 7 = 21\n"));
        assert!(read("demo://table/x").is_err());
        assert!(read("file:///etc/passwd").is_err());
    }
}
