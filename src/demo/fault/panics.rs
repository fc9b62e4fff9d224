//! A source that panics, as a bug of ours would.

use std::{cell::Cell, rc::Rc, time::Duration};

use futures_util::future::LocalBoxFuture;

use crate::{
    app::WrapSource,
    balance::{
        Reading,
        credential::{Credential, Kept},
        source::{BalanceSource, SourceError},
    },
};

/// Asks D7 once, and panics from then on.
pub(super) struct Panics {
    source: Rc<dyn BalanceSource>,
    has_asked: Cell<bool>,
}

impl Panics {
    /// Puts one round a source.
    pub(super) fn wrap() -> WrapSource {
        Box::new(|source| {
            let has_asked = Cell::default();
            Rc::new(Self { source, has_asked })
        })
    }
}

impl BalanceSource for Panics {
    fn fetch<'a>(
        &'a self,
        credential: &'a Credential,
        within: Duration,
    ) -> LocalBoxFuture<'a, Result<Reading, SourceError>> {
        assert!(
            !self.has_asked.replace(true),
            "this is the fault that the demo was asked for"
        );
        self.source.fetch(credential, within)
    }

    fn read_credentials(&self) -> LocalBoxFuture<'static, Kept> {
        self.source.read_credentials()
    }
}
