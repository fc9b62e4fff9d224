//! Configuration whose files have been read and found good.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustls::ClientConfig;
use secrecy::ExposeSecret;

use crate::{
    callers::{KeyRecord, file},
    config::{Config, ConfigErrors, Draft, Source},
    upstream::{
        Endpoint, balance_uri, tls,
        token::{self, Token},
    },
};

/// Configuration that is whole, with what its files hold.
pub struct Prepared {
    pub(super) config: Config,
    pub(super) keys: Vec<KeyRecord>,
    pub(super) token: Token,
    pub(super) token_file: Option<PathBuf>,
    pub(super) endpoint: Endpoint,
}

impl Prepared {
    /// Reads the files that the settings name.
    ///
    /// # Errors
    /// Everything that is wrong, in settings and files, all of it at once.
    pub fn new(draft: Draft) -> Result<Self, ConfigErrors> {
        let Draft {
            mut config,
            mut errors,
        } = draft;
        let keys = config
            .callers
            .as_ref()
            .and_then(|source| read_keys(source, &mut errors));
        let token = config
            .upstream
            .token
            .as_ref()
            .and_then(|source| read_token(source, &mut errors));
        let tls = read_roots(config.upstream.ca_file.as_deref(), &mut errors);
        // What is a URL need not be what a request takes.
        let uri = balance_uri(&config.upstream.base_url)
            .map_err(|error| errors.add("BASE_URL", error))
            .ok();
        match (keys, token, tls, uri) {
            (Some(keys), Some((token, token_file)), Some(tls), Some(uri)) if errors.is_empty() => {
                config.warnings.extend(token.doubt().map(str::to_owned));
                Ok(Self {
                    endpoint: Endpoint {
                        uri,
                        connect_timeout: config.upstream.connect_timeout,
                        tls,
                    },
                    config,
                    keys,
                    token,
                    token_file,
                })
            }
            _ => Err(errors),
        }
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

fn read_keys(source: &Source, errors: &mut ConfigErrors) -> Option<Vec<KeyRecord>> {
    match source {
        Source::Inline(text) => file::parse_inline(text.expose_secret())
            .map_err(|error| errors.add("KEYS", error))
            .ok(),
        Source::File(path) => {
            let text = fs::read_to_string(path)
                .map_err(|error| errors.add("KEYS_FILE", unreadable(&error)))
                .ok()?;
            file::parse_file(&text)
                .map_err(|error| errors.add("KEYS_FILE", error))
                .ok()
        }
    }
}

fn read_token(source: &Source, errors: &mut ConfigErrors) -> Option<(Token, Option<PathBuf>)> {
    let (name, text, path) = match source {
        Source::Inline(text) => ("TOKEN", text.clone(), None),
        Source::File(path) => {
            let text = token::read(path)
                .map_err(|error| errors.add("TOKEN_FILE", unreadable(&error)))
                .ok()?;
            ("TOKEN_FILE", text, Some(path.clone()))
        }
    };
    let token = Token::parse(&text)
        .map_err(|error| errors.add(name, error))
        .ok()?;
    Some((token, path))
}

fn read_roots(ca_file: Option<&Path>, errors: &mut ConfigErrors) -> Option<ClientConfig> {
    let roots = match ca_file {
        None => tls::public_roots(),
        Some(path) => {
            let pem = fs::read(path)
                .map_err(|error| errors.add("CA_FILE", unreadable(&error)))
                .ok()?;
            tls::bundle(&pem)
        }
    };
    roots.map_err(|error| errors.add("CA_FILE", error)).ok()
}

fn unreadable(error: &io::Error) -> String {
    let why = match error.kind() {
        // The path is not told: a secret may stand there by mistake.
        io::ErrorKind::NotFound => "there is no such file",
        io::ErrorKind::PermissionDenied => "this user may not read it",
        io::ErrorKind::InvalidData => "it is not UTF-8",
        io::ErrorKind::IsADirectory => "it is a directory",
        _ => "the system refuses it",
    };
    format!("names a file that cannot be read: {why}")
}
