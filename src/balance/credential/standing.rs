//! What is known of the credentials, for those who do not ask with them.

use std::time::{Duration, SystemTime};

use super::Role;

/// The credentials as everybody may see them: no secret is in here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Which one is in force.
    pub in_force: Role,
    /// What the source has said of that one last.
    pub trust: Trust,
    /// When the one of each role ends, in the order of [`Role::ALL`], where it
    /// says so itself.
    pub ends: [Option<SystemTime>; 2],
}

/// What the source has said of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Nothing yet.
    Unproven,
    /// It was accepted, and not rejected since.
    Accepted,
    /// It was rejected once, which could not be confirmed, and not accepted
    /// since.
    Doubted,
    /// It was rejected for certain, and not accepted since.
    Rejected,
}

/// The state of the credential in force, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialState {
    /// The source has not accepted it yet.
    Unproven,
    /// The source accepts it.
    Ok,
    /// The source has rejected it once, and that could not be confirmed.
    Suspect,
    /// The source has rejected it, and again when it was asked once more.
    Rejected,
    /// By its own word it ends within [`SOON`], or has ended.
    Expiring,
}

/// A credential that ends within this time is about to end.
pub const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

impl CredentialState {
    /// Every state, from the one without a word of the source's on.
    pub const ALL: [Self; 5] = [
        Self::Unproven,
        Self::Ok,
        Self::Suspect,
        Self::Rejected,
        Self::Expiring,
    ];

    /// The word for callers, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unproven => "unproven",
            Self::Ok => "ok",
            Self::Suspect => "suspect",
            Self::Rejected => "rejected",
            Self::Expiring => "expiring",
        }
    }
}

impl Default for Standing {
    /// One credential that nobody has asked with.
    fn default() -> Self {
        Self {
            in_force: Role::Primary,
            trust: Trust::Unproven,
            ends: [None; 2],
        }
    }
}

impl Standing {
    /// The state at `now` of the one in force. The worst of what is so counts.
    pub fn state(&self, now: SystemTime) -> CredentialState {
        match (self.trust, self.ends_at()) {
            (Trust::Rejected, _) => CredentialState::Rejected,
            (Trust::Doubted, _) => CredentialState::Suspect,
            (_, Some(end)) if end <= now + SOON => CredentialState::Expiring,
            (Trust::Accepted, _) => CredentialState::Ok,
            (Trust::Unproven, _) => CredentialState::Unproven,
        }
    }

    /// When the one in force ends, where it says so itself.
    pub fn ends_at(&self) -> Option<SystemTime> {
        let [primary, secondary] = self.ends;
        match self.in_force {
            Role::Primary => primary,
            Role::Secondary => secondary,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{CredentialState, SOON, Standing, Trust};
    use crate::balance::credential::Role;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn ending(trust: Trust, after: Option<Duration>) -> Standing {
        Standing {
            trust,
            ends: [after.map(|after| NOW + after), None],
            ..Standing::default()
        }
    }

    #[test]
    fn the_worst_of_what_is_so_is_the_state() {
        let day = Duration::from_secs(24 * 3600);
        for (trust, after, state) in [
            (Trust::Unproven, None, CredentialState::Unproven),
            (Trust::Accepted, None, CredentialState::Ok),
            (Trust::Doubted, None, CredentialState::Suspect),
            (Trust::Rejected, None, CredentialState::Rejected),
            (Trust::Unproven, Some(day), CredentialState::Expiring),
            (Trust::Accepted, Some(day), CredentialState::Expiring),
            (Trust::Doubted, Some(day), CredentialState::Suspect),
            (Trust::Rejected, Some(day), CredentialState::Rejected),
        ] {
            let standing = ending(trust, after);
            assert_eq!(standing.state(NOW), state, "{standing:?}");
        }
    }

    #[test]
    fn fourteen_days_before_its_end_it_is_expiring_and_not_sooner() {
        let millisecond = Duration::from_millis(1);
        let at = |after| ending(Trust::Accepted, Some(after)).state(NOW);

        assert_eq!(at(SOON + millisecond), CredentialState::Ok);
        assert_eq!(at(SOON), CredentialState::Expiring);
        assert_eq!(at(Duration::ZERO), CredentialState::Expiring);
    }

    #[test]
    fn the_end_that_counts_is_that_of_the_one_in_force() {
        let standing = Standing {
            in_force: Role::Secondary,
            ..ending(Trust::Accepted, Some(Duration::ZERO))
        };

        assert_eq!(standing.state(NOW), CredentialState::Ok);
    }
}
