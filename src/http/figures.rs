//! `GET /metrics`: what was counted, and what is so now.

use actix_web::{
    HttpMessage, HttpResponse,
    http::header::{self, HeaderMap},
};

use super::{Admin, Answer, Call, problem::ApiError};
use crate::{
    balance::{
        Amount,
        credential::{Role, standing::CredentialState},
        outlook::Outlook,
    },
    metrics::{Format, Moment},
};

/// `D7B_ALERT_BELOW`, where it is set.
#[derive(Debug, Clone, Default)]
pub struct AlertBelow(pub Option<Amount>);

pub(super) fn get_metrics(admin: &Admin, call: Call<'_>) -> Answer {
    let outlook = admin.service.outlook();
    let format = format(call.request.headers());
    let moment = moment(&outlook, &admin.alert_below);
    let Ok(text) = admin.metrics.render(&moment, format) else {
        return ApiError::Internal.into();
    };
    HttpResponse::Ok()
        .content_type(format.content_type())
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(text)
        .into()
}

fn moment<'a>(outlook: &'a Outlook, alert_below: &'a AlertBelow) -> Moment<'a> {
    let stored = outlook.stored.as_ref();
    let current = stored.filter(|stored| stored.is_current);
    let states = CredentialState::ALL.map(|state| (state.as_str(), state == outlook.credential));
    let ends = Role::ALL.into_iter().zip(outlook.state.credential.ends);
    Moment {
        balance: current.map(|stored| stored.snapshot.balance().as_str()),
        alert_below: alert_below.0.as_ref().map(Amount::as_str),
        age: stored.map(|stored| stored.age),
        last_success: stored.map(|stored| stored.snapshot.as_of()),
        hold_down: outlook
            .failure
            .as_ref()
            .map_or_else(Default::default, |(_, left)| *left),
        credential_states: states.into(),
        credential_ends: ends
            .filter_map(|(role, end)| Some((role.as_str(), end?)))
            .collect(),
    }
}

/// The older format is for who asks for it and knows no other.
fn format(headers: &HeaderMap) -> Format {
    let names = |format: &str| {
        headers.get_all(header::ACCEPT).any(|value| {
            let value = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
            value.contains(format)
        })
    };
    if names("text/plain") && !names("application/openmetrics-text") {
        Format::Older
    } else {
        Format::OpenMetrics
    }
}
