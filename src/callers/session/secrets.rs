//! What sessions are signed with: the secrets of `D7B_SESSION_SECRET_FILE`.

use std::fmt;

use jsonwebtoken::{DecodingKey, EncodingKey};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};

/// The fewest bytes of a secret: as many as the hash has (RFC 7518 section 3.2).
const SHORTEST: usize = 32;
/// Each of them may be tried for each session that none of them has signed.
const MOST: usize = 8;

/// Secrets: the first signs, each verifies.
pub struct Secrets {
    pub(super) first: EncodingKey,
    pub(super) all: Vec<DecodingKey>,
}

/// Why some text holds no secrets. Never says what the text was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// Nothing in it.
    #[error("holds no secret: write one a line, such as `openssl rand -base64 32` makes")]
    Empty,
    /// Too easy to guess.
    #[error("holds a secret of less than 32 bytes: `openssl rand -base64 32` makes one")]
    Short,
    /// Too many.
    #[error("holds more than 8 secrets: those of ended sessions can go")]
    Many,
}

impl Secrets {
    /// Reads one secret a line; white space round it is cut, empty lines are
    /// passed over.
    ///
    /// # Errors
    /// Where there is none, one is short, or there are too many.
    pub fn parse(text: &SecretString) -> Result<Self, SecretsError> {
        // An editor's byte order mark is none of it.
        let text = text.expose_secret().trim_start_matches('\u{feff}');
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let secrets: Vec<_> = lines.map(str::as_bytes).collect();
        if secrets.iter().any(|secret| secret.len() < SHORTEST) {
            return Err(SecretsError::Short);
        }
        match secrets.as_slice() {
            [] => Err(SecretsError::Empty),
            all if all.len() > MOST => Err(SecretsError::Many),
            [first, ..] => Ok(Self {
                first: EncodingKey::from_secret(first),
                all: secrets
                    .iter()
                    .copied()
                    .map(DecodingKey::from_secret)
                    .collect(),
            }),
        }
    }

    /// A secret that nobody knows, and that ends with the process.
    ///
    /// # Errors
    /// Where the system's source of randomness fails.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut secret = Zeroizing::new([0; SHORTEST]);
        getrandom::fill(&mut *secret)?;
        Ok(Self {
            first: EncodingKey::from_secret(&*secret),
            all: vec![DecodingKey::from_secret(&*secret)],
        })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.count())
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::{Secrets, SecretsError};

    fn parsed(text: &str) -> Result<usize, SecretsError> {
        Secrets::parse(&SecretString::from(text)).map(|secrets| secrets.count())
    }

    #[test]
    fn a_secret_is_a_line_of_at_least_32_bytes() {
        let (short, long) = ("s".repeat(31), "l".repeat(32));

        assert_eq!(parsed(&long), Ok(1));
        assert_eq!(parsed(&format!("\u{feff}{long}\r\n\n  {long} \n")), Ok(2));
        assert_eq!(parsed(&format!("{long}\n").repeat(8)), Ok(8));
        assert_eq!(
            parsed(&format!("{long}\n").repeat(9)),
            Err(SecretsError::Many)
        );
        assert_eq!(
            parsed(&format!("{long}\n{short}")),
            Err(SecretsError::Short)
        );
        assert_eq!(parsed(&format!("{short}    ")), Err(SecretsError::Short));
        assert_eq!(parsed(" \n\n"), Err(SecretsError::Empty));
    }

    #[test]
    fn secrets_are_not_shown() {
        let secrets = Secrets::parse(&SecretString::from("m".repeat(40))).unwrap();

        assert_eq!(format!("{secrets:?}"), "Secrets(1)");
    }
}
