use bailiwick_core::Kind;
use bailiwick_input::{Defaults, LoadOptions, Source, load};
use bailiwick_model::Origin;

use super::{directory, ids, lines, objects, read, read_text};

const ROLE: &str = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: r\nrules:\n- apiGroups: [\"\"]\n  resources: [pods]\n  verbs: [get]\n";

#[test]
fn one_broken_document_costs_only_itself() {
    let text = format!(
        "{ROLE}---\nkind: [\n---\n{}",
        ROLE.replace("name: r", "name: s")
    );
    let loaded = read_text("a.yaml", &text);
    assert_eq!(objects(&loaded), ["Role default/r", "Role default/s"]);
    assert_eq!(ids(&loaded), ["broken-yaml"]);
    assert!(loaded.findings[0].input_lost);
    assert_eq!(loaded.snapshot.gaps.len(), 1);
    assert_eq!(lines(&loaded.findings[0])[0].0, 10);
}

#[test]
fn a_json_stream_goes_on_behind_a_broken_value() {
    let role = |name: &str| {
        format!(
            "{{\"apiVersion\":\"rbac.authorization.k8s.io/v1\",\"kind\":\"Role\",\"metadata\":{{\"name\":\"{name}\"}}}}\n"
        )
    };
    let text = format!(
        "{}{}{{\"kind\": nonsense}}\n{}",
        role("a"),
        role("b"),
        role("c")
    );
    let loaded = read_text("a.json", &text);
    assert_eq!(
        objects(&loaded),
        ["Role default/a", "Role default/b", "Role default/c"]
    );
    assert_eq!(ids(&loaded), ["broken-json"]);
    assert_eq!(lines(&loaded.findings[0]), [(3, 11)]);
}

#[test]
fn namespaces_are_those_that_kubectl_would_apply() {
    let text = format!(
        "{ROLE}---\n{}---\n{}",
        ROLE.replace("name: r", "name: r\n  namespace: shop"),
        ROLE.replace("kind: Role", "kind: ClusterRole")
            .replace("name: r", "name: c\n  namespace: shop")
    );
    let directory = directory(&[("a.yaml", text.as_bytes())]);
    let options = LoadOptions {
        namespace: "team".into(),
        defaults: Defaults::None,
    };
    let loaded = load(&[Source::Path(directory.path().into())], &options);
    assert_eq!(
        objects(&loaded),
        ["ClusterRole c", "Role shop/r", "Role team/r"]
    );
}

#[test]
fn lists_are_taken_apart_as_kubectl_takes_them_apart() {
    let check = |text: &str, expected: &[&str]| {
        let loaded = read_text("a.yaml", text);
        assert_eq!(objects(&loaded), expected, "{text}\n{:?}", loaded.findings);
    };
    // Items first, the kind after them, as `kubectl get -o yaml` writes it.
    check(
        "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: ServiceAccount\n  metadata: {name: a}\n- apiVersion: v1\n  kind: ServiceAccount\n  metadata: {name: b}\nkind: List\n",
        &["ServiceAccount default/a", "ServiceAccount default/b"],
    );
    // Items of a typed list name no kind.
    check(
        "apiVersion: v1\nitems:\n- metadata: {name: a}\n- metadata: {name: b}\nkind: ServiceAccountList\n",
        &["ServiceAccount default/a", "ServiceAccount default/b"],
    );
    check(
        "{\"kind\":\"ServiceAccountList\",\"apiVersion\":\"v1\",\"items\":[{\"metadata\":{\"name\":\"a\"}}]}",
        &["ServiceAccount default/a"],
    );
    // A list in a list; a list that comes through an alias.
    check(
        "kind: List\napiVersion: v1\nitems:\n- kind: List\n  apiVersion: v1\n  items:\n  - {apiVersion: v1, kind: ServiceAccount, metadata: {name: a}}\n- {apiVersion: v1, kind: ServiceAccount, metadata: {name: b}}\n",
        &["ServiceAccount default/a", "ServiceAccount default/b"],
    );
    check(
        "kind: List\napiVersion: v1\nx: &all\n- {apiVersion: v1, kind: ServiceAccount, metadata: {name: a}}\nitems: *all\n",
        &["ServiceAccount default/a"],
    );
    check(
        "kind: List\napiVersion: v1\nitems:\n- &a {apiVersion: v1, kind: ServiceAccount, metadata: {name: a}}\n- <<: *a\n  metadata: {name: b}\n",
        &["ServiceAccount default/a", "ServiceAccount default/b"],
    );
    // Of two `items` the later counts, and an empty list is one.
    check(
        "kind: List\napiVersion: v1\nitems:\n- {apiVersion: v1, kind: ServiceAccount, metadata: {name: a}}\nitems:\n- {apiVersion: v1, kind: ServiceAccount, metadata: {name: b}}\n",
        &["ServiceAccount default/b"],
    );
    check("kind: List\napiVersion: v1\nitems: []\n", &[]);
    // A broken list is lost as a whole, as for kubectl.
    check(
        "kind: List\napiVersion: v1\nitems:\n- {apiVersion: v1, kind: ServiceAccount, metadata: {name: a}}\n- [\n",
        &[],
    );
    check(
        "items:\n- {apiVersion: v1, kind: ServiceAccount, metadata: {name: a}}\n",
        &[],
    );
}

#[test]
fn duplicate_keys_are_told_at_both_places() {
    let loaded = read_text(
        "a.yaml",
        "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: a\n  name: b\n",
    );
    assert_eq!(objects(&loaded), ["ServiceAccount default/b"]);
    assert_eq!(ids(&loaded), ["duplicate-key"]);
    assert_eq!(lines(&loaded.findings[0]), [(5, 3), (4, 3)]);
    assert!(loaded.findings[0].message.contains("`name`"));
    assert!(!loaded.findings[0].input_lost);

    let loaded = read_text(
        "a.json",
        "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[\n{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\",\n\"metadata\":{\"name\":\"a\",\"name\":\"b\"}}]}",
    );
    assert_eq!(objects(&loaded), ["ServiceAccount default/b"]);
    assert_eq!(ids(&loaded), ["duplicate-key"]);
    assert_eq!(lines(&loaded.findings[0]), [(3, 24), (3, 13)]);
}

#[test]
fn merge_keys_are_replaced_in_silence_and_replace_with_a_warning() {
    let account = "apiVersion: v1\nkind: ServiceAccount\n";
    let check = |metadata: &str, expected: &[&str]| {
        let loaded = read_text(
            "a.yaml",
            &format!("x: &m {{name: merged, namespace: shop}}\n{account}{metadata}"),
        );
        let found: Vec<_> = ids(&loaded)
            .into_iter()
            .filter(|id| *id == "duplicate-key")
            .collect();
        assert_eq!(found, expected, "{metadata} {:?}", loaded.findings);
        objects(&loaded)
    };
    let objects = check("metadata:\n  <<: *m\n  name: own\n", &[]);
    assert_eq!(objects, ["ServiceAccount shop/own"]);
    // kubectl goes by the order in the text: the merge key wins here.
    let objects = check("metadata:\n  name: own\n  <<: *m\n", &["duplicate-key"]);
    assert_eq!(objects, ["ServiceAccount shop/merged"]);
}

#[test]
fn duplicate_objects_are_told_at_both_places_and_the_last_stands() {
    let other = ROLE.replace("[get]", "[list]");
    let directory = directory(&[("a.yaml", ROLE.as_bytes()), ("b.yaml", other.as_bytes())]);
    let loaded = read(directory.path());
    assert_eq!(ids(&loaded), ["duplicate-object"]);
    let files: Vec<_> = loaded.findings[0]
        .places
        .iter()
        .map(|place| place.span.as_ref().unwrap().file.ends_with("b.yaml"))
        .collect();
    assert_eq!(files, [true, false], "the one that counts first");
    let role = loaded.snapshot.roles.get("default", "r").unwrap();
    assert_eq!(&*role.rules[0].verbs[0], "list");
}

#[test]
fn what_the_api_server_refuses_is_lost_and_told() {
    let loaded = read_text(
        "a.yaml",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata:\n  name: b\nroleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: view\nsubjects:\n- kind: ServiceAccount\n  name: x\n",
    );
    assert!(objects(&loaded).is_empty());
    assert!(loaded.findings.iter().any(|finding| finding.input_lost));
    assert!(
        loaded.snapshot.gaps[0]
            .kinds
            .contains(&Kind::ClusterRoleBinding)
    );
    let (line, _) = lines(&loaded.findings[0])[0];
    assert!((9..=11).contains(&line), "{:?}", loaded.findings);
}

#[test]
fn default_roles_are_added_where_the_input_holds_none_of_them() {
    let own = ROLE.as_bytes();
    let bootstrap = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: cluster-admin\n  labels: {kubernetes.io/bootstrapping: rbac-defaults}\nrules: []\n";
    let directory = directory(&[
        ("own.yaml", own),
        ("default.yaml", bootstrap.as_bytes()),
        ("none.yaml", b"# nothing\n"),
    ]);
    let check = |file: &str, defaults: Defaults, added: bool| {
        let options = LoadOptions {
            defaults,
            ..LoadOptions::default()
        };
        let loaded = load(&[Source::Path(directory.path().join(file))], &options);
        let said = ids(&loaded).contains(&"defaults-added");
        let there = loaded
            .snapshot
            .roles
            .entries()
            .filter(|entry| matches!(entry.origin, Origin::Default { .. }))
            .count();
        assert_eq!((said, there > 50), (added, added), "{file} {defaults:?}");
        loaded
    };
    check("own.yaml", Defaults::None, false);
    let loaded = check("own.yaml", Defaults::Auto, true);
    // The controller's part: `edit` is not empty.
    assert!(loaded.snapshot.roles.get("", "edit").unwrap().rules.len() > 5);
    check("default.yaml", Defaults::Auto, false);
    let loaded = check("default.yaml", Defaults::Minor(35), true);
    assert!(
        loaded
            .snapshot
            .roles
            .get("", "cluster-admin")
            .unwrap()
            .rules
            .is_empty()
    );
    assert_eq!(loaded.snapshot.cluster.minor, Some(35));
    check("none.yaml", Defaults::Auto, false);
}

#[test]
fn aggregated_roles_are_computed_for_manifests_and_kept_for_dumps() {
    let text = |uid: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: all\n{uid}aggregationRule:\n  clusterRoleSelectors:\n  - matchLabels: {{team: shop}}\nrules: []\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: part\n  labels: {{team: shop}}\n{uid}rules:\n- apiGroups: ['']\n  resources: [pods]\n  verbs: [get]\n"
        )
    };
    let rules = |loaded: &bailiwick_input::Loaded| {
        loaded.snapshot.roles.get("", "all").unwrap().rules.len()
    };

    let loaded = read_text("a.yaml", &text(""));
    assert_eq!((rules(&loaded), loaded.snapshot.cluster.stored), (1, false));
    assert!(ids(&loaded).is_empty(), "{:?}", loaded.findings);

    let loaded = read_text("a.yaml", &text("  uid: 1b1f\n"));
    assert_eq!((rules(&loaded), loaded.snapshot.cluster.stored), (0, true));
    assert_eq!(ids(&loaded), ["aggregation-differs"]);
}

