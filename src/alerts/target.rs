//! Where alerts are sent: one URL, which is a secret.
//!
//! Whoever knows the URL of an incoming webhook can write to it, so that it is
//! kept like a password: no `Debug`, log or complaint shows any of it.

use std::{fmt, net::IpAddr};

use awc::http::Uri;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use crate::secret_file::LIMIT;

/// A URL that a request can be sent to.
#[derive(Clone, PartialEq)]
pub struct Target(Uri);

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Target(…)")
    }
}

/// Why some text is no target. Never says what the text was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// White space, or nothing.
    #[error("is empty")]
    Empty,
    /// More than 8 KiB.
    #[error("is longer than 8 KiB")]
    TooLong,
    /// No URL.
    #[error("holds no URL such as https://hooks.example/d7-balance")]
    NoUrl,
    /// Another scheme, or no host.
    #[error("must hold a URL that begins with https:// and names a host")]
    Scheme,
    /// `http` to another machine.
    #[error("must hold a URL of https://; http:// is only for this machine")]
    Insecure,
    /// `https://[…]`.
    #[error(
        "must hold a URL of https:// that names a host: certificates are not checked against an IPv6 address"
    )]
    Ipv6,
    /// `user:password@`.
    #[error("must hold a URL without user information")]
    UserInformation,
    /// `#…`.
    #[error("must hold a URL without a fragment")]
    Fragment,
    /// By the letter, but nothing that a request can be sent to.
    #[error("holds a URL that cannot be used in a request")]
    Unusable,
}

impl Target {
    /// Cuts white space off both ends of `text` and takes what is left.
    ///
    /// # Errors
    /// Where that is no URL of `https`, or of `http` to this machine.
    pub fn parse(text: &SecretString) -> Result<Self, TargetError> {
        // An editor's byte order mark is none of it.
        let text = text.expose_secret().trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Err(TargetError::Empty);
        }
        if text.len() > LIMIT {
            return Err(TargetError::TooLong);
        }
        // The parser would take a line break out of the middle.
        if text.chars().any(char::is_control) {
            return Err(TargetError::NoUrl);
        }
        let url = Url::parse(text).map_err(|_| TargetError::NoUrl)?;
        let host = match (url.scheme(), url.host()) {
            ("http" | "https", Some(host)) => host,
            _ => return Err(TargetError::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::UserInformation);
        }
        if url.fragment().is_some() {
            return Err(TargetError::Fragment);
        }
        if url.scheme() == "http" && !is_local(&host) {
            return Err(TargetError::Insecure);
        }
        // The client would look for a certificate of `[…]`, brackets and all:
        // nothing could ever be delivered.
        if url.scheme() == "https" && matches!(host, Host::Ipv6(_)) {
            return Err(TargetError::Ipv6);
        }
        let uri = url.as_str().parse().map_err(|_| TargetError::Unusable)?;
        Ok(Self(uri))
    }

    pub(super) fn uri(&self) -> Uri {
        self.0.clone()
    }
}

fn is_local(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(ip) => IpAddr::from(*ip).is_loopback(),
        Host::Ipv6(ip) => IpAddr::from(*ip).is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::{Target, TargetError};

    fn parsed(text: &str) -> Result<String, TargetError> {
        Target::parse(&SecretString::from(text)).map(|target| target.uri().to_string())
    }

    #[test]
    fn a_target_is_a_url_of_https_or_of_this_machine() {
        for (text, uri) in [
            ("https://h.example/a/b?c=d", "https://h.example/a/b?c=d"),
            (" \thttps://h.example\r\n", "https://h.example/"),
            (
                "\u{feff} https://h.example:8443/x \n",
                "https://h.example:8443/x",
            ),
            ("http://localhost:9/x", "http://localhost:9/x"),
            ("http://127.9.9.9", "http://127.9.9.9/"),
            ("http://[::1]:8/?q", "http://[::1]:8/?q"),
        ] {
            assert_eq!(parsed(text).as_deref(), Ok(uri), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_target_is_refused_by_what_is_wrong_with_it() {
        let too_long = format!("https://h.example/{}", "x".repeat(8 * 1024));
        for (text, error) in [
            ("", TargetError::Empty),
            (" \n\t", TargetError::Empty),
            (&*too_long, TargetError::TooLong),
            ("h.example/x", TargetError::NoUrl),
            ("https://", TargetError::NoUrl),
            (
                "https://h.example/a\nhttps://i.example/b",
                TargetError::NoUrl,
            ),
            ("ftp://h.example", TargetError::Scheme),
            ("mailto:a@h.example", TargetError::Scheme),
            ("http://h.example", TargetError::Insecure),
            ("http://localhost.h.example", TargetError::Insecure),
            ("http://10.0.0.1", TargetError::Insecure),
            ("https://[::1]/x", TargetError::Ipv6),
            ("https://[2001:db8::1]:8443", TargetError::Ipv6),
            ("https://user@h.example", TargetError::UserInformation),
            ("https://:secret@h.example", TargetError::UserInformation),
            ("https://h.example/#part", TargetError::Fragment),
            ("https://a`b", TargetError::Unusable),
        ] {
            assert_eq!(parsed(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn nothing_of_a_target_is_shown() {
        let target = Target::parse(&SecretString::from("https://h.example/x")).unwrap();

        assert_eq!(format!("{target:?}"), "Target(…)");
    }
}
