//! Settings: environment variables in, one checked [`Config`] out.
//!
//! envy fills a flat struct of texts; everything else is checked here, so that
//! all that is wrong is told at once, by name, and never with a value. What a
//! setting names (a file) is read by `app`, which adds its complaints to the
//! same list. Each section of the settings has a file of its own.

mod alerts;
mod browsers;
mod cache;
mod report;
mod server;
mod upstream;
mod value;

use std::{
    collections::BTreeMap, ffi::OsString, fmt, net::SocketAddr, path::PathBuf, time::Duration,
};

use secrecy::SecretString;
use serde::{Deserialize, de::IgnoredAny};

use self::value::Reader;
pub use self::{
    alerts::{Alerts, Webhook},
    browsers::Browsers,
    cache::Cache,
    server::Server,
    upstream::Upstream,
    value::parse_duration,
};

/// What every variable's name begins with.
pub const PREFIX: &str = "D7B_";

/// The settings of a service, each in its effective form.
#[derive(Debug)]
pub struct Config {
    /// The public and the admin listener, and the end of the process.
    pub server: Server,
    /// Who may ask.
    pub callers: Option<Source>,
    /// `D7B_RATE_LIMIT`, not read yet.
    pub rate_limit: Option<String>,
    /// `D7B_RELOAD_INTERVAL`, 100 ms to 10 s.
    pub reload_interval: Duration,
    /// Sessions, and where pages may come from.
    pub browsers: Browsers,
    /// D7.
    pub upstream: Upstream,
    /// How long a balance is good for what.
    pub cache: Cache,
    /// Who is told of what, unasked.
    pub alerts: Alerts,
    /// The log.
    pub telemetry: Telemetry,
    /// What is not wrong, but should be known: logged once at start.
    pub warnings: Vec<String>,
}

/// Where a secret stands.
#[derive(Debug, Clone)]
pub enum Source {
    /// In the variable itself.
    Inline(SecretString),
    /// In a file.
    File(PathBuf),
}

/// The log.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// `D7B_LOG_FORMAT`; none: as the terminal suggests.
    pub format: Option<LogFormat>,
    /// `D7B_LOG`, a tracing filter.
    pub filter: String,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For machines: one JSON object a line.
    Json,
}

/// Everything that is wrong, by variable.
#[derive(Debug, Default)]
pub struct ConfigErrors(BTreeMap<String, Vec<String>>);

impl ConfigErrors {
    /// Adds a complaint. `problem` never holds the value.
    pub fn add(&mut self, variable: &str, problem: impl fmt::Display) {
        let problems = self.0.entry(format!("{PREFIX}{variable}")).or_default();
        problems.push(problem.to_string());
    }

