//! The two clients, which ask without a pause worth the name, and who watches
//! keys begin and end.

use std::time::Duration;

use serde_json::Value;

use crate::{
    Run,
    book::Key,
    harness::{Connection, Request, Response},
    promises::{self, Served},
    report::Broken,
};

pub(crate) const CLIENTS: [&str; 2] = ["billing", "web"];

/// How many connections each client has.
pub(crate) const CONNECTIONS: usize = 4;

/// So that a machine with few cores can serve, too.
const BREATH: Duration = Duration::from_millis(5);

/// Asks with valid keys of one client, until the run is over.
pub(crate) fn ask_with_valid_keys(run: &Run, client: &'static str, connection: usize) {
    let mut asker = Asker::new(run);
    // Who insists waits for D7; the others are served what is stored meanwhile.
    asker.insists = connection.is_multiple_of(2);
    for turn in connection.. {
        if run.is_over() {
            return;
        }
        match run.book.valid(client, run.watch.now(), turn) {
            Some(key) => asker.ask(&key, turn),
            None => run.broken(&Broken::new("a client has a valid key", client)),
        }
        run.report.asked(client);
        run.watch.pause(BREATH);
    }
}

/// Asks with keys that are written but need not work yet: who sees one work may
/// rely on it.
pub(crate) fn ask_with_new_keys(run: &Run) {
    let mut asker = Asker::new(run);
    while !run.is_over() {
        for key in run.book.new_ones(run.watch.now()) {
            asker.ask(&key, 1);
        }
        run.watch.pause(BREATH);
    }
}

/// Asks with keys that have ended.
pub(crate) fn ask_with_ended_keys(run: &Run) {
    let mut asker = Asker::new(run);
    for turn in 1.. {
        if run.is_over() {
            return;
        }
        for key in run.book.ended_ones(run.watch.now(), turn) {
            asker.ask(&key, 1);
        }
        run.watch.pause(BREATH);
    }
}

/// One connection of a client, and what the client has kept.
struct Asker<'a> {
    run: &'a Run,
    connection: Connection,
    /// Whether it wants something newer now and then.
    insists: bool,
    /// The last body, and its entity tag.
    kept: Option<(String, Value)>,
}

impl<'a> Asker<'a> {
    fn new(run: &'a Run) -> Self {
        Self {
            run,
            connection: Connection::open(run.service.addr),
            insists: false,
            kept: None,
        }
    }

    /// Asks with `key`, in the manner of this turn.
    fn ask(&mut self, key: &Key, turn: usize) {
        let request = self.request(key, turn);
        let sent = self.run.watch.now();
        let response = request.send_on(&mut self.connection);
        let answered = self.run.watch.now();
        let wrong = match response.status {
            200 | 304 => {
                let wrong = self.check(&response, sent, answered).err();
                let wrong = wrong.map(|how| Broken::new("no answer is too old", how));
                wrong.or_else(|| self.run.book.served(key, sent, answered))
            }
            401 if response.code() == "unauthorized" => self.run.book.denied(key, sent, answered),
            _ => Some(Broken::new("no request fails", "")),
        };
        if let Some(mut wrong) = wrong {
            let (client, id, status) = (key.client, &key.id, response.status);
            let headers = ["age", "cache-status"].map(|name| response.header(name));
            let body = String::from_utf8_lossy(&response.body);
            let told = format!("{client}, key {id}: {status} {headers:?} {body}");
            wrong.how = format!("{} {told}", wrong.how);
            self.run.broken(&wrong);
        }
    }

    fn request(&self, key: &Key, turn: usize) -> Request {
        let request = Request::new(self.run.service.addr, "GET", "/balance").bearer(&key.text);
        match (turn % 10, &self.kept) {
            (0, _) if self.insists => request.header("cache-control", "no-cache"),
            (3 | 6 | 9, Some((etag, _))) => request.header("if-none-match", etag),
            _ => request,
        }
    }

    fn check(
        &mut self,
        response: &Response,
        sent: Duration,
        answered: Duration,
    ) -> Result<(), String> {
        let etag = response.expect("etag");
        if response.status == 200 {
            self.kept = Some((etag.to_owned(), response.json()));
        }
        let kept = self.kept.as_ref().filter(|(kept, _)| kept == etag);
        let (_, body) = kept.ok_or("not modified since something else")?;
        let served = Served {
            response,
            body,
            sent,
            answered,
        };
        let ages = promises::check(&served, &self.run.watch)?;
        self.run.report.saw(response.status, ages);
        Ok(())
    }
}
