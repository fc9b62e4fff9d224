//! The command line: what can be asked of the program, and the commands that
//! need no running service.

pub mod keys;
mod output;

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use clap::{Parser, Subcommand};

use self::keys::KeyCommand;
pub use self::output::{Outcome, PrintError, complain, print};

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

/// What `demo --fault` takes.
const FAULT: &str = "\
Put a fault on, to try a caller against the error of that name:
  upstream_unauthorized, upstream_forbidden, upstream_payment_required,
  upstream_unexpected_status, upstream_rate_limited, upstream_unavailable,
  upstream_unreachable, upstream_timeout, upstream_invalid_response,
  internal_error, rate_limited, overloaded, shutting_down";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service (also with no subcommand)
    Serve,
    /// Run the service against a simulated D7, with a throw-away key
    Demo {
        /// Put a fault on, to try a caller against its error.
        #[arg(long, value_name = "NAME", help = FAULT)]
        fault: Option<String>,
    },
    /// Make, list, rotate, revoke and verify caller keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Ask the admin listener whether the service is ready: exit 0 or 1
    Healthcheck,
    /// Read settings and files as `serve` would, and say what is wrong
    CheckConfig,
}

/// What the arguments ask for.
#[derive(Debug)]
pub enum Asked {
    /// A command.
    Command(Command),
    /// To know something of the program: its help, or its version.
    Text(String),
}

/// Arguments that make no sense: everything that there is to say of them. What
/// was typed stands in it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(String);

/// Reads the arguments, the program's name first.
///
/// # Errors
/// Where they make no sense.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Asked, UsageError> {
    match Cli::try_parse_from(arguments) {
        Ok(cli) => Ok(Asked::Command(cli.command.unwrap_or(Command::Serve))),
        Err(answer) if answer.use_stderr() => Err(UsageError(answer.to_string())),
        Err(answer) => Ok(Asked::Text(answer.to_string())),
    }
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
