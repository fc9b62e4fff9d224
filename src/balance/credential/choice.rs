//! Which credential is in force, and which one to ask with next: policy only.
//!
//! None is ever replaced but by one that the source has accepted: a bad paste,
//! together with a bad moment of the source, must not cost a good credential. A
//! changed one is *offered* and tried: behind, by a proof, while the one in
//! force works, and by the next refresh where that is rejected. A second one
//! may stand by: it is asked with when the one in force has been rejected for
//! certain.
//!
//! [`Credentials`] is this state, a value: a flight takes a copy with it and
//! brings it back, so that one that panics leaves nothing half done.

mod event;

pub use self::event::{Event, What};
use super::{
    Credential, Found, Kept, Role,
    standing::{Standing, Trust},
};
use crate::clock::MonoTime;

/// How the places are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// In passing: a change has to be there twice before it counts, since it
    /// may be half written.
    Passing,
    /// Because the one in force has just been rejected: a change may be why.
    Doubting,
    /// Because somebody asks for it: everything is told and tried again.
    Ordered,
}

/// A credential that stands in a place and is not the one to use there.
#[derive(Debug, Clone)]
struct Other {
    credential: Credential,
    trial: Trial,
}

/// What is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trial {
    /// Nothing yet.
    Untried,
    /// The source has said neither yes nor no; to be tried again then.
    Unproven(MonoTime),
    /// The source has rejected it: not to be tried while another one works.
    TurnedDown,
}

/// What is known of one place.
#[derive(Debug, Clone)]
struct Place {
    /// The one to use.
    credential: Credential,
    /// The one that stands there, where that is another one.
    other: Option<Other>,
    /// What was seen there once, and has to be seen again.
    unsettled: Option<Found>,
    /// What was last said to be wrong with the place.
    problem: Option<String>,
}

impl Place {
    fn new(credential: Credential) -> Self {
        Self {
            credential,
            other: None,
            unsettled: None,
            problem: None,
        }
    }

    /// Whether `found` can be believed.
    fn is_settled(&mut self, found: &Found, look: Look) -> bool {
        let is_settled = look != Look::Passing || self.unsettled.as_ref() == Some(found);
        self.unsettled = (!is_settled).then(|| found.clone());
        is_settled
    }
}

/// The credentials of one account.
#[derive(Debug, Clone)]
pub struct Credentials {
    primary: Place,
    secondary: Option<Place>,
    in_force: Role,
    /// What the source has said of the one in force.
    trust: Trust,
    /// Those that a refresh has begun with since one was last accepted, the
    /// latest at the end.
    led: Vec<Credential>,
}

impl Credentials {
    /// The primary one is in force.
    pub fn new(primary: Credential, secondary: Option<Credential>) -> Self {
        Self {
            primary: Place::new(primary),
            secondary: secondary.map(Place::new),
            in_force: Role::Primary,
            trust: Trust::Unproven,
            led: Vec::new(),
        }
    }

    /// The one in force.
    pub fn in_force(&self) -> &Credential {
        &self.place_in_force().credential
    }

    /// Which one that is.
    pub fn role_in_force(&self) -> Role {
        self.in_force
    }

    /// Whether the one in force was rejected for certain, and not accepted
    /// since.
    pub fn is_rejected(&self) -> bool {
        self.trust == Trust::Rejected
    }

    /// What everybody may know of them.
    pub fn standing(&self) -> Standing {
        Standing {
            in_force: self.in_force,
            trust: self.trust,
            ends: Role::ALL.map(|role| self.of(role).and_then(Credential::expires)),
        }
    }

    /// The one that is meant to be used in `role`.
    pub fn of(&self, role: Role) -> Option<&Credential> {
        self.place(role).map(|place| &place.credential)
    }

    /// The one to ask with when the one in force is rejected, if it is another.
    pub fn standby(&self) -> Option<&Credential> {
        self.of(self.in_force.other())
            .filter(|standby| *standby != self.in_force())
    }

    /// A changed one that was never tried.
    pub fn untried(&self) -> Option<&Credential> {
        let mut others = self.others();
        let untried = others.find(|other| other.trial == Trial::Untried)?;
        Some(&untried.credential)
    }

