//! How a receiver knows that an alert is ours, and new: the signature of
//! Standard Webhooks (<https://www.standardwebhooks.com>).

use aws_lc_rs::hmac;
use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_STANDARD,
};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

/// What a secret begins with, so that it is known for one wherever it turns up.
const PREFIX: &str = "whsec_";
/// How many bytes a secret may have.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;
/// The sign `=` at the end is often lost where a secret is copied.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Signs alerts. Its `Debug` shows the algorithm only.
#[derive(Debug, Clone)]
pub struct SigningKey(hmac::Key);

/// Why some text is no secret. Never says what the text was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// It begins with something else.
    #[error("must hold whsec_ and 24 to 64 random bytes in base64")]
    Prefix,
    /// Not base64.
    #[error("holds what is not base64 after whsec_")]
    Base64,
    /// Too easy to guess, or longer than the hash has use for.
    #[error("holds a secret of less than 24 or more than 64 bytes")]
    Length,
}

/// Whether both sign alike, for which neither has to be opened.
impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.sign("", 0, "") == other.sign("", 0, "")
    }
}

impl SigningKey {
    /// Cuts white space off both ends of `text` and takes what is left.
    ///
    /// # Errors
    /// Where that is no secret.
    pub fn parse(text: &SecretString) -> Result<Self, SigningKeyError> {
        // An editor's byte order mark is none of it.
        let text = text.expose_secret().trim_start_matches('\u{feff}').trim();
        let secret = text.strip_prefix(PREFIX).ok_or(SigningKeyError::Prefix)?;
        let secret = LENIENT
            .decode(secret)
            .map(SecretSlice::from)
            .map_err(|_| SigningKeyError::Base64)?;
        let bytes = secret.expose_secret();
        if LENGTHS.contains(&bytes.len()) {
            Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
        } else {
            Err(SigningKeyError::Length)
        }
    }

    /// The value of `webhook-signature`, for an attempt at `timestamp`, in
    /// seconds since 1970.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &str) -> String {
        let signed = format!("{id}.{timestamp}.{body}");
        let tag = hmac::sign(&self.0, signed.as_bytes());
        format!("v1,{}", BASE64_STANDARD.encode(tag))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::{SigningKey, SigningKeyError};

    fn parsed(text: &str) -> Result<SigningKey, SigningKeyError> {
        SigningKey::parse(&SecretString::from(text))
    }

    #[test]
    fn a_signature_is_that_of_the_published_example() {
        let key = parsed("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();

        let signature = key.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );

        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_24_to_64_bytes_in_base64_after_its_prefix() {
        use base64::{Engine, prelude::BASE64_STANDARD};
        let secret = |bytes| format!("whsec_{}", BASE64_STANDARD.encode(vec![7_u8; bytes]));

        for bytes in [24, 25, 26, 32, 64] {
            assert!(parsed(&secret(bytes)).is_ok(), "{bytes}");
            let bare = secret(bytes).replace('=', "");
            assert!(parsed(&format!("\u{feff} {bare} \r\n")).is_ok(), "{bytes}");
        }
        for (text, error) in [
            ("", SigningKeyError::Prefix),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SigningKeyError::Prefix),
            ("whsec_", SigningKeyError::Length),
            (&secret(23), SigningKeyError::Length),
            (&secret(65), SigningKeyError::Length),
            ("whsec_not base64", SigningKeyError::Base64),
            (
                "whsec_MfKQ9r8GKYqrTwjU\nPD8ILPZIo2LaLaSw",
                SigningKeyError::Base64,
            ),
            (
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La-_Sw",
                SigningKeyError::Base64,
            ),
        ] {
            assert_eq!(parsed(text).map(|_| ()), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_secret_is_the_same_however_it_is_written() {
        let key = |text: &str| parsed(text).unwrap();
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAA==";

        assert!(key(secret) == key(&format!(" {}\n", secret.trim_end_matches('='))));
        assert!(key(secret) != key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAQ=="));
    }

    #[test]
    fn nothing_of_a_secret_is_shown() {
        let shown = format!(
            "{:?}",
            parsed(&format!("whsec_{}", "A".repeat(32))).unwrap()
        );

        assert!(shown.starts_with("SigningKey(Key { algorithm: "), "{shown}");
        assert!(!shown.contains("key") && !shown.contains("[0"), "{shown}");
    }
}
