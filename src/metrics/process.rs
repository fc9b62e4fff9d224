//! The process's own figures, under the names that Prometheus's libraries use.

use procfs::{
    ProcResult,
    process::{LimitValue, Process},
};
use prometheus_client::{
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};

/// What the system tells of this process, as far as it does.
pub(super) fn figures() -> Registry {
    let mut registry = Registry::default();
    // Where /proc is hidden, a figure that is not there says so better than a 0.
    if let Ok(process) = Process::myself() {
        // What cannot be read has no series, and costs the others nothing.
        drop(register_stat(&mut registry, &process));
        drop(register_fds(&mut registry, &process));
    }
    registry
}

fn register_stat(registry: &mut Registry, process: &Process) -> ProcResult<()> {
    let stat = process.stat()?;
    let per_second = procfs::ticks_per_second() as f64;
    registry.register_with_unit(
        "process_cpu",
        "User and system CPU time spent",
        Unit::Seconds,
        ConstCounter::new((stat.utime + stat.stime) as f64 / per_second),
    );
    registry.register_with_unit(
        "process_resident_memory",
        "Resident memory size",
        Unit::Bytes,
        ConstGauge::new((stat.rss * procfs::page_size()) as f64),
    );
    registry.register_with_unit(
        "process_virtual_memory",
        "Virtual memory size",
        Unit::Bytes,
        ConstGauge::new(stat.vsize as f64),
    );
    registry.register(
        "process_threads",
        "Number of OS threads",
        ConstGauge::new(stat.num_threads),
    );
    let started = procfs::boot_time_secs()? as f64 + stat.starttime as f64 / per_second;
    registry.register_with_unit(
        "process_start_time",
        "When the process started, since 1970",
        Unit::Seconds,
        ConstGauge::new(started),
    );
    Ok(())
}

fn register_fds(registry: &mut Registry, process: &Process) -> ProcResult<()> {
    registry.register(
        "process_open_fds",
        "Number of open file descriptors",
        ConstGauge::new(process.fd_count()? as f64),
    );
    if let LimitValue::Value(most) = process.limits()?.max_open_files.soft_limit {
        registry.register(
            "process_max_fds",
            "Most file descriptors that may be open",
            ConstGauge::new(most as f64),
        );
    }
    Ok(())
}
