use std::{
    pin::pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::{FutureExt, future::BoxFuture};
use rustls::{RootCertStore, crypto::aws_lc_rs};
use secrecy::SecretString;

use super::Delivery;
use crate::{
    alerts::{
        Hook, Outbox, Places, SigningKey, Target,
        alert::{Alert, Credential, Subject},
        webhook::Webhook,
    },
    balance::credential::Role,
    clock::{Clock, ManualClock, MonoTime},
    metrics::{Format, Metrics, Moment},
};

/// Panics where an attempt wants to know the time.
struct Panicking(ManualClock);

impl Clock for Panicking {
    fn mono(&self) -> MonoTime {
        self.0.mono()
    }

    fn wall(&self) -> SystemTime {
        panic!("as a bug would")
    }

    fn sleep_until(&self, at: MonoTime) -> BoxFuture<'static, ()> {
        self.0.sleep_until(at)
    }
}

/// Nobody is there.
fn hook() -> Hook {
    let secret = format!("whsec_{}", "A".repeat(32));
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    Hook {
        target: Target::parse(&SecretString::from("http://127.0.0.1:1")).unwrap(),
        key: SigningKey::parse(&SecretString::from(secret)).unwrap(),
        places: Places::default(),
        tls: tls
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth(),
        connect_timeout: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
    }
}

#[actix_rt::test]
async fn an_attempt_that_panics_has_failed_and_another_is_made() {
    let metrics = Metrics::new(None);
    let clock = Arc::new(Panicking(ManualClock::new(SystemTime::UNIX_EPOCH)));
    let outbox = Outbox::new(&metrics.for_alerts());
    outbox.put(
        &Alert::CredentialAccepted(Credential {
            file: Role::Primary,
            failed_over: false,
            code: None,
        }),
        clock.mono(),
        SystemTime::UNIX_EPOCH,
    );
    let delivery = Delivery {
        lane: outbox.lane(Subject::Credential).clone(),
        webhook: Rc::new(Webhook::new(hook())),
        clock: Arc::<Panicking>::clone(&clock),
        draw: Arc::new(|_, high| high),
        metrics: metrics.for_alerts(),
    };
    let mut run = pin!(delivery.run());

    for (failed, pause_s) in [(1, 1), (2, 2), (3, 4)] {
        assert!(run.as_mut().now_or_never().is_none(), "it goes on");
        let text = metrics.render(&Moment::default(), Format::OpenMetrics);
        let line = format!("\nd7b_alert_attempts_total{{outcome=\"failed\"}} {failed}\n");
        assert!(text.unwrap().contains(&line), "{line}");
        clock.0.advance(Duration::from_secs(pause_s));
    }
}
