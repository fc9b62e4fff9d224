//! The format of a caller key: `d7b_` id `_` secret checksum.
//!
//! The id is public (log, metrics, look-up), the secret has 190 random bits,
//! and the checksum tells a typo without a look-up and lets secret scanners
//! match. One SHA-256 is enough of a hash: the secret cannot be guessed.

use std::fmt;

use aws_lc_rs::{
    constant_time,
    digest::{self, SHA256},
};
use secrecy::{ExposeSecret, SecretString};

const PREFIX: &str = "d7b_";
const ID_LENGTH: usize = 8;
const SECRET_LENGTH: usize = 32;
const CHECKSUM_LENGTH: usize = 6;
const CHECKED_LENGTH: usize = PREFIX.len() + ID_LENGTH + 1 + SECRET_LENGTH;
const LENGTH: usize = CHECKED_LENGTH + CHECKSUM_LENGTH;

const BASE_62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE_36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// The public part of a key: `[0-9a-z]{8}`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; ID_LENGTH]);

impl KeyId {
    /// Takes `text` if it has the shape of an id.
    pub fn parse(text: &str) -> Option<Self> {
        let id: [u8; ID_LENGTH] = text.as_bytes().try_into().ok()?;
        id.iter()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'z'))
            .then_some(Self(id))
    }

    /// The id as text.
    ///
    /// # Panics
    /// Never: an id is made of ASCII digits and letters only.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an id is made of ASCII digits and letters only")
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// SHA-256 of a whole key.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Reads 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        fn nibble(digit: u8) -> Option<u8> {
            match digit {
                b'0'..=b'9' => Some(digit - b'0'),
                b'a'..=b'f' => Some(digit - b'a' + 10),
                _ => None,
            }
        }
        let text: &[u8; 64] = text.as_bytes().try_into().ok()?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Self(bytes))
    }

    /// Whether it is that of the same key. Takes as long whatever the answer.
    pub fn matches(&self, stored: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &stored.0).is_ok()
    }

    fn of(key: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&SHA256, key.as_bytes()).as_ref());
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

/// Text that has the shape of a key, its checksum included. Borrowed, and
/// without `Debug`: it is a secret, and is dropped as soon as it is digested.
pub struct PresentedKey<'a>(&'a str);

impl<'a> PresentedKey<'a> {
    /// Takes `text` if it may be a key.
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.len() != LENGTH {
            return None;
        }
        let (checked, checksum) = text.split_at_checked(CHECKED_LENGTH)?;
        let (id, rest) = checked.strip_prefix(PREFIX)?.split_at_checked(ID_LENGTH)?;
        KeyId::parse(id)?;
        let secret = rest.strip_prefix('_')?;
        let shaped = secret.bytes().all(|b| b.is_ascii_alphanumeric());
        (shaped && checksum.as_bytes() == checksum_of(checked)).then_some(Self(text))
    }

    /// The public part.
    pub fn id(&self) -> KeyId {
        let mut id = [0; ID_LENGTH];
        id.copy_from_slice(&self.0.as_bytes()[PREFIX.len()..PREFIX.len() + ID_LENGTH]);
        KeyId(id)
    }

    /// The digest to compare with a stored one.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0)
    }
}

/// A key just made: the only moment in which the service knows it whole.
pub struct NewKey {
    /// The key, to be handed to the caller.
    pub key: SecretString,
    /// Its public part.
    pub id: KeyId,
    /// What the service stores of it.
    pub digest: Digest,
}

impl NewKey {
    /// Draws a key.
    ///
    /// # Errors
    /// Where the system's source of randomness fails.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut id = [0; ID_LENGTH];
        draw(&mut id, BASE_36)?;
        let mut secret = [0; SECRET_LENGTH];
        draw(&mut secret, BASE_62)?;
        let mut key = String::with_capacity(LENGTH);
        key.push_str(PREFIX);
        key.extend(id.map(char::from));
        key.push('_');
        key.extend(secret.map(char::from));
        let checksum = checksum_of(&key);
        key.extend(checksum.map(char::from));
        let key = SecretString::from(key);
        Ok(Self {
            id: KeyId(id),
            digest: Digest::of(key.expose_secret()),
            key,
        })
    }
}