    /// The one to be tried by itself, and when; at once is none.
    pub fn offered(&self) -> Option<(&Credential, Option<MonoTime>)> {
        let offered = self.others().filter_map(|other| match other.trial {
            Trial::Untried => Some((&other.credential, None)),
            Trial::Unproven(due) => Some((&other.credential, Some(due))),
            Trial::TurnedDown => None,
        });
        offered.min_by_key(|(_, due)| *due)
    }

    /// All that there are, in the order in which a refresh asks with them where
    /// the one in force is rejected: one that was never tried goes first, and
    /// of the rest the one that a refresh has not begun with for longest, so
    /// that none can keep another out.
    pub fn turns(&self) -> Vec<Credential> {
        let untried = self.untried();
        let others = self.others().map(|other| &other.credential);
        let all = [Some(self.in_force()), self.standby()];
        let mut turns: Vec<&Credential> = Vec::new();
        for credential in all.into_iter().flatten().chain(others) {
            if !turns.contains(&credential) {
                turns.push(credential);
            }
        }
        turns.sort_by_key(|credential| {
            let led = self.led.iter().position(|led| led == *credential);
            (untried != Some(*credential), led)
        });
        turns.into_iter().cloned().collect()
    }

    /// Whether a refresh has begun with it since one was last accepted.
    pub fn has_led(&self, credential: &Credential) -> bool {
        self.led.contains(credential)
    }

    /// A refresh begins with it.
    pub fn leads(&mut self, credential: &Credential) {
        let known = self.turns();
        self.led
            .retain(|led| led != credential && known.contains(led));
        self.led.push(credential.clone());
    }

    /// Whether the place of `role` holds something that is not taken over:
    /// unusable, turned down, or not tried yet.
    pub fn is_pending(&self, role: Role) -> bool {
        let place = self.place(role);
        place.is_some_and(|place| place.problem.is_some() || place.other.is_some())
    }

    /// Takes in what stands in the places.
    pub fn look(&mut self, kept: Kept, look: Look) -> Vec<Event> {
        let found = [
            (Role::Primary, Some(kept.primary)),
            (Role::Secondary, kept.secondary),
        ];
        found
            .into_iter()
            .filter_map(|(role, found)| self.found(role, found?, look))
            .collect()
    }

    fn found(&mut self, role: Role, found: Found, look: Look) -> Option<Event> {
        let only_stands_by = role == Role::Secondary && self.in_force == Role::Primary;
        let may_return =
            role == Role::Primary && self.in_force == Role::Secondary && look == Look::Ordered;
        let place = self.place_mut(role)?;
        let has_nothing_to_tell = place.other.is_none() && place.problem.is_none();
        if has_nothing_to_tell && !may_return && found.as_ref() == Ok(&place.credential) {
            place.unsettled = None;
            return None;
        }
        let credential = match &found {
            // It may be gone for a moment only, and nothing depends on it.
            Err(_) if look == Look::Doubting => return None,
            Err(problem) if place.problem.as_ref() == Some(problem) && look != Look::Ordered => {
                place.unsettled = None;
                return None;
            }
            _ if !place.is_settled(&found, look) => return None,
            Err(problem) => {
                (place.problem, place.other) = (Some(problem.clone()), None);
                return Some(What::Unusable(problem.clone()).of(role));
            }
            Ok(credential) => credential,
        };
        let had_problem = place.problem.take().is_some();
        if place.credential == *credential && !may_return {
            let was_other = place.other.take().is_some();
            return (had_problem || was_other).then(|| What::Restored.of(role));
        }
        let is_known = |other: &Other| other.credential == *credential;
        if place.other.as_ref().is_some_and(is_known) && look != Look::Ordered {
            return None;
        }
        let what = if only_stands_by {
            *place = Place::new(credential.clone());
            What::Replaced
        } else {
            place.other = Some(Other {
                credential: credential.clone(),
                trial: Trial::Untried,
            });
            What::Offered
        };
        Some(Event {
            doubt: credential.doubt(),
            ..what.of(role)
        })
    }

