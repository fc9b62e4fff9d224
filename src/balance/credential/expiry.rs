//! When to tell that a credential is about to end.

use std::time::{Duration, SystemTime};

use super::{Credential, standing::SOON};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Tells of a credential that is about to end, once at each of its last marks.
#[derive(Debug, Default)]
pub struct ExpiryWatch {
    of: Option<Credential>,
    passed: usize,
}

impl ExpiryWatch {
    /// So long before the end it is told, and at the end itself.
    const MARKS: [Duration; 4] = [SOON, DAY.saturating_mul(7), DAY, Duration::ZERO];

    /// What is left of `credential`, if that has to be told now; zero where it
    /// has ended.
    pub fn look(&mut self, credential: &Credential, now: SystemTime) -> Option<Duration> {
        if self.of.as_ref() != Some(credential) {
            self.of = Some(credential.clone());
            self.passed = 0;
        }
        let left = credential
            .expires()?
            .duration_since(now)
            .unwrap_or_default();
        let passed = Self::MARKS.iter().filter(|mark| left <= **mark).count();
        let is_new = passed > self.passed;
        self.passed = passed;
        is_new.then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use secrecy::SecretString;

    use super::{Credential, DAY, ExpiryWatch};

    fn ending(name: &str, days: u32) -> Credential {
        let end = SystemTime::UNIX_EPOCH + DAY * days;
        Credential::new(SecretString::from(name), Some(end), None)
    }

    fn on(day: f64) -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY.mul_f64(day)
    }

    #[test]
    fn the_end_is_told_once_at_fourteen_seven_and_one_days_and_when_it_has_come() {
        let credential = ending("one", 100);
        let mut watch = ExpiryWatch::default();
        let mut told = Vec::new();

        for tenth in 0..1100 {
            let day = f64::from(tenth) / 10.0;
            told.extend(watch.look(&credential, on(day)).map(|_| tenth));
        }

        assert_eq!(told, [860, 930, 990, 1000]);
    }

    #[test]
    fn one_that_is_found_late_is_told_once_with_what_is_left() {
        let mut watch = ExpiryWatch::default();

        assert_eq!(watch.look(&ending("one", 100), on(97.0)), Some(DAY * 3));
        assert_eq!(watch.look(&ending("one", 100), on(98.0)), None);
        assert_eq!(watch.look(&ending("two", 103), on(98.0)), Some(DAY * 5));
        assert_eq!(
            watch.look(&ending("one", 90), on(98.0)),
            Some(Duration::ZERO)
        );
        assert_eq!(watch.look(&ending("one", 90), on(99.0)), None);
    }

    #[test]
    fn one_without_an_end_is_never_told() {
        let endless = Credential::new(SecretString::from("one"), None, None);

        assert_eq!(ExpiryWatch::default().look(&endless, on(1e6)), None);
    }
}
