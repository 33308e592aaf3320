use proptest::prelude::*;

use super::*;

fn check(text: &str, expected: Result<(&str, &str), IdError>) {
    let parsed = SpiffeId::parse(text);
    let parsed = parsed.map(|id| (id.domain_str().to_owned(), id.path().to_owned()));
    let expected = expected.map(|(domain, path)| (domain.to_owned(), path.to_owned()));
    assert_eq!(parsed, expected, "{text:?}");
}

#[test]
fn id_1_scheme_and_domain() {
    check("spiffe://td", Ok(("td", "")));
    check("spiffe://td/a", Ok(("td", "/a")));
    check("spiffe://a.b-c_d.9/x", Ok(("a.b-c_d.9", "/x")));
    let scheme = |text: &str| check(text, Err(IdError::Scheme(text.to_owned())));
    scheme("");
    scheme("td/a");
    scheme("https://td/a");
    scheme("spiffe:/td/a");
    scheme("spiffe:td");
    scheme(" spiffe://td");
    scheme("ſpiffe://td");
    check("spiffe://", Err(IdError::NoDomain));
    check("spiffe:///a", Err(IdError::NoDomain));
    let letter = |text, letter| check(text, Err(IdError::DomainLetter(letter)));
    letter("spiffe://user@td/a", '@');
    letter("spiffe://td:8080/a", ':');
    letter("spiffe://td?q", '?');
    letter("spiffe://td#f", '#');
    letter("spiffe://t%64", '%');
    letter("spiffe://tÄ", 'Ä');
    letter("spiffe://[::1]/a", '[');
    letter("spiffe://t d", ' ');
    letter("spiffe://td\n", '\n');
    letter("spiffe://td\0", '\0');
}

#[test]
fn id_1_domain_length() {
    let most = "a".repeat(255);
    check(&format!("spiffe://{most}/x"), Ok((&most, "/x")));
    check(
        &format!("spiffe://{most}a/x"),
        Err(IdError::DomainTooLong(256)),
    );
}

#[test]
fn id_2_path_segments() {
    check("spiffe://td/a/B.9_-/...", Ok(("td", "/a/B.9_-/...")));
    check("spiffe://td/", Err(IdError::EmptySegment));
    check("spiffe://td/a/", Err(IdError::EmptySegment));
    check("spiffe://td//a", Err(IdError::EmptySegment));
    check("spiffe://td/.", Err(IdError::DotSegment(".".into())));
    check("spiffe://td/a/../b", Err(IdError::DotSegment("..".into())));
    let letter = |text, letter| check(text, Err(IdError::PathLetter(letter)));
    letter("spiffe://td/a%2Fb", '%');
    letter("spiffe://td/a?b", '?');
    letter("spiffe://td/a#b", '#');
    letter("spiffe://td/a b", ' ');
    letter("spiffe://td/ä", 'ä');
    letter("spiffe://td/a\\b", '\\');
    letter("spiffe://td/a;b", ';');
}

#[test]
fn id_3_length() {
    let id = |length: usize| format!("spiffe://td/{}", "a".repeat(length - 12));
    assert!(SpiffeId::parse(&id(2048)).is_ok());
    check(&id(2049), Err(IdError::TooLong(2049)));
    let domain = TrustDomain::parse("td").unwrap();
    let path = |length: usize| format!("/{}", "a".repeat(length - 12));
    assert!(domain.workload(&path(2048)).is_ok());
    assert_eq!(
        domain.workload(&path(2049)),
        Err(IdError::TooLong(2049)),
        "an id that is too long is not generated either"
    );
}

#[test]
fn id_4_case() {
    check("SPIFFE://TD/Path", Ok(("td", "/Path")));
    let id = |text| SpiffeId::parse(text).unwrap();
    assert_eq!(id("SpIfFe://Td/a"), id("spiffe://td/a"));
    assert_ne!(id("spiffe://td/A"), id("spiffe://td/a"));
    assert_eq!(id("SPIFFE://TD/a").to_string(), "spiffe://td/a");
}

#[test]
fn id_5_domains_that_look_like_something_else() {
    check("spiffe://10.1.2.3/a", Ok(("10.1.2.3", "/a")));
    check("spiffe://example.org./a", Ok(("example.org.", "/a")));
    check("spiffe://-._-/a", Ok(("-._-", "/a")));
    assert_ne!(
        TrustDomain::parse("example.org."),
        TrustDomain::parse("example.org")
    );
}

#[test]
fn trust_domains_are_read_as_name_and_as_id() {
    let check = |text: &str, expected: Result<&str, IdError>| {
        let domain = TrustDomain::parse(text);
        assert_eq!(
            domain.as_ref().map(TrustDomain::as_str),
            expected.as_ref().copied(),
            "{text:?}"
        );
    };
    check("prod.example", Ok("prod.example"));
    check("PROD.example", Ok("prod.example"));
    check("spiffe://prod.example", Ok("prod.example"));
    check(
        "spiffe://td/a",
        Err(IdError::NotADomain("spiffe://td/a".into())),
    );
    check("spiffe://td/", Err(IdError::EmptySegment));
    check("td/a", Err(IdError::DomainLetter('/')));
    check("", Err(IdError::NoDomain));
}

#[test]
fn a_domain_that_is_the_start_of_another_has_none_of_its_ids() {
    let id = SpiffeId::parse("spiffe://td.example/a").unwrap();
    assert!(id.is_in(&TrustDomain::parse("td.example").unwrap()));
    assert!(!id.is_in(&TrustDomain::parse("td").unwrap()));
    assert!(!id.is_in(&TrustDomain::parse("td.exampl").unwrap()));
}

proptest! {
    #[test]
    fn what_is_read_is_written_and_read_again(text in "[sS][pP][iI][fF]{2}[eE]://[a-zA-Z0-9._-]{1,20}(/[a-zA-Z0-9_-]{1,9}){0,4}") {
        let id = SpiffeId::parse(&text).unwrap();
        prop_assert_eq!(SpiffeId::parse(id.as_str()).unwrap(), id.clone());
        prop_assert!(id.is_in(&id.trust_domain()));
        prop_assert!(id.as_str().eq_ignore_ascii_case(&text));
    }

    #[test]
    fn no_text_stops_the_reader(text in "\\PC{0,64}") {
        let _ = SpiffeId::parse(&text);
        let _ = SpiffeId::parse(&format!("spiffe://{text}"));
        let _ = TrustDomain::parse(&text);
    }
}
