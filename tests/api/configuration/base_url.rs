//! `D7B_BASE_URL`: the one place that the token is sent to.

use super::{assert_refused, complaints, good, with};

#[test]
fn a_base_url_is_a_scheme_a_host_a_port_and_a_prefix() {
    let kept = [
        ("https://api.d7networks.com/", "https://api.d7networks.com"),
        (
            "https://api.d7networks.com/a/b/",
            "https://api.d7networks.com/a/b",
        ),
        ("https://d7.example:8443/a", "https://d7.example:8443/a"),
        ("http://localhost:1", "http://localhost:1"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
        ("https://[2001:db8::1]/x", "https://[2001:db8::1]/x"),
    ];
    for (written, effective) in kept {
        assert_eq!(
            good(&[("D7B_BASE_URL", written)]).upstream.base_url,
            effective
        );
    }

    for (bad, why) in [
        (
            "https://marker@d7.example",
            "must not hold user information",
        ),
        (
            "https://:marker@d7.example",
            "must not hold user information",
        ),
        ("https://d7.example/?marker", "must not have a query"),
        ("https://d7.example/?", "must not have a query"),
        ("https://d7.example/#marker", "must not have a query"),
        ("http://d7.example", "must be https://"),
        ("http://localhost.d7.example", "must be https://"),
        ("http://10.0.0.1", "must be https://"),
        ("http://[2001:db8::1]", "must be https://"),
        ("ftp://d7.example", "must begin with https://"),
        ("mailto:marker", "must begin with https://"),
        ("https://", "must be a URL"),
        ("api.d7networks.com", "must be a URL"),
        ("/marker", "must be a URL"),
        // A URL by the letter, but nothing that a request can be sent to.
        ("https://a`b", "cannot be used in a request"),
    ] {
        assert_refused("D7B_BASE_URL", bad, why);
    }
}

#[test]
fn the_token_travels_in_clear_only_where_that_is_said_aloud() {
    let url = ("D7B_BASE_URL", "http://d7.example");

    let config = good(&[url, ("D7B_ALLOW_INSECURE_UPSTREAM", "true")]);

    assert_eq!(config.upstream.base_url, "http://d7.example");
    let told = complaints(with(&[url, ("D7B_ALLOW_INSECURE_UPSTREAM", "false")]));
    assert!(told.contains("D7B_ALLOW_INSECURE_UPSTREAM=true"), "{told}");
}

#[test]
fn a_host_other_than_d7s_is_a_warning() {
    for (url, warned) in [
        ("https://api.d7networks.com:8443/prefix", false),
        ("https://API.d7networks.com", false),
        ("https://api.d7networks.com.example", true),
        ("http://127.0.0.1:1", true),
    ] {
        let warnings = good(&[("D7B_BASE_URL", url)]).warnings;
        let about = warnings
            .iter()
            .any(|text| text.starts_with("D7B_BASE_URL "));
        assert_eq!(about, warned, "{url}: {warnings:?}");
    }
}
