//! Ids, SVIDs and bundles made up from a seed, judged by this crate and by go-spiffe. What only one of the two takes is
//! listed by name, and the list is checked from both sides: a difference that is gone has to leave it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::SystemTime;

use bailiwick_testkit::generate::{Rng, seed};
use bailiwick_testkit::judge::JudgeError;
use bailiwick_testkit::spiffe::Spiffe;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType};
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};

use crate::encoding::url;
use crate::key::CertificateSigner;
use crate::testing::{Key, NOW, Root, domain, rsa};
use crate::{Bundle, BundleMap, Signer, SpiffeId, UnixTime, jwt, x509};

/// Asks go-spiffe; its refusal is an answer too.
fn ask(spiffe: &mut Spiffe, op: &'static str, arguments: Value) -> Result<Value, String> {
    match spiffe.ask(op, arguments) {
        Ok(answer) => Ok(answer),
        Err(JudgeError::Refused { message, .. }) => Err(message),
        Err(error) => panic!("{error}"),
    }
}

/// A difference that is known: who is the stricter, and words of the refusal that it shows in.
type Known = (Stricter, &'static str);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stricter {
    /// We refuse what go-spiffe takes: the specification says so.
    We,
    /// We take what go-spiffe refuses: the specification lets it pass.
    They,
}
use Stricter::{They, We};

/// What a run has compared.
struct Comparison {
    seed: u64,
    known: &'static [Known],
    met: BTreeMap<usize, u32>,
    compared: u32,
    taken: u32,
}

impl Comparison {
    fn new(seed: u64, known: &'static [Known]) -> Self {
        Self {
            seed,
            known,
            met: BTreeMap::new(),
            compared: 0,
            taken: 0,
        }
    }

    /// Holds the two verdicts beside each other; gives what both took.
    fn compare<T: Debug>(
        &mut self,
        ours: Result<T, String>,
        theirs: Result<Value, String>,
        what: &dyn Debug,
    ) -> Option<(T, Value)> {
        self.compared += 1;
        let (stricter, words) = match (&ours, &theirs) {
            (Ok(_), Ok(_)) => {
                self.taken += 1;
                return ours.ok().zip(theirs.ok());
            }
            (Err(_), Err(_)) => return None,
            (Err(words), Ok(_)) => (We, words),
            (Ok(_), Err(words)) => (They, words),
        };
        let known = self
            .known
            .iter()
            .position(|(who, part)| *who == stricter && words.contains(part));
        let Some(known) = known else {
            panic!(
                "seed {}: {what:?}: {ours:?} here, {theirs:?} there",
                self.seed
            );
        };
        *self.met.entry(known).or_default() += 1;
        None
    }

    #[allow(clippy::print_stderr, reason = "what a run with this seed compared")]
    fn check(&self, what: &str) {
        let Self {
            seed,
            compared,
            taken,
            ..
        } = self;
        eprintln!("{what}, seed {seed}: {compared} compared, {taken} taken by both");
        assert!(*taken > compared / 20, "hardly anything was valid");
        for (index, known) in self.known.iter().enumerate() {
            let met = self.met.get(&index).copied().unwrap_or(0);
            eprintln!("  {met} times {known:?}");
            assert!(
                met > 0,
                "{known:?} is a difference no more: take it off the list"
            );
        }
    }
}

