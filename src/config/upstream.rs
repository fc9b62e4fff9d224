//! Settings of D7 and how it is reached.

use std::{path::PathBuf, time::Duration};

use super::{
    MILLISECOND, MINUTE, RawEnv, SECOND, Source,
    value::{Reader, base_url},
};

/// D7 and how it is reached.
#[derive(Debug)]
pub struct Upstream {
    /// `D7B_TOKEN` or `D7B_TOKEN_FILE`; none only where that is an error.
    pub token: Option<Source>,
    /// `D7B_TOKEN_SECONDARY_FILE`.
    pub secondary_token_file: Option<PathBuf>,
    /// `D7B_BASE_URL`, without a slash at the end.
    pub base_url: String,
    /// `D7B_ALLOW_INSECURE_UPSTREAM`; what follows from it is in the URL.
    pub allow_insecure: bool,
    /// `D7B_CA_FILE`.
    pub ca_file: Option<PathBuf>,
    /// `D7B_CONNECT_TIMEOUT`, 1 ms to 1 min.
    pub connect_timeout: Duration,
    /// `D7B_UPSTREAM_TIMEOUT`, 1 ms to 5 min.
    pub timeout: Duration,
}

impl Upstream {
    pub(super) fn check(
        read: &mut Reader<'_>,
        raw: &mut RawEnv,
        warnings: &mut Vec<String>,
    ) -> Self {
        let allow_insecure = read.boolean(
            "ALLOW_INSECURE_UPSTREAM",
            raw.allow_insecure_upstream.take(),
        );
        Self {
            token: read.one_of(
                "TOKEN",
                raw.token.take(),
                "TOKEN_FILE",
                raw.token_file.take(),
            ),
            secondary_token_file: raw.token_secondary_file.take().map(PathBuf::from),
            base_url: base_url(read, raw.base_url.take(), allow_insecure, warnings),
            allow_insecure,
            ca_file: raw.ca_file.take().map(PathBuf::from),
            connect_timeout: read.duration(
                "CONNECT_TIMEOUT",
                raw.connect_timeout.take(),
                2 * SECOND,
                MILLISECOND..=MINUTE,
            ),
            timeout: read.duration(
                "UPSTREAM_TIMEOUT",
                raw.upstream_timeout.take(),
                5 * SECOND,
                MILLISECOND..=5 * MINUTE,
            ),
        }
    }
}
