//! The composition root: everything is put together here, and nowhere else.
//!
//! [`Prepared`] is configuration whose files have been read and found good,
//! [`App`] has its listeners bound and its addresses known, and
//! [`App::run_until`] is the life of the process.

mod listener;
mod prepared;

use std::{net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use prometheus_client::metrics::counter::Counter;
use tokio::sync::watch;
use tracing::{error, info, warn};

use self::listener::{Bound, Running, bind};
pub use self::{listener::BindError, prepared::Prepared};
use crate::{
    alerts::{self, Alerts, Threshold},
    balance::{
        AccountId,
        credential::choice::Credentials,
        decision::Lifetimes,
        hold_down::{Draw, random_draw},
        memory::MemoryCache,
        refresher::{self, CredentialMetrics, Parts, Policy, RefreshHandle, Refresher},
        service::BalanceService,
        source::{BalanceSource, FailureKind},
    },
    callers::{KeyTable, session::Sessions},
    clock::{Clock, SystemClock},
    config::{Browsers, Cache, Server as ServerConfig},
    http::{Admin, AlertBelow, Cors, Origins, Public, RequestLog, Since, probes::Readiness},
    metrics::Metrics,
    reload::{self, KeyFile, Reloader, SecretsFile},
    shutdown::Signals,
    upstream::D7Client,
};

/// What a test may put in the place of the real thing.
pub struct Seams {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness of hold-downs and pauses.
    pub draw: Draw,
    /// What stands between the refresher and D7.
    pub wrap_source: Option<WrapSource>,
    /// The log's count of lost lines.
    pub log_lines_dropped: Option<Counter>,
}

/// Puts a source round a source.
pub type WrapSource = Box<dyn FnOnce(Rc<dyn BalanceSource>) -> Rc<dyn BalanceSource> + Send>;

impl Seams {
    /// Those of a running service.
    pub fn of_process(log_lines_dropped: Option<Counter>) -> Self {
        Self {
            clock: Arc::new(SystemClock::new()),
            draw: random_draw(),
            wrap_source: None,
            log_lines_dropped,
        }
    }
}

/// Why a running service ended, other than by a signal.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The refresher is gone; without it there are only old answers.
    #[error("the refresher ended")]
    Refresher,
    /// The reloader is gone: a revoked key would go on working.
    #[error("the reloader ended")]
    Reloader,
    /// The alerts are gone: nobody would be told of anything.
    #[error("the alerts ended")]
    Alerts,
    /// A listener is gone.
    #[error("the {0} listener ended")]
    Listener(&'static str),
}

/// A service with its listeners bound, before it serves.
pub struct App {
    public: Bound,
    admin: Bound,
    refresher: Refresher,
    reloader: Reloader,
    alerts: Alerts,
    /// Has files read again. Kept until the end, so that the reloader does not
    /// end before it.
    orders: watch::Sender<()>,
    /// Kept until the end, so that the refresher does not end before it.
    handle: RefreshHandle,
    readiness: Readiness,
    clock: Arc<dyn Clock>,
    shutdown_delay: Duration,
    shutdown_grace: Duration,
}

impl App {
    /// Binds both listeners and puts everything together. To be called within
    /// an actix `System`.
    ///
    /// # Errors
    /// Where an address cannot be had.
    pub fn bind(prepared: Prepared, seams: Seams) -> Result<Self, BindError> {
        let Prepared {
            config,
            keys,
            default_limit,
            secrets,
            tokens,
            endpoint,
            alerts: plan,
        } = prepared;
        let Seams {
            clock,
            draw,
            wrap_source,
            log_lines_dropped,
        } = seams;
        let metrics = Metrics::new(log_lines_dropped);
        let readiness = Readiness::default();
        let failures = FailureKind::ALL.map(FailureKind::as_str);

        let token_files = tokens.places.in_files();
        let client = D7Client::new(endpoint, tokens.places, metrics.for_upstream());
        let source: Rc<dyn BalanceSource> = Rc::new(client);

        let account = AccountId::default();
        let lifetimes = lifetimes(&config.cache);
        let longest = lifetimes
            .stale_while_revalidate
            .max(lifetimes.stale_if_error);
        let cache = MemoryCache::new(lifetimes.ttl.saturating_add(longest));
        let (handle, inbox) = refresher::channel();
        let parts = Parts {
            account: account.clone(),
            source: match wrap_source {
                Some(wrap) => wrap(source),
                None => source,
            },
            cache: cache.clone(),
            clock: Arc::clone(&clock),
            draw: Arc::clone(&draw),
            policy: Policy {
                lifetimes,
                timeout: config.upstream.timeout,
                keep_warm: config.cache.keep_warm,
                max_waiters: config.cache.max_waiters,
            },
            credentials: Credentials::new(tokens.primary, tokens.secondary),
            metrics: metrics.for_refresher(&failures),
            credential_metrics: CredentialMetrics::new(&metrics, token_files),
        };
        let refresher = Refresher::new(parts, inbox);
        let below = plan.threshold.as_ref().map(Threshold::below);
        let alert_below = AlertBelow(below.cloned());
        let alerts = Alerts::new(
            plan,
            alerts::Parts {
                news: handle.news(),
                clock: Arc::clone(&clock),
                draw,
                metrics: metrics.for_alerts(),
            },
        );
        let (orders, incoming) = watch::channel(());
        let key_table = KeyTable::new(
            keys.records,
            default_limit,
            Arc::clone(&clock),
            metrics.clone(),
        );
        let key_table = Arc::new(key_table);
        let Browsers {
            session_ttl,
            public_origins,
            cors_origins,
            session_secret_file,
        } = config.browsers;
        let sessions = Arc::new(Sessions::new(secrets.secrets, session_ttl));
        if session_secret_file.is_none() {
            info!(
                event = "session_secret_random",
                "D7B_SESSION_SECRET_FILE is not set: sessions end with this process, and no other replica knows them"
            );
        }
        let reloader = Reloader {
            secrets: secrets.file.map(|(path, in_force)| {
                let metrics = metrics.for_reloads("session_secrets", &reload::OUTCOMES);
                let sessions = Arc::clone(&sessions);
                SecretsFile::new(path, in_force, sessions, metrics, Arc::clone(&clock))
            }),
            keys: keys.file.map(|(path, in_force)| {
                let metrics = metrics.for_reloads("keys", &reload::OUTCOMES);
                KeyFile::new(
                    path,
                    in_force,
                    Arc::clone(&key_table),
                    metrics,
                    Arc::clone(&clock),
                )
            }),
            tokens: token_files.contains(&true).then(|| handle.clone()),
            clock: Arc::clone(&clock),
            interval: config.reload_interval,
            orders: incoming,
        };
        let service = BalanceService::new(
            account,
            cache,
            handle.clone(),
            lifetimes,
            Arc::clone(&clock),
        );

        let ServerConfig {
            addr,
            admin_addr,
            workers,
            shutdown_delay,
            shutdown_grace,
        } = config.server;
        let public = RequestLog::new(
            Public {
                service: service.clone(),
                keys: key_table,
                sessions,
                origins: Origins::new(public_origins),
                clock: Arc::clone(&clock),
                readiness: readiness.clone(),
                metrics: metrics.clone(),
                since: Since(clock.wall()),
            },
            addr.ip(),
            Cors::new(cors_origins),
            Arc::clone(&clock),
            readiness.clone(),
            &metrics,
        );
        let public = bind(addr, workers, shutdown_grace, public)?;
        let admin = RequestLog::new(
            Admin {
                service,
                metrics: metrics.clone(),
                readiness: readiness.clone(),
                alert_below,
            },
            admin_addr.ip(),
            None,
            Arc::clone(&clock),
            readiness.clone(),
            &metrics,
        );
        let admin = bind(admin_addr, 1, shutdown_grace, admin)?;
        for warning in &config.warnings {
            warn!(event = "configuration", "{warning}");
        }
        Ok(Self {
            public,
            admin,
            refresher,
            reloader,
            alerts,
            orders,
            handle,
            readiness,
            clock,
            shutdown_delay,
            shutdown_grace,
        })
    }

    /// Where the public listener is bound.
    pub fn addr(&self) -> SocketAddr {
        self.public.addr
    }

    /// Where the admin listener is bound.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin.addr
    }

    /// Serves until a signal to stop has come and the requests in flight have
    /// been answered, or a second one has.
    ///
    /// # Errors
    /// Where a part ends that must not.
    ///
    /// # Cancel safety
    /// None: dropping it drops the requests in flight.
    pub async fn run_until(self, mut signals: Signals) -> Result<(), RunError> {
        let (addr, admin_addr) = (self.addr(), self.admin_addr());
        let mut refresher = actix_rt::spawn(self.refresher.run());
        let mut reloader = actix_rt::spawn(self.reloader.run());
        let outbox = self.alerts.outbox().clone();
        let mut alerts = actix_rt::spawn(self.alerts.run());
        // A reloader that is gone ends the process: nobody is left to tell.
        let hangup = || self.orders.send_replace(());
        let mut admin = Running::start(self.admin);
        let mut public = Running::start(self.public);
        self.readiness.ready();
        info!(
            event = "started",
            version = env!("CARGO_PKG_VERSION"),
            %addr,
            %admin_addr,
            "serving"
        );

        tokio::select! {
            () = signals.stop(&hangup) => {}
            ended = &mut refresher => return Err(ended_early(ended.err(), RunError::Refresher)),
            ended = &mut reloader => return Err(ended_early(ended.err(), RunError::Reloader)),
            ended = &mut alerts => return Err(ended_early(ended.err(), RunError::Alerts)),
            error = public.ended() => return Err(error),
            error = admin.ended() => return Err(error),
        }

        self.readiness.shutting_down();
        info!(event = "shutting_down", "a signal to stop has come");
        let delay_ends = self.clock.mono() + self.shutdown_delay;
        let drain = async {
            self.clock.sleep_until(delay_ends).await;
            let stop = async {
                public.stop().await;
                admin.stop().await;
            };
            // actix gives each listener a grace of its own, in whole seconds:
            // one after the other they would have it twice.
            tokio::select! {
                () = stop => info!(event = "stopped", "all requests in flight have ended"),
                () = self.clock.sleep_until(delay_ends + self.shutdown_grace) => {
                    warn!(event = "stopped", "the grace is over, requests in flight are left");
                }
            }
        };
        tokio::select! {
            () = drain => {}
            () = signals.stop(&hangup) => warn!(event = "stopped", "a second signal has come"),
            ended = &mut refresher => return Err(ended_early(ended.err(), RunError::Refresher)),
        }
        outbox.tell_lost();
        drop(self.handle);
        Ok(())
    }
}

fn ended_early(panic: Option<tokio::task::JoinError>, error: RunError) -> RunError {
    error!(event = "ended", panicked = panic.is_some(), "{error}");
    error
}

fn lifetimes(cache: &Cache) -> Lifetimes {
    Lifetimes {
        ttl: cache.ttl,
        stale_while_revalidate: cache.stale_while_revalidate,
        stale_if_error: cache.stale_if_error,
        min_refresh: cache.min_refresh,
    }
}
