use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};

use super::*;
use crate::upstream::UpstreamKey;

/// An authority of a company, in files.
struct Company {
    root: (KeyPair, CertificateParams, Vec<u8>),
    dir: PathBuf,
}

fn params(name: &str, world: &World) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let at = |time: UnixTime| {
        let seconds = i64::try_from(time.seconds()).unwrap();
        let days = u16::try_from(seconds / 86_400).unwrap();
        rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(u64::from(days) * 86_400)
    };
    params.not_before = at(world.clock.now().minus(DAY));
    params.not_after = at(world.clock.now().plus(100 * DAY));
    params
}

impl Company {
    fn new(world: &World, dir: &Path, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = params(name, world);
        let der = params.self_signed(&key).unwrap().der().to_vec();
        let root = (key, params, der);
        let company = Self {
            root,
            dir: dir.to_owned(),
        };
        company.hand_out(world, |_| ());
        company
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Puts another issuing authority into the files.
    fn hand_out(&self, world: &World, change: fn(&mut CertificateParams)) {
        let (root_key, root_params, root) = &self.root;
        let key = KeyPair::generate().unwrap();
        let mut params = params("issuing", world);
        change(&mut params);
        let issuer = rcgen::Issuer::from_params(root_params, root_key);
        let der = params.signed_by(&key, &issuer).unwrap().der().to_vec();
        let chain = crate::pem::certificates(&[der, root.clone()]);
        std::fs::write(self.file("ca.pem"), chain).unwrap();
        self.put_key(&key.serialize_pem());
    }

    fn put_key(&self, pem: &str) {
        let path = self.file("ca.key");
        std::fs::write(&path, pem).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn options(&self) -> UpstreamOptions {
        UpstreamOptions {
            certificate: self.file("ca.pem"),
            roots: None,
            key: UpstreamKey::File(self.file("ca.key")),
        }
    }
}

fn open(world: &World, upstream: Option<UpstreamOptions>) -> Result<Authority, AuthorityError> {
    let options = Options {
        jwt_keys: vec![KeyType::EcP256],
        upstream,
        ..Options::new(TrustDomain::parse("td").unwrap())
    };
    let clock = Arc::clone(&world.clock);
    let (keys, store) = (Arc::clone(&world.keys), Arc::clone(&world.store));
    Authority::open(options, Box::new(keys), Box::new(store), clock, None)
}

fn said(outcome: Result<impl Sized, AuthorityError>) -> String {
    outcome.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn certificates_come_from_the_authority_above() {
    let (world, dir) = (World::new(), tempfile::tempdir().unwrap());
    let company = Company::new(&world, dir.path(), "company");
    let authority = open(&world, Some(company.options())).unwrap();
    let bundle = authority.bundle();
    assert_eq!(
        bundle.x509_authorities(),
        std::slice::from_ref(&company.root.2)
    );
    let first = svid(&authority);
    assert_eq!(first.chain.len(), 3, "leaf, ours, theirs, no root");
    assert!(accepts(&bundle, &first, authority.now()));
    // Another replica is the same authority.
    let other = open(&world, Some(company.options())).unwrap();
    assert_eq!(other.bundle(), bundle);
    // For months, looked after every hour, with their certificate exchanged in between.
    for hour in 0..24 * 60 {
        world.pass(3600);
        if hour == 500 {
            company.hand_out(&world, |_| ());
        }
        authority.tick().unwrap();
        let next = svid(&authority);
        assert!(accepts(&bundle, &next, authority.now()), "hour {hour}");
        assert_eq!(next.chain[2] == first.chain[2], hour < 500, "hour {hour}");
    }
    let now = authority.bundle();
    assert_eq!(now.x509_authorities(), bundle.x509_authorities());
}

#[test]
fn while_the_authority_above_fails_the_old_intermediate_serves_on() {
    let (world, dir) = (World::new(), tempfile::tempdir().unwrap());
    let company = Company::new(&world, dir.path(), "company");
    let authority = open(&world, Some(company.options())).unwrap();
    let until = authority.signs_until().unwrap();
    assert!(until > authority.now().plus(23 * 3600));
    let fails = |expected: &str| {
        let error = said(authority.tick());
        assert_eq!(authority.signs_until(), Some(until));
        assert!(error.contains(expected), "{error}");
        assert!(accepts(
            &authority.bundle(),
            &svid(&authority),
            authority.now()
        ));
        let error = said(open(&world, Some(company.options())));
        assert!(error.contains(expected), "{error}");
    };
    world.pass(13 * 3600);
    let good = std::fs::read_to_string(company.file("ca.key")).unwrap();
    company.put_key(&KeyPair::generate().unwrap().serialize_pem());
    fails("the key is not that of the certificate");
    company.put_key("nothing");
    fails("holds no key of the kind of its certificate");
    company.put_key(
        &KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384)
            .unwrap()
            .serialize_pem(),
    );
    fails("holds no key of the kind of its certificate");
    std::fs::set_permissions(
        company.file("ca.key"),
        std::fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    fails("has mode 644");
    std::fs::remove_file(company.file("ca.key")).unwrap();
    fails("ca.key");
    company.put_key(&good);
    let chain = std::fs::read(company.file("ca.pem")).unwrap();
    std::fs::write(company.file("ca.pem"), "nothing").unwrap();
    fails("holds no certificates in PEM");
    company.hand_out(&world, |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    fails("allows 0 authorities below it");
    // It comes back.
    std::fs::write(company.file("ca.pem"), chain).unwrap();
    company.put_key(&good);
    authority.tick().unwrap();
    assert!(authority.signs_until() > Some(until));
    // And it is gone for longer than an intermediate lives.
    std::fs::remove_file(company.file("ca.key")).unwrap();
    world.pass(25 * 3600);
    assert!(authority.tick().is_err());
    assert_eq!(authority.signs_until(), None);
    let key = crate::keys::WorkloadKey::generate(KeyType::EcP256).unwrap();
    let error = said(authority.issue_x509(&plan(), &key.public));
    assert!(error.contains("no key signs for X.509"), "{error}");
    assert!(authority.issue_jwt(&plan(), &["me".to_owned()]).is_ok());
}

#[test]
fn no_root_of_our_own_is_made_up_while_the_one_above_cannot_be_read() {
    let (world, dir) = (World::new(), tempfile::tempdir().unwrap());
    let company = Company::new(&world, dir.path(), "company");
    std::fs::remove_file(company.file("ca.key")).unwrap();
    assert!(open(&world, Some(company.options())).is_err());
    assert!(world.store.load().unwrap().is_none());
}

#[test]
fn a_new_root_above_signs_when_validators_know_it() {
    let (world, dir) = (World::new(), tempfile::tempdir().unwrap());
    let company = Company::new(&world, dir.path(), "company");
    let authority = open(&world, Some(company.options())).unwrap();
    let (old_bundle, old) = (authority.bundle(), svid(&authority));
    let next = Company::new(&world, dir.path(), "next company");
    let error = said(authority.tick());
    assert!(
        error.contains("until then validators may not know it"),
        "{error}"
    );
    assert_eq!(authority.bundle().x509_authorities().len(), 2);
    assert!(accepts(&old_bundle, &svid(&authority), authority.now()));
    // One that starts now publishes it too, and signs nothing until then.
    let late = open(&world, Some(next.options())).unwrap();
    let key = crate::keys::WorkloadKey::generate(KeyType::EcP256).unwrap();
    assert!(late.issue_x509(&plan(), &key.public).is_err());
    let known = authority.bundle();
    let mut changes = authority.subscribe();
    changes.mark_unchanged();
    world.pass(1800);
    for one in [&authority, &late] {
        one.tick().unwrap();
        let new = svid(one);
        assert!(accepts(&known, &new, one.now()));
        assert!(
            !accepts(&old_bundle, &new, one.now()),
            "below the next root"
        );
    }
    assert!(changes.has_changed().unwrap(), "everything is made anew");
    assert!(accepts(&authority.bundle(), &old, authority.now()));
    world.pass(26 * 3600);
    authority.tick().unwrap();
    let last = authority.bundle();
    assert_eq!(last.x509_authorities(), std::slice::from_ref(&next.root.2));
}

#[test]
fn an_authority_goes_from_its_own_root_below_another_one() {
    let (world, dir) = (World::new(), tempfile::tempdir().unwrap());
    let own = open(&world, None).unwrap();
    let (bundle, before) = (own.bundle(), svid(&own));
    let company = Company::new(&world, dir.path(), "company");
    let authority = open(&world, Some(company.options())).unwrap();
    assert!(
        accepts(&bundle, &svid(&authority), authority.now()),
        "its own root signs on"
    );
    let known = authority.bundle();
    // A command of a person, who does not name the authority above, leaves everything as it is.
    own.tick().unwrap();
    assert_eq!(own.bundle(), known);
    world.pass(1800);
    own.tick().unwrap();
    authority.tick().unwrap();
    let new = svid(&authority);
    assert!(accepts(&known, &new, authority.now()) && !accepts(&bundle, &new, authority.now()));
    assert!(accepts(&authority.bundle(), &before, authority.now()));
}

#[test]
fn an_authority_above_that_was_tainted_signs_no_more() {
    let (world, dir) = (World::new(), tempfile::tempdir().unwrap());
    let company = Company::new(&world, dir.path(), "company");
    let authority = open(&world, Some(company.options())).unwrap();
    let old = authority.state().active(Purpose::X509).unwrap().id.clone();
    let files = |name: &str| std::fs::read(company.file(name)).unwrap();
    let (chain, key) = (files("ca.pem"), files("ca.key"));
    let _next = Company::new(&world, dir.path(), "next company");
    assert!(authority.tick().is_err());
    world.pass(1800);
    authority.tick().unwrap();
    authority.step(Step::Taint(old)).unwrap();
    std::fs::write(company.file("ca.pem"), chain).unwrap();
    std::fs::write(company.file("ca.key"), key).unwrap();
    let error = said(authority.tick());
    assert!(error.contains("was tainted here"), "{error}");
}
