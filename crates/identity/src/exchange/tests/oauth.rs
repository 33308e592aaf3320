use super::*;

#[test]
fn c_2_a_jwt_svid_is_who_a_client_of_oauth_is() {
    // Its issuer says nothing: the server finds the keys by the trust domain.
    let claims = json!({"sub": "spiffe://td/a", "aud": ["https://as"], "exp": 1_900_000_000u64});
    let subject = Subject::without_issuer(token("ES256", &claims), "https://as");
    let subject = subject.ok().unwrap();
    let other = Subject::without_issuer(token("ES256", &claims), "https://as/");
    fails(other, "is not for `https://as/`");
    let check = |oauth: &OAuth, expected: &[(&str, &str)]| {
        let request = oauth
            .request("https://as/token".to_owned(), &subject)
            .ok()
            .unwrap();
        let mut fields = form(&request);
        let assertion = fields.pop().unwrap();
        assert!(assertion.0 == "client_assertion" && assertion.1.ends_with(".c2ln"));
        let kind = fields.pop().unwrap();
        let named = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-spiffe";
        assert_eq!(
            (kind.0.as_str(), kind.1.as_str()),
            ("client_assertion_type", named)
        );
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        assert_eq!(fields, expected);
        let shown = request.redacted();
        assert!(
            !shown.contains("c2ln") && !shown.contains("opaque"),
            "{shown}"
        );
    };
    let client = OAuth::default();
    check(&client, &[("grant_type", "client_credentials")]);
    let all = OAuth {
        client: Some("spiffe://td/a".into()),
        scope: Some("read write".into()),
        resource: Some("https://api".into()),
        exchange: None,
    };
    let more = [
        ("client_id", "spiffe%3A%2F%2Ftd%2Fa"),
        ("scope", "read%20write"),
        ("resource", "https%3A%2F%2Fapi"),
    ];
    check(
        &all,
        &[&[("grant_type", "client_credentials")][..], &more].concat(),
    );
    let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange";
    let kind = |name: &str| format!("urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3A{name}");
    let exchange = |exchange: TokenExchange| OAuth {
        exchange: Some(exchange),
        ..OAuth::default()
    };
    let of_user = TokenExchange {
        subject: Some(Zeroizing::new("opaque".into())),
        requested_type: Some("urn:ietf:params:oauth:token-type:jwt".into()),
        audience: Some("orders".into()),
        subject_type: None,
    };
    check(
        &exchange(of_user.clone()),
        &[
            ("grant_type", grant),
            ("subject_token", "opaque"),
            ("subject_token_type", &kind("access_token")),
            ("requested_token_type", &kind("jwt")),
            ("audience", "orders"),
        ],
    );
    let own = exchange(TokenExchange::default());
    let request = own.request(String::new(), &subject).ok().unwrap();
    let fields = form(&request);
    assert!(fields[1].0 == "subject_token" && fields[1].1.ends_with(".c2ln"));
    assert_eq!(fields[2], ("subject_token_type".into(), kind("jwt")));

    // What the server would refuse.
    let refused = |oauth: OAuth, part: &str| fails(oauth.request(String::new(), &subject), part);
    let client = Some("spiffe://td/b".to_owned());
    refused(
        OAuth {
            client,
            ..OAuth::default()
        },
        "the client `spiffe://td/b` is not the id",
    );
    for resource in ["api", "https://api#a"] {
        let resource = Some(resource.to_owned());
        refused(
            OAuth {
                resource,
                ..OAuth::default()
            },
            "is no absolute address",
        );
    }
    for broken in ["", "a b", "a\n"] {
        let subject = Some(Zeroizing::new(broken.to_owned()));
        let broken = TokenExchange {
            subject,
            ..TokenExchange::default()
        };
        refused(exchange(broken), "is no token");
    }

    // What comes back: nothing that a workload would come back with.
    let answer = json!({
        "access_token": "a", "token_type": "Bearer", "expires_in": 60, "refresh_token": "r",
        "issued_token_type": "urn:ietf:params:oauth:token-type:jwt",
    });
    let read = |oauth: &OAuth, answer: &Json| oauth.read(200, answer.to_string().as_bytes());
    let credential = read(&exchange(of_user.clone()), &answer).ok().unwrap();
    let mut expected = answer.clone();
    expected.as_object_mut().unwrap().remove("refresh_token");
    assert_eq!(shown(&credential), expected);
    let fails_with = |oauth: &OAuth, answer: Json, part: &str| fails(read(oauth, &answer), part);
    fails_with(
        &all,
        json!({"access_token": "a"}),
        "no access_token with a token_type",
    );
    let bearer = json!({"access_token": "a", "token_type": "Bearer"});
    assert!(read(&all, &bearer).is_ok());
    fails_with(&own, bearer, "no issued_token_type");
    let other = json!({"access_token": "a", "token_type": "N_A", "issued_token_type": "x"});
    fails_with(&exchange(of_user), other, "another one than was asked for");
    let refusal = br#"{"error": "invalid_client", "error_description": "no"}"#;
    fails(all.read(401, refusal), "refuses (401, invalid_client): no");
}
