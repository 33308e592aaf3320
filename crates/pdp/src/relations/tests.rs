use std::collections::BTreeSet;

use bailiwick_model::{Delta, Namespace, Object, ObjectMeta, Origin, Workload};
use proptest::prelude::*;

use super::*;

type Declared<'a> = (&'a str, Vec<(&'a str, &'a str)>, Vec<(&'a str, &'a str)>);

fn declared() -> Vec<Declared<'static>> {
    vec![
        ("team", vec![("member", "[user, team#member]")], vec![]),
        (
            "folder",
            vec![
                ("parent", "[folder]"),
                (
                    "viewer",
                    "[user, team#member, user:*] or viewer from parent",
                ),
            ],
            vec![("list", "viewer")],
        ),
        (
            "record",
            vec![
                ("folder", "[folder]"),
                ("owner", "[user]"),
                ("editor", "[team#member] or owner"),
                ("viewer", "editor or viewer from folder"),
            ],
            vec![("read", "viewer"), ("write", "editor")],
        ),
        (
            "pods",
            vec![
                ("host", "node"),
                ("reader", "[user, group#member] or reader from namespace"),
            ],
            vec![("get", "reader"), ("get/log", "host")],
        ),
        (
            "namespaces",
            vec![("reader", "[user, group#member] or reader from label")],
            vec![("list pods", "reader")],
        ),
        ("labels", vec![("reader", "[group#member]")], vec![]),
    ]
}

fn schema() -> RelationSchema {
    RelationSchema::new(declared()).unwrap()
}

fn relations(tuples: &[&str]) -> Relations {
    let mut relations = Relations::new(schema());
    let tuples: Vec<Tuple> = tuples.iter().map(|text| text.parse().unwrap()).collect();
    relations.extend(&Str::default(), &tuples).unwrap();
    relations
}

fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot::default();
    let mut put = |object| snapshot.apply(Delta::Upsert(Box::new(object), Origin::default()));
    let mut metadata = ObjectMeta::named("", "shop");
    metadata.labels = [("team".into(), "web".into())].into();
    put(Object::Namespace(Namespace { metadata }));
    for (name, node) in [("web", "n1"), ("db", "n2")] {
        put(Object::Workload(Workload {
            kind: bailiwick_core::Kind::Pod,
            metadata: ObjectMeta::named("shop", name),
            node_name: node.into(),
            pod: Default::default(),
        }));
    }
    snapshot
}

