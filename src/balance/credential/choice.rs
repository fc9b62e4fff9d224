//! Which credential is in force: policy only.
//!
//! A changed one is *offered*, and proved by the source before it replaces one
//! that works; where the one in force is rejected there is nothing to lose, and
//! the changed one is put in force at once. A second one may stand by: it is
//! asked with when the one in force has been rejected for certain.
//!
//! [`Credentials`] is this state, a value: a flight takes a copy with it and
//! brings it back, so that one that panics leaves nothing half done.

use super::{Credential, Kept, Role};
use crate::clock::MonoTime;

/// What is known of the credential in force when the places are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing bad: a changed one has to be better than it.
    Trusted,
    /// It has just been rejected, once. A changed one may be the reason.
    Doubted,
    /// It is rejected for certain: any changed one is worth a try.
    Rejected,
}

/// What has happened to a credential, for the log and the metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// To which one.
    pub role: Role,
    /// What.
    pub what: What,
}

/// What can happen to a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Its place cannot be read, or holds what cannot be one.
    Unusable(String),
    /// Its place holds again what it held before.
    Restored,
    /// A changed one was taken over without a proof: nothing depended on the
    /// one before it.
    Replaced,
    /// A changed one is to be proved.
    Offered,
    /// The source has accepted the one offered: it is in force.
    Adopted,
    /// The source has rejected the one offered: the old one stays in force.
    TurnedDown,
    /// The source has said neither yes nor no to the one offered.
    Unproven,
    /// The one in force was rejected, and this one has taken its place.
    FailedOver,
}

impl What {
    fn of(self, role: Role) -> Event {
        Event { role, what: self }
    }
}

/// A changed credential that is to be proved.
#[derive(Debug, Clone)]
struct Offer {
    role: Role,
    credential: Credential,
    due: MonoTime,
    /// Whether it has been tried without a yes or a no.
    was_tried: bool,
}

/// What is known of one place.
#[derive(Debug, Clone)]
struct Place {
    credential: Credential,
    /// Rejected by the source while another one worked: not tried again until
    /// it changes.
    turned_down: Option<Credential>,
    /// What was last said to be wrong with the place.
    problem: Option<String>,
}

impl Place {
    fn new(credential: Credential) -> Self {
        Self {
            credential,
            turned_down: None,
            problem: None,
        }
    }
}

/// The credentials of one account.
#[derive(Debug, Clone)]
pub struct Credentials {
    primary: Place,
    secondary: Option<Place>,
    in_force: Role,
    offer: Option<Offer>,
}

impl Credentials {
    /// The primary one is in force.
    pub fn new(primary: Credential, secondary: Option<Credential>) -> Self {
        Self {
            primary: Place::new(primary),
            secondary: secondary.map(Place::new),
            in_force: Role::Primary,
            offer: None,
        }
    }

    /// The one to ask with.
    pub fn in_force(&self) -> &Credential {
        match (self.in_force, &self.secondary) {
            (Role::Secondary, Some(secondary)) => &secondary.credential,
            _ => &self.primary.credential,
        }
    }

    /// Which one that is.
    pub fn role_in_force(&self) -> Role {
        self.in_force
    }

    /// The one to ask with when the one in force is rejected.
    pub fn standby(&self) -> Option<&Credential> {
        let secondary = self.secondary.as_ref()?;
        Some(match self.in_force {
            Role::Primary => &secondary.credential,
            Role::Secondary => &self.primary.credential,
        })
    }

    /// The one to be proved, and when.
    pub fn offered(&self) -> Option<(&Credential, MonoTime)> {
        let offer = self.offer.as_ref()?;
        Some((&offer.credential, offer.due))
    }

    /// Whether the place of `role` holds something that is not taken over:
    /// unusable, turned down, or not proved yet.
    pub fn is_pending(&self, role: Role) -> bool {
        let is_offered = |offer: &Offer| offer.role == role;
        let is_refused = |place: &Place| place.problem.is_some() || place.turned_down.is_some();
        self.offer.as_ref().is_some_and(is_offered) || self.place(role).is_some_and(is_refused)
    }

