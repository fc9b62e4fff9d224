//! Configuration whose files have been read and found good.

mod alerts;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustls::ClientConfig;
use secrecy::ExposeSecret;

use crate::{
    alerts::Plan,
    balance::credential::Credential,
    callers::{
        KeyRecord,
        file::{
            self,
            text::{Fingerprint, Text},
        },
        limit::RateLimit,
        session::Secrets,
    },
    config::{Config, ConfigErrors, Draft, Source, Upstream},
    reload, secret_file,
    upstream::{
        Endpoint, balance_uri, tls,
        token::{self, Place, Places},
    },
};

/// Configuration that is whole, with what its files hold.
pub struct Prepared {
    pub(super) config: Config,
    pub(super) keys: Keys,
    pub(super) default_limit: Option<RateLimit>,
    pub(super) secrets: SessionSecrets,
    pub(super) tokens: Tokens,
    pub(super) endpoint: Endpoint,
    pub(super) alerts: Plan,
}

/// The keys, and the file that they are kept in.
pub(super) struct Keys {
    pub(super) records: Vec<KeyRecord>,
    pub(super) file: Option<(PathBuf, Fingerprint)>,
}

/// What sessions are signed with, and the file that it is kept in.
pub(super) struct SessionSecrets {
    pub(super) secrets: Secrets,
    pub(super) file: Option<(PathBuf, Fingerprint)>,
}

