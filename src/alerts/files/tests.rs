use std::{fs, sync::mpsc};

use actix_rt::task::spawn_blocking;
use futures_util::future;
use secrecy::SecretString;
use tempfile::TempDir;

use super::{Kept, Places, Receiver};
use crate::alerts::{SigningKey, Target};

const NOW: &str = "https://now.example/";

fn target(text: &str) -> Target {
    Target::parse(&SecretString::from(text)).unwrap()
}

/// What a reading finds that was begun long ago.
fn old() -> Kept {
    Kept {
        target: Some(Ok(target("https://old.example/"))),
        key: None,
    }
}

/// A receiver whose file says [`NOW`].
fn receiver() -> (TempDir, Receiver) {
    let directory = tempfile::tempdir().unwrap();
    let url = directory.path().join("url");
    fs::write(&url, NOW).unwrap();
    let secret = format!("whsec_{}", "A".repeat(32));
    let key = SigningKey::parse(&SecretString::from(secret)).unwrap();
    let places = Places {
        url: Some(url),
        secret: None,
    };
    let first = target("https://first.example/");
    (directory, Receiver::new(first, key, places))
}

#[actix_rt::test]
async fn a_reading_that_ended_after_its_attempt_is_not_used_by_the_next() {
    let (_directory, mut receiver) = receiver();
    let (ended, has_ended) = mpsc::channel();
    receiver.under_way = Some(spawn_blocking(move || {
        ended.send(()).unwrap();
        old()
    }));
    has_ended.recv().unwrap();

    let (found, _) = receiver.look().await;

    assert_eq!(found.uri(), NOW);
    assert!(receiver.under_way.is_none());
}

#[actix_rt::test]
async fn a_reading_that_ends_during_the_next_attempt_is_not_used_by_it_either() {
    let (_directory, mut receiver) = receiver();
    let (release, held) = mpsc::channel();
    receiver.under_way = Some(spawn_blocking(move || {
        held.recv().unwrap();
        old()
    }));

    let ((found, _), ()) = future::join(receiver.look(), async { release.send(()).unwrap() }).await;

    assert_eq!(found.uri(), NOW);
}
