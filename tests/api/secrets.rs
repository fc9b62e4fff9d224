//! Custody: neither the token nor a caller's key is ever seen again, whatever
//! D7 and callers do, and however much is logged.

mod alerts;
mod lies;
mod sessions;

use std::{collections::BTreeMap, fs, path::Path, rc::Rc, time::Duration};

use futures_util::future::LocalBoxFuture;
use secrecy::ExposeSecret;

use self::lies::lies;
use crate::harness::{
    Connection, Request, Response, TestApp,
    process::{Service, run, variables},
};
use d7_balance::{
    balance::{
        Reading,
        credential::{Credential, Kept},
        source::{BalanceSource, SourceError},
    },
    callers::key::NewKey,
    config::Draft,
    simulator::Simulator,
};

/// It looks like a code of D7's, so that it could pass for one.
const TOKEN: &str = "MARKER_TOKEN_7F3A";

const FORMATS: [&str; 2] = ["json", "pretty"];

/// Everything that has come out, and what must not be in it.
#[derive(Default)]
struct Watch {
    seen: Vec<(String, String)>,
}

impl Watch {
    fn add(&mut self, from: &str, text: impl Into<String>) {
        self.seen.push((from.to_owned(), text.into()));
    }

    fn answer(&mut self, from: &str, answer: &Response) {
        let body = String::from_utf8_lossy(&answer.body);
        self.add(from, format!("{:?}\n{body}", answer.headers));
    }

    /// Looks for each secret, plain and as `Debug` shows bytes.
    fn assert_clean(&self, secrets: &[&str]) {
        assert!(!self.seen.is_empty());
        let mut leaks = Vec::new();
        for secret in secrets {
            let numbers = format!("{:?}", secret.as_bytes());
            let numbers = numbers.trim_matches(['[', ']']);
            for (from, text) in &self.seen {
                let mut lines = text.lines();
                if let Some(leak) =
                    lines.find(|line| line.contains(secret) || line.contains(numbers))
                {
                    leaks.push(format!("{from}: {secret} in {leak}"));
                }
            }
        }
        assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    }
}

/// Has as much logged as can be.
fn loud(format: &str) -> [(&str, &str); 2] {
    let everything = "trace,actix_http=trace,actix_http::h1::decoder=trace";
    [("D7B_LOG", everything), ("D7B_LOG_FORMAT", format)]
}

/// Starts the program as loud as it can be. Settings go over the usual ones.
fn start(format: &str, settings: &[(&str, &str)]) -> Service {
    let usual = [("D7B_SERVER_WORKERS", "1"), ("D7B_UPSTREAM_TIMEOUT", "2s")];
    let settings = [&usual, &loud(format)[..], settings].concat();
    Service::start_until(&settings, "admin_addr")
}

/// Stops the program and watches its metrics and all that it has said.
fn finish(service: Service, name: &str, watch: &mut Watch) {
    let metrics = service.admin("/metrics");
    assert!(
        metrics.text().contains("d7b_log_lines_dropped_total 0\n"),
        "every line has been seen"
    );
    watch.answer(&format!("{name}: metrics"), &metrics);
    let ended = service.stop();
    assert_eq!(ended.code, Some(0), "{name}: {ended:?}");
    watch.add(&format!("{name}: log"), ended.said());
}

#[test]
fn a_token_that_d7_echoes_is_never_seen_again() {
    let key = NewKey::generate().unwrap();
    let keys = format!("billing:{}:{}", key.id, key.digest);
    let directory = tempfile::tempdir().unwrap();
    let token_file = directory.path().join("token");
    fs::write(&token_file, format!("{TOKEN}\n")).unwrap();
    let token_file = token_file.to_str().unwrap();
    let proxy = Simulator::start().unwrap();
    let proxy_url = proxy.base_url();
    let rest = [
        ("D7B_KEYS", &*keys),
        ("HTTP_PROXY", &proxy_url),
        ("http_proxy", &proxy_url),
        ("ALL_PROXY", &proxy_url),
    ];
    let mut watch = Watch::default();
    for (name, script) in lies() {
        for format in FORMATS {
            let token = match format {
                "json" => [("D7B_TOKEN", TOKEN), ("D7B_TOKEN_FILE", "")],
                _ => [("D7B_TOKEN", ""), ("D7B_TOKEN_FILE", token_file)],
            };
            let service = start(format, &[&token[..], &rest].concat());
            service.d7.always(script.clone());
            let name = format!("{name}, {format}");
            for path in ["/balance", "/messages/v1/balance", "/status"] {
                let request = service.request("GET", path);
                let answer = request.bearer(key.key.expose_secret()).send();
                watch.answer(&name, &answer);
            }
            let head = service.d7.heads().remove(0);
            assert!(head.contains(&format!("Bearer {TOKEN}\r\n")), "{name}");
            finish(service, &name, &mut watch);
        }
    }

    watch.assert_clean(&[TOKEN, key.key.expose_secret()]);
    for words in ["not [redacted]", "TRACE"] {
        let is_said = watch.seen.iter().any(|(_, text)| text.contains(words));
        assert!(is_said, "{words}: the log is as loud as it can be");
    }
    assert_eq!(proxy.count(), 0, "no proxy is used");
}

