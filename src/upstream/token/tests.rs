use std::{
    fs,
    rc::Rc,
    time::{Duration, SystemTime},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use futures_util::FutureExt;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;

use super::{Credential, Place, Places, Reread, Rereader, TokenError, UnderWay, expiry, parse};

fn token(text: &str) -> Result<Credential, TokenError> {
    parse(&SecretString::from(text))
}

fn jwt(claims: &str) -> String {
    let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let header = encode(r#"{"alg":"HS256"}"#);
    format!("{header}.{}.c2ln", encode(claims))
}

#[test]
fn a_token_is_one_line_with_the_white_space_round_it_cut() {
    let cut = token("\u{feff} \t\r\nabc.def \n").unwrap();

    assert_eq!(cut.secret().expose_secret(), "abc.def");
    for (text, error) in [
        ("", TokenError::Empty),
        ("\u{feff}", TokenError::Empty),
        (" \n\t", TokenError::Empty),
        ("a\nb", TokenError::Control),
        ("a\0b", TokenError::Control),
        ("a\u{7f}b", TokenError::Control),
        ("a\u{85}b", TokenError::Control),
        (&"a".repeat(8 * 1024 + 1), TokenError::TooLong),
    ] {
        assert_eq!(token(text).err(), Some(error), "{text:?}");
    }
    assert!(token(&"a".repeat(8 * 1024)).is_ok());
    assert!(token("tökén").is_ok());
}

#[test]
fn a_token_that_is_likely_something_else_is_doubted() {
    let doubt = |text| token(text).unwrap().doubt();

    assert!(doubt("d7b_k3j9x2ab_x").is_some_and(|doubt| doubt.contains("caller key")));
    assert!(doubt("\"abc\"").is_some_and(|doubt| doubt.contains("quotation")));
    for text in ["Bearer abc", "abc def", "abc\u{a0}def"] {
        assert!(
            doubt(text).is_some_and(|doubt| doubt.contains("white space")),
            "{text}"
        );
    }
    assert_eq!(doubt("eyJhbGciOi.J9.x-_"), None);
}

#[test]
fn a_jwt_says_when_it_ends() {
    let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));

    for (claims, end) in [
        (r#"{"exp":1795395600}"#, at(1_795_395_600)),
        (
            r#"{"iat":1,"exp":1795395600.9,"sub":"x"}"#,
            at(1_795_395_600),
        ),
        (r#"{"exp":0}"#, at(0)),
        (r#"{"exp":-1}"#, None),
        (r#"{"exp":"1795395600"}"#, None),
        (r#"{"exp":1e9}"#, None),
        (r#"{"exp":99999999999999999999999}"#, None),
        (r#"{"exp":18446744073709551615}"#, None),
        (r#"{"exp":null}"#, None),
        (r#"{"sub":"x"}"#, None),
        ("[1795395600]", None),
        ("", None),
    ] {
        assert_eq!(expiry(&jwt(claims)), end, "{claims}");
    }
}

#[test]
fn what_is_no_jwt_has_no_end_and_is_no_error() {
    let good = jwt(r#"{"exp":1}"#);

    for text in [
        "abc",
        "a.b",
        "a.b.c",
        "...",
        &format!("{good}.more"),
        &good.replacen('.', "..", 1),
        &good[..good.rfind('.').unwrap()],
    ] {
        assert_eq!(token(text).unwrap().expires(), None, "{text}");
    }
    assert!(token(&good).unwrap().expires().is_some());
}

#[actix_rt::test]
async fn what_was_read_before_a_look_was_asked_for_is_not_what_it_finds() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    fs::write(&path, "now").unwrap();
    let place = Reread::new(Place::File(path));
    let (end, ended) = oneshot::channel();
    let slot = Rc::clone(&place.under_way);
    let earlier = async move {
        ended.await.unwrap();
        slot.replace(None);
        token("earlier").map_err(|error| error.to_string())
    };
    place.under_way.replace(Some(UnderWay {
        reading: earlier.boxed_local().shared(),
        is_late: false,
    }));

    let looks = [place.look(), place.look()];
    end.send(()).unwrap();

    for look in looks {
        assert_eq!(look.await.unwrap(), token("now").unwrap());
    }
}

#[test]
fn looking_at_a_file_tells_the_token_or_why_there_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let places = Places {
        primary: Place::File(path.clone()),
        secondary: Some(Place::Fixed(token("fixed").unwrap())),
    };
    let look = || actix_rt::System::new().block_on(Rereader::new(places.clone()).look());

    for (content, problem) in [
        (
            None,
            "cannot be read: No such file or directory (os error 2)",
        ),
        (Some(&b" \n"[..]), "is empty"),
        (
            Some(&[0xff, 0xfe]),
            "cannot be read: stream did not contain valid UTF-8",
        ),
        (
            Some(b"a\nb"),
            "holds a control character; a token is one line of text",
        ),
    ] {
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        let kept = look();

        assert_eq!(kept.primary.unwrap_err(), problem);
        assert_eq!(kept.secondary.unwrap().unwrap(), token("fixed").unwrap());
    }
    fs::write(&path, "one\n").unwrap();
    assert_eq!(look().primary.unwrap(), token("one").unwrap());
}
