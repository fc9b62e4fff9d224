//! `GET /` and its files: the page for people.
//!
//! The server puts into the HTML what it knows, so that everything but the chart
//! works without JavaScript; the script then keeps it up to date by way of the
//! same routes that every caller has. The words of all states stand in
//! `page/page.html`, and both sides only say which of them are so.
//!
//! Everything is embedded, and nothing comes from another host.

mod assets;
mod template;
mod view;

use std::sync::LazyLock;

use actix_web::{
    HttpMessage, HttpResponse,
    http::header::{self, HeaderName, HeaderValue},
};

use self::{
    assets::Assets,
    template::Template,
    view::{Moment, View},
};
use super::{
    Answer, Call, Public,
    auth::authenticate,
    cookie::{self, session_in},
    pages::reads_html,
    path, preconditions,
    problem::{ApiError, Code},
};
use crate::callers::Denial;

/// The files with their names, and the page that refers to them.
static ASSETS: LazyLock<Assets> = LazyLock::new(Assets::embedded);
static PAGE: LazyLock<Template> =
    LazyLock::new(|| Template::parse(&ASSETS.refer(include_str!("page/page.html"))));

/// Opened only as far as the page's own files need. uPlot sets styles by way of
/// the CSSOM, which no policy forbids.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// All of it is off. Browsers complain in their console of names that they do not
/// know, so only those are named that are settled.
const PERMISSIONS: HeaderValue = HeaderValue::from_static(
    "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), \
     fullscreen=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), local-fonts=(), \
     magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), \
     publickey-credentials-create=(), publickey-credentials-get=(), screen-wake-lock=(), \
     serial=(), storage-access=(), usb=(), window-management=(), xr-spatial-tracking=()",
);

const HTML: &str = "text/html; charset=utf-8";

/// What `POST /session` leads to where it has not signed in whoever sent a form.
const FAILURES: [(&str, Visitor); 2] = [
    ("signin=failed", Visitor::Refused),
    ("signin=limited", Visitor::Limited),
];

/// Who looks at the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visitor {
    /// Nobody that is known.
    SignedOut,
    /// Nobody that is known, who has just tried to sign in.
    Refused,
    /// The same, with a key whose client has asked too often.
    Limited,
    /// Somebody whose credential is none any more.
    SessionEnded,
    /// Somebody with a credential.
    SignedIn,
    /// The same, whose client has asked too often.
    OverLimit {
        /// Seconds until it may ask again.
        retry_after: u64,
    },
}

impl Visitor {
    /// The word by which `page.html` and `page.js` know it.
    fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed-out",
            Self::Refused => "refused",
            Self::Limited => "limited",
            Self::SessionEnded => "ended",
            // The script goes on from here, and finds out about limits itself.
            Self::SignedIn | Self::OverLimit { .. } => "signed-in",
        }
    }
}

/// Answers the page as it is now, and waits for nothing.
pub(super) fn get_page(public: &Public, mut call: Call<'_>) -> Answer {
    let visitor = match visitor(public, &mut call) {
        Ok(visitor) => visitor,
        Err(error) => return error.into(),
    };
    let mut view = View::without_account(visitor.as_str());
    let mut answer = match visitor {
        Visitor::OverLimit { retry_after } if !reads_html(&call.request) => {
            return ApiError::RateLimited { retry_after }.into();
        }
        Visitor::OverLimit { retry_after } => {
            view.put_limit(retry_after);
            call.facts.problem = Some(Code::RateLimited);
            over_limit(retry_after, PAGE.render(&view))
        }
        Visitor::SignedIn => {
            // Whoever loads the page asks for the balance.
            public.service.refresh_behind(call.received.mono);
            view.put_account(&Moment {
                outlook: &public.service.outlook(),
                ttl: public.service.ttl(),
                now: call.received.wall,
            });
            revalidated(&call, &view)
        }
        Visitor::SignedOut | Visitor::Refused | Visitor::Limited | Visitor::SessionEnded => {
            revalidated(&call, &view)
        }
    };
    call.facts.policy = Some(POLICY);
    let headers = answer.headers_mut();
    if call.facts.denial.is_some_and(Denial::is_of_session) {
        headers.append(header::SET_COOKIE, cookie::CLEARED);
    }
    for (name, value) in [
        (header::PERMISSIONS_POLICY, PERMISSIONS),
        (
            header::CROSS_ORIGIN_OPENER_POLICY,
            HeaderValue::from_static("same-origin"),
        ),
        (
            header::CROSS_ORIGIN_EMBEDDER_POLICY,
            HeaderValue::from_static("require-corp"),
        ),
    ] {
        headers.append(name, value);
    }
    answer.into()
}

fn revalidated(call: &Call<'_>, view: &View) -> HttpResponse {
    let html = PAGE.render(view);
    preconditions::revalidated(call.request.headers(), HTML, html)
}

/// The one error that a person meets here by doing nothing wrong, in words for
/// one; all else about it is as in the problem that a program gets.
fn over_limit(retry_after: u64, html: String) -> HttpResponse {
    HttpResponse::TooManyRequests()
        .content_type(HTML)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::RETRY_AFTER, retry_after))
        .body(html)
}

/// Finds out who looks.
///
/// # Errors
/// Where that is two at once.
fn visitor(public: &Public, call: &mut Call<'_>) -> Result<Visitor, ApiError> {
    let headers = call.request.headers();
    let query = call.request.uri().query().unwrap_or_default();
    let failure = FAILURES
        .into_iter()
        .find(|(failure, _)| query.split('&').any(|pair| pair == *failure));
    let is_known = headers.contains_key(header::AUTHORIZATION) || session_in(headers).is_some();
    let denial = match is_known.then(|| authenticate(public, call)) {
        Some(Ok(_)) => return Ok(Visitor::SignedIn),
        Some(Err(ApiError::RateLimited { retry_after })) => {
            return Ok(Visitor::OverLimit { retry_after });
        }
        Some(Err(ApiError::Unauthorized(denial))) => Some(denial),
        Some(Err(ApiError::Forbidden)) => {
            // Led here by a page of another site, with a cookie that must not
            // count then: to be shown the form is no denial.
            call.facts.denial = None;
            None
        }
        Some(Err(error)) => return Err(error),
        None => None,
    };
    Ok(match (failure, denial) {
        (Some((_, visitor)), _) => visitor,
        (None, Some(_)) => Visitor::SessionEnded,
        (None, None) => Visitor::SignedOut,
    })
}

/// Answers one of the page's files.
pub(super) fn get_asset(call: &Call<'_>) -> Answer {
    const CACHE_CONTROL: (HeaderName, &str) =
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable");
    let path = path(&call.request);
    let name = path.rsplit('/').next().unwrap_or_default();
    let Some(asset) = ASSETS.find(name) else {
        return ApiError::NotFound.into();
    };
    HttpResponse::Ok()
        .content_type(asset.content_type)
        .insert_header(CACHE_CONTROL)
        .body(asset.body.clone())
        .into()
}
