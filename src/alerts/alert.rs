//! What is told, and its words.
//!
//! An alert holds no secret: a balance, the threshold, and names.

use std::{sync::Arc, time::SystemTime};

use serde::Serialize;
use serde_json::value::RawValue;
use tracing::{info, warn};

use crate::balance::{Amount, Rfc3339, Snapshot, credential::Role, source::FailureKind};

/// Something that somebody has to know.
#[derive(Debug, Clone)]
pub(super) enum Alert {
    /// The balance has fallen below the threshold.
    BalanceLow(Reading),
    /// The balance has risen above it again, by a tenth at least.
    BalanceRecovered(Reading),
    /// D7 rejects a credential.
    CredentialRejected(Credential),
    /// D7 accepts one again.
    CredentialAccepted(Credential),
}

/// What an alert is about, and by that which others it keeps its order with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// `balance.*`.
    Balance,
    /// `credential.*`.
    Credential,
}

/// A balance, and what it was held against.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// The balance.
    pub(super) snapshot: Arc<Snapshot>,
    /// The threshold.
    pub(super) below: Amount,
}

/// A credential, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Credential {
    /// Which one is rejected, or accepted.
    pub(super) file: Role,
    /// Whether the secondary one is in use.
    pub(super) failed_over: bool,
    /// What D7 has said.
    pub(super) code: Option<FailureKind>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    timestamp: String,
    text: String,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Balance {
        balance: &'a RawValue,
        balance_text: &'a str,
        as_of: String,
        below: &'a RawValue,
    },
    Credential {
        file: &'static str,
        failed_over: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<&'static str>,
    },
}

/// The most digits of a balance in a sentence. What D7 sends may be far longer.
const SHOWN: usize = 40;

impl Alert {
    /// Its type, for receivers and logs.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::BalanceLow(_) => "balance.low",
            Self::BalanceRecovered(_) => "balance.recovered",
            Self::CredentialRejected(_) => "credential.rejected",
            Self::CredentialAccepted(_) => "credential.accepted",
        }
    }

    /// What it is about.
    pub(super) fn subject(&self) -> Subject {
        match self {
            Self::BalanceLow(_) | Self::BalanceRecovered(_) => Subject::Balance,
            Self::CredentialRejected(_) | Self::CredentialAccepted(_) => Subject::Credential,
        }
    }

    /// The JSON that is sent, `at` being when the alert arose.
    ///
    /// # Panics
    /// Never: an amount is a JSON number.
    pub(super) fn body(&self, at: SystemTime) -> String {
        let timestamp = Rfc3339(at).text().unwrap_or_default();
        let body = Body {
            r#type: self.kind(),
            // It may arrive a day late, and must not pass for the news of now.
            text: format!("{} ({timestamp})", self.text()),
            timestamp,
            data: match self {
                Self::BalanceLow(reading) | Self::BalanceRecovered(reading) => reading.data(),
                Self::CredentialRejected(credential) | Self::CredentialAccepted(credential) => {
                    credential.data()
                }
            },
        };
        serde_json::to_string(&body).expect("texts and numbers make JSON")
    }

    /// A few words for people.
    fn text(&self) -> String {
        match self {
            Self::BalanceLow(reading) => {
                let (balance, below) = reading.shown();
                format!("The D7 balance is low: {balance}, below {below}.")
            }
            Self::BalanceRecovered(reading) => {
                let (balance, below) = reading.shown();
                format!("The D7 balance has recovered: {balance}, low is below {below}.")
            }
            Self::CredentialRejected(Credential {
                failed_over: true, ..
            }) => "D7 rejects the first token; the second one is in use. Replace the first one.".to_owned(),
            Self::CredentialRejected(Credential { file, .. }) => {
                let which = which(*file);
                format!("D7 rejects the {which}: callers get errors once the stored balance is past its time to live. Replace it.")
            }
            Self::CredentialAccepted(Credential {
                failed_over: true, ..
            }) => "D7 accepts the second token, and answers again. The first one is still to be replaced.".to_owned(),
            Self::CredentialAccepted(_) => "D7 accepts the token again.".to_owned(),
        }
    }

    /// Logs what the log would not tell otherwise: that of a credential it has
    /// from whoever asks with it.
    pub(super) fn log(&self) {
        match self {
            Self::BalanceLow(reading) => {
                let (balance, below) = reading.shown();
                warn!(
                    event = "balance_low",
                    balance, below, "the balance is low: it has fallen below D7B_ALERT_BELOW"
                );
            }
            Self::BalanceRecovered(reading) => {
                let (balance, below) = reading.shown();
                info!(
                    event = "balance_recovered",
                    balance, below, "the balance has recovered"
                );
            }
            Self::CredentialRejected(_) | Self::CredentialAccepted(_) => {}
        }
    }
}

impl Reading {
    fn data(&self) -> Data<'_> {
        Data::Balance {
            balance: raw(self.snapshot.balance()),
            balance_text: self.snapshot.balance().as_str(),
            as_of: Rfc3339(self.snapshot.as_of()).text().unwrap_or_default(),
            below: raw(&self.below),
        }
    }

    fn shown(&self) -> (String, &str) {
        let balance = self.snapshot.balance().as_str();
        // ASCII: a number is nothing else.
        let shown = match balance.get(..SHOWN) {
            Some(begin) if balance.len() > SHOWN => format!("{begin}…"),
            _ => balance.to_owned(),
        };
        (shown, self.below.as_str())
    }
}

impl Credential {
    fn data(&self) -> Data<'static> {
        Data::Credential {
            file: self.file.as_str(),
            failed_over: self.failed_over,
            code: self.code.map(FailureKind::as_str),
        }
    }
}

fn which(file: Role) -> &'static str {
    match file {
        Role::Primary => "token",
        Role::Secondary => "second token",
    }
}

/// The digits as they are.
fn raw(amount: &Amount) -> &RawValue {
    serde_json::from_str(amount.as_str()).expect("an amount is a JSON number")
}

#[cfg(test)]
mod tests;
