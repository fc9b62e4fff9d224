//! A token file that holds what cannot be a token.

use std::fs;

use super::{Files, is_pending, shown, wait_for_reload};
use crate::harness::wait_until;

#[test]
fn what_cannot_be_a_token_is_not_shown_to_d7_and_the_old_one_stays_in_force() {
    let too_long = "a".repeat(8 * 1024 + 1);
    let rubbish: [&[u8]; 6] = [
        b"",
        b" \n\t\n",
        b"one\ntwo",
        b"\xff\xfe\x00",
        b"a\0b",
        too_long.as_bytes(),
    ];
    for content in rubbish {
        let files = Files::new();
        let app = files.service().start();
        files.write(content);

        app.hang_up();
        wait_for_reload(&app, "token", "refused", 1);
        let response = app.balance();

        assert_eq!(response.status, 200);
        assert_eq!(shown(&app), ["old-token"]);
        assert!(is_pending(&app, "token"));
    }
}

#[test]
fn a_token_file_that_vanishes_and_comes_back_changes_nothing() {
    let files = Files::new();
    let app = files.service().start();

    fs::remove_file(files.path("token")).unwrap();
    for _ in 0..5 {
        app.advance_s(5);
        app.wait_until_parked(0);
    }
    wait_for_reload(&app, "token", "refused", 1);
    let response = app.balance();
    files.write("old-token");
    app.hang_up();

    wait_until("nothing is pending", || !is_pending(&app, "token"));
    wait_for_reload(&app, "token", "refused", 1);
    assert_eq!(response.status, 200);
    assert_eq!(shown(&app), ["old-token"]);
}
