//! Listeners: bound, then served, then stopped.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use actix_http::Request;
use actix_web::{
    HttpServer,
    dev::{Server, ServerHandle, fn_service},
};

use super::{RunError, ended_early};
use crate::http::{Listener, RequestLog, Routes};

/// Why a good configuration cannot be put to work: an address cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("D7B_{variable}: cannot listen on {addr}: {}", told(.source))]
pub struct BindError {
    /// The setting, without its prefix.
    variable: &'static str,
    /// The address.
    addr: SocketAddr,
    /// Why not.
    source: io::Error,
}

fn told(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another process listens there; stop it, or choose another address"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege; choose a higher one",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address",
        _ => "the system refuses it",
    }
}

/// One listener.
pub(super) struct Bound {
    name: &'static str,
    pub(super) addr: SocketAddr,
    server: Server,
}

/// Longer than the idle timeouts of the usual proxies, which would otherwise
/// now and then send a request into a connection that is being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Binds a listener whose requests go to `log`.
pub(super) fn bind<S: Routes + Send + Sync>(
    addr: SocketAddr,
    workers: usize,
    grace: Duration,
    log: RequestLog<S>,
) -> Result<Bound, BindError> {
    let (name, variable) = match S::LISTENER {
        Listener::Public => ("public", "SERVER_ADDR"),
        Listener::Admin => ("admin", "ADMIN_ADDR"),
    };
    let log = Arc::new(log);
    let server = HttpServer::new(move || {
        let log = Arc::clone(&log);
        fn_service(move |request: Request| log.handle(request))
    })
    .workers(workers)
    // Signals are ours; actix's own would force the stop on SIGINT.
    .disable_signals()
    .shutdown_timeout(whole_seconds(grace))
    .keep_alive(KEEP_ALIVE)
    .bind(addr)
    .map_err(|source| BindError {
        variable,
        addr,
        source,
    })?;
    let addr = server.addrs().first().copied().unwrap_or(addr);
    Ok(Bound {
        name,
        addr,
        server: server.run(),
    })
}

/// actix knows whole seconds only.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// A listener that serves.
pub(super) struct Running {
    name: &'static str,
    handle: ServerHandle,
    task: tokio::task::JoinHandle<io::Result<()>>,
}

impl Running {
    /// A task of its own owns the server: dropping that would stop it at once.
    pub(super) fn start(bound: Bound) -> Self {
        Self {
            name: bound.name,
            handle: bound.server.handle(),
            task: actix_rt::spawn(bound.server),
        }
    }

    pub(super) async fn ended(&mut self) -> RunError {
        let ended = (&mut self.task).await;
        ended_early(ended.err(), RunError::Listener(self.name))
    }

    pub(super) async fn stop(&self) {
        self.handle.stop(true).await;
    }
}
