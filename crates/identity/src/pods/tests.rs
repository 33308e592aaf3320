use super::*;

fn meta(namespace: &str, name: &str, uid: &str) -> ObjectMeta {
    ObjectMeta {
        uid: uid.into(),
        ..ObjectMeta::named(namespace, name)
    }
}

fn web() -> SeenPod {
    SeenPod {
        meta: meta("shop", "web", "p1"),
        node: "n1".into(),
        service_account: "cart".into(),
        images: vec!["img".into()],
        signers: vec!["example.org/spiffe".into()],
        ..SeenPod::default()
    }
}

fn view(pod: SeenPod) -> View {
    let mut view = View::default();
    view.put(Object::Pod(Box::new(pod)));
    view.put(Object::ServiceAccount(meta("shop", "cart", "a1")));
    view.put(Object::ServiceAccount(meta("shop", "other", "a2")));
    view.put(Object::Node(meta("", "n1", "m1")));
    view.put(Object::Node(meta("", "n2", "m2")));
    view.put(Object::Namespace(meta("", "shop", "s1")));
    view
}

const CLAIM: Claim<'_> = Claim {
    namespace: "shop",
    pod: "web",
    pod_uid: "p1",
    service_account: "cart",
    service_account_uid: "a1",
    node: "n1",
    node_uid: "m1",
};

#[test]
fn k_1_every_word_of_a_request_is_checked() {
    let view = view(web());
    let facts = view.prove_mount(&CLAIM, "example.org/spiffe").unwrap();
    let pod = facts.pod.unwrap();
    assert_eq!((&*pod.meta.uid, &*pod.node.uid), ("p1", "m1"));
    assert_eq!(&*pod.namespace.name, "shop");
    let check = |claim: Claim<'_>, signer: &str, expected: &str| {
        let error = view.prove_mount(&claim, signer).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let signer = "example.org/spiffe";
    check(
        Claim {
            namespace: "else",
            ..CLAIM
        },
        signer,
        "there is no pod `else/web`",
    );
    check(
        Claim { pod: "db", ..CLAIM },
        signer,
        "there is no pod `shop/db`",
    );
    check(
        Claim {
            pod_uid: "p2",
            ..CLAIM
        },
        signer,
        "has the UID `p1` and not `p2`",
    );
    check(
        Claim {
            pod_uid: "",
            ..CLAIM
        },
        signer,
        "has the UID `p1` and not ``",
    );
    check(
        Claim {
            node: "n2",
            node_uid: "m2",
            ..CLAIM
        },
        signer,
        "not on the node `n2`",
    );
    check(
        Claim {
            node_uid: "m2",
            ..CLAIM
        },
        signer,
        "the node `n1` has the UID `m1`",
    );
    check(
        Claim {
            service_account: "other",
            service_account_uid: "a2",
            ..CLAIM
        },
        signer,
        "runs as the service account `cart` and not as `other`",
    );
    check(
        Claim {
            service_account_uid: "a2",
            ..CLAIM
        },
        signer,
        "has the UID `a1`",
    );
    check(CLAIM, "example.org/other", "mounts no certificate");
}

#[test]
fn pods_that_get_nothing() {
    let check = |pod: SeenPod, expected: &str| {
        let error = view(pod)
            .prove_mount(&CLAIM, "example.org/spiffe")
            .unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    };
    check(
        SeenPod {
            mirror: true,
            ..web()
        },
        "mirrors a static pod",
    );
    check(
        SeenPod {
            ended: true,
            ..web()
        },
        "has ended",
    );
    check(
        SeenPod {
            node: String::new(),
            ..web()
        },
        "is on no node yet",
    );
    let mut other = web();
    other.meta.uid = "".into();
    check(other, "has the UID ``");
}

#[test]
fn an_object_that_is_gone_proves_nothing() {
    for (kind, namespace, name) in [
        (ObjectKind::Pod, "shop", "web"),
        (ObjectKind::ServiceAccount, "shop", "cart"),
        (ObjectKind::Node, "", "n1"),
        (ObjectKind::Namespace, "", "shop"),
    ] {
        let mut view = view(web());
        view.remove(kind, namespace, name);
        let error = view.prove_mount(&CLAIM, "example.org/spiffe").unwrap_err();
        assert!(matches!(error, Unproven::Missing(_)), "{kind:?}: {error}");
    }
}

#[test]
fn pods_go_by_the_uid_of_their_cgroup() {
    let mut view = view(web());
    let name = |view: &View, uid: &str, node: &str| {
        view.on_node(uid, node)
            .map(|pod| pod.meta.name.to_string())
            .map_err(|error| error.to_string())
    };
    assert_eq!(name(&view, "p1", "n1"), Ok("web".into()));
    let error = name(&view, "p1", "n2").unwrap_err();
    assert!(
        error.contains("is on the node `n1` and not on the node `n2`"),
        "{error}"
    );
    // The mirror pod has a UID of its own, which is in no cgroup.
    let mut dns = web();
    dns.meta = meta("kube-system", "dns-n1", "mirror");
    (dns.config_hash, dns.mirror) = ("4f2a".into(), true);
    view.put(Object::Pod(Box::new(dns)));
    assert_eq!(name(&view, "4f2a", "n1"), Ok("dns-n1".into()));
    assert!(name(&view, "mirror", "n1").is_err());
    // Whoever may create pods can make such a mirror: of a static pod, or of a pod that is none.
    let forged = |hash: &str| SeenPod {
        meta: meta("mine", "forged", "f1"),
        config_hash: hash.into(),
        mirror: true,
        ..web()
    };
    view.put(Object::Pod(Box::new(forged("4f2a"))));
    assert!(
        name(&view, "4f2a", "n1")
            .unwrap_err()
            .contains("several pods mirror")
    );
    view.put(Object::Pod(Box::new(forged("p1"))));
    assert_eq!(name(&view, "4f2a", "n1"), Ok("dns-n1".into()));
    assert_eq!(name(&view, "p1", "n1"), Ok("web".into()));
    view.remove(ObjectKind::Pod, "mine", "forged");
    view.remove(ObjectKind::Pod, "kube-system", "dns-n1");
    assert!(name(&view, "4f2a", "n1").is_err());
    // A pod of the same name is another one.
    let mut again = web();
    again.meta.uid = "p9".into();
    view.put(Object::Pod(Box::new(again)));
    assert!(name(&view, "p1", "n1").is_err());
    assert_eq!(name(&view, "p9", "n1"), Ok("web".into()));
}

#[test]
fn pods_are_found_by_their_node() {
    let mut view = view(web());
    let names = |view: &View, node: &str| -> Vec<String> {
        view.pods_on(node)
            .map(|pod| pod.meta.name.to_string())
            .collect()
    };
    let db = SeenPod {
        meta: meta("shop", "db", "p2"),
        ..web()
    };
    view.put(Object::Pod(Box::new(db.clone())));
    assert_eq!(names(&view, "n1"), ["db", "web"]);
    let moved = SeenPod {
        node: "n2".into(),
        ..db
    };
    view.put(Object::Pod(Box::new(moved)));
    assert_eq!(names(&view, "n1"), ["web"]);
    assert_eq!(names(&view, "n2"), ["db"]);
    view.remove(ObjectKind::Pod, "shop", "db");
    assert!(names(&view, "n2").is_empty());
    assert!(view.pod("shop", "db").is_none());
}
