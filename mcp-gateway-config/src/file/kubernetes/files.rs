//! Key `servers[].kubernetes.files`: Secrets and config maps as files of pods.
//!
//! | Key | Type |
//! |---|---|
//! | `path` | absolute path of the folder, required |
//! | `secret`, `configMap` | name of the object; one of them is required |
//!
//! Each key of the object is a file in the folder. Two objects cannot have the same folder.

use mcp_gateway_platform::spec::{FileSource, PodFiles};

use super::names;
use crate::document::Field;

/// Reads a list of files with distinct folders.
pub(super) fn files(field: &Field<'_>) -> Option<Vec<PodFiles>> {
    let mut files: Vec<PodFiles> = Vec::new();
    for field in field.items()? {
        let Some(read) = one(&field) else {
            continue;
        };
        if files.iter().any(|other| other.path == read.path) {
            field.error(format!("duplicate path {:?}", read.path));
        }
        files.push(read);
    }
    Some(files)
}

/// Reads the files of one object.
fn one(field: &Field<'_>) -> Option<PodFiles> {
    let mut table = field.table()?;
    let path = table.required("path", |field| field.parse("a folder", names::folder));
    let object = table.one_of(&["secret", "configMap"]);
    table.finish();
    let (kind, object) = object?;
    let name = object.parse("the name of an object", names::subdomain)?;
    let source = match kind {
        "secret" => FileSource::Secret(name),
        _ => FileSource::ConfigMap(name),
    };
    Some(PodFiles::new(path?, source))
}
