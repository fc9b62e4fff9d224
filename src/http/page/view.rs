//! What the page shows, by words and values: the server's half of what `shown.js`
//! does in `show`.
//!
//! Of an account nothing gets here unless the visitor may see it.

use std::{
    cmp::Ordering,
    time::{Duration, SystemTime},
};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::template::Value;
use crate::{
    balance::{
        Snapshot,
        credential::Role,
        outlook::{Freshness, Outlook, Stored},
        service::seconds_left,
        state::Failure,
    },
    http::problem::Code,
};

/// What a visitor sees who may see the account.
pub(super) struct Moment<'a> {
    pub(super) outlook: &'a Outlook,
    /// How long a balance is fresh.
    pub(super) ttl: Duration,
    pub(super) now: SystemTime,
}

/// Words for the states that `page.html` knows, and values for its places.
pub(super) struct View {
    states: Vec<(&'static str, &'static str)>,
    values: Vec<(&'static str, Value)>,
}

/// After so many seconds the page loads itself again without a script, where a
/// balance is on its way.
const RELOAD_SOON: u64 = 3;
/// The least where D7 fails, and the most: by then somebody else may have seen to
/// a newer balance.
const RELOAD_FAILING: u64 = 60;
const RELOAD_LATEST: u64 = 3_600;

impl View {
    pub(super) fn state(&self, name: &str) -> Option<&'static str> {
        let state = self.states.iter().find(|(known, _)| *known == name);
        state.map(|(_, word)| *word)
    }

    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        let value = self.values.iter().find(|(known, _)| *known == name);
        value.map(|(_, value)| value)
    }

    /// The page of a `visitor`, with nothing of an account.
    pub(super) fn without_account(visitor: &'static str) -> Self {
        let mut view = Self {
            states: Vec::new(),
            values: Vec::new(),
        };
        for (state, word) in [
            ("visitor", visitor),
            ("freshness", "none"),
            ("credential", "unproven"),
            ("d7", "unknown"),
            ("link", "live"),
        ] {
            view.set_state(state, word);
        }
        view.set_text("title", "Sign in – d7-balance");
        view.set_text("version", env!("CARGO_PKG_VERSION"));
        for time in [
            "as_of",
            "last_success",
            "held_until",
            "last_failure_at",
            "expires",
            "seen",
        ] {
            view.set(time, Value::Time(None));
        }
        view
    }

    /// Puts the account in, for somebody who may see it.
    pub(super) fn put_account(&mut self, moment: &Moment<'_>) {
        let outlook = moment.outlook;
        self.set_state("freshness", outlook.freshness.as_str());
        self.set_text("title", "No balance yet – d7-balance");
        self.set_text("requests", times(outlook.requests_last_hour));
        self.set("seen", Value::Time(Some(moment.now)));
        if let Some(stored) = &outlook.stored {
            self.put_balance(stored, outlook.freshness, moment.ttl);
        }
        self.put_reason(outlook);
        self.put_upstream(moment);
        self.put_credential(outlook);
        self.put_reload(seconds_to_reload(moment));
    }

    /// Puts in place of the account that the limit is reached, for so many
    /// seconds.
    pub(super) fn put_limit(&mut self, seconds: u64) {
        self.set_text("title", "Asking too often – d7-balance");
        self.set_state("link", "limited");
        self.set_text("retry", format!("in {}", span(seconds)));
        self.set_text("retry_s", seconds.to_string());
        self.put_reload(seconds + 1);
        self.set_text("reason", "Your team’s limit is reached.");
        for state in ["credential", "d7"] {
            self.set_state(state, "untold");
        }
    }

    /// Has the page load itself again without a script: with one, `noscript` is
    /// nothing.
    fn put_reload(&mut self, seconds: u64) {
        let reload =
            format!("<noscript><meta http-equiv=\"refresh\" content=\"{seconds}\"></noscript>");
        self.set("reload", Value::Html(reload));
    }

    fn put_balance(&mut self, stored: &Stored, freshness: Freshness, ttl: Duration) {
        let text = stored.snapshot.balance().as_str();
        let is_fresh = freshness == Freshness::Fresh;
        let mark = if is_fresh { "" } else { "Old: " };
        self.set_text("title", format!("{mark}{text} – d7-balance"));
        self.set_text("balance", text);
        self.set_text(
            "length",
            match text.len() {
                ..=12 => "short",
                13..=32 => "long",
                _ => "longest",
            },
        );
        self.set("as_of", Value::Time(Some(stored.snapshot.as_of())));
        let age = span(stored.age.as_secs());
        let left = seconds_left(ttl, stored.age);
        let outlook = match left.cmp(&0) {
            Ordering::Less => format!("past its time by {}", span(left.unsigned_abs())),
            _ => format!("fresh for {}", span(left.unsigned_abs())),
        };
        self.set_text("age", format!("{age} old, {outlook}"));
        self.set_text("age_s", stored.age.as_secs().to_string());
        self.set_text("ttl_s", left.to_string());
        if let Some(messages) = messages(&stored.snapshot) {
            self.set_state("messages", "told");
            self.set_text("messages", messages);
        }
    }

    /// Why there is nothing newer, where what there is is not fresh.
    fn put_reason(&mut self, outlook: &Outlook) {
        let failure = outlook.failure.as_ref().map(|(failure, _)| failure.kind);
        let reason = match (outlook.freshness, failure) {
            (Freshness::Fresh, _) => return,
            (_, Some(kind)) => format!("{}.", Code::Upstream(kind).entry().title),
            (Freshness::None, None) => "The first one is on its way.".to_owned(),
            (_, None) => "A newer one is on its way.".to_owned(),
        };
        self.set_text("reason", reason);
    }

    fn put_upstream(&mut self, moment: &Moment<'_>) {
        let Moment { outlook, now, .. } = moment;
        if let Some(stored) = &outlook.stored {
            self.set_state("d7", "well");
            self.set("last_success", Value::Time(Some(stored.snapshot.as_of())));
        }
        if let Some((failure, left)) = &outlook.failure {
            let entry = Code::Upstream(failure.kind).entry();
            self.set_state("d7", "failing");
            self.set_text("failure", entry.title);
            self.set_text("advice", entry.detail);
            self.set_text("upstream", answered(failure));
            if !left.is_zero() {
                self.set_state("held", "yes");
                self.set("held_until", Value::Time(Some(*now + *left)));
            }
        } else if let Some(failed) = &outlook.state.last_failed {
            self.set_state("past", "failed");
            let title = Code::Upstream(failed.kind).entry().title;
            self.set_text("last_failure", title);
            self.set("last_failure_at", Value::Time(Some(failed.at)));
        }
    }

    fn put_credential(&mut self, outlook: &Outlook) {
        let standing = &outlook.state.credential;
        self.set_state("credential", outlook.credential.as_str());
        self.set("expires", Value::Time(standing.ends_at()));
        if standing.in_force == Role::Secondary {
            self.set_state("token", "second");
        }
    }

    /// Sets a state, which can stand in a place, too.
    fn set_state(&mut self, name: &'static str, word: &'static str) {
        self.states.retain(|(known, _)| *known != name);
        self.states.push((name, word));
        self.set_text(name, word);
    }

    fn set_text(&mut self, name: &'static str, text: impl Into<String>) {
        self.set(name, Value::Text(text.into()));
    }

    fn set(&mut self, name: &'static str, value: Value) {
        self.values.retain(|(known, _)| *known != name);
        self.values.push((name, value));
    }
}