#[test]
fn ids_are_what_go_spiffe_takes() {
    const PIECES: &[&str] = &[
        "spiffe://",
        "SPIFFE://",
        "spiffe:/",
        "http://",
        "td",
        "example.org",
        "Ex",
        "a_b",
        "1.2.3.4",
        "[::1]",
        ":80",
        "u@",
        "/",
        "//",
        "/ns",
        "/A-b_c.d",
        "/.",
        "/..",
        "/...",
        "/%41",
        "/\u{e9}",
        "?q",
        "#f",
        " ",
        "-",
        ".",
        "",
    ];
    let seed = seed(11);
    let mut rng = Rng::new(seed);
    let mut spiffe = Spiffe::start().unwrap();
    // SPIFFE-ID 2.1 and 2.2: scheme and trust domain count without case.
    let mut comparison = Comparison::new(
        seed,
        &[
            (They, "limited to lowercase"),
            (They, "scheme is missing or invalid"),
        ],
    );
    for _ in 0..20_000 {
        let start = if rng.chance(70) { "spiffe://td" } else { "" };
        let text = format!("{start}{}", rng.some(PIECES, 0, 4).concat());
        let ours = SpiffeId::parse(&text).map_err(|error| error.to_string());
        let theirs = ask(&mut spiffe, "spiffeid", json!({"text": text}));
        if let Some((ours, theirs)) = comparison.compare(ours, theirs, &text) {
            assert_eq!(
                theirs["trustDomain"],
                ours.trust_domain().as_str(),
                "{text}"
            );
            assert_eq!(theirs["path"], ours.path(), "{text}");
        }
    }
    comparison.check("ids");
}

/// The authorities that both are told about.
struct World {
    known: BundleMap,
    texts: Value,
    root: Root,
    foreign: Root,
    stranger: Root,
    tokens: Key,
}

fn world() -> World {
    let (root, foreign, stranger) = (Root::new("td"), Root::new("other"), Root::new("td"));
    let tokens = Key::ec();
    let mut known = BundleMap::default();
    let mut texts = BTreeMap::new();
    for (name, root) in [("td", &root), ("other", &foreign)] {
        let mut bundle = Bundle::new(domain(name));
        bundle.add_x509(root.der.clone()).unwrap();
        bundle.add_jwt("ec", tokens.public_key()).unwrap();
        bundle.add_jwt("rsa", rsa().public_key()).unwrap();
        texts.insert(name.to_owned(), bundle.to_json().to_string());
        known.insert(bundle);
    }
    World {
        known,
        texts: json!(texts),
        root,
        foreign,
        stranger,
        tokens,
    }
}

const USAGES: &[KeyUsagePurpose] = &[
    KeyUsagePurpose::DigitalSignature,
    KeyUsagePurpose::DigitalSignature,
    KeyUsagePurpose::DigitalSignature,
    KeyUsagePurpose::KeyEncipherment,
    KeyUsagePurpose::KeyAgreement,
    KeyUsagePurpose::KeyCertSign,
    KeyUsagePurpose::CrlSign,
];

const NAMES: &[&str] = &[
    "spiffe://td/a",
    "spiffe://td/a",
    "spiffe://td/a",
    "spiffe://td/a",
    "spiffe://other/a",
    "spiffe://other",
    "spiffe://unknown/a",
    "spiffe://td",
    "spiffe://td/a/",
    "spiffe://TD/a",
    "https://td/a",
    "spiffe://td/a?b",
    "spiffe://td/%41",
];

/// A certificate with a little of everything, mostly good.
fn certificate(rng: &mut Rng, authority: bool, key: &Key, issuer: &[u8], signer: &Key) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.not_before =
        time::OffsetDateTime::from_unix_timestamp(NOW.seconds() as i64 - 100).unwrap();
    params.not_after =
        params.not_before + time::Duration::seconds(if rng.chance(95) { 3_600 } else { 50 });
    if rng.chance(if authority { 95 } else { 3 }) {
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    } else if rng.chance(50) {
        params.is_ca = IsCa::ExplicitNoCa;
    }
    params.key_usages = match (authority, rng.chance(85)) {
        (true, true) => vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign],
        (false, true) => vec![KeyUsagePurpose::DigitalSignature],
        (_, false) => rng.some(USAGES, 0, 3),
    };
    params.key_usages.dedup();
    let names = match (authority, rng.chance(if authority { 70 } else { 90 })) {
        (true, true) => vec!["spiffe://td"],
        (true, false) => rng.some(NAMES, 0, 1),
        (false, true) => rng.some(NAMES, 1, 1),
        (false, false) => rng.some(NAMES, 0, 2),
    };
    params.subject_alt_names = names
        .into_iter()
        .map(|name| SanType::URI(name.try_into().unwrap()))
        .collect();
    if rng.chance(30) {
        params
            .subject_alt_names
            .push(SanType::DnsName("a.svc".try_into().unwrap()));
    }
    if !authority && rng.chance(50) {
        params.extended_key_usages = rng.some(
            &[
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
                ExtendedKeyUsagePurpose::CodeSigning,
            ],
            1,
            2,
        );
    }
    let der = CertificateDer::from(issuer);
    let issuer = rcgen::Issuer::from_ca_cert_der(&der, CertificateSigner(signer)).unwrap();
    params
        .signed_by(key.public_key(), &issuer)
        .unwrap()
        .der()
        .to_vec()
}

