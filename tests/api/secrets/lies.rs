//! A D7 that repeats the token that it was sent.

use super::TOKEN;
use d7_balance::simulator::{BALANCE, REJECTION, Script, Step, answer, answer_with, bytes};

/// D7, or what stands before it, echoing the token in every place there is.
pub(super) fn lies() -> Vec<(&'static str, Script)> {
    let detail = |status, detail: String| answer(status, &format!(r#"{{"detail": {detail}}}"#));
    let header = |line: String| answer_with(500, &format!("{line}\r\n"), "");
    let head = |line: String| bytes(format!("HTTP/1.1 200 OK\r\n{line}\r\n\r\n{BALANCE}"));
    let message = format!(r#"{{"code": "NO", "message": "not {TOKEN}"}}"#);
    let code = |code: &str| format!(r#"{{"code": "{code}", "message": "no"}}"#);
    vec![
        ("well", answer(200, BALANCE)),
        ("a message", detail(400, message.clone())),
        ("a rejection's message", detail(401, message)),
        ("a code", detail(400, code(TOKEN))),
        ("a rejection's code", detail(401, code(TOKEN))),
        ("a code under 200", detail(200, code(TOKEN))),
        ("part of a code", detail(403, code(&format!("X_{TOKEN}_X")))),
        ("a text", detail(404, format!(r#""no route for {TOKEN}""#))),
        (
            "a list",
            detail(422, format!(r#"[{{"input": "{TOKEN}"}}]"#)),
        ),
        ("HTML", answer(500, &format!("<p>Bearer {TOKEN}"))),
        ("HTML with 200", answer(200, &format!("<p>Bearer {TOKEN}"))),
        ("a header", header(format!("x-echo: Bearer {TOKEN}"))),
        ("a header's name", header(format!("x-{TOKEN}: 1"))),
        (
            "a location",
            answer_with(302, &format!("location: /?token={TOKEN}\r\n"), ""),
        ),
        (
            "a time to wait",
            answer_with(429, &format!("retry-after: {TOKEN}\r\n"), ""),
        ),
        ("a length", head(format!("content-length: {TOKEN}"))),
        ("a framing", head(format!("transfer-encoding: {TOKEN}"))),
        ("a coding", head(format!("content-encoding: {TOKEN}"))),
        ("a header that is none", head(TOKEN.to_owned())),
        (
            "a reason phrase",
            bytes(format!("HTTP/1.1 500 {TOKEN}\r\ncontent-length: 0\r\n\r\n")),
        ),
        ("a version", bytes(format!("{TOKEN}/1.1 200 OK\r\n\r\n"))),
        ("a status", bytes(format!("HTTP/1.1 {TOKEN} OK\r\n\r\n"))),
        ("garbage", bytes(format!("{TOKEN}\0{TOKEN}\r\n\r\n"))),
        (
            "half a head",
            bytes(format!("HTTP/1.1 200 OK\r\nx: {TOKEN}")),
        ),
        (
            "a chunk's size",
            head(format!("transfer-encoding: chunked\r\n\r\n{TOKEN}\r\n")),
        ),
        (
            "a chunk's extension",
            head(format!(
                "transfer-encoding: chunked\r\n\r\n17;{TOKEN}\r\n{BALANCE}\r\n0\r\n"
            )),
        ),
        (
            "a body that breaks off",
            head(format!("content-length: 999\r\n\r\n{TOKEN}")),
        ),
        (
            "a connection that is reset",
            vec![Step::Send(TOKEN.into()), Step::Reset],
        ),
        (
            "a balance",
            answer(200, &format!(r#"{{"balance": "{TOKEN}"}}"#)),
        ),
        (
            "an sms_count",
            answer(200, &format!(r#"{{"balance": 1, "sms_count": "{TOKEN}"}}"#)),
        ),
        (
            "another field",
            answer(200, &format!(r#"{{"{TOKEN}": "{TOKEN}", "balance": 1}}"#)),
        ),
        ("the documented rejection", answer(401, REJECTION)),
    ]
}
