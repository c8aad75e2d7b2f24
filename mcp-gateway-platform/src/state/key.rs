//! Key of a state store: the file next to SQLite, and the check value in the store.
//!
//! The check value is derived from the key and written once. A store whose check value is that of
//! another key is never opened: what is sealed in it could not be read, and new state would be
//! sealed with a key that the rest of the store does not have.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
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
    key.map_err(|source| StateError::Key {
        path: path.to_owned(),
        source,
    })
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
    // A hard link makes the complete file appear atomically.
    let new = path.with_extension(format!("key.{}", std::process::id()));
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(key.bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&new, path);
    fs::remove_file(&new)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(path),
        linked => linked.map(|()| key),
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
