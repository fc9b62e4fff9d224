//! A browser's session: the key that it was begun with, its cookie, and what
//! that is signed with.

use std::fs;

use super::{FORMATS, Watch, finish, start};

/// Of more than 32 bytes.
const SECRET: &str = "MARKER_SECRET_of_all_the_sessions_7F3A";

#[test]
fn what_a_session_is_made_of_is_never_seen_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets");
    fs::write(&path, SECRET).unwrap();
    let mut watch = Watch::default();
    let mut secrets = vec![SECRET.to_owned()];
    for format in FORMATS {
        let file = [("D7B_SESSION_SECRET_FILE", path.to_str().unwrap())];
        let service = start(format, &file);
        let key = service.key.clone();
        let ours = |method: &str, path: &str| {
            let request = service.request(method, path);
            request.header("sec-fetch-site", "same-origin")
        };
        let form = |body: &str| {
            let kind = "application/x-www-form-urlencoded";
            let request = ours("POST", "/session").header("content-type", kind);
            request.body(body.as_bytes())
        };

        let mut signed_in = form(&format!("key={key}")).send();
        let cookie = signed_in.expect("set-cookie");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        signed_in.headers.retain(|(name, _)| name != "set-cookie");
        let with = |method: &str, path: &str| ours(method, path).header("cookie", &cookie);

        for (from, answer) in [
            ("signing in", signed_in),
            ("a wrong key", form(&format!("key={key}x")).send()),
            ("too much", form(&key.repeat(30)).send()),
            (
                "another kind",
                ours("POST", "/session").body(key.as_bytes()).send(),
            ),
            ("a balance", with("GET", "/balance").send()),
            ("both", with("GET", "/balance").bearer(&key).send()),
            ("the status", with("GET", "/status").send()),
            ("an error", with("GET", "/nowhere").send()),
            ("signing out", with("DELETE", "/session").send()),
            ("a copy", with("GET", "/balance").send()),
        ] {
            watch.answer(&format!("{from}, {format}"), &answer);
        }
        finish(service, format, &mut watch);
        let (_, token) = cookie.split_once('=').unwrap();
        secrets.extend([key, token.to_owned()]);
        // Who has the signature can make the rest of it up.
        secrets.push(token.rsplit('.').next().unwrap().to_owned());
    }

    let secrets: Vec<_> = secrets.iter().map(String::as_str).collect();
    watch.assert_clean(&secrets);
}
