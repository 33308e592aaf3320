use std::sync::{Mutex, PoisonError};

use bailiwick_identity::agents::Admissions;
use bailiwick_identity::rules::{Banned, Bans};
use bailiwick_identity::shared::Version;
use bailiwick_identity::{KeyType, TrustDomain, UnixTime};
use bailiwick_kube::{Cluster, ConnectOptions, StateSecret};
use bailiwick_testkit::servers;

use super::*;
use crate::keys::{KeyStore, SharedKeys, conformance};
use crate::{Authority, Ledger, Options, SystemClock};

/// Values in this process.
#[derive(Default)]
struct Memory(Mutex<Option<Shared>>);

impl SharedValues for Memory {
    fn read(&self) -> Result<Option<Shared>, SharedError> {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(memory.clone())
    }

    fn change(
        &self,
        expected: Option<&Version>,
        changes: &BTreeMap<String, Option<Vec<u8>>>,
    ) -> Result<(), SharedError> {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.as_ref().map(|shared| &shared.version) != expected {
            return Err(SharedError::Conflict);
        }
        let mut shared = memory.take().unwrap_or(Shared {
            version: Version(String::new()),
            values: BTreeMap::new(),
        });
        shared.version.0.push('x');
        for (name, value) in changes {
            match value {
                Some(value) => shared.values.insert(name.clone(), value.clone()),
                None => shared.values.remove(name),
            };
        }
        *memory = Some(shared);
        Ok(())
    }
}

/// Of many who show one join token to servers of their own one comes in, and what one bans the others know.
fn ledgers(values: &Arc<dyn SharedValues>) {
    let now = UnixTime::new(100);
    let admissions = || Ledger::<Admissions>::shared(Arc::clone(values), seal(), "admissions");
    let invite = |admissions: &mut Admissions| {
        assert!(admissions.invite("hash".to_owned(), "n1", now, 60));
    };
    admissions().change(invite).unwrap();
    let accept = || {
        let mut node = None;
        let accept = |admissions: &mut Admissions| node = admissions.accept("hash", now);
        admissions().change(accept).unwrap();
        usize::from(node.is_some())
    };
    let accepted: usize = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..4).map(|_| scope.spawn(accept)).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert_eq!(accepted, 1);
    let bans = || Ledger::<Bans>::shared(Arc::clone(values), seal(), "bans");
    let who: Banned = "node:n1".parse().unwrap();
    bans()
        .change(|bans| bans.insert(who.clone(), "stolen"))
        .unwrap();
    assert_eq!(bans().load().unwrap().of_node("n1"), Some("stolen"));
    let other = Arc::new(Seal::new(&[2; 32]).unwrap());
    let forged = Ledger::<Bans>::shared(Arc::clone(values), other, "bans");
    assert!(forged.load().is_err() && forged.change(|_| ()).is_err());
}

fn seal() -> Arc<Seal> {
    Arc::new(Seal::new(&[1; 32]).unwrap())
}

fn suites(keys: &Arc<dyn SharedValues>, state: &Arc<dyn SharedValues>) {
    let (keys, state) = (Arc::clone(keys), Arc::clone(state));
    let open = || -> Box<dyn KeyStore> { Box::new(SharedKeys::new(Arc::clone(&keys), seal())) };
    conformance::run(&open, &KeyType::ALL[..3]);
    crate::store::conformance(&move || Box::new(SharedState::new(Arc::clone(&state), seal())));
}

#[test]
fn shared_values_conform() {
    let values = || Arc::new(Memory::default()) as Arc<dyn SharedValues>;
    suites(&values(), &values());
    let both = values();
    suites(&both, &both);
    ledgers(&both);
}

#[test]
fn a_secret_of_a_cluster_conforms_and_replicas_share_it() {
    let servers = servers::Cluster::shared().unwrap();
    let manifest = "{apiVersion: v1, kind: Namespace, metadata: {name: state}}";
    servers.admin().apply(manifest).unwrap();
    let connect = || {
        let options = ConnectOptions {
            kubeconfig: Some(servers.admin().kubeconfig().to_owned()),
            ..ConnectOptions::default()
        };
        Arc::new(Cluster::connect(&options).unwrap())
    };
    let cluster = connect();
    let secret = |name: &str| -> Arc<dyn SharedValues> {
        Arc::new(StateSecret::new(Arc::clone(&cluster), "state", name))
    };
    suites(&secret("keys"), &secret("one"));
    ledgers(&secret("ledgers"));

    // Replicas with connections of their own that start at once, and go on while others change keys.
    let open = || {
        let options = Options {
            jwt_keys: vec![KeyType::EcP256],
            ..Options::new(TrustDomain::parse("td").unwrap())
        };
        let values: Arc<dyn SharedValues> =
            Arc::new(StateSecret::new(connect(), "state", "authority"));
        let keys = Box::new(SharedKeys::new(Arc::clone(&values), seal()));
        let state = Box::new(SharedState::new(values, seal()));
        Authority::open(options, keys, state, Arc::new(SystemClock), None).unwrap()
    };
    let replicas: Vec<Authority> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    for replica in &replicas {
        replica.tick().unwrap();
        assert_eq!(replica.bundle(), replicas[0].bundle());
    }
    // Nothing but what the state names is left over.
    let values = secret("authority").read().unwrap().unwrap().values;
    let mut named: Vec<String> = replicas[0]
        .state()
        .authorities()
        .iter()
        .map(|key| format!("key-{}", key.id))
        .collect();
    named.push("state".to_owned());
    named.sort();
    assert_eq!(values.keys().cloned().collect::<Vec<_>>(), named);
    // Nobody reads it without the key, and a value is worth nothing in another place.
    let other = Arc::new(Seal::new(&[2; 32]).unwrap());
    assert!(SharedState::new(secret("authority"), other).load().is_err());
    let (one, two) = (&named[0], &named[1]);
    let swapped = BTreeMap::from([(one.clone(), values.get(two).cloned())]);
    let version = secret("authority").read().unwrap().unwrap().version;
    secret("authority")
        .change(Some(&version), &swapped)
        .unwrap();
    let id = replicas[0]
        .state()
        .authorities()
        .iter()
        .find(|key| *one == format!("key-{}", key.id))
        .unwrap()
        .id
        .clone();
    assert!(
        SharedKeys::new(secret("authority"), seal())
            .signer(&id)
            .is_err()
    );
    // A Secret of somebody else is not taken for ours.
    let manifest = "{apiVersion: v1, kind: Secret, metadata: {name: theirs, namespace: state}, stringData: {state: x}}";
    servers.admin().apply(manifest).unwrap();
    let error = SharedState::new(secret("theirs"), seal())
        .load()
        .unwrap_err()
        .to_string();
    assert!(error.contains("is somebody else's"), "{error}");
}