/// After how many seconds there may be something newer to see.
fn seconds_to_reload(moment: &Moment<'_>) -> u64 {
    let Moment { outlook, ttl, .. } = moment;
    match (&outlook.stored, &outlook.failure) {
        // Of its last second a part is left.
        (Some(stored), _) if outlook.freshness == Freshness::Fresh => {
            let left = seconds_left(*ttl, stored.age).unsigned_abs();
            left.saturating_add(1).clamp(RELOAD_SOON, RELOAD_LATEST)
        }
        (_, Some((_, left))) => {
            let left = left.as_secs().saturating_add(1);
            left.clamp(RELOAD_FAILING, RELOAD_LATEST)
        }
        (_, None) => RELOAD_SOON,
    }
}

/// What D7 has answered, where it has.
fn answered(failure: &Failure) -> String {
    match (failure.status, &failure.code) {
        (Some(status), Some(code)) => format!("D7 said {status}, {}.", code.as_str()),
        (Some(status), None) => format!("D7 said {status}."),
        (None, _) => String::new(),
    }
}

/// The `sms_count` of a balance, digit by digit.
fn messages(snapshot: &Snapshot) -> Option<String> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        sms_count: Option<&'a RawValue>,
    }
    let body: Body<'_> = serde_json::from_slice(snapshot.body()).ok()?;
    body.sms_count.map(|count| count.get().to_owned())
}

/// A length of time, in its largest unit of which there are two.
fn span(seconds: u64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// How often something was done.
fn times(count: u64) -> String {
    match count {
        0 => "not once".to_owned(),
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}
