//! What webhooks and policies are about, decided here and by a running API server: a policy that refuses everything
//! refuses just the requests for which it is said to stand in the way.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test, also where it is no test function"
)]

mod requests;

use std::io::Write as _;
use std::time::{Duration, Instant};

use bailiwick_graph::Admission;
use bailiwick_input::{Defaults, LoadOptions, Source, load};
use bailiwick_model::Snapshot;
use bailiwick_testkit::servers::Cluster;
use serde_json::json;

use requests::{ADMISSION, Asked, CORE, asked};

/// What is there, as YAML: two namespaces with labels of their own, and something to change in one of them.
const OBJECTS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
---
apiVersion: v1
kind: Namespace
metadata: {name: pay, labels: {team: b}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {namespace: shop, name: web}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
---
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: web, labels: {app: web}}
spec: {nodeName: n1, serviceAccountName: web, automountServiceAccountToken: false, containers: [{name: a, image: a}]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: other}
webhooks: []
";

/// One policy: what it is about, what its binding adds, and what else is in its spec, as flow YAML.
struct Case {
    name: &'static str,
    constraints: &'static str,
    binding: &'static str,
    spec: &'static str,
}

const ALL: &str = "resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*/*']}]";
const DENY: &str = "validationActions: [Deny]";
const NO: &str = "validations: [{expression: 'false'}]";

const fn case(name: &'static str, constraints: &'static str, binding: &'static str) -> Case {
    Case {
        name,
        constraints,
        binding,
        spec: NO,
    }
}

const POLICIES: &[Case] = &[
    case("everything", ALL, DENY),
    case("everything-audited", ALL, "validationActions: [Audit]"),
    case(
        "star-has-no-subresources",
        "resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*']}]",
        DENY,
    ),
    case(
        "pods-and-below",
        "resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: ['*'], resources: ['pods/*']}]",
        DENY,
    ),
    case(
        "exec-alone",
        "resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CONNECT], resources: ['*/exec']}]",
        DENY,
    ),
    case(
        "exec-is-never-created",
        "resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: ['*/exec']}]",
        DENY,
    ),
    case(
        "changes",
        "resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], operations: [UPDATE], resources: ['*/*']}]",
        DENY,
    ),
    case(
        "an-unserved-version",
        "resourceRules: [{apiGroups: [''], apiVersions: [v2], operations: ['*'], resources: ['*/*']}]",
        DENY,
    ),
    case(
        "by-name",
        "resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: ['*'], resources: [pods], resourceNames: [web]}]",
        DENY,
    ),
    case(
        "outside-of-namespaces",
        "resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*/*'], scope: Cluster}]",
        DENY,
    ),
    case(
        "inside-of-namespaces",
        "resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*/*'], scope: Namespaced}]",
        DENY,
    ),
    case(
        "team-a",
        "namespaceSelector: {matchLabels: {team: a}}, resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*/*']}]",
        DENY,
    ),
    case(
        "not-team-a",
        "namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [a]}]}, resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*/*']}]",
        DENY,
    ),
    case(
        "by-name-of-namespace",
        "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: pay}}, resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*/*']}]",
        DENY,
    ),
    case(
        "labelled-web",
        "objectSelector: {matchLabels: {app: web}}, resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*/*']}]",
        DENY,
    ),
    case(
        "labelled-other",
        "objectSelector: {matchLabels: {app: other}}, resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*/*']}]",
        DENY,
    ),
    case(
        "but-pods",
        "excludeResourceRules: [{apiGroups: [''], apiVersions: ['*'], operations: ['*'], resources: [pods]}], resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*/*']}]",
        DENY,
    ),
    case(
        "bound-to-team-a",
        ALL,
        "validationActions: [Deny], matchResources: {namespaceSelector: {matchLabels: {team: a}}}",
    ),
    case(
        "bound-to-deletions",
        ALL,
        "validationActions: [Deny], matchResources: {resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], operations: [DELETE], resources: ['*']}]}",
    ),
    case(
        "bound-to-another",
        ALL,
        "validationActions: [Deny], policyName: another",
    ),
    Case {
        name: "without-its-parameters",
        constraints: ALL,
        binding: "validationActions: [Audit], paramRef: {name: gone, namespace: pay, parameterNotFoundAction: Deny}",
        spec: "paramKind: {apiVersion: v1, kind: ConfigMap}, validations: [{expression: 'true'}]",
    },
    Case {
        name: "open-without-its-parameters",
        constraints: ALL,
        binding: "validationActions: [Audit], paramRef: {name: gone, namespace: pay, parameterNotFoundAction: Deny}",
        spec: "failurePolicy: Ignore, paramKind: {apiVersion: v1, kind: ConfigMap}, validations: [{expression: 'true'}]",
    },
];

impl Case {
    fn yaml(&self) -> String {
        let Self {
            name,
            constraints,
            binding,
            spec,
        } = self;
        let policy = if binding.contains("policyName") {
            ""
        } else {
            ", policyName: own"
        };
        let policy = policy.replace("own", name);
        format!(
            "{{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicy, metadata: {{name: {name}}}, spec: {{matchConstraints: {{{constraints}}}, {spec}}}}}\n\
             ---\n\
             {{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, metadata: {{name: {name}}}, spec: {{{binding}{policy}}}}}\n"
        )
    }
}

