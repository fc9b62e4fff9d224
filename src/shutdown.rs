//! How the process is told to end: SIGTERM and SIGINT, and SIGHUP beside them.
//!
//! The first signal to stop drains, the second ends at once; `app` gives that
//! its meaning. SIGHUP is caught, since its default would end the process.

use std::io;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

/// What somebody outside wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Hangup,
}

/// Signals as they come in.
pub struct Signals(mpsc::UnboundedReceiver<Signal>);

impl Signals {
    /// Catches the process's signals from now on; `first` counts as having come.
    ///
    /// # Errors
    /// Where the system does not allow that.
    pub fn of_process(first: Option<Signal>) -> io::Result<Self> {
        let (sender, signals) = Self::by_hand();
        if let Some(first) = first {
            // The other end is here.
            sender.send(first).unwrap_or_default();
        }
        for (kind, meaning) in [
            (SignalKind::terminate(), Signal::Stop),
            (SignalKind::interrupt(), Signal::Stop),
            (SignalKind::hangup(), Signal::Hangup),
        ] {
            let mut incoming = signal(kind)?;
            let sender = sender.clone();
            actix_rt::spawn(async move {
                while incoming.recv().await.is_some() && sender.send(meaning).is_ok() {}
            });
        }
        Ok(signals)
    }

    /// Signals that somebody inside sends.
    pub fn by_hand() -> (mpsc::UnboundedSender<Signal>, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (sender, Self(receiver))
    }

    /// The next signal; never, once no more can come.
    ///
    /// # Cancel safety
    /// May be dropped: no signal is lost.
    pub async fn next(&mut self) -> Signal {
        match self.0.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }

    /// Waits for [`Signal::Stop`], and has `hangup` called for each hangup
    /// that comes before.
    ///
    /// # Cancel safety
    /// May be dropped: no signal is lost.
    pub async fn stop(&mut self, hangup: impl Fn()) {
        while self.next().await == Signal::Hangup {
            hangup();
        }
    }
}
