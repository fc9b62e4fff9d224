//! Values of settings: text in, a checked value or a complaint out. A value
//! that is refused is never shown.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use secrecy::SecretString;
use tracing_subscriber::EnvFilter;
use url::{Host, Url};

use super::{ConfigErrors, LogFormat, PREFIX, Source};

/// Reads one duration: a whole number and `ms`, `s`, `m`, `h` or `d`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// A duration as it is written in a setting.
pub(super) struct Written(pub(super) Duration);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        match [
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "m"),
            (1_000, "s"),
        ]
        .into_iter()
        .find(|(unit, _)| millis >= *unit && millis.is_multiple_of(*unit))
        {
            _ if millis == 0 => f.write_str("0s"),
            Some((unit, name)) => write!(f, "{}{name}", millis / unit),
            None => write!(f, "{millis}ms"),
        }
    }
}

/// Reads values and collects complaints.
pub(super) struct Reader<'a>(pub(super) &'a mut ConfigErrors);

impl Reader<'_> {
    pub(super) fn duration(
        &mut self,
        name: &str,
        text: Option<String>,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        let Some(text) = text else { return default };
        match parse_duration(&text) {
            None => self.0.add(
                name,
                "must be a duration such as 250ms, 30s, 5m or 1h: a whole number and one unit",
            ),
            Some(value) if range.contains(&value) => return value,
            Some(_) => {
                let (low, high) = (Written(*range.start()), Written(*range.end()));
                self.0
                    .add(name, format!("must be between {low} and {high}"));
            }
        }
        default
    }

    pub(super) fn number(
        &mut self,
        name: &str,
        text: Option<String>,
        default: usize,
        range: RangeInclusive<usize>,
    ) -> usize {
        let Some(text) = text else { return default };
        match text.parse() {
            Ok(value) if range.contains(&value) => return value,
            Ok(_) | Err(_) => self.0.add(
                name,
                format!(
                    "must be a whole number from {} to {}",
                    range.start(),
                    range.end()
                ),
            ),
        }
        default
    }

    /// Strictly `true` or `false`: a misspelt `yes` must not switch a
    /// protection off.
    pub(super) fn boolean(&mut self, name: &str, text: Option<String>) -> bool {
        match text.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                self.0.add(name, "must be true or false");
                false
            }
        }
    }

    pub(super) fn addr(&mut self, name: &str, text: Option<String>, port: u16) -> SocketAddr {
        let default = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let Some(text) = text else { return default };
        text.parse().unwrap_or_else(|_| {
            self.0.add(
                name,
                "must be an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080",
            );
            default
        })
    }

    pub(super) fn one_of(
        &mut self,
        inline_name: &str,
        inline: Option<SecretString>,
        file_name: &str,
        file: Option<String>,
    ) -> Option<Source> {
        match (inline, file) {
            (Some(value), None) => Some(Source::Inline(value)),
            (None, Some(path)) => Some(Source::File(PathBuf::from(path))),
            (None, None) => {
                self.0
                    .add(inline_name, format!("must be set, or {PREFIX}{file_name}"));
                None
            }
            (Some(_), Some(_)) => {
                self.0.add(
                    inline_name,
                    format!("must not be set together with {PREFIX}{file_name}"),
                );
                None
            }
        }
    }

    pub(super) fn log_format(&mut self, name: &str, text: Option<String>) -> Option<LogFormat> {
        match text?.as_str() {
            "pretty" => return Some(LogFormat::Pretty),
            "json" => return Some(LogFormat::Json),
            _ => self.0.add(name, "must be pretty or json"),
        }
        None
    }

    pub(super) fn log_filter(&mut self, name: &str, text: Option<String>) -> String {
        let default = "info".to_owned();
        let Some(text) = text else { return default };
        if EnvFilter::builder().parse(&text).is_err() {
            self.0.add(
                name,
                "must be a tracing filter, such as info or d7_balance=debug,info",
            );
            return default;
        }
        text
    }
}

/// Where the token belongs.
const D7: &str = "https://api.d7networks.com";
const D7_HOST: &str = "api.d7networks.com";

/// Checks the one place that the token is sent to.
pub(super) fn base_url(
    read: &mut Reader<'_>,
    text: Option<String>,
    allow_insecure: bool,
    warnings: &mut Vec<String>,
) -> String {
    const NAME: &str = "BASE_URL";
    let Some(text) = text else {
        return D7.to_owned();
    };
    let Ok(url) = Url::parse(&text) else {
        read.0
            .add(NAME, "must be a URL such as https://api.d7networks.com");
        return D7.to_owned();
    };
    let Some(host) = url
        .host()
        .filter(|_| matches!(url.scheme(), "http" | "https"))
    else {
        read.0.add(NAME, "must begin with https:// and name a host");
        return D7.to_owned();
    };
    if !url.username().is_empty() || url.password().is_some() {
        read.0.add(
            NAME,
            "must not hold user information; the token goes into its own setting",
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        read.0.add(NAME, "must not have a query or a fragment");
    }
    if url.scheme() == "http" && !is_local(&host) && !allow_insecure {
        read.0.add(
            NAME,
            format!("must be https://, since the token would travel in clear; {PREFIX}ALLOW_INSECURE_UPSTREAM=true allows it"),
        );
    }
    if host != Host::Domain(D7_HOST) {
        warnings.push(format!(
            "{PREFIX}BASE_URL names a host that is not D7's: the token is sent there"
        ));
    }
    if url.path().contains("/messages/") {
        warnings.push(format!(
            "{PREFIX}{NAME} has D7's path in it: the service adds /messages/v1/balance by itself"
        ));
    }
    url.as_str().trim_end_matches('/').to_owned()
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
    use std::time::Duration;

    use super::{Written, parse_duration};

    #[test]
    fn a_duration_is_a_whole_number_with_a_unit() {
        for (text, millis) in [
            ("0s", 0),
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("90d", 7_776_000_000),
        ] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse_duration(text), Some(duration), "{text}");
            assert_eq!(Written(duration).to_string(), text);
        }
        for text in [
            "",
            "5",
            "s",
            "-5s",
            "+5s",
            "1.5s",
            "5 s",
            " 5s",
            "5s ",
            "5S",
            "5sec",
            "1h30m",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert_eq!(parse_duration(text), None, "{text:?}");
        }
    }
}
