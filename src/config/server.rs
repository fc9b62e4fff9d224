//! Settings of the listeners and the process.

use std::{net::SocketAddr, time::Duration};

use super::{MINUTE, PREFIX, RawEnv, SECOND, ZERO, value::Reader};

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

impl Server {
    pub(super) fn check(
        read: &mut Reader<'_>,
        raw: &mut RawEnv,
        warnings: &mut Vec<String>,
    ) -> Self {
        let addr = read.addr("SERVER_ADDR", raw.server_addr.take(), 8080);
        let admin_addr = read.addr("ADMIN_ADDR", raw.admin_addr.take(), 8081);
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
        Self {
            addr,
            admin_addr,
            workers: read.number(
                "SERVER_WORKERS",
                raw.server_workers.take(),
                cores(),
                1..=512,
            ),
            shutdown_delay: read.duration(
                "SHUTDOWN_DELAY",
                raw.shutdown_delay.take(),
                ZERO,
                ZERO..=10 * MINUTE,
            ),
            shutdown_grace: read.duration(
                "SHUTDOWN_GRACE",
                raw.shutdown_grace.take(),
                10 * SECOND,
                ZERO..=10 * MINUTE,
            ),
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(512))
}

/// Whether two listeners cannot both be bound. Port 0 is any port.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let overlap =
        one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && overlap
}