#[test]
fn chains_are_believed_as_go_spiffe_believes_them() {
    let seed = seed(12);
    let mut rng = Rng::new(seed);
    let mut spiffe = Spiffe::start().unwrap();
    let world = world();
    let keys = [Key::ec(), Key::ec(), Key::ec()];
    let mut comparison = Comparison::new(
        seed,
        &[
            // SPIFFE-ID 2.1.
            (They, "limited to lowercase"),
            // X509-SVID 4.1 and 5.2: who signs and who is signed for.
            (We, "has a path: an authority has none"),
            (We, "has no path: a workload has one"),
            (We, "of the chain is of the trust domain"),
            (We, "may not sign: the URI name is no SPIFFE ID"),
            // X509-SVID 4.3 and 4.4: usages.
            (We, "keyUsage has to be there and to be critical"),
            (We, "keyUsage lacks digitalSignature"),
            (We, "extendedKeyUsage has to name serverAuth and clientAuth"),
        ],
    );
    for _ in 0..4_000 {
        let root = match rng.below(20) {
            0 => &world.foreign,
            1 => &world.stranger,
            _ => &world.root,
        };
        let (mut issuer, mut signer) = (root.der.clone(), &root.key);
        let mut chain = Vec::new();
        for key in keys.iter().take(rng.below(3)) {
            issuer = certificate(&mut rng, true, key, &issuer, signer);
            signer = key;
            chain.insert(0, issuer.clone());
        }
        chain.insert(0, certificate(&mut rng, false, &keys[2], &issuer, signer));
        if rng.chance(3) {
            chain.remove(chain.len() - 1);
        }
        let ours = x509::validate(&chain, &world.known, NOW).map_err(|error| error.to_string());
        let chain: Vec<String> = chain.iter().map(|der| STANDARD.encode(der)).collect();
        let question = json!({"chain": chain, "bundles": world.texts, "at": NOW.seconds()});
        let theirs = ask(&mut spiffe, "x509", question);
        if let Some((ours, theirs)) = comparison.compare(ours, theirs, &chain) {
            assert_eq!(theirs["spiffeId"], ours.id().as_str());
        }
    }
    comparison.check("chains");
}

#[test]
fn tokens_are_believed_as_go_spiffe_believes_them() {
    let seed = seed(13);
    let mut rng = Rng::new(seed);
    let mut spiffe = Spiffe::start().unwrap();
    let world = world();
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let mut comparison = Comparison::new(
        seed,
        &[
            // JWT-SVID 2.3: a key id is optional.
            (They, "token header missing key id"),
            // RFC 7519 4.1.6 gives `iat` no say in whether a token counts.
            (They, "token issued in the future"),
            // JWT-SVID 2: no other header; 3.1: a workload; RFC 7519 4.1.5: `nbf` is a number where it is there.
            (We, "and nothing else"),
            (We, "has no path: a workload has one"),
            (We, "the claim `nbf` is missing or of a wrong type"),
            (We, "the claim `iat` is missing or of a wrong type"),
        ],
    );
    for _ in 0..4_000 {
        let token = token(&mut rng, &world, now);
        let ours = jwt::validate(&token, &["us"], &world.known, UnixTime::new(now))
            .map_err(|error| error.to_string());
        let theirs = ask(
            &mut spiffe,
            "jwt",
            json!({"token": token, "audience": ["us"], "bundles": world.texts}),
        );
        if let Some((ours, theirs)) = comparison.compare(ours, theirs, &token) {
            assert_eq!(theirs["spiffeId"], ours.id.as_str(), "{token}");
            assert_eq!(theirs["expires"], ours.expires_at.seconds(), "{token}");
        }
    }
    comparison.check("tokens");
}

