//! Sources of the configuration: files and the command line.

use std::net::SocketAddr;

use crate::files::{ConfigFiles, FileDiagnostics};
use crate::model::ModelCache;
use crate::system::SystemEnvironment;
use crate::traces;
use crate::watch::FileStamp;
use mcp_gateway_config::file::{Config, Log, open_to_all};
use mcp_gateway_platform::spec::{OAuth, OAuthClients, Secret, Token};

/// Sources of a configuration: files and command-line options.
#[derive(Clone, Debug)]
pub(crate) struct ConfigSource {
    pub(crate) files: ConfigFiles,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) log: LogOptions,
    /// Embedding model that was read last.
    pub(crate) models: ModelCache,
    /// Owner token, for files without `auth`.
    pub(crate) token: Token,
    /// Set if the owner token was generated.
    pub(crate) token_is_new: bool,
}

/// Log options of the command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogOptions {
    pub(crate) format: Option<mcp_gateway_config::file::LogFormat>,
    pub(crate) level: Option<String>,
}

/// Result of loading a configuration.
#[derive(Debug)]
pub(crate) struct LoadAttempt {
    /// All files that it depends on, readable or not.
    pub(crate) files: Vec<FileStamp>,
    /// Configuration, or its diagnostics.
    pub(crate) result: Result<ResolvedConfig, FileDiagnostics>,
}

/// Valid configuration with all options applied.
#[derive(Debug)]
pub(crate) struct ResolvedConfig {
    pub(crate) config: Config,
    pub(crate) warnings: FileDiagnostics,
    /// Set if the files have no `auth`, so that the owner token is accepted.
    pub(crate) uses_owner_token: bool,
}

impl ConfigSource {
    /// Loads the configuration.
    pub(crate) fn load(&self) -> LoadAttempt {
        let system = SystemEnvironment::new();
        let mut files: Vec<_> = self
            .files
            .paths()
            .map(|path| FileStamp::read(path))
            .collect();
        let result = self.read(&system);
        files.extend(system.files());
        LoadAttempt { files, result }
    }

    fn read(&self, system: &SystemEnvironment) -> Result<ResolvedConfig, FileDiagnostics> {
        let mut loaded = self.files.load(system)?;
        loaded.read_lock(&self.files, Some(system))?;
        loaded.read_model(&self.files, &self.models, Some(system))?;
        let mut config = loaded.config;
        if let Some(listen) = self.listen {
            config.serving.listen = listen;
        }
        if let Some(address) = config.anonymous_address() {
            return Err(FileDiagnostics::of_options(open_to_all(&address)));
        }
        let own_token = config.platform.has_no_callers();
        if own_token {
            config.platform.dynamic.auth.tokens.push(self.token.clone());
            config.platform = config
                .platform
                .with_authorization_server(OAuth::default(), OAuthClients::default());
        }
        config.serving.log = self.log.override_log(config.serving.log);
        let hidden = &mut config.platform.dynamic.hidden_variables;
        *hidden = system.secrets();
        hidden.push(TOKEN_VARIABLE.to_owned());
        hidden.extend(traces::SECRETS.map(str::to_owned));
        Ok(ResolvedConfig {
            config,
            warnings: loaded.warnings,
            uses_owner_token: own_token,
        })
    }
}

impl LogOptions {
    /// Applies the options to `log`.
    pub(crate) fn override_log(&self, mut log: Log) -> Log {
        log.format = self.format.unwrap_or(log.format);
        if let Some(level) = &self.level {
            log.level.clone_from(level);
        }
        log
    }
}

/// Environment variable that contains the owner token.
pub(crate) const TOKEN_VARIABLE: &str = "MCP_GATEWAY_TOKEN";

/// Creates the owner token, which is that of an admin.
pub(crate) fn owner_token(text: impl Into<String>) -> Token {
    Token::new("owner", Secret::new(text)).with_admin_role()
}

/// Generates a random owner token.
///
/// # Errors
///
/// Fails if the system random number generator is unavailable.
pub(crate) fn random_token() -> anyhow::Result<Token> {
    let secret = mcp_gateway_auth::Secret::generate("mcpg_")?;
    Ok(owner_token(secret.expose()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str, listen: Option<&str>) -> (ConfigSource, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.yaml");
        std::fs::write(&path, text).unwrap();
        let source = ConfigSource {
            files: ConfigFiles::sorted(vec![path]).unwrap(),
            listen: listen.map(|listen| listen.parse().unwrap()),
            log: LogOptions::default(),
            models: ModelCache::default(),
            token: random_token().unwrap(),
            token_is_new: true,
        };
        (source, folder)
    }

    #[test]
    fn a_gateway_without_tokens_has_one_of_its_own() {
        let (source, _folder) = source("servers: []", None);
        let ready = source.load().result.unwrap();
        assert!(ready.uses_owner_token);
        assert_eq!(
            ready.config.platform.dynamic.auth.tokens,
            std::slice::from_ref(&source.token)
        );
        assert_eq!(
            source
                .load()
                .result
                .unwrap()
                .config
                .platform
                .dynamic
                .auth
                .tokens,
            ready.config.platform.dynamic.auth.tokens
        );
        assert_ne!(random_token().unwrap(), random_token().unwrap());
    }

    #[test]
    fn the_command_line_cannot_open_a_gateway_by_accident() {
        let text = "auth: { anonymous: true }";
        let (local, _folder) = source(text, Some("127.0.0.1:0"));
        assert!(local.load().result.is_ok());
        let (open, _folder) = source(text, Some("0.0.0.0:80"));
        assert!(
            open.load()
                .result
                .unwrap_err()
                .to_string()
                .contains("insecureAnonymous")
        );
    }

    #[test]
    fn secrets_are_watched_too() {
        let (mut source, folder) = source("", None);
        let secret = folder.path().join("secret");
        let config = folder.path().join("with-secret.yaml");
        let text = format!(
            "auth: {{ tokens: [{{ name: a, token: {{ file: {} }} }}] }}",
            secret.display()
        );
        std::fs::write(&config, text).unwrap();
        source.files = ConfigFiles::sorted(vec![config.clone()]).unwrap();
        let attempt = source.load();
        assert!(attempt.result.is_err(), "it may come later");
        assert_eq!(
            attempt.files,
            [FileStamp::read(&config), FileStamp::read(&secret)]
        );

        std::fs::write(&secret, "0123456789abcdef0123456789").unwrap();
        let attempt = source.load();
        assert!(attempt.result.is_ok());
        assert_eq!(
            attempt.files,
            [FileStamp::read(&config), FileStamp::read(&secret)]
        );
    }
}
