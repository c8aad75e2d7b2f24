//! View that is closed with the session of its client.

use std::sync::Weak;

use async_trait::async_trait;

use super::UpstreamServer;
use crate::session::SessionListener;
use crate::upstream::view_key::ViewKey;

/// A view that belongs to one session of a client, attached to that session.
pub(super) struct SessionView {
    pub(super) server: Weak<UpstreamServer>,
    pub(super) key: ViewKey,
}

#[async_trait]
impl SessionListener for SessionView {
    async fn on_close(&self) {
        if let Some(server) = self.server.upgrade() {
            server.close_view(&self.key).await;
        }
    }
}