/// A token with a little of everything, mostly good.
fn token(rng: &mut Rng, world: &World, now: u64) -> String {
    let (kid, algorithm, key): (_, _, &dyn Signer) = if rng.chance(50) {
        ("ec", "ES256", &world.tokens)
    } else {
        ("rsa", "RS256", rsa())
    };
    let mut header = json!({"alg": algorithm, "kid": kid, "typ": "JWT"});
    let mut claims = json!({"sub": "spiffe://td/a", "aud": ["us"], "exp": now + 600, "iat": now});
    let odd = |rng: &mut Rng, values: &[Value]| rng.pick(values).clone();
    for _ in 0..rng.below(3) {
        let (object, name, value) = match rng.below(9) {
            0 => (
                &mut header,
                "alg",
                odd(
                    rng,
                    &[
                        json!("none"),
                        json!("HS256"),
                        json!("RS384"),
                        json!("PS256"),
                        json!("ES384"),
                        json!(1),
                    ],
                ),
            ),
            1 => (
                &mut header,
                "kid",
                odd(
                    rng,
                    &[
                        json!("ec"),
                        json!("rsa"),
                        json!("x"),
                        json!(""),
                        json!(7),
                        Value::Null,
                    ],
                ),
            ),
            2 => (
                &mut header,
                "typ",
                odd(
                    rng,
                    &[json!("JOSE"), json!("jwt"), json!("at+jwt"), Value::Null],
                ),
            ),
            3 => (
                &mut header,
                "crit",
                odd(rng, &[json!(["exp"]), json!([]), json!("b64")]),
            ),
            4 => (
                &mut claims,
                "sub",
                odd(
                    rng,
                    &[
                        json!("spiffe://other/a"),
                        json!("spiffe://x/a"),
                        json!("a"),
                        json!(1),
                        json!("spiffe://td"),
                        Value::Null,
                    ],
                ),
            ),
            5 => (
                &mut claims,
                "aud",
                odd(
                    rng,
                    &[
                        json!("us"),
                        json!(["them", "us"]),
                        json!("them"),
                        json!([]),
                        json!(["us", 1]),
                        json!(1),
                        Value::Null,
                    ],
                ),
            ),
            6 => (
                &mut claims,
                "exp",
                odd(
                    rng,
                    &[
                        json!(now - 600),
                        json!(now as f64 + 99.5),
                        json!("soon"),
                        json!(-1),
                        json!(1e300),
                        Value::Null,
                    ],
                ),
            ),
            7 => (
                &mut claims,
                "nbf",
                odd(
                    rng,
                    &[json!(now - 600), json!(now + 600), json!("x"), Value::Null],
                ),
            ),
            _ => (
                &mut claims,
                "iat",
                odd(rng, &[json!(now + 600), json!("x"), json!(0), Value::Null]),
            ),
        };
        if rng.chance(25)
            && let Some(fields) = object.as_object_mut()
        {
            fields.remove(name);
        } else {
            object[name] = value;
        }
    }
    let signed = format!(
        "{}.{}",
        url(header.to_string().as_bytes()),
        url(claims.to_string().as_bytes())
    );
    let mut token = format!("{signed}.{}", url(&key.sign(signed.as_bytes()).unwrap()));
    if rng.chance(4) {
        let at = rng.below(token.len());
        let with = *rng.pick::<&str>(&["A", ".", "=", "-"]);
        token.replace_range(at..=at, with);
    }
    token
}