    /// The source has accepted `credential`: it is in force from now on.
    pub fn accepted(&mut self, credential: &Credential) -> Option<Event> {
        let event = if let Some(role) = self.role_of_other(credential) {
            *self.place_mut(role)? = Place::new(credential.clone());
            let before = std::mem::replace(&mut self.in_force, role);
            Some(match (before, role) {
                // One that had been turned down, and is the last resort now.
                (Role::Primary, Role::Secondary) => What::FailedOver { is_changed: true }.of(role),
                _ => What::Adopted.of(role),
            })
        } else if self.in_force() == credential {
            None
        } else if self.standby() == Some(credential) {
            self.in_force = self.in_force.other();
            Some(What::FailedOver { is_changed: false }.of(self.in_force))
        } else {
            return None;
        };
        self.trust = Trust::Accepted;
        self.led.clear();
        self.settle_standby();
        event
    }

    /// One that only stands by needs no trial; one that was turned down stays
    /// known as such, unless it has just been accepted in the other place.
    fn settle_standby(&mut self) {
        let accepted = self.in_force().clone();
        if self.in_force == Role::Primary
            && let Some(secondary) = &mut self.secondary
            && let Some(other) = secondary
                .other
                .take_if(|other| other.trial != Trial::TurnedDown || other.credential == accepted)
        {
            secondary.credential = other.credential;
        }
    }

    /// The source has rejected the one in force, for the first time as far as is
    /// known.
    pub fn doubted(&mut self) {
        if self.trust != Trust::Rejected {
            self.trust = Trust::Doubted;
        }
    }

    /// The source has rejected the one in force for certain.
    pub fn rejected(&mut self) {
        self.trust = Trust::Rejected;
    }

    /// The source has rejected the changed `credential`, for certain if
    /// `is_certain`, or failed; in that case it is to be tried again at `due`.
    /// Both places may hold it: what is known of it then holds in both.
    pub fn declined(
        &mut self,
        credential: &Credential,
        is_certain: bool,
        due: MonoTime,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        for role in Role::ALL {
            let other = self.place_mut(role).and_then(|place| place.other.as_mut());
            let Some(other) = other.filter(|other| other.credential == *credential) else {
                continue;
            };
            let before = other.trial;
            other.trial = match before {
                Trial::TurnedDown => Trial::TurnedDown,
                _ if is_certain => Trial::TurnedDown,
                Trial::Untried | Trial::Unproven(_) => Trial::Unproven(due),
            };
            let what = match (before, other.trial) {
                (Trial::Untried | Trial::Unproven(_), Trial::TurnedDown) => What::TurnedDown,
                (Trial::Untried, Trial::Unproven(_)) => What::Unproven,
                _ => continue,
            };
            events.push(what.of(role));
        }
        events
    }

    /// Puts off the next trial of the one that got neither a yes nor a no.
    pub fn postpone(&mut self, due: MonoTime) {
        for role in Role::ALL {
            if let Some(other) = self.place_mut(role).and_then(|place| place.other.as_mut())
                && matches!(other.trial, Trial::Unproven(_))
            {
                other.trial = Trial::Unproven(due);
            }
        }
    }

    /// The primary one goes first.
    fn others(&self) -> impl Iterator<Item = &Other> {
        Role::ALL
            .into_iter()
            .filter_map(|role| self.place(role)?.other.as_ref())
    }

    fn role_of_other(&self, credential: &Credential) -> Option<Role> {
        let is_there = |role: &Role| {
            let other = self.place(*role).and_then(|place| place.other.as_ref());
            other.is_some_and(|other| other.credential == *credential)
        };
        Role::ALL.into_iter().find(is_there)
    }

    fn place_in_force(&self) -> &Place {
        self.place(self.in_force).unwrap_or(&self.primary)
    }

    fn place(&self, role: Role) -> Option<&Place> {
        match role {
            Role::Primary => Some(&self.primary),
            Role::Secondary => self.secondary.as_ref(),
        }
    }

    fn place_mut(&mut self, role: Role) -> Option<&mut Place> {
        match role {
            Role::Primary => Some(&mut self.primary),
            Role::Secondary => self.secondary.as_mut(),
        }
    }
}

#[cfg(test)]
mod tests;
