//! Attributes of the process.

use super::SettingsError;
use super::variables::{Variables, pairs};
use mcp_gateway_core::trace::random;

/// Returns the attributes of the process.
///
/// The name of the service is that of `OTEL_SERVICE_NAME`, then that in `OTEL_RESOURCE_ATTRIBUTES`, then
/// `mcp-gateway`.
pub(super) fn read(variables: &Variables<'_>) -> Result<Vec<(String, String)>, SettingsError> {
    const LIST: &str = "OTEL_RESOURCE_ATTRIBUTES";
    let list = variables.get(LIST).unwrap_or_default();
    let given = pairs(&list);
    let invalid = || SettingsError::new(LIST, "expected name=value, separated by commas");
    let mut attributes: Vec<(String, String)> = Vec::new();
    let name = variables.get("OTEL_SERVICE_NAME");
    let name = name.map(|name| ("service.name", name));
    for (key, value) in name.into_iter().chain(given.ok_or_else(invalid)?) {
        add(&mut attributes, key, value);
    }
    let defaults = [
        ("service.name", "mcp-gateway".to_owned()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", instance()),
        ("telemetry.sdk.language", "rust".to_owned()),
        ("telemetry.sdk.name", "mcp-gateway".to_owned()),
        (
            "telemetry.sdk.version",
            env!("CARGO_PKG_VERSION").to_owned(),
        ),
    ];
    for (key, value) in defaults {
        add(&mut attributes, key, value);
    }
    Ok(attributes)
}

/// Adds an attribute unless there is one of the same name.
fn add(attributes: &mut Vec<(String, String)>, key: &str, value: String) {
    if attributes.iter().all(|(other, _)| other != key) {
        attributes.push((key.to_owned(), value));
    }
}

/// Returns the name of this process: a random UUID.
fn instance() -> String {
    let mut bytes: [u8; 16] = random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |from, to| text.get(from..to).unwrap_or_default();
    [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ]
    .join("-")
}
