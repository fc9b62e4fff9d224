//! What a page must be, whatever it shows: quiet, still, and open to everyone.

use serde_json::json;

use super::{Browser, wait_for};
use crate::chromium;

impl Browser {
    /// Asserts that the console has nothing to tell, but for lines with one of
    /// `expected`, each of which has to come: a browser may show what it tells of
    /// before it tells.
    pub(crate) fn assert_quiet_but(&self, expected: &[&str]) {
        let mut lines: Vec<String> = Vec::new();
        wait_for("the console tells what it should", || {
            lines.extend(self.console());
            let is_told = |part: &&str| lines.iter().any(|line| line.contains(part));
            match expected.iter().all(is_told) {
                true => Ok(()),
                false => Err(format!("of {expected:?} it tells {lines:?}")),
            }
        });
        let is_expected = |line: &&String| expected.iter().any(|part| line.contains(part));
        let rest: Vec<_> = lines.iter().filter(|line| !is_expected(line)).collect();
        assert!(rest.is_empty(), "the console tells of {rest:?}");
    }

    /// Asserts that the console has nothing to tell.
    pub(crate) fn assert_quiet(&self) {
        self.assert_quiet_but(&[]);
    }

    /// Asserts that the page need not be moved sideways to be read.
    pub(crate) fn assert_fits(&self) {
        let over = self.execute(
            "const page = document.scrollingElement;
            return Math.max(0, page.scrollWidth - page.clientWidth)",
        );
        assert_eq!(over, 0, "the page is too wide by so many pixels");
    }

    /// Asserts that nothing in the page has moved by itself.
    pub(crate) fn assert_still(&self) {
        let moved = self.execute_until_done(
            "const moved = [];
            const name = ({ node }) => node?.outerHTML?.slice(0, 80) ?? String(node);
            const add = (shifts) => shifts.forEach((shift) => {
                moved.push([shift.value, ...shift.sources.map(name)]);
            });
            const observer = new PerformanceObserver((list) => add(list.getEntries()));
            observer.observe({ type: 'layout-shift', buffered: true });
            requestAnimationFrame(() => requestAnimationFrame(() => {
                add(observer.takeRecords());
                done(moved);
            }));",
        );
        assert_eq!(moved, json!([]), "something in the page has moved");
    }

    /// Asserts that axe-core finds nothing in the page that keeps people out.
    pub(crate) fn assert_accessible(&self) {
        self.execute(&chromium::axe());
        let found = self.execute_until_done(
            "const held = window.setTimeout;
            if (window.freeTimeout) window.setTimeout = window.freeTimeout;
            axe.run()
                .then(({ violations }) => violations.map(({ id, nodes }) => [
                    id, ...nodes.map(({ html, failureSummary }) => [html, failureSummary]),
                ]), (error) => `${error}`)
                .then((found) => { window.setTimeout = held; done(found); });",
        );
        assert_eq!(found, json!([]), "axe-core has findings");
    }
}