#[test]
fn what_is_not_kubernetes_is_a_quiet_note() {
    let directory = directory(&[
        ("values.yaml", b"replicas: 3\nitems: [a, b]\n"),
        ("ci.yml", b"on: push\njobs: {}\n"),
        ("list.yaml", b"- a\n- b\n"),
        ("role.yaml", ROLE.as_bytes()),
        ("empty.yaml", b"# nothing here\n---\n---\n"),
    ]);
    let loaded = read(directory.path());
    assert_eq!(objects(&loaded), ["Role default/r"]);
    assert_eq!(ids(&loaded), ["not-kubernetes"; 3]);
    for finding in &loaded.findings {
        assert_eq!(finding.severity, bailiwick_diag::Severity::Info);
        assert!(!finding.input_lost);
    }
    assert!(loaded.snapshot.gaps.is_empty());
}

#[test]
fn a_template_is_to_be_rendered_first() {
    let loaded = read_text(
        "a.yaml",
        "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {{ .Values.name }}\n",
    );
    assert_eq!(ids(&loaded), ["template"]);
    assert!(
        loaded.findings[0]
            .help
            .as_ref()
            .unwrap()
            .contains("helm template")
    );
    assert!(loaded.findings[0].input_lost);
}

#[test]
fn scalars_are_refused_where_kubectl_would_send_a_number() {
    // `010` is the number 8, no name; `no` is false, no verb.
    for (field, value) in [("name: r", "name: 010"), ("verbs: [get]", "verbs: [no]")] {
        let loaded = read_text("a.yaml", &ROLE.replace(field, value));
        assert!(objects(&loaded).is_empty(), "{value}");
        assert!(loaded.findings[0].input_lost, "{value}");
    }
}

