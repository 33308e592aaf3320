//! Lists of revoked certificates, as OpenSSL and GnuTLS go by them.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use bailiwick_identity::revoked::{Issuers, Listed};

use super::super::lists::LIST_LIFE;
use super::*;
use crate::{Ledger, SystemClock, pem};

/// Stores that outlive an authority whose lists are signed, and what validators are given.
struct Lists {
    world: World,
    dir: tempfile::TempDir,
}

impl Lists {
    /// The clock ends up at the present, by which the validators go.
    fn new(before: u64) -> Self {
        let world = World::new();
        let start = SystemClock.now().minus(before).seconds();
        world.clock.0.store(start, Ordering::SeqCst);
        Self {
            world,
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn issuers(&self) -> Ledger<Issuers> {
        Ledger::file(self.dir.path().join("issuers"))
    }

    fn listed(&self) -> Ledger<Listed> {
        Ledger::file(self.dir.path().join("listed"))
    }

    fn open(&self) -> Authority {
        let lists = ListOptions {
            issuers: self.issuers(),
            listed: self.listed(),
            url: Some("http://crl.example/lists/".into()),
        };
        let options = Options {
            jwt_keys: vec![KeyType::EcP256],
            lists: Some(lists),
            ..Options::new(TrustDomain::parse("td").unwrap())
        };
        let World { keys, store, clock } = self.world.clone();
        Authority::open(options, Box::new(keys), Box::new(store), clock, None).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A certificate that lives as long as its issuer, as files.
    fn issue(&self, authority: &Authority, name: &str) -> IssuedX509 {
        let plan = Plan {
            lifetime: DAY,
            ..plan()
        };
        let key = crate::keys::WorkloadKey::generate(KeyType::EcP256).unwrap();
        let issued = authority.issue_x509(&plan, &key.public).unwrap();
        let write = |suffix: &str, ders: &[Vec<u8>]| {
            let path = self.path(&format!("{name}{suffix}"));
            std::fs::write(path, pem::certificates(ders)).unwrap();
        };
        write(".pem", &issued.chain[..1]);
        write("-rest.pem", &issued.chain[1..]);
        write("-chain.pem", &issued.chain);
        issued
    }

    fn revoke(&self, issued: &IssuedX509) {
        let now = self.world.clock.now();
        let until = issued.validity.not_after;
        let revoke = |listed: &mut Listed| {
            assert!(listed.revoke(issued.serial, "stolen", now, until));
        };
        self.listed().change(revoke).unwrap();
    }

    /// Writes roots and lists; gives how many lists there are.
    fn publish(&self, authority: &Authority) -> usize {
        let lists = authority.revocation_lists().unwrap();
        let text: String = lists
            .iter()
            .map(|(_, der)| pem::encode("X509 CRL", der).to_string())
            .collect();
        std::fs::write(self.path("lists.pem"), text).unwrap();
        let roots = pem::certificates(authority.bundle().x509_authorities());
        std::fs::write(self.path("roots.pem"), roots).unwrap();
        lists.len()
    }

    /// What both validators say of a certificate: whether it counts.
    fn check(&self, name: &str, counts: bool) {
        let rest = format!("{name}-rest.pem");
        let leaf = format!("{name}.pem");
        let openssl = [
            "verify",
            "-x509_strict",
            "-crl_check_all",
            "-CAfile",
            "roots.pem",
            "-CRLfile",
            "lists.pem",
            "-untrusted",
            &rest,
            &leaf,
        ];
        let chain = format!("{name}-chain.pem");
        let gnutls = [
            "--verify",
            "--load-ca-certificate",
            "roots.pem",
            "--load-crl",
            "lists.pem",
            "--infile",
            &chain,
        ];
        for (program, arguments) in [("openssl", &openssl[..]), ("certtool", &gnutls)] {
            let (content, said) = run(program, arguments, self.dir.path());
            assert_eq!(content, counts, "{program} of {name}: {said}");
            assert!(counts || said.contains("revoked"), "{program}: {said}");
        }
    }
}

fn run(program: &str, arguments: &[&str], dir: &Path) -> (bool, String) {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: install it"));
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.success(), said)
}

#[test]
fn validators_refuse_what_is_revoked_below_an_intermediate_that_signs_no_more_and_after_a_restart()
{
    let lists = Lists::new(13 * 3600);
    let authority = lists.open();
    let (old, kept) = (
        lists.issue(&authority, "old"),
        lists.issue(&authority, "kept"),
    );
    drop(authority);
    // A restart, and a replica: the same intermediate goes on.
    let authority = lists.open();
    let again = lists.issue(&authority, "again");
    assert_eq!(again.chain[1], old.chain[1]);
    lists.world.pass(13 * 3600);
    authority.tick().unwrap();
    let (new, fresh) = (
        lists.issue(&authority, "new"),
        lists.issue(&authority, "fresh"),
    );
    assert_ne!(new.chain[1], old.chain[1]);
    drop((kept, fresh, authority));

    let authority = lists.open();
    // Two intermediates, the root and the one that waits.
    assert_eq!(lists.publish(&authority), 4);
    for name in ["old", "kept", "again", "new", "fresh"] {
        lists.check(name, true);
    }
    lists.revoke(&old);
    lists.revoke(&new);
    lists.publish(&authority);
    lists.check("old", false);
    lists.check("new", false);
    lists.check("kept", true);
    lists.check("fresh", true);
    let (_, text) = run(
        "openssl",
        &["crl", "-in", "lists.pem", "-noout", "-text"],
        lists.dir.path(),
    );
    for part in [
        "Next Update: ",
        "X509v3 CRL Number",
        "X509v3 Authority Key Identifier",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    let (_, text) = run(
        "openssl",
        &["x509", "-in", "new.pem", "-noout", "-text"],
        lists.dir.path(),
    );
    assert!(text.contains("URI:http://crl.example/lists/"), "{text}");

    // What the tainted root signed counts for nobody who looks at lists, while the root is still in the bundle.
    let state = authority.state();
    let root = state.active(Purpose::X509).unwrap().id.clone();
    let next = state.successor(Purpose::X509).unwrap().id.clone();
    authority.step(Step::Activate(next)).unwrap();
    authority.step(Step::Taint(root)).unwrap();
    let after = lists.issue(&authority, "after");
    lists.publish(&authority);
    lists.check("kept", false);
    lists.check("after", true);
    drop(after);

    // What has run out leaves, and with it the keys of those who signed it.
    let keys: Vec<KeyId> = {
        let issuers = lists.issuers().load().unwrap();
        issuers.iter().map(|(key, _)| key.clone()).collect()
    };
    assert_eq!(keys.len(), 3);
    lists.world.pass(2 * DAY);
    authority.tick().unwrap();
    assert_eq!(lists.issuers().load().unwrap().iter().count(), 1);
    for key in keys {
        assert!(lists.world.keys.signer(&key).unwrap().is_none());
    }
    let listed = lists.listed().load().unwrap();
    assert_eq!(listed.revoked().iter(authority.now()).count(), 0);
}

#[test]
fn without_lists_no_key_of_an_intermediate_is_stored() {
    let world = World::new();
    let authority = world.open().unwrap();
    assert!(authority.revocation_lists().unwrap().is_empty());
    let named = authority.state().authorities().len();
    assert_eq!(world.keys.count(), named);
    let dir = tempfile::tempdir().unwrap();
    let leaf = pem::certificates(&svid(&authority).chain[..1]);
    std::fs::write(dir.path().join("leaf.pem"), leaf).unwrap();
    let (_, text) = run(
        "openssl",
        &["x509", "-in", "leaf.pem", "-noout", "-text"],
        dir.path(),
    );
    assert!(!text.contains("CRL"), "{text}");
}

#[test]
fn of_two_lists_the_greater_number_is_the_newer_one() {
    let lists = Lists::new(0);
    let replicas = [lists.open(), lists.open()];
    let numbers = || -> Vec<u64> {
        let lists = replicas
            .iter()
            .flat_map(|replica| replica.revocation_lists().unwrap());
        lists.map(|(_, list)| read(&list).0).collect()
    };
    let written = || std::fs::metadata(lists.path("listed")).unwrap().ino();
    let first = numbers();
    assert!(first.iter().all(|number| *number == first[0]), "{first:?}");
    // Nothing is stored while nothing changes.
    let at = written();
    lists.world.pass(LIST_LIFE / 2 - 1);
    assert_eq!((numbers(), written()), (first.clone(), at));
    lists.world.pass(1);
    let second = numbers();
    assert!(second[0] > first[0], "{second:?}");
    // Both revoke and sign at the same time; their clock stands still.
    let issued: Vec<IssuedX509> = (0..10).map(|_| lists.issue(&replicas[0], "leaf")).collect();
    let signed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (replica, issued) in replicas.iter().zip(issued.chunks(5)) {
            let (lists, signed) = (&lists, &signed);
            scope.spawn(move || {
                for issued in issued {
                    lists.revoke(issued);
                    let (_, list) = replica.revocation_lists().unwrap().remove(0);
                    signed.lock().unwrap().push(read(&list));
                }
            });
        }
    });
    let mut signed = signed.into_inner().unwrap();
    signed.sort();
    for ((earlier, before), (later, after)) in signed.iter().zip(&signed[1..]) {
        assert!(before.is_subset(after), "{earlier} and {later}");
        assert!(earlier < later || before == after, "{later} twice");
    }
    assert_eq!(signed.last().unwrap().1.len(), 10);
}

/// Number of a list, and those of the certificates that it holds.
fn read(list: &[u8]) -> (u64, BTreeSet<Vec<u8>>) {
    let (_, list) = x509_parser::parse_x509_crl(list).unwrap();
    let revoked = list.iter_revoked_certificates();
    let revoked = revoked
        .map(|revoked| revoked.raw_serial().to_vec())
        .collect();
    let number = list.crl_number().unwrap();
    (number.try_into().unwrap(), revoked)
}
