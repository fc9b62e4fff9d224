//! The keys of a run: good ones of several clients, and one for each way in
//! which a key is not accepted.

use d7_balance::callers::key::NewKey;
use secrecy::ExposeSecret;

/// The client that has a limit, and may be answered by 429.
pub(crate) const LIMITED: &str = "crowd";

/// What it is limited to.
const LIMIT: &str = "20/s";

/// A key that is accepted.
pub(crate) struct Key {
    pub(crate) client: &'static str,
    pub(crate) text: String,
}

/// All keys.
pub(crate) struct Keys {
    /// As often as they are to be asked with.
    pub(crate) good: Vec<Key>,
    /// Texts that are not accepted, and why.
    pub(crate) bad: Vec<(String, &'static str)>,
}

impl Keys {
    /// Keys, and the file that has them.
    pub(crate) fn new() -> (Self, String) {
        let mut file = String::new();
        let mut good = Vec::new();
        for (client, more) in [
            ("billing", ""),
            ("billing", ""),
            ("web", ""),
            ("web", "expires = 2999-01-01T00:00:00Z\n"),
            (LIMITED, &format!("rate_limit = \"{LIMIT}\"\n")),
        ] {
            let new = NewKey::generate().unwrap();
            file.push_str(&record(client, &new, &new, more));
            let text = text(&new);
            good.push(Key { client, text });
        }
        let ended = "expires = 2001-01-01T00:00:00Z\n";
        let expired = ["billing", "former"].map(|client| {
            let new = NewKey::generate().unwrap();
            file.push_str(&record(client, &new, &new, ended));
            (text(&new), "expired")
        });
        let [unknown, known, other] = [(); 3].map(|()| NewKey::generate().unwrap());
        file.push_str(&record("web", &known, &other, ""));
        let mut bad = Vec::from(expired);
        bad.push((text(&unknown), "unknown"));
        bad.push((text(&known), "wrong_secret"));
        bad.push((text(&unknown)[1..].to_owned(), "malformed"));
        bad.push((String::new(), "malformed"));
        (Self { good, bad }, file)
    }
}

fn text(key: &NewKey) -> String {
    key.key.expose_secret().to_owned()
}

/// The record of a key that has the id of one and the secret of another.
fn record(client: &str, id: &NewKey, secret: &NewKey, more: &str) -> String {
    let (id, digest) = (id.id, secret.digest);
    format!("[[keys]]\nclient = \"{client}\"\nid = \"{id}\"\nsha256 = \"{digest}\"\n{more}\n")
}
