//! The service with nothing configured: a simulated D7, a throw-away key, and
//! a line to try.

mod fault;

use std::{
    ffi::OsString,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use secrecy::{ExposeSecret, SecretString};

pub use self::fault::{Fault, FaultError};
use crate::{
    app::WrapSource,
    callers::key::NewKey,
    config::Draft,
    shutdown::Signal,
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

/// What it has instead of the usual defaults where there is no fault: its account
/// changes, and a chart of it is to show that soon, also where nobody asks.
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
    fault: Option<Fault>,
}

impl Demo {
    /// Starts a simulated D7 and makes a key; returns the settings of a
    /// service that uses both, with `variables` for everything else. A `fault`
    /// comes after D7's first answer, so that there is a last known balance.
    ///
    /// # Errors
    /// Where the system gives no port or no random bytes.
    pub fn start(
        variables: impl Iterator<Item = (OsString, OsString)>,
        fault: Option<Fault>,
    ) -> Result<(Self, Draft), DemoError> {
        let simulator = Simulator::start()?;
        let mut account = Account::default();
        simulator.next(account.look());
        simulator.choose(move |_| match fault {
            Some(fault) => fault.answer(&mut account),
            None => account.look(),
        });
        let NewKey { key, id, digest } = NewKey::generate().map_err(|_| DemoError::Random)?;
        let own = [
            ("D7B_TOKEN", "simulated".to_owned()),
            ("D7B_BASE_URL", simulator.base_url()),
            ("D7B_KEYS", format!("demo:{id}:{digest}")),
            ("D7B_SERVER_ADDR", free_or_any(8080).to_string()),
            ("D7B_ADMIN_ADDR", free_or_any(8081).to_string()),
        ];
        let of_fault = fault.map_or(&[][..], Fault::settings).iter();
        let of_fault = of_fault.map(|(name, value)| (*name, (*value).to_owned()));
        let own: Vec<_> = own.into_iter().chain(of_fault).collect();
        let defaults = fault.map_or(&DEFAULTS[..], Fault::defaults);
        let mut draft = Draft::read(settings(variables, own, defaults));
        // They would be about settings that nobody has made.
        draft.config.warnings.clear();
        let demo = Self {
            _simulator: simulator,
            key,
            fault,
        };
        Ok((demo, draft))
    }

    /// What is to stand between the refresher and the simulated D7.
    pub fn wrap_source(&self) -> Option<WrapSource> {
        self.fault.and_then(Fault::wrap_source)
    }

    /// The signal that counts as having come before the service serves.
    pub fn signal(&self) -> Option<Signal> {
        self.fault.and_then(Fault::signal)
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
        let path = self.fault.map_or("/balance", Fault::path);
        let url = format!(" http://{addr}{path}");
        let (flags, urls) = match self.fault.map_or(1, Fault::requests) {
            1 => ("-i", url),
            // Else curl waits for the first answer before it sends the second request.
            several => ("-isZ --parallel-immediate", url.repeat(several)),
        };
        let fault = self.fault.map(|fault| format!("{fault}\n"));
        let fault = fault.unwrap_or_default();
        SecretString::from(format!(
            "d7-balance demo: a simulated D7, a throw-away key, nothing configured.\n\n{moved}\
             \x20 page     http://{addr}/   (sign in with the key)\n\
             \x20 balance  http://{addr}/balance\n\
             \x20 status   http://{addr}/status\n\
             \x20 errors   http://{addr}/problems\n\
             \x20 admin    http://{admin_addr}/readyz, /livez and /metrics\n\
             \x20 key      {key}\n\n{fault}\
             Try it from another terminal; Ctrl-C ends the demo:\n\n\
             \x20 curl {flags} -H 'Authorization: Bearer {key}'{urls}\n"
        ))
    }
}

/// What a demo heeds of `variables`, with `own` in the place of some, and
/// `defaults` where they say nothing.
fn settings(
    variables: impl Iterator<Item = (OsString, OsString)>,
    own: Vec<(&str, String)>,
    defaults: &[(&str, &str)],
) -> Vec<(OsString, OsString)> {
    let mut settings: Vec<_> = variables
        .filter(|(name, value)| {
            let name = name.to_string_lossy();
            let reaches_out = ["D7B_STATE_", "D7B_REDIS_", "D7B_ALERT_WEBHOOK_"]
                .iter()
                .any(|own| name.starts_with(own));
            let is_replaced = NOT_READ.contains(&&*name) || own.iter().any(|(own, _)| *own == name);
            // Empty means unset.
            !value.is_empty() && !reaches_out && !is_replaced
        })
        .collect();
    for (name, value) in defaults {
        if settings.iter().all(|(known, _)| known != *name) {
            settings.push((name.into(), value.into()));
        }
    }
    settings.extend(
        own.into_iter()
            .map(|(name, value)| (name.into(), value.into())),
    );
    settings
}

/// The port if it is free, else any.
fn free_or_any(port: u16) -> SocketAddr {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match TcpListener::bind(addr) {
        Ok(_) => addr,
        Err(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    }
}