    /// Takes in what stands in the places at `now`.
    pub fn look(&mut self, kept: Kept, standing: Standing, now: MonoTime) -> Vec<Event> {
        let found = [
            (Role::Primary, Some(kept.primary)),
            (Role::Secondary, kept.secondary),
        ];
        found
            .into_iter()
            .filter_map(|(role, found)| match found? {
                Ok(credential) => self.found(role, credential, standing, now),
                Err(problem) => self.found_nothing(role, problem),
            })
            .collect()
    }

    fn found(
        &mut self,
        role: Role,
        credential: Credential,
        standing: Standing,
        now: MonoTime,
    ) -> Option<Event> {
        let depends = role == self.in_force || role == Role::Primary;
        let is_offered = self
            .offer
            .as_ref()
            .is_some_and(|offer| offer.role == role && offer.credential == credential);
        // The primary one goes first; the other is still there the next time.
        let is_second = self.offer.as_ref().is_some_and(|offer| offer.role != role);
        let place = self.place_mut(role)?;
        let had_problem = place.problem.take().is_some();
        if place.credential == credential {
            let was_turned_down = place.turned_down.take().is_some();
            let was_offered = self.withdraw(role);
            let was_other = had_problem || was_turned_down || was_offered;
            return was_other.then_some(What::Restored.of(role));
        }
        let is_turned_down = place.turned_down.as_ref() == Some(&credential);
        let at_once = match standing {
            Standing::Trusted => false,
            Standing::Doubted => !is_turned_down,
            Standing::Rejected => true,
        };
        if !depends || at_once {
            *place = Place::new(credential);
            if depends {
                self.in_force = role;
            }
            self.withdraw(role);
            return Some(What::Replaced.of(role));
        }
        if is_turned_down {
            self.withdraw(role);
            return None;
        }
        if is_offered || is_second {
            return None;
        }
        self.offer = Some(Offer {
            role,
            credential,
            due: now,
            was_tried: false,
        });
        Some(What::Offered.of(role))
    }

    fn found_nothing(&mut self, role: Role, problem: String) -> Option<Event> {
        self.withdraw(role);
        let place = self.place_mut(role)?;
        if place.problem.as_ref() == Some(&problem) {
            return None;
        }
        place.problem = Some(problem.clone());
        Some(What::Unusable(problem).of(role))
    }

    /// Takes an offer of `role` back, if there is one: its place holds something
    /// else now.
    fn withdraw(&mut self, role: Role) -> bool {
        self.offer.take_if(|offer| offer.role == role).is_some()
    }

    /// The source has accepted the one offered.
    pub fn adopt(&mut self) -> Option<Event> {
        let Offer {
            role, credential, ..
        } = self.offer.take()?;
        *self.place_mut(role)? = Place::new(credential);
        self.in_force = role;
        Some(What::Adopted.of(role))
    }

    /// The source has rejected the one offered.
    pub fn turn_down(&mut self) -> Option<Event> {
        let Offer {
            role, credential, ..
        } = self.offer.take()?;
        self.place_mut(role)?.turned_down = Some(credential);
        Some(What::TurnedDown.of(role))
    }

    /// The source has said neither yes nor no to the one offered: it is to be
    /// asked again at `due`.
    pub fn postpone(&mut self, due: MonoTime) -> Option<Event> {
        let offer = self.offer.as_mut()?;
        offer.due = due;
        let is_first = !std::mem::replace(&mut offer.was_tried, true);
        is_first.then_some(What::Unproven.of(offer.role))
    }

    /// The source has accepted the one that stood by.
    pub fn fail_over(&mut self) -> Event {
        self.in_force = self.in_force.other();
        What::FailedOver.of(self.in_force)
    }

    /// Has the next look try again what was turned down, and tell again what is
    /// unusable: somebody asks for it.
    pub fn forget_refusals(&mut self) {
        for role in Role::ALL {
            if let Some(place) = self.place_mut(role) {
                (place.turned_down, place.problem) = (None, None);
            }
        }
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