/// The tokens, and where they are kept.
pub(super) struct Tokens {
    pub(super) primary: Credential,
    pub(super) secondary: Option<Credential>,
    pub(super) places: Places,
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
        let mut warnings = Vec::new();
        let keys = config
            .callers
            .as_ref()
            .and_then(|source| read_keys(source, &mut errors, &mut warnings));
        let default_limit = config
            .rate_limit
            .as_deref()
            .and_then(|text| read_limit(text, &mut errors));
        let secret_file = config.browsers.session_secret_file.as_deref();
        let secrets = read_secrets(secret_file, &mut errors, &mut warnings);
        let tokens = read_tokens(&config.upstream, &mut errors, &mut warnings);
        let tls = read_roots("CA_FILE", config.upstream.ca_file.as_deref(), &mut errors);
        let alerts = alerts::read(&config, &mut errors, &mut warnings);
        // What is a URL need not be what a request takes.
        let uri = balance_uri(&config.upstream.base_url)
            .map_err(|error| errors.add("BASE_URL", error))
            .ok();
        match (keys, secrets, tokens, tls, uri) {
            (Some(keys), Some(secrets), Some(tokens), Some(tls), Some(uri))
                if errors.is_empty() =>
            {
                config.warnings.extend(tokens.doubts());
                config.warnings.extend(warnings);
                Ok(Self {
                    endpoint: Endpoint {
                        uri,
                        connect_timeout: config.upstream.connect_timeout,
                        tls,
                    },
                    config,
                    keys,
                    default_limit,
                    secrets,
                    tokens,
                    alerts,
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

fn read_keys(
    source: &Source,
    errors: &mut ConfigErrors,
    warnings: &mut Vec<String>,
) -> Option<Keys> {
    match source {
        Source::Inline(text) => file::parse_inline(text.expose_secret())
            .map(|records| Keys {
                records,
                file: None,
            })
            .map_err(|error| errors.add("KEYS", error))
            .ok(),
        Source::File(path) => {
            let text = Text::read(path)
                .map_err(|error| errors.add("KEYS_FILE", unreadable(&error)))
                .ok()?;
            let records = file::parse_file(text.as_str())
                .map_err(|error| errors.add("KEYS_FILE", error))
                .ok()?;
            let file = is_regular(path).then(|| (path.clone(), text.fingerprint()));
            if file.is_none() {
                warnings.push(read_once("KEYS_FILE"));
            }
            Some(Keys { records, file })
        }
    }
}

fn read_limit(text: &str, errors: &mut ConfigErrors) -> Option<RateLimit> {
    let limit = RateLimit::parse(text);
    if limit.is_none() {
        errors.add(
            "RATE_LIMIT",
            "must be N/s, N/m or N/h, N from 1 to 1000000, such as 50/s",
        );
    }
    limit
}

fn read_secrets(
    path: Option<&Path>,
    errors: &mut ConfigErrors,
    warnings: &mut Vec<String>,
) -> Option<SessionSecrets> {
    const NAME: &str = "SESSION_SECRET_FILE";
    let Some(path) = path else {
        return Secrets::random()
            .map(|secrets| SessionSecrets {
                secrets,
                file: None,
            })
            .map_err(|_| errors.add(NAME, "must be set: the system gives no random bytes"))
            .ok();
    };
    let text = secret_file::read(path)
        .map_err(|error| errors.add(NAME, unreadable(&error)))
        .ok()?;
    let secrets = Secrets::parse(&text)
        .map_err(|error| errors.add(NAME, error))
        .ok()?;
    let file = is_regular(path).then(|| (path.to_owned(), reload::fingerprint(&text)));
    if file.is_none() {
        warnings.push(read_once(NAME));
    }
    Some(SessionSecrets { secrets, file })
}

fn read_tokens(
    upstream: &Upstream,
    errors: &mut ConfigErrors,
    warnings: &mut Vec<String>,
) -> Option<Tokens> {
    let primary = match upstream.token.as_ref() {
        Some(Source::Inline(text)) => token::parse(text)
            .map(|token| (token.clone(), Place::Fixed(token)))
            .map_err(|error| errors.add("TOKEN", error))
            .ok(),
        Some(Source::File(path)) => read_token("TOKEN_FILE", path, errors, warnings),
        None => None,
    };
    let secondary = upstream
        .secondary_token_file
        .as_ref()
        .map(|path| read_token("TOKEN_SECONDARY_FILE", path, errors, warnings));
    let (primary, primary_place) = primary?;
    let (secondary, secondary_place) = match secondary {
        Some(read) => Some(read?),
        None => None,
    }
    .unzip();
    Some(Tokens {
        primary,
        secondary,
        places: Places {
            primary: primary_place,
            secondary: secondary_place,
        },
    })
}

fn read_token(
    name: &str,
    path: &Path,
    errors: &mut ConfigErrors,
    warnings: &mut Vec<String>,
) -> Option<(Credential, Place)> {
    let text = secret_file::read(path)
        .map_err(|error| errors.add(name, unreadable(&error)))
        .ok()?;
    let token = token::parse(&text)
        .map_err(|error| errors.add(name, error))
        .ok()?;
    let place = if is_regular(path) {
        Place::File(path.to_owned())
    } else {
        warnings.push(read_once(name));
        Place::Fixed(token.clone())
    };
    Some((token, place))
}

/// Whether there is something to be read again: a pipe has said all that it has
/// to say.
fn is_regular(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|known| known.is_file())
}

/// What is said of a file that is never read again, though it was named to be.
fn read_once(name: &str) -> String {
    format!("D7B_{name} is not a regular file: it was read once, a change of it needs a restart")
}

impl Tokens {
    /// What is likely wrong with them, but need not be.
    fn doubts(&self) -> Vec<String> {
        let both = [Some(&self.primary), self.secondary.as_ref()];
        let mut doubts: Vec<_> = both
            .into_iter()
            .flatten()
            .filter_map(Credential::doubt)
            .map(str::to_owned)
            .collect();
        if self.secondary.as_ref() == Some(&self.primary) {
            doubts.push("the secondary D7 token is the first one again: it cannot help".to_owned());
        }
        doubts
    }
}

fn read_roots(
    name: &str,
    ca_file: Option<&Path>,
    errors: &mut ConfigErrors,
) -> Option<ClientConfig> {
    let roots = match ca_file {
        None => tls::public_roots(),
        Some(path) => {
            let pem = fs::read(path)
                .map_err(|error| errors.add(name, unreadable(&error)))
                .ok()?;
            tls::bundle(&pem)
        }
    };
    roots.map_err(|error| errors.add(name, error)).ok()
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