const WEBHOOKS: &[(&str, &str)] = &[
    (
        "connections",
        "rules: [{apiGroups: ['*'], apiVersions: ['*'], operations: [CONNECT], resources: ['*/*']}]",
    ),
    ("nothing", "failurePolicy: Fail"),
    (
        "all-but-questions",
        "rules: [{apiGroups: ['', rbac.authorization.k8s.io, admissionregistration.k8s.io], apiVersions: ['*'], operations: ['*'], resources: ['*/*']}]",
    ),
    (
        "team-b",
        "namespaceSelector: {matchLabels: {team: b}}, rules: [{apiGroups: [''], apiVersions: ['*'], operations: ['*'], resources: [pods]}]",
    ),
];

fn webhook(name: &str, matches: &str) -> String {
    format!(
        "{{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {{name: {name}}}, webhooks: [{{name: {name}.guard.example, sideEffects: None, admissionReviewVersions: [v1], timeoutSeconds: 1, clientConfig: {{service: {{namespace: pay, name: gone}}}}, {matches}}}]}}\n"
    )
}

fn snapshot(yaml: &str) -> Snapshot {
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    file.write_all(yaml.as_bytes()).unwrap();
    let options = LoadOptions {
        defaults: Defaults::None,
        ..LoadOptions::default()
    };
    let loaded = load(&[Source::Path(file.path().to_owned())], &options);
    assert_eq!(loaded.findings, [], "{yaml}");
    loaded.snapshot
}

/// Puts up a policy that refuses one ConfigMap, and waits until it does, or what was put up before
/// does so already: by then that counts.
fn wait(cluster: &Cluster, number: usize, word: &str) {
    let name = format!("sentinel-{number}");
    let admin = cluster.admin();
    admin
        .apply(&format!(
            "{{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicy, metadata: {{name: {name}}}, spec: {{matchConstraints: {{resourceRules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps], resourceNames: [{name}]}}]}}, validations: [{{expression: 'false'}}]}}}}\n\
             ---\n\
             {{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, metadata: {{name: {name}}}, spec: {{policyName: {name}, validationActions: [Deny]}}}}\n"
        ))
        .unwrap();
    let map = json!({"metadata": {"name": name}});
    let start = Instant::now();
    loop {
        let reply = admin
            .post(&format!("{CORE}/default/configmaps?dryRun=All"), &map)
            .unwrap();
        if reply.body.contains(&format!("'{name}'")) || reply.body.contains(word) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{}", reply.body);
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether the server refuses a request, and says so by this word.
fn is_refused(cluster: &Cluster, asked: &Asked, word: &str) -> bool {
    let headers = match asked.method {
        "PATCH" if asked.path.contains("ephemeral") => {
            [("content-type", "application/strategic-merge-patch+json")]
        }
        "PATCH" => [("content-type", "application/merge-patch+json")],
        _ => [("content-type", "application/json")],
    };
    let body = (!asked.body.is_null()).then(|| asked.body.to_string());
    let reply = cluster
        .admin()
        .request(asked.method, &asked.path, &headers, body.as_deref());
    let reply = reply.unwrap();
    reply.status >= 400 && reply.body.contains(word)
}

/// Compares what is said of each request with what becomes of it. Gives how many were refused.
fn compare(
    cluster: &Cluster,
    name: &str,
    yaml: &str,
    word: &str,
    wrong: &mut Vec<String>,
) -> usize {
    let snapshot = snapshot(&format!("{OBJECTS}---\n{yaml}"));
    let admission = Admission::new(&snapshot);
    let mut count = 0;
    for asked in asked() {
        let guards = admission.guards_of(&asked.request, asked.scope);
        let own = guards.iter().find(|guard| &*guard.by.name == name);
        let refused = is_refused(cluster, &asked, word);
        count += usize::from(refused);
        let open = own.is_some_and(|guard| guard.for_some_objects || guard.in_some_namespaces);
        if own.is_some() != refused && !open {
            wrong.push(format!(
                "{name}: {} {}: refused {refused}, but {own:?}",
                asked.method, asked.path
            ));
        }
    }
    count
}

#[test]
fn a_policy_refuses_what_it_is_said_to_be_about() {
    let cluster = Cluster::builder().start().unwrap();
    cluster.admin().apply(OBJECTS).unwrap();
    let mut wrong = Vec::new();
    for (number, case) in POLICIES.iter().enumerate() {
        let yaml = case.yaml();
        cluster.admin().apply(&yaml).unwrap();
        let word = format!("ValidatingAdmissionPolicy '{}'", case.name);
        wait(&cluster, number, &word);
        let refused = compare(&cluster, case.name, &yaml, &word, &mut wrong);
        println!("{}: {refused} refused", case.name);
        let delete = ["delete", "-f", "-"];
        cluster
            .admin()
            .kubectl_with_input(&delete, &yaml)
            .unwrap()
            .success()
            .unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_webhook_is_asked_about_what_it_is_said_to_be_about() {
    let cluster = Cluster::builder().start().unwrap();
    cluster.admin().apply(OBJECTS).unwrap();
    let mut wrong = Vec::new();
    for (number, (name, matches)) in WEBHOOKS.iter().enumerate() {
        let yaml = webhook(name, matches);
        cluster.admin().apply(&yaml).unwrap();
        let word = format!("{name}.guard.example");
        wait(&cluster, number, &word);
        // Webhooks come by another way than policies.
        std::thread::sleep(Duration::from_secs(1));
        let refused = compare(&cluster, name, &yaml, &word, &mut wrong);
        println!("{name}: {refused} refused");
        let path = format!("{ADMISSION}/validatingwebhookconfigurations/{name}");
        cluster.admin().request("DELETE", &path, &[], None).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