/// An answer with its words.
#[derive(Debug, PartialEq)]
enum Said {
    Yes(Vec<String>),
    No,
    Unclear(&'static str),
}

fn ask(relations: &Relations, who: &str, groups: &[&str], action: &str, object: &str) -> Said {
    let groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
    let (subject, object): (ObjectId, ObjectId) = (who.parse().unwrap(), object.parse().unwrap());
    let asker = Asker {
        subject: (&subject).into(),
        groups: &groups,
    };
    let id = Cow::Borrowed(&*object.id);
    let Some(wanted) = relations.wanted(&object.kind, action) else {
        return Said::No;
    };
    match relations.check(asker, &id, wanted, &snapshot(), None) {
        Answer::Yes(path) => Said::Yes(path.to_steps()),
        Answer::No => Said::No,
        Answer::Unclear(why) => Said::Unclear(why),
    }
}

#[test]
fn an_answer_names_every_step() {
    let relations = relations(&[
        "record:1#folder@folder:b",
        "folder:b#parent@folder:a",
        "folder:a#viewer@team:eng#member",
        "team:eng#member@team:core#member",
        "team:core#member@user:anna",
        "record:1#owner@user:ben",
        "folder:open#viewer@user:*",
    ]);
    let check = |who: &str, action: &str, object: &str, expected: &[&str]| {
        let answer = ask(&relations, who, &[], action, object);
        let expected = match expected {
            [] => Said::No,
            steps => Said::Yes(steps.iter().map(|&step| step.to_owned()).collect()),
        };
        assert_eq!(answer, expected, "{who} {action} {object}");
    };
    check(
        "user:anna",
        "read",
        "record:1",
        &[
            "record:1#folder@folder:b",
            "folder:b#parent@folder:a",
            "folder:a#viewer@team:eng#member",
            "team:eng#member@team:core#member",
            "team:core#member@user:anna",
        ],
    );
    check("user:anna", "write", "record:1", &[]);
    check(
        "user:ben",
        "write",
        "record:1",
        &["record:1#owner@user:ben"],
    );
    check(
        "user:eva",
        "list",
        "folder:open",
        &["folder:open#viewer@user:*"],
    );
    check("user:eva", "read", "record:1", &[]);
    check("user:eva", "no-such-action", "record:1", &[]);
}

#[test]
fn the_cluster_has_relations_of_its_own() {
    let relations = relations(&[
        "labels:team=web#reader@group:web#member",
        "namespaces:shop#reader@user:anna",
    ]);
    let check = |who: &str, groups: &[&str], action: &str, object: &str, expected: bool| {
        let answer = ask(&relations, who, groups, action, object);
        assert_eq!(
            matches!(answer, Said::Yes(_)),
            expected,
            "{who} {action} {object}: {answer:?}"
        );
    };
    check("user:anna", &[], "get", "pods:shop/web", true);
    check("user:anna", &[], "get", "pods:bank/web", false);
    check("user:ben", &["web"], "get", "pods:shop/db", true);
    check("user:ben", &["web"], "list pods", "namespaces:shop", true);
    check("user:ben", &[], "get", "pods:shop/db", false);
    check("nodes:n1", &[], "get/log", "pods:shop/web", true);
    check("nodes:n1", &[], "get/log", "pods:shop/db", false);
    check("nodes:n1", &[], "get/log", "pods:shop/gone", false);

    let snapshot = snapshot();
    let found = |who: &str, groups: &[String], action| {
        relations
            .objects(&who.parse().unwrap(), groups, action, "pods", &snapshot)
            .unwrap()
            .ids
    };
    assert_eq!(
        found("user:anna", &[], "get"),
        ["shop/db".into(), "shop/web".into()]
    );
    assert_eq!(found("user:ben", &["web".into()], "get").len(), 2);
    assert_eq!(found("nodes:n1", &[], "get/log"), ["shop/web".into()]);
}

#[test]
fn endless_relations_come_to_an_end() {
    let mut tuples = vec![
        "folder:x#parent@folder:y".to_owned(),
        "folder:y#parent@folder:x".to_owned(),
    ];
    tuples.extend((0..40).map(|n| format!("folder:d{n}#parent@folder:d{}", n + 1)));
    tuples.push("folder:d40#viewer@user:anna".to_owned());
    tuples.extend((0..10_001).map(|n| format!("folder:wide#viewer@team:t{n}#member")));
    let tuples: Vec<&str> = tuples.iter().map(String::as_str).collect();
    let relations = relations(&tuples);
    let list = |folder: &str| ask(&relations, "user:anna", &[], "list", folder);
    assert_eq!(list("folder:x"), Said::No);
    assert!(matches!(list("folder:d20"), Said::Yes(_)));
    assert!(matches!(list("folder:d0"), Said::Unclear(_)));
    assert!(matches!(list("folder:wide"), Said::Unclear(_)));
}

#[test]
fn what_the_schema_does_not_know_is_refused() {
    let check = |namespace: &str, text: &str, expected: &str| {
        let found = text
            .parse::<Tuple>()
            .and_then(|tuple| Relations::new(schema()).extend(&namespace.into(), &[tuple]));
        let message = found.map_or_else(|error| error.to_string(), |()| String::new());
        assert!(
            message.contains(expected) && message.is_empty() == expected.is_empty(),
            "{message}"
        );
    };
    check("", "record:1#owner@user:anna", "");
    check("", "record:1#owner", "is no relation");
    check("", "record#owner@user:anna", "is no relation");
    check("", "record:1#owner@user:anna#", "is no relation");
    check(
        "",
        "record:1#owns@user:anna",
        "`record#owns` is not in the schema",
    );
    check(
        "",
        "record:1#owner@team:a#member",
        "does not take `team#member`; it takes `user`",
    );
    check("", "record:1#owner@user:*", "does not take `user:*`");
    check("", "record:1#viewer@user:anna", "it takes no tuples");
    check(
        "",
        "pods:shop/web#node@nodes:n1",
        "`pods#node` is not in the schema",
    );
    check("shop", "pods:shop/web#reader@user:anna", "");
    check("shop", "namespaces:shop#reader@user:anna", "");
    check(
        "shop",
        "pods:bank/web#reader@user:anna",
        "about objects in it",
    );
    check(
        "shop",
        "labels:team=web#reader@group:x#member",
        "about objects in it",
    );

    let check = |relation: &str, text: &str, expected: &str| {
        let error = RelationSchema::new([("pods", vec![(relation, text)], vec![])]).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    };
    check("node", "[user]", "the cluster itself says");
    check("x", "[user", "`[user` is no name");
    check("x", "y by z", "is no way to be related");
    check("x", "y", "`pods` has no relation `y`");
    check(
        "x",
        "y from namespace",
        "nothing that `namespace` leads to has a relation `y`",
    );
    check("x", "[user:*#member]", "everybody at once has no relation");
    check("x", "[]", "`` is no name");
}

#[test]
fn a_changed_tuple_is_seen_in_the_copy_alone() {
    let before = relations(&["record:1#owner@user:anna"]);
    let mut after = before.clone();
    let (old, new): (Tuple, Tuple) = (
        "record:1#owner@user:anna".parse().unwrap(),
        "record:1#owner@user:ben".parse().unwrap(),
    );
    assert!(after.remove(&Str::default(), &old));
    assert!(!after.remove(&Str::default(), &old));
    after.extend(&Str::default(), &[new]).unwrap();
    let can = |relations: &Relations, who: &str| {
        matches!(ask(relations, who, &[], "write", "record:1"), Said::Yes(_))
    };
    assert!(can(&before, "user:anna") && !can(&before, "user:ben"));
    assert!(!can(&after, "user:anna") && can(&after, "user:ben"));
    assert_eq!(after.len(), 1);
}

/// Everything that follows from tuples, found by applying every rule until nothing new comes.
fn closure(tuples: &BTreeSet<String>) -> BTreeSet<(String, String, String)> {
    let mut facts: BTreeSet<(String, String, String)> = BTreeSet::new();
    let parsed: Vec<Tuple> = tuples.iter().map(|text| text.parse().unwrap()).collect();
    loop {
        let mut new = Vec::new();
        for tuple in &parsed {
            let (object, relation) = (tuple.object.to_string(), tuple.relation.to_string());
            match &tuple.subject.relation {
                None => new.push((object, relation, tuple.subject.object.to_string())),
                Some(of) => {
                    for (other, held, who) in &facts {
                        if *other == tuple.subject.object.to_string() && **held == **of {
                            new.push((object.clone(), relation.clone(), String::clone(who)));
                        }
                    }
                }
            }
        }
        for (object, relation, who) in &facts {
            let object: &String = object;
            let same = match (object.split(':').next().unwrap(), relation.as_str()) {
                ("record", "owner") => Some("editor"),
                ("record", "editor") => Some("viewer"),
                _ => None,
            };
            new.extend(same.map(|to| (object.clone(), to.to_owned(), String::clone(who))));
            let from = match relation.as_str() {
                "parent" | "folder" => "viewer",
                _ => continue,
            };
            for (other, held, viewer) in &facts {
                if other == who && held == from {
                    new.push((object.clone(), "viewer".to_owned(), viewer.clone()));
                }
            }
        }
        let before = facts.len();
        facts.extend(new);
        if facts.len() == before {
            return facts;
        }
    }
}

fn tuple_texts() -> impl Strategy<Value = BTreeSet<String>> {
    let id = 0..4_u8;
    let tuple = (0..9_u8, id.clone(), id).prop_map(|(shape, a, b)| match shape {
        0 => format!("team:{a}#member@user:{b}"),
        1 => format!("team:{a}#member@team:{b}#member"),
        2 => format!("folder:{a}#parent@folder:{b}"),
        3 => format!("folder:{a}#viewer@user:{b}"),
        4 => format!("folder:{a}#viewer@team:{b}#member"),
        5 => format!("folder:{a}#viewer@user:*"),
        6 => format!("record:{a}#folder@folder:{b}"),
        7 => format!("record:{a}#owner@user:{b}"),
        _ => format!("record:{a}#editor@team:{b}#member"),
    });
    prop::collection::btree_set(tuple, 0..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Forward checks and both searches are what follows from the tuples; and removing what was added leaves nothing.
    #[test]
    fn answers_are_the_closure(tuples in tuple_texts(), extra in tuple_texts()) {
        let facts = closure(&tuples);
        let texts: Vec<&str> = tuples.iter().map(String::as_str).collect();
        let mut relations = relations(&texts);
        let added: Vec<Tuple> = extra.difference(&tuples).map(|text| text.parse().unwrap()).collect();
        relations.extend(&Str::default(), &added).unwrap();
        for tuple in &added {
            prop_assert!(relations.remove(&Str::default(), tuple));
        }
        prop_assert_eq!(relations.len(), tuples.len());
        let snapshot = Snapshot::default();
        for (kind, action, relation) in
            [("folder", "list", "viewer"), ("record", "read", "viewer"), ("record", "write", "editor")]
        {
            let held = |object: &str, who: &str| {
                facts.contains(&(object.to_owned(), relation.to_owned(), who.to_owned()))
            };
            for user in 0..4 {
                let who = format!("user:{user}");
                let mut expected = Vec::new();
                for id in 0..4 {
                    let object = format!("{kind}:{id}");
                    let related = held(&object, &who) || held(&object, "user:*");
                    let answer = ask(&relations, &who, &[], action, &object);
                    prop_assert_eq!(matches!(answer, Said::Yes(_)), related, "{} {} {}", who, action, object);
                    expected.extend(related.then(|| Str::from(id.to_string())));
                }
                let found = relations.objects(&who.parse().unwrap(), &[], action, kind, &snapshot).unwrap();
                prop_assert_eq!(found.ids, expected, "{} {} {}", who, action, kind);
            }
            for id in 0..4 {
                let object = format!("{kind}:{id}");
                let found = relations.subjects(&object.parse().unwrap(), action, "user", &snapshot).unwrap();
                let expected: Vec<Str> =
                    (0..4).filter(|user| held(&object, &format!("user:{user}"))).map(|user| user.to_string().into()).collect();
                prop_assert_eq!(found.everybody, held(&object, "user:*"));
                prop_assert_eq!(found.ids, expected, "{} {}", object, action);
            }
        }
    }
}
