//! Settings: environment variables in, one checked [`Config`] out.
//!
//! envy fills a flat struct of texts; everything else is checked here, so that
//! all that is wrong is told at once, by name, and never with a value. What a
//! setting names (a file) is read by `app`, which adds its complaints to the
//! same list.

mod report;
mod value;

use std::{
    collections::BTreeMap, ffi::OsString, fmt, net::SocketAddr, path::PathBuf, time::Duration,
};

use secrecy::SecretString;
use serde::{Deserialize, de::IgnoredAny};

pub use self::value::parse_duration;
use self::value::{Reader, base_url};

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
    /// D7.
    pub upstream: Upstream,
    /// How long a balance is good for what.
    pub cache: Cache,
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

/// Listeners and process.
#[derive(Debug, Clone)]
pub struct Server {
    /// `D7B_SERVER_ADDR`.
    pub addr: SocketAddr,
    /// `D7B_ADMIN_ADDR`.
    pub admin_addr: SocketAddr,
    /// `D7B_SERVER_WORKERS`, 1 to 512; the cores by default.
    pub workers: usize,
    /// `D7B_SHUTDOWN_DELAY`, up to 10 minutes.
    pub shutdown_delay: Duration,
    /// `D7B_SHUTDOWN_GRACE`, up to 10 minutes; whole seconds are what actix
    /// knows, so a part of one is rounded up.
    pub shutdown_grace: Duration,
}

/// D7 and how it is reached.
#[derive(Debug)]
pub struct Upstream {
    /// `D7B_TOKEN` or `D7B_TOKEN_FILE`; none only where that is an error.
    pub token: Option<Source>,
    /// `D7B_TOKEN_SECONDARY_FILE`.
    pub secondary_token_file: Option<PathBuf>,
    /// `D7B_BASE_URL`, without a slash at the end.
    pub base_url: String,
    /// `D7B_ALLOW_INSECURE_UPSTREAM`; what follows from it is in the URL.
    pub allow_insecure: bool,
    /// `D7B_CA_FILE`.
    pub ca_file: Option<PathBuf>,
    /// `D7B_CONNECT_TIMEOUT`, 1 ms to 1 min.
    pub connect_timeout: Duration,
    /// `D7B_UPSTREAM_TIMEOUT`, 1 ms to 5 min.
    pub timeout: Duration,
}

/// The cache policy.
#[derive(Debug, Clone, Copy)]
pub struct Cache {
    /// `D7B_CACHE_TTL`, 1 s to 24 h.
    pub ttl: Duration,
    /// `D7B_CACHE_STALE_WHILE_REVALIDATE`, up to a year.
    pub stale_while_revalidate: Duration,
    /// `D7B_CACHE_STALE_IF_ERROR`, up to a year.
    pub stale_if_error: Duration,
    /// `D7B_CACHE_MIN_REFRESH`, up to the TTL.
    pub min_refresh: Duration,
    /// `D7B_CACHE_KEEP_WARM`.
    pub keep_warm: bool,
    /// `D7B_CACHE_MAX_WAITERS`, from 1.
    pub max_waiters: usize,
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
    reload_interval: Option<String>,
    server_addr: Option<String>,
    admin_addr: Option<String>,
    server_workers: Option<String>,
    shutdown_delay: Option<String>,
    shutdown_grace: Option<String>,
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

fn check(raw: RawEnv, errors: &mut ConfigErrors) -> Config {
    let mut warnings = Vec::new();
    let mut read = Reader(errors);

    let addr = read.addr("SERVER_ADDR", raw.server_addr, 8080);
    let admin_addr = read.addr("ADMIN_ADDR", raw.admin_addr, 8081);
    if collide(addr, admin_addr) {
        read.0.add(
            "ADMIN_ADDR",
            "is the address of the public listener; give it another port",
        );
    }
    if !admin_addr.ip().is_loopback() {
        warnings.push(format!(
            "{PREFIX}ADMIN_ADDR is not a loopback address: the admin listener has no authentication, keep it private"
        ));
    }
    if !addr.ip().is_loopback() {
        warnings.push(format!(
            "{PREFIX}SERVER_ADDR is not a loopback address: keys travel in clear unless TLS ends in front of this service"
        ));
    }
    let server = Server {
        addr,
        admin_addr,
        workers: read.number("SERVER_WORKERS", raw.server_workers, cores(), 1..=512),
        shutdown_delay: read.duration(
            "SHUTDOWN_DELAY",
            raw.shutdown_delay,
            ZERO,
            ZERO..=10 * MINUTE,
        ),
        shutdown_grace: read.duration(
            "SHUTDOWN_GRACE",
            raw.shutdown_grace,
            10 * SECOND,
            ZERO..=10 * MINUTE,
        ),
    };

    let ttl = read.duration("CACHE_TTL", raw.cache_ttl, MINUTE, SECOND..=24 * HOUR);
    let min_refresh = raw.cache_min_refresh;
    let cache = Cache {
        ttl,
        stale_while_revalidate: read.duration(
            "CACHE_STALE_WHILE_REVALIDATE",
            raw.cache_stale_while_revalidate,
            MINUTE,
            ZERO..=YEAR,
        ),
        stale_if_error: read.duration(
            "CACHE_STALE_IF_ERROR",
            raw.cache_stale_if_error,
            15 * MINUTE,
            ZERO..=YEAR,
        ),
        min_refresh: read.duration(
            "CACHE_MIN_REFRESH",
            min_refresh,
            ttl.min(5 * SECOND),
            ZERO..=24 * HOUR,
        ),
        keep_warm: read.boolean("CACHE_KEEP_WARM", raw.cache_keep_warm),
        max_waiters: read.number(
            "CACHE_MAX_WAITERS",
            raw.cache_max_waiters,
            4096,
            1..=1_000_000,
        ),
    };
    if cache.min_refresh > cache.ttl {
        read.0.add(
            "CACHE_MIN_REFRESH",
            format!("is longer than {PREFIX}CACHE_TTL"),
        );
    }

    let allow_insecure = read.boolean("ALLOW_INSECURE_UPSTREAM", raw.allow_insecure_upstream);
    let upstream = Upstream {
        token: read.one_of("TOKEN", raw.token, "TOKEN_FILE", raw.token_file),
        secondary_token_file: raw.token_secondary_file.map(PathBuf::from),
        base_url: base_url(&mut read, raw.base_url, allow_insecure, &mut warnings),
        allow_insecure,
        ca_file: raw.ca_file.map(PathBuf::from),
        connect_timeout: read.duration(
            "CONNECT_TIMEOUT",
            raw.connect_timeout,
            2 * SECOND,
            MILLISECOND..=MINUTE,
        ),
        timeout: read.duration(
            "UPSTREAM_TIMEOUT",
            raw.upstream_timeout,
            5 * SECOND,
            MILLISECOND..=5 * MINUTE,
        ),
    };

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
        upstream,
        cache,
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

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(512))
}

/// Whether two listeners cannot both be bound. Port 0 is any port.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let overlap =
        one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && overlap
}

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
