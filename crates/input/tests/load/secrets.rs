use bailiwick_input::{Locator, snapshot};

use super::{directory, read};

/// What must never come out again.
const PLANTED: &str = "hunter2-planted";

/// Documents with a planted value each, most of them broken in one way or another.
fn documents() -> Vec<(String, String)> {
    let p = PLANTED;
    let last_applied = format!(
        "kubectl.kubernetes.io/last-applied-configuration: '{{\"data\":{{\"k\":\"{p}\"}}}}'"
    );
    let yaml = [
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata: {{k: {p}}}\nstringData: {{k: {p}}}\n"
        ),
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata: [{p}\n"),
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData:\n  k: {p}: x\n"),
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData:\n\tk: {p}\n"),
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData:\n  k: \"{p}\n"),
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData:\n  k: *{p}\n"),
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData:\n  k: !!int {p}\n"
        ),
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData:\n  k: {p}\n  k: {p}\n"
        ),
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata: {p}\n"),
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ntype: [{p}]\n"),
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nx: {p}\n"),
        format!(
            "apiVersion: v1\nkind: \"S\\u0065cret\"\nmetadata: {{name: s}}\nstringData: {{k: {p}\n"
        ),
        format!("apiVersion: v1\nmetadata: {{name: s}}\nstringData: {{k: {p}\n"),
        format!(
            "kind: List\napiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: {{name: s}}\n  data: {{k: {p}, k: {p}}}\n"
        ),
        format!(
            "kind: SecretList\napiVersion: v1\nitems:\n- metadata: {{name: s}}\n  data: {{k: {p}, k: {p}}}\n"
        ),
        format!(
            "kind: List\napiVersion: v1\nitems: [{{apiVersion: v1, kind: Secret, metadata: {{name: s}}, data: {{k: {p}}}}}, {{apiVersion: v1, kind: ServiceAccount, metadata: {{name: 7}}}}]\n"
        ),
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  annotations:\n    {last_applied}\n"
        ),
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: s\n  annotations:\n    {last_applied}\n    {last_applied}\nrules: 7\n"
        ),
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: s, annotations: {{{last_applied}}}}}\nrules: 7\n"
        ),
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d}}\nspec:\n  template:\n    spec:\n      serviceAccountName: 7\n      containers:\n      - name: c\n        args: [--password={p}]\n        env:\n        - name: A\n          value: {p}\n"
        ),
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: d}}\nspec: {{serviceAccountName: 7, containers: [{{name: c, env: [{{name: A, value: {p}}}]}}]}}\n"
        ),
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: d}}\nspec:\n  containers:\n  - env:\n    - name: A\n      value: \"{p}\n"
        ),
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: d}}\nspec:\n  containers:\n  - env:\n    - name: A\n      value: a\n      value: {p}\n"
        ),
        format!(
            "kind: Role\napiVersion: rbac.authorization.k8s.io/v1\nmetadata: {{name: r}}\nrules: [\n---x\nkind: Secret\nstringData: {{k: {p}}}\n"
        ),
        format!("kind: Role\n# forgot the separator\nkind: Secret\nstringData: {{k: {p}\n"),
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{k: {p}, k: {p}}}\n"
        ),
        format!(
            "apiVersion: example.com/v1\nkind: Vault\nmetadata: {{name: c}}\nspec: {{token: {p}, token: {p}}}\n"
        ),
        format!("password: {p}\n"),
        format!("password: {p}: {p}\n"),
        format!("{p}\n"),
        format!("{{{{ {p} }}}}\n"),
    ];
    let json = [
        format!(
            "{{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{{\"name\":\"s\"}},\"data\":{{\"k\":\"{p}\"}}}}"
        ),
        format!(
            "{{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{{\"name\":\"s\"}},\"data\":{{\"k\":\"{p}\",\"k\":\"{p}\"}}}}"
        ),
        format!(
            "{{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{{\"name\":\"s\"}},\"data\":{{\"k\":\"{p}"
        ),
        format!(
            "{{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{{\"name\":\"s\"}},\"data\":\"{p}\"}}"
        ),
        format!(
            "{{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{{\"name\":\"s\"}},\"data\":{{\"k\":{p}}}}}"
        ),
        format!("{{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"x\":\"{p}\",\"y\":1e999}}"),
        format!(
            "{{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[{{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{{\"name\":\"s\"}},\"data\":{{\"k\":\"{p}\"}}}},{{\"apiVersion\":\"rbac.authorization.k8s.io/v1\",\"kind\":\"Role\",\"metadata\":{{\"name\":\"r\"}},\"rules\":7}}]}}"
        ),
        format!(
            "{{\"kind\":\"SecretList\",\"apiVersion\":\"v1\",\"items\":[{{\"metadata\":{{\"name\":\"s\"}},\"data\":{{\"k\":\"{p}\"}},\"x\":tru}}]}}"
        ),
    ];
    let named = |extension: &'static str| {
        move |(n, text): (usize, String)| (format!("{n:02}.{extension}"), text)
    };
    yaml.into_iter()
        .enumerate()
        .map(named("yaml"))
        .chain(json.into_iter().enumerate().map(named("json")))
        .collect()
}

#[test]
fn nothing_secret_comes_out() {
    for (name, text) in documents() {
        assert!(text.contains(PLANTED));
        let directory = directory(&[(&name, text.as_bytes())]);
        let mut loaded = read(&directory.path().join(&name));
        let objects: Vec<_> = loaded.snapshot.objects().collect();

        let mut places = Vec::new();
        for (object, _) in &objects {
            for pointer in [
                "",
                "/metadata/annotations",
                "/data",
                "/data/k",
                "/spec",
                "/spec/containers/0/env/0/value",
                "/rules",
            ] {
                let place = bailiwick_diag::Place::field(object.object_ref(), pointer);
                places.push(
                    bailiwick_diag::Finding::new("x", bailiwick_diag::Severity::Info, "x")
                        .at(place),
                );
            }
        }
        let mut locator = Locator::new(&loaded.snapshot).with_held(&loaded.held);
        for finding in loaded.findings.iter_mut().chain(&mut places) {
            locator.locate(finding);
        }

        let mut file = Vec::new();
        snapshot::write(&loaded.snapshot, &mut file).unwrap();
        let unpacked = zstd::decode_all(file.as_slice()).unwrap();
        for (what, shown) in [
            ("findings", format!("{:?}", loaded.findings)),
            (
                "findings as JSON",
                serde_json::to_string(&loaded.findings).unwrap(),
            ),
            ("places", format!("{places:?}")),
            ("snapshot", format!("{:?}", loaded.snapshot)),
            (
                "snapshot file",
                String::from_utf8_lossy(&unpacked).into_owned(),
            ),
            ("held text", format!("{:?}", loaded.held)),
        ] {
            assert!(
                !shown.contains(PLANTED),
                "{what} of {name}\n{text}\n{shown}"
            );
        }
    }
}
