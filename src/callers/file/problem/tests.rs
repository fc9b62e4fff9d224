use crate::callers::{
    KeyRecord,
    file::{inline, parse_file, parse_inline, record},
    key::NewKey,
    limit::RateLimit,
};

fn key(client: &str, limit: Option<&str>) -> KeyRecord {
    let new = NewKey::generate().unwrap();
    KeyRecord {
        client: client.to_owned(),
        id: new.id,
        digest: new.digest,
        expires: None,
        rate_limit: limit.and_then(RateLimit::parse),
    }
}

/// What is said of a file.
fn told(text: &str) -> String {
    parse_file(text).unwrap_err().to_string()
}

#[test]
fn a_field_of_the_wrong_kind_is_told_by_its_key_and_how_it_should_be() {
    const LIMIT: &str = "rate_limit must be text such as \"50/s\"";
    const END: &str =
        "expires must be a date and time without quotes, such as 2027-01-31T00:00:00Z";
    let known = key("a", None);
    let (start, id) = (record(&known), known.id);

    for (field, problem) in [
        ("rate_limit = 50", LIMIT),
        ("rate_limit = [\"MARKER\"]", LIMIT),
        ("expires = \"2027-01-31\"", END),
        ("expires = \"MARKER\"", END),
        ("\"expires\" = 7", END),
    ] {
        let told = told(&format!("{start}{field}\n"));

        assert_eq!(
            told,
            format!("key 1 ({id} of a, line 5): {problem}"),
            "{field}"
        );
    }
    // What is no TOML at all has no key yet.
    for (field, problem) in [
        ("rate_limit = 50/s", LIMIT),
        ("'rate_limit'=MARKER", LIMIT),
        ("expires = 90d", END),
        ("expires = 2027-13-01T00:00:00Z", END),
        (
            "client = d7b_MARKER",
            "client must be text such as \"billing\"",
        ),
        ("id = d7b_MARKER", "id must be text such as \"k3j9x2ab\""),
        (
            "sha256 = d7b_MARKER",
            "sha256 must be text: 64 hexadecimal digits in quotes",
        ),
    ] {
        let told = told(&format!("[[keys]]\n{field}\n"));

        assert_eq!(told, format!("line 2: {problem}"), "{field}");
    }
    let element = "keys = [\n  { client = \"a=b\", rate_limit = 50/s }\n]";
    assert_eq!(told(element), format!("line 2: {LIMIT}"));
    let tables = "keys must be tables, each under [[keys]]";
    assert_eq!(told("\nkeys = 'MARKER'"), format!("line 2: {tables}"));
    assert_eq!(
        told("keys = [\n'MARKER', 7]"),
        format!("key 1 (line 2): {tables}; key 2 (line 2): {tables}")
    );
}

#[test]
fn all_fields_that_are_missing_unknown_or_of_the_wrong_kind_are_told_at_once() {
    let text = "[[keys]]\nclient = 7\nid = [\"MARKER\"]\nsha256 = 1.5\nexpires = true\n\
                rate_limit = { MARKER = 1 }\ncolour = 1\nMARKER = 2\n\
                [[keys]]\nid = \"k3j9x2ab\"\nkeys = 3\n";
    let unknown = "has an unknown field; there are client, id, sha256, expires, rate_limit";

    assert_eq!(
        told(text),
        [
            "key 1 (line 2): client must be text such as \"billing\"",
            "key 1 (line 3): id must be text such as \"k3j9x2ab\"",
            "key 1 (line 4): sha256 must be text: 64 hexadecimal digits in quotes",
            "key 1 (line 5): expires must be a date and time without quotes, such as 2027-01-31T00:00:00Z",
            "key 1 (line 6): rate_limit must be text such as \"50/s\"",
            &format!("key 1 (line 7): {unknown}"),
            &format!("key 1 (line 8): {unknown}"),
            "key 2 (k3j9x2ab, line 9): client is missing",
            "key 2 (k3j9x2ab, line 9): sha256 is missing",
            &format!("key 2 (k3j9x2ab, line 11): {unknown}"),
        ]
        .join("; ")
    );
}

