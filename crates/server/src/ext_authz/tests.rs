use super::*;

#[test]
fn hosts_that_everybody_reads_in_the_same_way() {
    let check = |authority: &str, expected: Option<(&str, &str)>| {
        let found = host(authority);
        let found = found
            .as_ref()
            .ok()
            .map(|(host, port)| (host.as_str(), port.as_str()));
        assert_eq!(found, expected, "{authority}");
    };
    check("Shop.Example.ORG", Some(("shop.example.org", "")));
    check("shop.example.org:8443", Some(("shop.example.org", "8443")));
    check("[::1]:80", Some(("[::1]", "80")));
    check("[::1]", Some(("[::1]", "")));
    check("127.0.0.1:1", Some(("127.0.0.1", "1")));
    for wrong in [
        "",
        ":80",
        "shop.",
        "shop.:80",
        "shop:x",
        "shop:",
        "a@shop",
        "shop/x",
        "a b",
        "a,b",
        "sh\u{f6}p",
        "::1",
        "a:1:2",
    ] {
        check(wrong, None);
    }
}

fn described(headers: &[(&str, &str)]) -> Described {
    Described {
        method: "POST".to_owned(),
        target: "/a?token=secret".to_owned(),
        host: "shop".to_owned(),
        scheme: "https".to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        claimed: Ok(Claimed::default()),
        about: vec![("extension.tier".to_owned(), text_value("gold".to_owned()))],
        request_id: None,
    }
}

#[test]
fn headers_that_ask_for_something_else() {
    let check = |headers: &[(&str, &str)], fine: bool| {
        assert_eq!(overrides(&described(headers)).is_ok(), fine, "{headers:?}");
    };
    check(&[], true);
    check(&[("x-http-method-override", "post")], true);
    check(&[("x-http-method-override", "DELETE")], false);
    check(&[("x-method-override", "PATCH")], false);
    check(
        &[("x-http-method", "POST"), ("x-http-method", "PUT")],
        false,
    );
    check(&[("x-original-url", "/a")], false);
    check(&[("x-rewrite-url", "/admin")], false);
}

#[test]
fn policies_read_the_headers_that_are_listed_and_no_others() {
    let open = ExtAuthzDoor {
        headers: vec!["x-tenant".to_owned()],
        ..ExtAuthzDoor::default()
    };
    let context = context(
        &open,
        described(&[
            ("x-tenant", "a, c"),
            ("cookie", "secret"),
            ("x-tenant", "b"),
        ]),
    );
    let names: Vec<&str> = context.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["header.x-tenant", "extension.tier"]);
    let both = ["a", "c", "b"].map(|value| text_value(value.to_owned()));
    assert_eq!(
        context.get("header.x-tenant"),
        Some(&Value::Array(both.to_vec()))
    );
}

#[test]
fn the_log_keeps_no_query() {
    let seen = Seen::of(&described(&[]));
    assert_eq!(
        seen.input,
        Input::Http {
            method: "POST".into(),
            host: "shop".into(),
            path: "/a".into()
        }
    );
}

#[test]
fn users_of_an_api_server_behind_the_gateway() {
    let check = |kind: &str, id: &str, groups: &[&str], expected: Result<&str, &str>| {
        let identity = Identity {
            subject: Entity::new(kind, id),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            credential: String::new(),
        };
        let found = kubernetes::ask(
            identity,
            "GET",
            "/api/v1/namespaces/shop/pods",
            Some("watch=1"),
        );
        let found =
            found.map(|(user, request)| format!("{} {:?} {request}", user.name, user.groups));
        assert_eq!(found.as_deref().map_err(String::as_str), expected);
    };
    check(
        "user",
        "anna",
        &["dev"],
        Ok("anna [\"dev\", \"system:authenticated\"] watch pods in namespace \"shop\""),
    );
    check(
        "anonymous",
        "anonymous",
        &[],
        Ok("system:anonymous [\"system:unauthenticated\"] watch pods in namespace \"shop\""),
    );
    for (name, group) in [
        ("system:admin", "dev"),
        ("anna", "system:masters"),
        ("system:anonymous", "system:masters"),
    ] {
        let text = if group == "dev" { name } else { group };
        let expected = format!("`{text}` is a name of the cluster's own, which no token brings in");
        check("user", name, &[group], Err(&expected));
    }
    check(
        "user",
        "system:serviceaccount:a:b",
        &[],
        Err("`system:serviceaccount:a:b` is a name of the cluster's own, which no token brings in"),
    );
}
