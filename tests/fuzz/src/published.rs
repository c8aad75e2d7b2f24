//! Files of other registries.

use mcp_gateway_registry::{EntryDocument, server_json};
use serde_json::Value;

/// A `server.json`, or an entry of a response of a registry.
pub fn published(data: &[u8]) {
    let Ok(file) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let Ok(read) = server_json::read(&file) else {
        return;
    };
    let entry = &read.entry;
    assert_eq!(entry.violations(), [], "an invalid entry has been read");
    assert!(entry.server.is_some() || entry.unsupported.is_some());
    let mut document = EntryDocument::new(entry.clone(), 0);
    let written = server_json::write(&document);
    assert_eq!(server_json::violations(&written), [], "{written}");
    document.published = Some(read.published);
    let written = server_json::write(&document);
    assert_eq!(server_json::violations(&written), [], "{written}");
    match server_json::read(&written) {
        Ok(again) => assert_eq!(again.entry.version, entry.version),
        // A name without a namespace is that of this registry, and no other one takes it.
        Err(error) => assert!(!entry.name.contains('/'), "{error:?}"),
    }
    if entry.is_installable() {
        let found = entry.template_violations(&|server| {
            assert_eq!(server["name"], "sample");
            Vec::new()
        });
        assert_eq!(found, [], "an entry that is installable");
    }
}

/// Files to begin with.
pub(crate) const FILES: &[&[u8]] = &[
    br#"{"server":{"name":"com.example/a","description":"A","version":"1.0.0","title":"T","repository":{},"remotes":[{"type":"streamable-http","url":"https://{t}.example.com/mcp","variables":{"t":{"default":"eu"}},"headers":[{"name":"Authorization","value":"Bearer {token}","isRequired":true}]}]},"_meta":{"io.modelcontextprotocol.registry/official":{"status":"deprecated","statusMessage":"x","updatedAt":"2025-12-02T11:59:54Z"}}}"#,
    br#"{"name":"io.github.example/b","version":"1","packages":[{"registryType":"npm","identifier":"@e/b","version":"1","runtimeHint":"npx","transport":{"type":"stdio"},"runtimeArguments":[{"type":"named","name":"-e","value":"{A}"}],"packageArguments":["serve",{"type":"positional","valueHint":"dir","format":"filepath"},{"type":"named","name":"--unit","choices":["a"],"default":"a"}],"environmentVariables":[{"name":"API_KEY","isSecret":true,"isRequired":true}]}]}"#,
    br#"{"name":"a","version_detail":{"version":"2"},"packages":[{"registry_name":"docker","name":"x/y:1","package_arguments":[{"value":5}],"environment_variables":[{"name":"A","default":"b"}]}]}"#,
];