/// The part of a key that nobody else knows.
fn secret_of(key: &NewKey) -> &str {
    key.key.expose_secret().rsplit('_').next().unwrap()
}

#[test]
fn what_callers_present_is_never_seen_again() {
    let (valid, expired, unknown) = (
        NewKey::generate().unwrap(),
        NewKey::generate().unwrap(),
        NewKey::generate().unwrap(),
    );
    let directory = tempfile::tempdir().unwrap();
    let keys_file = directory.path().join("keys.toml");
    let record = |key: &NewKey, more: &str| {
        format!(
            "[[keys]]\nclient = \"billing\"\nid = \"{}\"\nsha256 = \"{}\"\n{more}\n",
            key.id, key.digest
        )
    };
    let expiry = "expires = 2020-01-01T00:00:00Z";
    fs::write(&keys_file, record(&valid, "") + &record(&expired, expiry)).unwrap();
    let typo = valid.key.expose_secret().replace("d7b_", "d7b-");
    let bearers = [
        (valid.key.expose_secret(), 200),
        (expired.key.expose_secret(), 401),
        (unknown.key.expose_secret(), 401),
        (&*typo, 401),
        ("MARKER_MALFORMED", 401),
        ("d7b_MARKER_MALFORMED", 401),
        ("MARKER_MALFORMED and more", 401),
        (TOKEN, 401),
    ];
    let key = valid.key.expose_secret();
    let mut watch = Watch::default();
    for format in FORMATS {
        let keys_file = ("D7B_KEYS_FILE", keys_file.to_str().unwrap());
        let settings = [("D7B_TOKEN", TOKEN), ("D7B_KEYS", ""), keys_file];
        let service = start(format, &settings);
        let request = |method: &str, path: &str| service.request(method, path);
        let mut send = |request: Request, status: u16| {
            let answer = request.send();
            assert_eq!(answer.status, status, "{}", answer.text());
            watch.answer(format, &answer);
        };

        for (bearer, status) in bearers {
            send(request("GET", "/balance").bearer(bearer), status);
            send(
                request("GET", &format!("/balance?key={bearer}").replace(' ', "+")),
                401,
            );
        }
        for authorization in [
            "MARKER_SCHEME",
            "Basic TUFSS0VS MARKER_BASIC",
            "Digest username=\"MARKER_DIGEST\"",
            "Bearer",
            "Bearer \u{e9}MARKER_LATIN",
        ] {
            send(
                request("GET", "/balance").header("authorization", authorization),
                401,
            );
        }
        send(
            request("GET", "/balance")
                .bearer(key)
                .bearer("MARKER_SECOND"),
            400,
        );
        send(
            request("GET", "/balance?token=MARKER_QUERY").bearer(key),
            200,
        );
        send(request("GET", "/MARKER_PATH"), 404);
        send(request("GET", &format!("/{key}")).bearer(key), 404);
        send(request("MARKER_METHOD", "/balance").bearer(key), 405);
        let headers = request("GET", "/balance")
            .bearer(key)
            .header("cookie", "session=MARKER_COOKIE")
            .header("x-api-key", "MARKER_HEADER")
            .header("x-request-id", "MARKER REQUEST ID")
            .header("if-none-match", "\"MARKER_ETAG\"")
            .header("cache-control", "max-age=MARKER_AGE");
        send(headers, 200);
        let body = request("GET", "/balance").bearer(key).body(b"MARKER_BODY");
        send(body, 200);
        for framing in [
            "content-length: MARKER_LENGTH",
            "transfer-encoding: MARKER_FRAMING",
            "MARKER HEADER LINE",
        ] {
            let mut connection = Connection::open(service.addr);
            let head = format!("GET /balance HTTP/1.1\r\nhost: localhost\r\n{framing}\r\n\r\n");
            connection.write(head.as_bytes());
            watch.answer(format, &connection.read("GET"));
        }

        finish(service, format, &mut watch);
    }

    watch.assert_clean(&[
        TOKEN,
        "MARKER",
        secret_of(&valid),
        secret_of(&expired),
        secret_of(&unknown),
    ]);
}

