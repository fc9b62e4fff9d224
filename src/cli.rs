//! The command line: what can be asked of the program, and the commands that
//! need no running service.

use std::{
    fmt::Write as _,
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use clap::{Args, Parser, Subcommand};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    callers::{
        KeyRecord,
        file::{
            self,
            edit::{self, AppendError},
        },
        key::NewKey,
    },
    config,
};

/// Holds a D7 Networks API token and answers an authenticated GET /balance from
/// a cache, so that the token need not spread.
///
/// Settings are environment variables that begin with D7B_: see README.md.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, name = "d7-balance")]
pub struct Cli {
    /// What to do; `serve` if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service (also with no subcommand)
    Serve,
    /// Run the service against a simulated D7, with a throw-away key
    Demo,
    /// Make caller keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Ask the admin listener whether the service is ready: exit 0 or 1
    Healthcheck,
    /// Read settings and files as `serve` would, and say what is wrong
    CheckConfig,
}

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key: it is shown once, the service stores only its digest
    New(NewKeyArgs),
}

/// How a key is to be.
#[derive(Debug, Args)]
pub struct NewKeyArgs {
    /// The team or service that the key is for, such as billing
    #[arg(long, value_parser = client_name)]
    pub client: String,
    /// How long the key is good for, such as 90d or 12h; for ever if not given
    #[arg(long, value_parser = life)]
    pub expires: Option<Duration>,
    /// The key file to append the record to; it is made if missing
    #[arg(long)]
    pub file: Option<PathBuf>,
}

fn client_name(text: &str) -> Result<String, &'static str> {
    if file::is_client_name(text) {
        Ok(text.to_owned())
    } else {
        Err("must match [a-z0-9][a-z0-9._-]{0,62}")
    }
}

fn life(text: &str) -> Result<Duration, &'static str> {
    config::parse_duration(text)
        .filter(|life| *life >= Duration::from_secs(1))
        .ok_or("must be a duration of a second or more, such as 90d, 12h or 30m")
}

/// Why no key was made.
#[derive(Debug, thiserror::Error)]
pub enum NewKeyError {
    /// No randomness.
    #[error("the system gives no random bytes")]
    Random,
    /// Later than a key file can say.
    #[error("--expires lies too far ahead")]
    TooFarAhead,
    /// The key file was left as it was.
    #[error(transparent)]
    File(#[from] AppendError),
}

/// Makes a key, and stores its record if that was asked for. Returns what to
/// print: the key stands in it, once.
///
/// # Errors
/// Where there is no randomness, or the file cannot be written.
pub fn new_key(args: NewKeyArgs, now: SystemTime) -> Result<SecretString, NewKeyError> {
    let new = NewKey::generate().map_err(|_| NewKeyError::Random)?;
    let expires = args
        .expires
        .map(|life| file::expiry(now, life).ok_or(NewKeyError::TooFarAhead))
        .transpose()?;
    let record = KeyRecord {
        client: args.client,
        id: new.id,
        digest: new.digest,
        expires,
        rate_limit: None,
    };
    let mut text = format!(
        "{}\n\nThis is the key of {}. It is shown this once: hand it over now.\n",
        new.key.expose_secret(),
        record.client
    );
    // Writing to a `String` cannot fail.
    let _: std::fmt::Result = match args.file {
        Some(path) => {
            edit::append(&path, &record)?;
            writeln!(
                text,
                "Its record was added to {}: restart the service to have it work.",
                path.display()
            )
        }
        None if expires.is_some() => write!(
            text,
            "Add its record to the file that D7B_KEYS_FILE names:\n\n{}",
            file::record(&record)
        ),
        None => write!(
            text,
            "Add its record to the file that D7B_KEYS_FILE names:\n\n{}\n\
             or to the list in D7B_KEYS:\n\n{}\n",
            file::record(&record),
            file::inline(&record)
        ),
    };
    Ok(SecretString::from(text))
}

/// Why a service does not count as ready.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// Nobody answers.
    #[error("the admin listener at {addr} does not answer")]
    Silent {
        /// Where it was looked for.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// It says no.
    #[error("the service is not ready: {0}")]
    NotReady(String),
}

/// Asks `/readyz` of the admin listener.
///
/// # Errors
/// Where it does not say 200, or is silent for two seconds.
pub fn healthcheck(addr: SocketAddr) -> Result<(), HealthError> {
    let addr = reachable(addr);
    let status = ask_readyz(addr).map_err(|source| HealthError::Silent { addr, source })?;
    if status.starts_with("HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err(HealthError::NotReady(status))
    }
}

/// A listener on all addresses is asked on the loopback one.
fn reachable(mut addr: SocketAddr) -> SocketAddr {
    if addr.ip().is_unspecified() {
        addr.set_ip(match addr.ip() {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
        });
    }
    addr
}

/// Plain `std` on purpose: no runtime is needed for one line.
fn ask_readyz(addr: SocketAddr) -> io::Result<String> {
    const TIMEOUT: Duration = Duration::from_secs(2);
    let mut stream = TcpStream::connect_timeout(&addr, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    // The status line is all that counts: enough of the answer to hold it.
    stream.take(64).read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