/// Fills `out` with digits, each as likely as any other: bytes past the
/// largest multiple of the base are thrown away.
fn draw(out: &mut [u8], digits: &[u8]) -> Result<(), getrandom::Error> {
    let fair = 256 / digits.len() * digits.len();
    let mut drawn = 0;
    while drawn < out.len() {
        let mut bytes = [0; 64];
        getrandom::fill(&mut bytes)?;
        for byte in bytes.map(usize::from).into_iter().filter(|b| *b < fair) {
            if let Some(slot) = out.get_mut(drawn) {
                *slot = digits[byte % digits.len()];
                drawn += 1;
            }
        }
    }
    Ok(())
}

/// CRC-32 (IEEE) in base 62, most significant digit first, padded to six.
fn checksum_of(checked: &str) -> [u8; CHECKSUM_LENGTH] {
    let mut rest = usize::try_from(crc32fast::hash(checked.as_bytes()))
        .expect("usize has at least 32 bits where actix-web runs");
    let mut out = [b'0'; CHECKSUM_LENGTH];
    for digit in out.iter_mut().rev() {
        *digit = BASE_62[rest % BASE_62.len()];
        rest /= BASE_62.len();
    }
    out
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::{Digest, KeyId, NewKey, PresentedKey, checksum_of};

    // Computed with Python's zlib.crc32 and hashlib.
    const KEY: &str = "d7b_k3j9x2ab_0123456789ABCDEFGHIJKLMNOPQRSTUV14IjJi";
    const SHA256: &str = "c48e0a073d52610b39783befff6aa25b3879f19a49172ea0422ff09695aeb331";

    #[test]
    fn a_known_key_has_its_known_checksum_and_digest() {
        let key = PresentedKey::parse(KEY).unwrap();

        assert_eq!(key.id().as_str(), "k3j9x2ab");
        assert_eq!(key.digest().to_string(), SHA256);
        assert_eq!(Digest::parse(SHA256), Some(key.digest()));
    }

    #[test]
    fn a_checksum_is_padded_with_zeros() {
        // The empty string has the checksum 0.
        assert_eq!(&checksum_of(""), b"000000");
    }

    #[test]
    fn generated_keys_are_keys_and_differ() {
        let keys: Vec<_> = (0..100).map(|_| NewKey::generate().unwrap()).collect();

        for new in &keys {
            let presented = PresentedKey::parse(new.key.expose_secret()).unwrap();
            assert_eq!(presented.id(), new.id);
            assert_eq!(presented.digest(), new.digest);
        }
        let mut ids: Vec<_> = keys.iter().map(|new| new.id.to_string()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), keys.len());
    }

    #[test]
    fn a_key_with_one_character_changed_is_told_without_a_look_up() {
        for position in 0..KEY.len() {
            let mut typo = KEY.to_owned().into_bytes();
            typo[position] = if typo[position] == b'z' { b'y' } else { b'z' };
            let typo = String::from_utf8(typo).unwrap();
            assert!(PresentedKey::parse(&typo).is_none(), "{typo}");
        }
    }

    #[test]
    fn text_of_another_shape_is_no_key() {
        for text in [
            "",
            "d7b_",
            &KEY[1..],
            &KEY[..KEY.len() - 1],
            &format!("{KEY}0"),
            &KEY.to_uppercase(),
            &"ä".repeat(KEY.len() / 2),
            &"_".repeat(KEY.len()),
        ] {
            assert!(PresentedKey::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn ids_and_digests_have_one_spelling() {
        for id in ["", "k3j9x2a", "k3j9x2abc", "K3J9X2AB", "k3j9x2a_"] {
            assert!(KeyId::parse(id).is_none(), "{id}");
        }
        for digest in [&SHA256.to_uppercase(), &SHA256[1..], &"g".repeat(64)] {
            assert!(Digest::parse(digest).is_none(), "{digest}");
        }
    }
}
