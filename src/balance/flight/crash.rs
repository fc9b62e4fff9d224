//! A flight that brings no balance, and what is to be remembered of it.

use crate::{
    balance::{
        source::{FailureKind, SourceError},
        state::Failure,
    },
    clock::MonoTime,
};

/// A flight that brought no balance.
#[derive(Debug)]
pub(in crate::balance) struct Crash {
    /// The word that counts.
    pub(in crate::balance) error: SourceError,
    /// For a rejected credential: whether D7 said so twice.
    pub(in crate::balance) confirmed: bool,
    /// Whether D7 answered anything, to whichever request.
    pub(in crate::balance) answered: bool,
    /// Whether the word that counts is about another credential than the one
    /// in force.
    pub(in crate::balance) credential_changed: bool,
    /// Whether a credential is left that could not be asked with: there is
    /// reason to come back soon.
    pub(in crate::balance) has_more: bool,
}

impl Crash {
    pub(super) fn unconfirmed(error: SourceError) -> Self {
        Self {
            answered: error.is_an_answer(),
            error,
            confirmed: false,
            credential_changed: false,
            has_more: false,
        }
    }

    /// A rejection that the source has confirmed.
    pub(super) fn confirmed(error: SourceError) -> Self {
        Self {
            confirmed: true,
            ..Self::unconfirmed(error)
        }
    }

    /// The failure to remember after this crash.
    ///
    /// A refusal is lifted by D7's word only: what fails after it, however it
    /// fails, leaves it in force. A changed credential lifts a rejection, but
    /// not the ban on stale balances, which ends when D7 accepts it.
    pub(in crate::balance) fn in_force(&self, last: Option<&Failure>, now: MonoTime) -> Failure {
        let new = Failure {
            kind: self.error.kind,
            status: self.error.status,
            code: self.error.code.clone(),
            confirmed: self.confirmed,
            is_on_probation: false,
            held_until: now,
        };
        let blocking = last.filter(|last| last.is_blocking() && !new.is_refusal());
        match blocking {
            None => new,
            Some(last) if last.is_refusal() && !self.lifts(last) => last.clone(),
            Some(_) => Failure {
                is_on_probation: true,
                ..new
            },
        }
    }

    /// The same crash, with what became of the attempt with another credential
    /// in its words for the log.
    pub(super) fn and_with_another(mut self, error: &SourceError) -> Self {
        self.error.cause = format!("{}; with another token {error}", self.error.cause);
        self
    }

    fn lifts(&self, last: &Failure) -> bool {
        self.credential_changed && last.kind.is_rejection()
    }

    /// The crash of a flight whose task has panicked.
    pub(in crate::balance) fn panicked() -> Self {
        Self::unconfirmed(SourceError {
            kind: FailureKind::Panicked,
            status: None,
            code: None,
            retry_after: None,
            cause: "the refresh panicked".to_owned(),
        })
    }
}