#[test]
fn a_field_that_is_there_twice_or_unknown_is_named_only_if_it_is_one_of_ours() {
    let known = key("a", None);
    let (start, id) = (record(&known), known.id);
    let fields = "client, id, sha256, expires, rate_limit";
    let unknown = format!("key 1 ({id} of a, line 5): has an unknown field; there are {fields}");

    for (more, problem) in [
        ("id = \"MARKER\"", "line 5: `id` is there twice"),
        ("'id' = \"MARKER\"", "line 5: `id` is there twice"),
        ("MARKER = 1\nMARKER = 2", "line 6: a field is there twice"),
        ("MARKER = 1", &unknown),
        ("\"MARKER, expected `x`\" = 1", &unknown),
        ("MARKER", "line 5: key with no value, expected `=`"),
    ] {
        let told = told(&format!("{start}{more}\n"));

        assert_eq!(told, problem, "{more}");
    }
    let twice = told("[[keys]]\nclient = \"a\"\nid = \"k3j9x2ab\"\n\nid = \"k3j9x2ab\"\n");
    assert_eq!(twice, "line 5: `id` is there twice");
    let nothing_else = "must be in a table under [[keys]]: nothing else is known";
    for (text, line) in [
        ("[[MARKER]]\nid = \"\"\n", 1),
        ("# ours\nMARKER = 1\n", 2),
        ("[[keys]]\n\n[MARKER]\n[A]\n", 3),
    ] {
        assert_eq!(told(text), format!("line {line}: {nothing_else}"));
    }
    assert_eq!(
        told("[keys]\nclient = \"MARKER\"\n"),
        "line 1: keys must be tables, each under [[keys]]"
    );
}

#[test]
fn a_key_is_told_by_its_number_line_id_and_client_where_these_are_in_order() {
    let first = key("billing", Some("50/s"));
    let other = key("billing", Some("60/s"));
    let (one, two) = (first.id, other.id);
    let first_text = record(&first);
    let text = format!("# ours\n\n{first_text}\n# theirs\n{}", record(&other));

    assert_eq!(
        told(&text),
        format!("key 2 ({two} of billing, line 10): rate_limit differs from that of key 1 ({one})")
    );
    assert_eq!(
        told(&format!("{first_text}{first_text}")),
        format!("key 2 ({one} of billing, line 6): has the id of key 1; ids are unique")
    );
    let limit = "rate_limit must be N/s, N/m or N/h, N from 1 to 1000000, such as 50/s";
    let bad = first_text.replace("50/s", "MARKER");
    assert_eq!(
        told(&bad),
        format!("key 1 ({one} of billing, line 1): {limit}")
    );
    let bad = first_text.replace("billing", "MARKER");
    let client = "client must match [a-z0-9][a-z0-9._-]{0,62}";
    assert_eq!(told(&bad), format!("key 1 ({one}, line 1): {client}"));
    let bad = first_text.replace(one.as_str(), "MARKER");
    let id = "id must match [0-9a-z]{8}";
    assert_eq!(told(&bad), format!("key 1 (of billing, line 1): {id}"));
    let bad = bad.replace("billing", "MARKER");
    assert_eq!(
        told(&bad),
        format!("key 1 (line 1): {client}; key 1 (line 1): {id}")
    );
}

#[test]
fn an_element_of_an_array_is_told_by_its_own_line() {
    let [first, second] = [key("a", None), key("a", None)];
    let element = |key: &KeyRecord, id: &str| {
        let (client, digest) = (&key.client, key.digest);
        format!("{{ client = \"{client}\", id = \"{id}\", sha256 = \"{digest}\" }}")
    };
    let one = element(&first, first.id.as_str());
    let text = format!(
        "keys = [\r\n  {one},\r\n\r\n  {} ]\r\n",
        element(&second, "x")
    );

    assert_eq!(
        told(&text),
        "key 2 (of a, line 4): id must match [0-9a-z]{8}"
    );
}

#[test]
fn an_inline_key_has_no_line() {
    let (one, two) = (key("a", None), key("b", None));
    let list = format!("{},{}", inline(&one), inline(&two));
    let list = list.replace(two.id.as_str(), one.id.as_str());

    let told = parse_inline(&list).unwrap_err().to_string();

    assert_eq!(
        told,
        format!(
            "key 2 ({} of b): has the id of key 1; ids are unique",
            one.id
        )
    );
}

#[test]
fn who_has_no_key_is_told_how_to_make_one() {
    let make = "holds no key; make one with `d7-balance key new --client NAME";

    assert_eq!(told("# none\n"), format!("{make} --file FILE`"));
    let inline = parse_inline(",").unwrap_err().to_string();
    assert_eq!(inline, format!("{make}`"));
}

#[test]
fn of_ten_thousand_bad_keys_the_first_are_told_by_their_lines() {
    let mut text = String::new();
    for _ in 0..10_000 {
        text.push_str(&record(&key("a", Some("50/s"))).replace("50/s", "MARKER"));
    }

    let told = told(&text);

    assert!(told.ends_with("; and 9980 more"), "{told}");
    assert!(told.contains("key 20 ("), "{told}");
    assert!(told.contains(", line 96): rate_limit must"), "{told}");
    assert!(told.len() < 4_000, "{told}");
}
