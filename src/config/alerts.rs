//! Settings of alerts.

use std::{path::PathBuf, time::Duration};

use super::{MILLISECOND, MINUTE, PREFIX, RawEnv, SECOND, value::Reader};

/// What is told without being asked, and to whom. What the files hold is read
/// by `app`.
#[derive(Debug, Default)]
pub struct Alerts {
    /// `D7B_ALERT_BELOW`, not read yet.
    pub below: Option<String>,
    /// `D7B_ALERT_WEBHOOK_URL_FILE` and `D7B_ALERT_WEBHOOK_SECRET_FILE`.
    pub webhook: Option<Webhook>,
}

/// Where the receiver of alerts is kept.
#[derive(Debug)]
pub struct Webhook {
    /// `D7B_ALERT_WEBHOOK_URL_FILE`.
    pub url_file: PathBuf,
    /// `D7B_ALERT_WEBHOOK_SECRET_FILE`.
    pub secret_file: PathBuf,
    /// `D7B_ALERT_WEBHOOK_CA_FILE`.
    pub ca_file: Option<PathBuf>,
    /// `D7B_ALERT_WEBHOOK_TIMEOUT`, 1 ms to 1 min.
    pub timeout: Duration,
}

const URL_FILE: &str = "ALERT_WEBHOOK_URL_FILE";
const SECRET_FILE: &str = "ALERT_WEBHOOK_SECRET_FILE";
const CA_FILE: &str = "ALERT_WEBHOOK_CA_FILE";
const TIMEOUT: &str = "ALERT_WEBHOOK_TIMEOUT";

impl Alerts {
    pub(super) fn check(read: &mut Reader<'_>, raw: &mut RawEnv) -> Self {
        let url_file = raw.alert_webhook_url_file.take().map(PathBuf::from);
        let secret_file = raw.alert_webhook_secret_file.take().map(PathBuf::from);
        let ca_file = raw.alert_webhook_ca_file.take().map(PathBuf::from);
        let timeout = raw.alert_webhook_timeout.take();
        let webhook = match (url_file, secret_file) {
            (Some(url_file), Some(secret_file)) => Some(Webhook {
                url_file,
                secret_file,
                ca_file,
                timeout: read.duration(TIMEOUT, timeout, 10 * SECOND, MILLISECOND..=MINUTE),
            }),
            (Some(_), None) => {
                let why = format!("must be set with {PREFIX}{URL_FILE}: alerts are signed");
                read.0.add(SECRET_FILE, why);
                None
            }
            (None, secret_file) => {
                for (name, is_set) in [
                    (SECRET_FILE, secret_file.is_some()),
                    (CA_FILE, ca_file.is_some()),
                    (TIMEOUT, timeout.is_some()),
                ] {
                    if is_set {
                        let why = format!("is of no use without {PREFIX}{URL_FILE}");
                        read.0.add(name, why);
                    }
                }
                None
            }
        };
        Self {
            below: raw.alert_below.take(),
            webhook,
        }
    }

    /// Whether anything is watched.
    pub(super) fn is_any(&self) -> bool {
        self.below.is_some() || self.webhook.is_some()
    }
}
