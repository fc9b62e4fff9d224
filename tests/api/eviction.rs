//! What moka may do to an entry, and that nothing is lost by it.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use d7_balance::{
    balance::{
        AccountId, Amount, Reading,
        credential::{Credential, Kept, choice::Credentials},
        decision::{Asked, Lifetimes},
        memory::MemoryCache,
        refresher::{self, CredentialMetrics, Parts, Policy, Refresher},
        service::{BalanceService, Now, Reason, Served, Way},
        source::{BalanceSource, FailureKind, SourceError},
    },
    clock::{Clock, ManualClock},
    metrics::Metrics,
};
use futures_util::future::LocalBoxFuture;
use secrecy::SecretString;

use crate::harness::start_of_time;

/// Answers once, then fails.
struct Once(Rc<Cell<u32>>);

impl BalanceSource for Once {
    fn fetch<'a>(
        &'a self,
        _: &'a Credential,
        _: Duration,
    ) -> LocalBoxFuture<'a, Result<Reading, SourceError>> {
        self.0.set(self.0.get() + 1);
        let answer = if self.0.get() == 1 {
            Ok(Reading {
                balance: Amount::parse("7").unwrap(),
                sms_count: None,
            })
        } else {
            Err(SourceError {
                kind: FailureKind::Unavailable,
                status: Some(500),
                code: None,
                retry_after: None,
                cause: String::new(),
            })
        };
        Box::pin(std::future::ready(answer))
    }

    fn read_credentials(&self) -> LocalBoxFuture<'static, Kept> {
        Box::pin(std::future::ready(Kept {
            primary: Ok(credential()),
            secondary: None,
        }))
    }
}

fn credential() -> Credential {
    Credential::new(SecretString::from("the-token"), None, None)
}

#[test]
fn an_entry_that_moka_has_let_go_loses_neither_balance_nor_failure() {
    let asked = Rc::new(Cell::new(0));
    let clock = Arc::new(ManualClock::new(start_of_time()));
    let lifetimes = Lifetimes {
        ttl: Duration::from_secs(60),
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        min_refresh: Duration::from_secs(5),
    };
    // An entry of this cache is gone as soon as it is there.
    let cache = MemoryCache::new(Duration::ZERO);
    let (handle, inbox) = refresher::channel();
    let account = AccountId::default();
    let metrics = Metrics::new(None);
    let parts = Parts {
        account: account.clone(),
        source: Rc::new(Once(Rc::clone(&asked))),
        cache: cache.clone(),
        clock: clock.clone(),
        draw: Arc::new(|_, high| high),
        policy: Policy {
            lifetimes,
            timeout: Duration::from_secs(5),
            keep_warm: false,
            max_waiters: 1,
        },
        credentials: Credentials::new(credential(), None),
        metrics: metrics.for_refresher(&[]),
        credential_metrics: CredentialMetrics::new(&metrics, [false; 2]),
    };
    let service = BalanceService::new(account, cache, handle, lifetimes, clock.clone());
    let get = async || {
        let question = Asked::default();
        assert!(
            matches!(service.get_now(&question, clock.mono()), Now::Wait),
            "the cache is empty"
        );
        service.get(&question).await
    };

    actix_rt::System::new().block_on(async {
        actix_rt::spawn(Refresher::new(parts, inbox).run());
        let first: Served = get().await.unwrap();
        let again = get().await.unwrap();
        clock.advance(Duration::from_secs(60));
        let failed = get().await.unwrap_err();
        let held = get().await.unwrap_err();

        assert!(matches!(first.status.way, Way::Forwarded { .. }));
        assert_eq!(again.status.way, Way::Hit);
        for refused in [failed, held] {
            assert!(matches!(refused.reason, Reason::Upstream { .. }));
            assert!(refused.last_known.is_some());
        }
        assert_eq!(asked.get(), 2);
    });
}
