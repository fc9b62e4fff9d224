//! The service with nothing configured: a simulated D7, a throw-away key, and
//! a line to try.

use std::{
    ffi::OsString,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use secrecy::{ExposeSecret, SecretString};

use crate::{
    callers::key::NewKey,
    config::Draft,
    simulator::{Simulator, account::Account},
};

/// Settings that a demo does not read: it has its own.
const NOT_READ: [&str; 9] = [
    "D7B_TOKEN",
    "D7B_TOKEN_FILE",
    "D7B_TOKEN_SECONDARY_FILE",
    "D7B_BASE_URL",
    "D7B_CA_FILE",
    "D7B_KEYS",
    "D7B_KEYS_FILE",
    "D7B_SERVER_ADDR",
    "D7B_ADMIN_ADDR",
];

/// What it has instead of the usual defaults: its account changes, and a chart of
/// it is to show that soon, also where nobody asks.
const DEFAULTS: [(&str, &str); 2] = [("D7B_CACHE_TTL", "5s"), ("D7B_CACHE_KEEP_WARM", "true")];

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// No key.
    #[error("the system gives no random bytes")]
    Random,
    /// No simulated D7.
    #[error("the simulated D7 cannot be started")]
    Simulator(#[from] io::Error),
}

/// What a demo runs with. The simulated D7 lives as long as this does.
pub struct Demo {
    _simulator: Simulator,
    key: SecretString,
}

impl Demo {
    /// Starts a simulated D7 and makes a key; returns the settings of a
    /// service that uses both, with `variables` for everything else.
    ///
    /// # Errors
    /// Where the system gives no port or no random bytes.
    pub fn start(
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<(Self, Draft), DemoError> {
        let simulator = Simulator::start()?;
        let mut account = Account::default();
        simulator.choose(move |_| account.look());
        let NewKey { key, id, digest } = NewKey::generate().map_err(|_| DemoError::Random)?;
        let own = [
            ("D7B_TOKEN", "simulated".to_owned()),
            ("D7B_BASE_URL", simulator.base_url()),
            ("D7B_KEYS", format!("demo:{id}:{digest}")),
            ("D7B_SERVER_ADDR", free_or_any(8080).to_string()),
            ("D7B_ADMIN_ADDR", free_or_any(8081).to_string()),
        ];
        let mut settings: Vec<_> = variables
            .filter(|(name, value)| {
                let name = name.to_string_lossy();
                let reaches_out = ["D7B_STATE_", "D7B_REDIS_", "D7B_ALERT_WEBHOOK_"]
                    .iter()
                    .any(|own| name.starts_with(own));
                // Empty means unset.
                !value.is_empty() && !reaches_out && !NOT_READ.contains(&&*name)
            })
            .collect();
        for (name, value) in DEFAULTS {
            if settings.iter().all(|(known, _)| known != name) {
                settings.push((name.into(), value.into()));
            }
        }
        settings.extend(own.map(|(name, value)| (name.into(), value.into())));
        let mut draft = Draft::read(settings);
        // They would be about settings that nobody has made.
        draft.config.warnings.clear();
        let demo = Self {
            _simulator: simulator,
            key,
        };
        Ok((demo, draft))
    }

    /// What to print once the service listens. The key stands in it.
    pub fn announcement(&self, addr: SocketAddr, admin_addr: SocketAddr) -> SecretString {
        let key = self.key.expose_secret();
        let moved = [(8080, addr), (8081, admin_addr)]
            .into_iter()
            .filter(|(wanted, had)| had.port() != *wanted)
            .map(|(wanted, had)| {
                format!("Port {wanted} is taken: it is {} instead.\n\n", had.port())
            })
            .collect::<String>();
        SecretString::from(format!(
            "d7-balance demo: a simulated D7, a throw-away key, nothing configured.\n\n{moved}\
             \x20 page     http://{addr}/   (sign in with the key)\n\
             \x20 balance  http://{addr}/balance\n\
             \x20 status   http://{addr}/status\n\
             \x20 errors   http://{addr}/problems\n\
             \x20 admin    http://{admin_addr}/readyz, /livez and /metrics\n\
             \x20 key      {key}\n\n\
             Try it from another terminal; Ctrl-C ends the demo:\n\n\
             \x20 curl -i -H 'Authorization: Bearer {key}' http://{addr}/balance\n"
        ))
    }
}

/// The port if it is free, else any.
fn free_or_any(port: u16) -> SocketAddr {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match TcpListener::bind(addr) {
        Ok(_) => addr,
        Err(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    }
}