    /// Whether all is well.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (variable, problems) in &self.0 {
            for problem in problems {
                writeln!(f, "{variable} {problem}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Settings that have been read, with what was found wrong so far: a setting
/// that cannot be read has its default here, so that its neighbours can still
/// be checked.
#[derive(Debug)]
pub struct Draft {
    /// The settings; to be used only where there are no errors.
    pub config: Config,
    /// The complaints.
    pub errors: ConfigErrors,
}

/// Every variable, as text. Empty ones have been taken for unset.
#[derive(Default, Deserialize)]
struct RawEnv {
    token: Option<SecretString>,
    token_file: Option<String>,
    token_secondary_file: Option<String>,
    base_url: Option<String>,
    allow_insecure_upstream: Option<String>,
    ca_file: Option<String>,
    connect_timeout: Option<String>,
    upstream_timeout: Option<String>,
    cache_ttl: Option<String>,
    cache_stale_while_revalidate: Option<String>,
    cache_stale_if_error: Option<String>,
    cache_min_refresh: Option<String>,
    cache_keep_warm: Option<String>,
    cache_max_waiters: Option<String>,
    keys: Option<SecretString>,
    keys_file: Option<String>,
    rate_limit: Option<String>,
    session_secret_file: Option<String>,
    session_ttl: Option<String>,
    public_origins: Option<String>,
    cors_origins: Option<String>,
    reload_interval: Option<String>,
    server_addr: Option<String>,
    admin_addr: Option<String>,
    server_workers: Option<String>,
    shutdown_delay: Option<String>,
    shutdown_grace: Option<String>,
    alert_below: Option<String>,
    alert_webhook_url_file: Option<String>,
    alert_webhook_secret_file: Option<String>,
    alert_webhook_ca_file: Option<String>,
    alert_webhook_timeout: Option<String>,
    log_format: Option<String>,
    log: Option<String>,
    /// Names only: a secret may stand in a variable whose name has a typo.
    #[serde(flatten)]
    unknown: BTreeMap<String, IgnoredAny>,
}

/// The process's environment.
pub fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    // Not `vars`: it panics on a foreign variable that is not UTF-8.
    std::env::vars_os()
}

impl Draft {
    /// Reads settings from variables; those of others are passed over.
    pub fn read(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut errors = ConfigErrors::default();
        let mut ours = Vec::new();
        for (name, value) in variables {
            // A name of ours is ASCII: one that is not UTF-8 is a typo at best,
            // and reads as one that no setting has.
            let name = name.to_string_lossy();
            let Some(name) = name.strip_prefix(PREFIX) else {
                continue;
            };
            match value.into_string() {
                Ok(value) if value.is_empty() => {}
                // envy folds case; two spellings of one name would collide.
                Ok(_) if name.bytes().any(|b| b.is_ascii_lowercase()) => {
                    errors.add(name, UNKNOWN);
                }
                Ok(value) => ours.push((name.to_owned(), value)),
                Err(_) => errors.add(name, "is not UTF-8"),
            }
        }
        let raw = envy::from_iter::<_, RawEnv>(ours).unwrap_or_else(|_| {
            // envy's own text may hold a value.
            errors.add("*", "cannot be read");
            RawEnv::default()
        });
        for name in raw.unknown.keys() {
            errors.add(&name.to_uppercase(), UNKNOWN);
        }
        let config = check(raw, &mut errors);
        Self { config, errors }
    }
}

const UNKNOWN: &str = "is not a setting; README.md lists those that are";

fn check(mut raw: RawEnv, errors: &mut ConfigErrors) -> Config {
    let mut warnings = Vec::new();
    let mut read = Reader(errors);

    let server = Server::check(&mut read, &mut raw, &mut warnings);
    let cache = Cache::check(&mut read, &mut raw);
    let upstream = Upstream::check(&mut read, &mut raw, &mut warnings);
    let alerts = Alerts::check(&mut read, &mut raw);
    let browsers = Browsers::check(&mut read, &mut raw);
    if !server.addr.ip().is_loopback() && !browsers.has_tls() {
        warnings.push(format!(
            "{PREFIX}SERVER_ADDR is not a loopback address: keys travel in clear unless TLS ends in front of this service; {PREFIX}PUBLIC_ORIGINS with its https:// origin says that it does"
        ));
    }
    if alerts.is_any() && !cache.keep_warm {
        warnings.push(format!(
            "{PREFIX}ALERT_* without {PREFIX}CACHE_KEEP_WARM=true: nothing is told while nobody asks for the balance"
        ));
    }
    let reload_interval = read.duration(
        "RELOAD_INTERVAL",
        raw.reload_interval,
        5 * SECOND,
        100 * MILLISECOND..=10 * SECOND,
    );

    Config {
        server,
        callers: read.one_of("KEYS", raw.keys, "KEYS_FILE", raw.keys_file),
        rate_limit: raw.rate_limit,
        reload_interval,
        browsers,
        upstream,
        cache,
        alerts,
        telemetry: Telemetry {
            format: read.log_format("LOG_FORMAT", raw.log_format),
            filter: read.log_filter("LOG", raw.log),
        },
        warnings,
    }
}

const ZERO: Duration = Duration::ZERO;
const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The admin listener's address alone, for the health check, which needs no
/// other setting to be right.
///
/// # Errors
/// Where it is not an address.
pub fn admin_addr(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<SocketAddr, ConfigErrors> {
    let text = variables
        .into_iter()
        .find(|(name, _)| name == "D7B_ADMIN_ADDR")
        .map(|(_, value)| value.to_string_lossy().into_owned())
        .filter(|value| !value.is_empty());
    let mut errors = ConfigErrors::default();
    let addr = Reader(&mut errors).addr("ADMIN_ADDR", text, 8081);
    if errors.is_empty() {
        Ok(addr)
    } else {
        Err(errors)
    }
}
