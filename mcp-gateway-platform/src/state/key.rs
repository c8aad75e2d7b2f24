//! Key of a state store: the file next to SQLite, and the check value in the store.
//!
//! The check value is derived from the key and written once. A store whose check value is that of
//! another key is never opened: what is sealed in it could not be read, and new state would be
//! sealed with a key that the rest of the store does not have.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::rand;
use mcp_gateway_auth::server::has_foreign_signing_keys;
use mcp_gateway_auth::{AuthServerError, Keyring};
use mcp_gateway_store::{Batch, CommitOutcome, Store, StoreError};
use secrecy::zeroize::Zeroizing;

use super::StateError;
use crate::spec::SessionKey;

/// Returns `true` if `key` is the key of `store`. A store without a key adopts it.
///
/// Replicas may call this concurrently: one key is adopted.
///
/// # Errors
///
/// [`AuthServerError`] if the store is unavailable.
pub(super) async fn belongs_to(
    key: &SessionKey,
    store: &Arc<dyn Store>,
) -> Result<bool, AuthServerError> {
    let keyring = Keyring::new(key.bytes())?;
    let own = keyring.derive(USAGE, |check| *check).concat();
    loop {
        if let Some(document) = store.get(CHECK).await? {
            return Ok(*document.value == *own);
        }
        // A store of an earlier version has no check value, but may have sealed keys.
        if has_foreign_signing_keys(Arc::clone(store), &keyring).await? {
            return Ok(false);
        }
        let adopt = Batch::new().if_absent(CHECK).put(CHECK, own.clone());
        if store.commit(adopt).await? == CommitOutcome::Committed {
            return Ok(true);
        }
    }
}

/// Reads the key in the file at `path`, or generates it for an empty `store`.
///
/// # Errors
///
/// [`StateError::KeyLost`] if the store has documents and the file is missing, or another
/// [`StateError`] if the file or the store cannot be read or written.
pub(super) async fn of_file(path: &Path, store: &dyn Store) -> Result<SessionKey, StateError> {
    // In this order: another process creates the file before it writes to the store.
    let is_new = is_empty(store).await;
    let is_new = is_new.map_err(|error| StateError::Database(error.into()))?;
    let key = match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match is_new {
            true => create(path),
            false => {
                let path = path.to_owned();
                return Err(StateError::KeyLost { path });
            }
        },
        read => read,
    };
    let key = key.map_err(|source| StateError::Key {
        path: path.to_owned(),
        source,
    })?;
    if let Some(mode) = exposed_mode(path) {
        let path = path.display();
        tracing::warn!(%path, "key readable by other users: mode {mode:o} instead of 600");
    }
    Ok(key)
}

/// Returns the mode of the file at `path`, if other users than its owner may read or replace it.
fn exposed_mode(path: &Path) -> Option<u32> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

async fn is_empty(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(store.list("", None, 1).await?.is_empty())
}

/// Reads a key of 32 bytes.
fn read(path: &Path) -> io::Result<SessionKey> {
    let bytes = Zeroizing::new(fs::read(path)?);
    let key = <[u8; 32]>::try_from(&**bytes).map(SessionKey::new);
    key.map_err(|_| io::Error::other("expected 32 bytes"))
}

/// Generates a key at `path`, or reads the one that another process has created concurrently.
fn create(path: &Path) -> io::Result<SessionKey> {
    let key = random().map_err(io::Error::other)?;
    // A new file of a random name, readable by its owner only, which appears as a whole.
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(key.bytes())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => read(path),
        Err(failed) => Err(failed.error),
        Ok(_) => Ok(key),
    }
}

/// Generates a random key.
///
/// # Errors
///
/// [`StateError::Random`] if the system has no random numbers.
pub(super) fn random() -> Result<SessionKey, StateError> {
    let mut key = Zeroizing::new([0; 32]);
    rand::fill(&mut *key).map_err(|_| StateError::Random)?;
    Ok(SessionKey::new(*key))
}

/// Key of the document with the check value.
const CHECK: &str = "state/key-check";

/// Usage of the key from which the check value is derived. Nothing else is derived for it.
const USAGE: &str = "key-check";

#[cfg(test)]
mod tests {
    use mcp_gateway_auth::Clock;
    use mcp_gateway_auth::login::LoginSessions;
    use mcp_gateway_auth::server::AuthorizationServer;
    use mcp_gateway_auth::users::Users;
    use mcp_gateway_store::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn a_store_adopts_one_key() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let keys = [1, 2].map(|byte| SessionKey::new([byte; 32]));
        let (one, other) = tokio::join!(belongs_to(&keys[0], &store), belongs_to(&keys[1], &store));
        assert_ne!(one.unwrap(), other.unwrap());
        let check = store.get(CHECK).await.unwrap().unwrap();
        assert!(keys.iter().all(|key| *check.value != *key.bytes()));
    }

    #[tokio::test]
    async fn a_store_of_an_earlier_version_has_a_key() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let [own, foreign] = [1, 2].map(|byte| SessionKey::new([byte; 32]));
        sign_with(&own, &store).await;
        assert!(!belongs_to(&foreign, &store).await.unwrap());
        assert!(belongs_to(&own, &store).await.unwrap());
        assert!(!belongs_to(&foreign, &store).await.unwrap());
    }

    #[tokio::test]
    async fn category_key_file_is_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.key");
        // A file of the former temporary name cannot receive the key.
        let former = path.with_extension(format!("key.{}", std::process::id()));
        fs::write(&former, "").unwrap();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        of_file(&path, &*store).await.unwrap();
        assert_eq!(fs::read(&former).unwrap(), b"");
        assert_eq!(exposed_mode(&path), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(exposed_mode(&path), Some(mode));
        }
    }

    #[tokio::test]
    async fn category_lost_key_is_not_replaced() {
        let folder = std::env::temp_dir().join(format!("mcp-gateway-key-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("gateway.key");
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let key = of_file(&path, &*store).await.unwrap();
        assert!(belongs_to(&key, &store).await.unwrap());
        assert!(of_file(&path, &*store).await.unwrap() == key);
        fs::remove_file(&path).unwrap();
        let error = of_file(&path, &*store).await.unwrap_err();
        assert!(matches!(&error, StateError::KeyLost { path: lost } if *lost == path));
        assert!(!path.exists());
        fs::remove_dir_all(&folder).unwrap();
    }

    /// Lets an authorization server create a signing key in `store`.
    async fn sign_with(key: &SessionKey, store: &Arc<dyn Store>) {
        let keyring = Keyring::new(key.bytes()).unwrap();
        let users = Users::new(Arc::clone(store), Clock::system());
        let sessions = LoginSessions::new(users, keyring.clone(), "http://localhost").unwrap();
        let base = "http://localhost".parse().unwrap();
        let server =
            AuthorizationServer::builder(base, Arc::clone(store), keyring, Arc::new(sessions));
        let router = server.build().router();
        let request = http::Request::get("/api/auth/oauth2/jwks").body(axum::body::Body::empty());
        let response = tower::ServiceExt::oneshot(router, request.unwrap()).await;
        assert_eq!(response.unwrap().status(), 200);
    }
}
