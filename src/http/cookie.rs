//! The one cookie (RFC 6265bis): how it is read, set and cleared.

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use secrecy::ExposeSecret;

use crate::callers::session::NewSession;

/// The prefix has browsers take it only with `Secure`, for the whole host, and
/// from nobody else.
macro_rules! name {
    () => {
        "__Host-d7b_session"
    };
}

/// No script may read it, and no request of another site takes it along.
macro_rules! attributes {
    () => {
        "Path=/; Secure; HttpOnly; SameSite=Strict"
    };
}

/// What has a browser forget the cookie.
pub(super) const CLEARED: HeaderValue =
    HeaderValue::from_static(concat!(name!(), "=; Max-Age=0; ", attributes!()));

/// The session that a request shows. Two sessions are none that was ever begun.
pub(super) fn session_in(headers: &HeaderMap) -> Option<&str> {
    let mut sessions = sessions_in(headers);
    let session = sessions.next()?;
    match sessions.next() {
        None => Some(session),
        Some(_) => Some(""),
    }
}

/// All sessions that a request shows. Other cookies are not looked at.
pub(super) fn sessions_in(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::COOKIE)
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|cookie| {
            let cookie = cookie.trim_ascii();
            cookie.strip_prefix(concat!(name!(), "=").as_bytes())
        })
        // A token is ASCII: what cannot be read as text is none.
        .map(|session| std::str::from_utf8(session).unwrap_or_default())
}

/// What has a browser keep the cookie of a session, as long as that lasts.
pub(super) fn set(session: &NewSession) -> Option<HeaderValue> {
    let NewSession { token, max_age } = session;
    let token = token.expose_secret();
    let cookie = format!(
        concat!(name!(), "={}; Max-Age={}; ", attributes!()),
        token, max_age
    );
    let mut value = HeaderValue::try_from(cookie).ok()?;
    value.set_sensitive(true);
    Some(value)
}
