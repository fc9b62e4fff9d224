//! What is watched, and who is told: read from settings and files.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::{is_regular, read_once, read_roots, unreadable};
use crate::{
    alerts::{Hook, Places, Plan, SigningKey, Target, Threshold},
    config::{Config, ConfigErrors, Webhook},
    secret_file,
};

/// Where there are errors, what is missing for them.
pub(super) fn read(config: &Config, errors: &mut ConfigErrors, warnings: &mut Vec<String>) -> Plan {
    let below = config.alerts.below.as_deref();
    let webhook = config.alerts.webhook.as_ref();
    Plan {
        threshold: below.and_then(|text| read_below(text, errors)),
        hook: webhook.and_then(|webhook| read_hook(webhook, config, errors, warnings)),
    }
}

fn read_below(text: &str, errors: &mut ConfigErrors) -> Option<Threshold> {
    let threshold = Threshold::parse(text);
    if threshold.is_none() {
        errors.add(
            "ALERT_BELOW",
            "must be a number such as 100 or 99.50, of at most 64 digits",
        );
    }
    threshold
}

fn read_hook(
    webhook: &Webhook,
    config: &Config,
    errors: &mut ConfigErrors,
    warnings: &mut Vec<String>,
) -> Option<Hook> {
    const CA_FILE: &str = "ALERT_WEBHOOK_CA_FILE";
    let url = read_file(
        "ALERT_WEBHOOK_URL_FILE",
        &webhook.url_file,
        Target::parse,
        errors,
        warnings,
    );
    let secret = read_file(
        "ALERT_WEBHOOK_SECRET_FILE",
        &webhook.secret_file,
        SigningKey::parse,
        errors,
        warnings,
    );
    let tls = read_roots(CA_FILE, webhook.ca_file.as_deref(), errors);
    let ((target, url), (key, secret), tls) = (url?, secret?, tls?);
    Some(Hook {
        target,
        key,
        places: Places { url, secret },
        tls,
        connect_timeout: config.upstream.connect_timeout,
        timeout: webhook.timeout,
    })
}

/// What a file holds, and the file where it can be read again.
fn read_file<T, E: std::fmt::Display>(
    name: &str,
    path: &Path,
    parse: impl Fn(&SecretString) -> Result<T, E>,
    errors: &mut ConfigErrors,
    warnings: &mut Vec<String>,
) -> Option<(T, Option<PathBuf>)> {
    let text = secret_file::read(path)
        .map_err(|error| errors.add(name, unreadable(&error)))
        .ok()?;
    let held = parse(&text).map_err(|error| errors.add(name, error)).ok()?;
    let again = is_regular(path).then(|| path.to_owned());
    if again.is_none() {
        warnings.push(read_once(name));
    }
    Some((held, again))
}