#[test]
fn settings_that_are_wrong_are_named_and_not_shown() {
    let settings = [
        ("D7B_TOKEN", "MARKER_TOKEN\nMARKER_LINE"),
        ("D7B_TOKN", "MARKER_TYPO"),
        ("D7B_KEYS", "billing:MARKER_KEYS:MARKER_DIGEST"),
        (
            "D7B_BASE_URL",
            "https://user:MARKER_PASSWORD@api.d7networks.com",
        ),
        ("D7B_CACHE_TTL", "MARKER_TTL"),
        ("D7B_LOG", "MARKER_LOG=MARKER_LEVEL"),
        ("D7B_CA_FILE", "/dev/null/MARKER_CA"),
    ];

    for command in ["serve", "check-config"] {
        let ended = run(&[command], variables(settings));

        let said = ended.said();
        assert_eq!(ended.code, Some(64), "{said}");
        for (name, _) in settings {
            assert!(said.contains(&format!("{name} ")), "{name} in {said}");
        }
        assert!(!said.contains("MARKER"), "{said}");
    }
}

#[test]
fn neither_check_config_nor_debug_shows_a_secret() {
    let key = NewKey::generate().unwrap();
    let keys = format!("billing:{}:{}", key.id, key.digest);
    let secrets = [("D7B_TOKEN", TOKEN), ("D7B_KEYS", &*keys)];
    let elsewhere = [("D7B_BASE_URL", "http://127.0.0.1:9")];
    let variables = variables([&secrets, &loud("json")[..], &elsewhere].concat());

    let ended = run(&["check-config"], variables.clone());
    let config = format!("{:?}", Draft::read(variables).config);

    let said = ended.said();
    assert_eq!(ended.code, Some(0), "{said}");
    let mut watch = Watch::default();
    watch.add("check-config", said);
    watch.add("debug", config);
    watch.assert_clean(&[TOKEN, &key.digest.to_string()]);
}

/// Asks the source it stands before, and panics over the answer.
struct Panicking(Rc<dyn BalanceSource>);

impl BalanceSource for Panicking {
    fn fetch<'a>(
        &'a self,
        credential: &'a Credential,
        within: Duration,
    ) -> LocalBoxFuture<'a, Result<Reading, SourceError>> {
        Box::pin(async move {
            let answer = self.0.fetch(credential, within).await;
            panic!("with {TOKEN} at hand: {answer:?}");
        })
    }

    fn read_credentials(&self) -> LocalBoxFuture<'static, Kept> {
        self.0.read_credentials()
    }
}

#[test]
fn a_refresh_that_panics_tells_callers_nothing() {
    let app = TestApp::builder()
        .set("D7B_TOKEN", TOKEN)
        .wrap_source(Box::new(|source| Rc::new(Panicking(source))))
        .start();

    let answer = app.balance();

    assert_eq!(answer.status, 500);
    assert_eq!(answer.code(), "internal_error");
    let mut watch = Watch::default();
    watch.answer("body", &answer);
    watch.answer("metrics", &app.admin("/metrics"));
    watch.assert_clean(&[TOKEN, &app.key]);
}

#[test]
fn secrets_are_opened_in_a_few_known_places_only() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut opened = BTreeMap::new();
    count(&source, &source, &mut opened);

    let known = [
        ("alerts/signing.rs", 2),
        ("alerts/target.rs", 1),
        ("app/prepared.rs", 1),
        ("balance/credential.rs", 2),
        ("callers/key.rs", 1),
        ("callers/session/secrets.rs", 1),
        ("cli/keys.rs", 2),
        ("cli/keys/verify.rs", 2),
        ("cli/output.rs", 1),
        ("demo.rs", 1),
        ("http/cookie.rs", 1),
        ("http/session.rs", 2),
        ("reload/session_secrets.rs", 1),
        ("upstream.rs", 3),
        ("upstream/token.rs", 1),
    ];
    let known = known.map(|(file, times)| (file.to_owned(), times));
    assert_eq!(opened, BTreeMap::from(known));
}

/// Counts `expose_secret(` and `expose_secret_mut(` outside of unit tests, by file.
fn count(root: &Path, directory: &Path, opened: &mut BTreeMap<String, usize>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count(root, &path, opened);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let times =
            code.matches("expose_secret(").count() + code.matches("expose_secret_mut(").count();
        if times > 0 && !path.ends_with("tests.rs") {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            opened.insert(name, times);
        }
    }
}
