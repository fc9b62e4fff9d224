//! What happens to credentials, for the log and the metrics.

use crate::balance::{credential::Role, source::SourceError};

/// What has happened to a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// To which one.
    pub role: Role,
    /// What.
    pub what: What,
    /// What looks wrong with it, though it may be right.
    pub doubt: Option<&'static str>,
    /// What the source had to say.
    pub error: Option<SourceError>,
}

/// What can happen to a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Its place cannot be read, or holds what cannot be one.
    Unusable(String),
    /// Its place holds again what is in force.
    Restored,
    /// It only stands by, and another one stands by now.
    Replaced,
    /// A changed one is to be tried.
    Offered,
    /// The source has accepted the changed one: it is in force.
    Adopted,
    /// The source has rejected the changed one.
    TurnedDown,
    /// The source has said neither yes nor no to the changed one.
    Unproven,
    /// The one in force was rejected, and this one has taken its place.
    FailedOver {
        /// Whether it is a changed one, which had been turned down.
        is_changed: bool,
    },
}

impl What {
    pub(super) fn of(self, role: Role) -> Event {
        Event {
            role,
            what: self,
            doubt: None,
            error: None,
        }
    }
}