#[test]
fn text_behind_the_end_of_a_document_is_told() {
    let loaded = read_text("a.yaml", &format!("{ROLE}...\nkind: Secret\n"));
    assert_eq!(objects(&loaded), ["Role default/r"]);
    assert_eq!(ids(&loaded), ["text-ignored"]);
    assert_eq!(lines(&loaded.findings[0]), [(10, 1)]);
}

#[test]
fn bombs_are_stopped() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let aliases = vec![format!("*a{}", n - 1); 9].join(", ");
        bomb += &format!("a{n}: &a{n} [{aliases}]\n");
    }
    let deep_flow = format!("a: {}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    let deep_block: String = (0..10_000)
        .map(|n| format!("{}a:\n", " ".repeat(n % 2000)))
        .collect();
    let dashes = format!("{}\n", "- ".repeat(50_000));
    let deep_json = format!("{{\"a\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for text in [bomb, deep_flow, deep_block, dashes, deep_json] {
        let begun = std::time::Instant::now();
        let loaded = read_text("a.yaml", &format!("{text}---\n{ROLE}"));
        assert!(loaded.findings[0].input_lost);
        assert!(begun.elapsed().as_secs() < 10, "{text:.60}");
    }
}

#[test]
fn the_map_of_identities_is_read_and_no_other_configmap_is() {
    let map =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: aws-auth, namespace: kube-system}\n";
    let other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: aws-auth, namespace: shop}\ndata: {mapRoles: planted}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: other, namespace: kube-system}\ndata: {mapRoles: planted}\n";
    let check = |data: &str, identities: &[&str], findings: &[&str]| {
        let text = format!("{map}data:\n{data}---\n{other}");
        let directory = directory(&[("a.yaml", text.as_bytes())]);
        let loaded = read(directory.path());
        assert!(!format!("{loaded:?}").contains("planted"), "{data}");
        let found = loaded.snapshot.identity_maps.iter();
        let found: Vec<String> = found
            .flat_map(|map| {
                let identities = map.identities.iter().map(|one| {
                    format!(
                        "{} {} {:?} {}",
                        one.arn,
                        one.username,
                        one.groups,
                        one.pointer()
                    )
                });
                let accounts = map.accounts.iter();
                identities.chain(accounts.map(|(at, account)| format!("{at} {account}")))
            })
            .collect();
        assert_eq!(found, identities, "{data}");
        let said: Vec<String> = loaded
            .findings
            .iter()
            .filter(|finding| finding.id != "defaults-added")
            .map(|finding| {
                let place = finding.places.first();
                let line = place
                    .and_then(|place| place.span.as_ref())
                    .map(|span| span.start.line);
                format!("{} {}", finding.id, line.unwrap_or_default())
            })
            .collect();
        assert_eq!(said, findings, "{data}: {:#?}", loaded.findings);
    };
    check(
        "  mapRoles: |\n    - rolearn: arn:aws:iam::1:role/a\n      username: a\n      groups: [g]\n  mapUsers: ''\n  mapAccounts: |\n    - '012'\n    - 7\n",
        &[
            "arn:aws:iam::1:role/a a [\"g\"] /data/mapRoles/0",
            "0 012",
            "1 000000000007",
        ],
        &[],
    );
    // What cannot be read costs itself, and is told where it stands.
    check(
        "  mapRoles: |\n    - rolearn: [\n  mapUsers: |\n    - userarn: arn:aws:iam::1:user/a\n",
        &["arn:aws:iam::1:user/a  [] /data/mapUsers/0"],
        &["broken-identity-map 6"],
    );
    check("  mapRoles: 'a: b'\n", &[], &["broken-identity-map 5"]);
    check(
        "  mapRoles: |\n    - rolearn: arn:aws:iam::1:role/path/a\n    - rolearn: arn:aws:sts::1:assumed-role/a/b\n    - nothing\n    - rolearn: arn:aws:iam::1:role/a\n      groups: g\n    - ROLEARN: arn:aws:iam::1:role/A\n      username: 7\n",
        &["arn:aws:iam::1:role/A  [] /data/mapRoles/4"],
        &[
            "identity-not-mapped 6",
            "identity-not-mapped 7",
            "identity-not-mapped 8",
            "identity-not-mapped 10",
            "identity-not-mapped 12",
            "identity-not-mapped 11",
        ],
    );
    let many = format!("  mapAccounts: '[{}]'\n", "1,".repeat(10_001));
    check(&many, &[], &["identity-map-too-large 5"]);
}
