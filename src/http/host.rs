//! Which hosts a listener on a loopback address answers for.

use std::net::{Ipv4Addr, Ipv6Addr};

use actix_web::{dev::RequestHead, http::header};

/// Whether a request is meant for this machine by name. A web page can have
/// its own name point to 127.0.0.1, but cannot change what its browser sends
/// as `Host`.
pub(super) fn is_local(head: &RequestHead) -> bool {
    // A target in absolute form counts instead of the header (RFC 9112
    // section 3.2.2).
    match head.uri.authority() {
        Some(authority) => names_this_machine(authority.as_str().as_bytes()),
        None => head
            .headers()
            .get(header::HOST)
            .is_some_and(|host| names_this_machine(host.as_bytes())),
    }
}

fn names_this_machine(authority: &[u8]) -> bool {
    let host = match authority.iter().rposition(|byte| *byte == b':') {
        Some(colon) if authority[colon + 1..].iter().all(u8::is_ascii_digit) => &authority[..colon],
        _ => authority,
    };
    // What proxies and programs send.
    if host == b"127.0.0.1" || host.eq_ignore_ascii_case(b"localhost") {
        return true;
    }
    let Ok(host) = str::from_utf8(host) else {
        return false;
    };
    match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(host) => host.parse().is_ok_and(|ip: Ipv6Addr| ip.is_loopback()),
        None => host.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    use super::names_this_machine;

    #[test]
    fn only_names_of_this_machine_are_local() {
        for host in [
            "localhost",
            "LocalHost:8080",
            "127.0.0.1",
            "127.0.0.1:8080",
            "127.9.9.9",
            "[::1]",
            "[::1]:8080",
        ] {
            assert!(names_this_machine(host.as_bytes()), "{host}");
        }
        for host in [
            "",
            ":8080",
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "10.0.0.1",
            "[::2]",
            "::1",
            "[127.0.0.1]",
            "user@localhost",
            "localhost:x",
            "0.0.0.0",
            "é",
        ] {
            assert!(!names_this_machine(host.as_bytes()), "{host}");
        }
    }
}
