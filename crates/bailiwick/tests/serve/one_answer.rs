//! One question through every door that can ask it: one effect.

use std::fmt::Write as _;

use bailiwick_testkit::generate::{Rng, seed};
use serde_json::{Value, json};

use crate::client::{Client, EVALUATION, REVIEW, review};
use crate::program::Home;
use crate::token;

/// A field of a message of protocol buffers: its number, and text or a message.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = content.len();
    while length > 0x7f {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend(content);
    out
}

/// A value of `google.protobuf.Struct`: a text or a list of texts.
fn value(value: &Value) -> Vec<u8> {
    match value {
        Value::Array(items) => field(
            6,
            &items
                .iter()
                .flat_map(|item| field(1, &self::value(item)))
                .collect::<Vec<u8>>(),
        ),
        text => field(3, text.as_str().unwrap().as_bytes()),
    }
}

/// A check as Envoy sends it, in one frame of gRPC.
fn check(claims: &Value, method: &str, path: &str) -> Vec<u8> {
    let entries = claims.as_object().unwrap().iter();
    let entries = entries.flat_map(|(key, found)| {
        field(
            1,
            &[field(1, key.as_bytes()), field(2, &value(found))].concat(),
        )
    });
    let payload = field(
        1,
        &[
            field(1, b"claims"),
            field(2, &field(5, &entries.collect::<Vec<u8>>())),
        ]
        .concat(),
    );
    let metadata = field(
        1,
        &[
            field(1, b"envoy.filters.http.jwt_authn"),
            field(2, &payload),
        ]
        .concat(),
    );
    let http = [
        field(2, method.as_bytes()),
        field(4, path.as_bytes()),
        field(5, b"api.example.org"),
        field(6, b"https"),
    ];
    let request = field(2, &http.concat());
    let message = field(1, &[field(4, &request), field(11, &metadata)].concat());
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0][..], &length, &message].concat()
}

struct Doors {
    api: Client,
    asker: Client,
    gateway: Client,
}

impl Doors {
    fn review(&self, user: &str, groups: &[&str], attributes: &Value) -> bool {
        let spec = json!({"user": user, "groups": groups, "resourceAttributes": attributes});
        self.api.post(REVIEW, &review(&spec)).body["status"]["allowed"] == true
    }

    fn authzen(&self, subject: &Value, action: &str, resource: &Value) -> bool {
        let body = json!({"subject": subject, "action": {"name": action}, "resource": resource});
        let answer = self.asker.post(EVALUATION, &body);
        answer.body["decision"]
            .as_bool()
            .unwrap_or_else(|| panic!("{body}: {}", answer.body))
    }

    fn http(&self, claims: &Value, method: &str, path: &str) -> bool {
        let claims = token::encoded(claims);
        let headers = [
            ("x-claims", claims.as_str()),
            ("host", "api.example.org"),
            ("x-forwarded-proto", "https"),
        ];
        let answer = self
            .gateway
            .send(method, &format!("/ext_authz{path}"), &headers, "");
        assert!(
            [200, 403].contains(&answer.status),
            "{method} {path}: {}",
            answer.body
        );
        answer.status == 200
    }

    fn grpc(&self, claims: &Value, method: &str, path: &str) -> bool {
        let answer = self.gateway.grpc(
            "/envoy.service.auth.v3.Authorization/Check",
            &check(claims, method, path),
        );
        // The first field is the status, empty where its code is 0.
        assert_eq!((answer[0], answer[5]), (0, 0x0a), "{answer:?}");
        answer[6] == 0
    }
}

fn start(home: &Home, application: &str) -> (crate::program::Program, Doors) {
    // What a busy machine is slow to write is no other answer.
    let configured = "accessReview: {mode: authority, budget: 30s}\n\
                      authzen: {base: 'https://pdp.example.org', budget: 30s}\n\
                      extAuthz: {budget: 30s, jwt: {metadata: claims, header: x-claims}}\npolicies: [policies]\n";
    home.configure("127.0.0.1:0", configured);
    let text = std::fs::read_to_string(home.path("serve.yaml")).unwrap();
    let edge = "doors: [extAuthz], application: ";
    let asker = "doors: [evaluation], application: ";
    let text = text.replace(&format!("{edge}shop"), &format!("{edge}{application}"));
    home.write(
        "serve.yaml",
        &text.replace(
            &format!("{asker}kubernetes"),
            &format!("{asker}{application}"),
        ),
    );
    let program = home.serve();
    let client = |name| Client::new(home, &program, Some(name));
    let doors = Doors {
        api: client("api"),
        asker: client("asker"),
        gateway: client("edge"),
    };
    (program, doors)
}

const USERS: [&str; 4] = ["anna", "otto", "nina", "system:anonymous"];
const GROUPS: [&str; 3] = ["dev", "ops", "audit"];
/// Verbs with the methods that ask for them.
const VERBS: [(&str, &str); 6] = [
    ("get", "GET"),
    ("list", "GET"),
    ("create", "POST"),
    ("update", "PUT"),
    ("patch", "PATCH"),
    ("delete", "DELETE"),
];
const RESOURCES: [&str; 3] = ["pods", "secrets", "configmaps"];
const NAMESPACES: [&str; 3] = ["", "shop", "bank"];
const NAMES: [&str; 2] = ["web", "db"];

/// A cluster of roles, with policies, revocations and relations beside them.
fn world(home: &Home, rng: &mut Rng) {
    let mut manifests = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n".to_owned();
    for number in 0..8 {
        let (verb, resource) = (rng.pick(&VERBS).0, rng.pick(&RESOURCES));
        let names = if rng.chance(30) {
            format!(", resourceNames: [{}]", rng.pick(&NAMES))
        } else {
            String::new()
        };
        let subject = match rng.below(3) {
            0 => format!(
                "{{kind: Group, apiGroup: rbac.authorization.k8s.io, name: {}}}",
                rng.pick(&GROUPS)
            ),
            _ => format!(
                "{{kind: User, apiGroup: rbac.authorization.k8s.io, name: {}}}",
                rng.pick(&USERS[..3])
            ),
        };
        let (kind, place) = match rng.below(2) {
            0 => ("ClusterRoleBinding", String::new()),
            _ => (
                "RoleBinding",
                format!(", namespace: {}", rng.pick(&NAMESPACES[1..])),
            ),
        };
        let _ = write!(
            manifests,
            "---\n{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {{name: r{number}}}, rules: \
             [{{apiGroups: [''], resources: [{resource}], verbs: [{verb}]{names}}}]}}\n---\n{{apiVersion: \
             rbac.authorization.k8s.io/v1, kind: {kind}, metadata: {{name: b{number}{place}}}, roleRef: {{apiGroup: \
             rbac.authorization.k8s.io, kind: ClusterRole, name: r{number}}}, subjects: [{subject}]}}\n"
        );
    }
    home.write("manifests.yaml", &manifests);
    let mut cedar = String::new();
    for effect in ["permit", "forbid", "permit"] {
        let (user, resource) = (rng.pick(&USERS[..3]), rng.pick(&RESOURCES));
        let who = match rng.below(2) {
            0 => format!("principal == k8s::User::\"{user}\""),
            _ => format!("principal in k8s::Group::\"{}\"", rng.pick(&GROUPS)),
        };
        let _ = writeln!(
            cedar,
            "{effect} ({who}, action, resource is k8s::Resource) when {{ resource.resource == \"{resource}\" }};"
        );
    }
    // The same of an application: methods and routes.
    for effect in ["permit", "forbid", "permit", "permit"] {
        let (method, name) = (rng.pick(&VERBS).1, rng.pick(&NAMES));
        let who = match rng.below(2) {
            0 => format!("principal.id == \"{}\"", rng.pick(&USERS[..3])),
            _ => format!("principal in app::Group::\"{}\"", rng.pick(&GROUPS)),
        };
        let _ = writeln!(
            cedar,
            "{effect} (principal is app::Subject, action, resource is app::Resource) when {{ {who} && context.action == \
             \"{method}\" && resource.id like \"/{name}*\" && resource.hasTag(\"host\") && \
             resource.getTag(\"host\").contains(\"api.example.org\") }};"
        );
    }
    let policy = json!({"apiVersion": "bailiwick.dev/v1alpha1", "kind": "ClusterPolicy",
        "metadata": {"name": "made-up"}, "spec": {"cedar": cedar}});
    std::fs::create_dir_all(home.path("policies")).unwrap();
    home.write("policies/policy.json", &policy.to_string());
    let target = if rng.chance(50) {
        json!({"user": rng.pick(&USERS[..3])})
    } else {
        json!({"group": rng.pick(&GROUPS)})
    };
    let revocation = json!({"apiVersion": "bailiwick.dev/v1alpha1", "kind": "Revocation", "metadata": {"name": "r"}, "spec": target});
    home.write("policies/revocation.json", &revocation.to_string());
}

#[test]
fn a_question_about_the_cluster_has_one_answer_at_every_door() {
    let seed = seed(2_026);
    let mut rng = Rng::new(seed);
    let (mut allowed, mut asked) = (0, 0);
    for round in 0..3 {
        let home = Home::new(&["api", "asker", "edge"]);
        world(&home, &mut rng);
        let (_program, doors) = start(&home, "kubernetes");
        for _ in 0..120 {
            let user = *rng.pick(&USERS[..3]);
            let mine: Vec<&str> = GROUPS.into_iter().filter(|_| rng.chance(40)).collect();
            let groups: Vec<&str> = mine
                .iter()
                .copied()
                .chain(["system:authenticated"])
                .collect();
            let (verb, method) = *rng.pick(&VERBS);
            let (resource, namespace) = (*rng.pick(&RESOURCES), *rng.pick(&NAMESPACES));
            let named = !["list", "create"].contains(&verb);
            let name = if named { *rng.pick(&NAMES) } else { "" };
            // Without a namespace only lists are requests that the API server knows.
            let namespace = if namespace.is_empty() && verb != "list" {
                "shop"
            } else {
                namespace
            };
            let attributes = json!({"verb": verb, "resource": resource, "namespace": namespace, "name": name, "version": "v1"});
            let subject = json!({"type": "user", "id": user, "properties": {"groups": groups}});
            let thing = json!({"type": resource, "id": name, "properties": {"namespace": namespace, "version": "v1"}});
            let place = if namespace.is_empty() {
                String::new()
            } else {
                format!("/namespaces/{namespace}")
            };
            let path = format!(
                "/api/v1{place}/{resource}{}{name}",
                if named { "/" } else { "" }
            );
            let claims = json!({"sub": user, "groups": mine});
            let answers = [
                doors.review(user, &groups, &attributes),
                doors.authzen(&subject, verb, &thing),
                doors.http(&claims, method, &path),
                doors.grpc(&claims, method, &path),
            ];
            let one = answers.iter().all(|answer| *answer == answers[0]);
            assert!(
                one,
                "seed {seed}, round {round}: {answers:?} for {user} {groups:?} {attributes} {path}"
            );
            allowed += usize::from(answers[0]);
            asked += 1;
        }
    }
    assert!(
        allowed * 20 > asked && allowed * 10 < asked * 9,
        "seed {seed}: {allowed} of {asked} tell little"
    );
}

#[test]
fn a_question_of_an_application_has_one_answer_at_every_door() {
    let seed = seed(2_027);
    let mut rng = Rng::new(seed);
    let (mut allowed, mut asked) = (0, 0);
    for round in 0..3 {
        let home = Home::new(&["api", "asker", "edge"]);
        world(&home, &mut rng);
        let (_program, doors) = start(&home, "shop");
        for _ in 0..120 {
            let user = *rng.pick(&USERS[..3]);
            let groups: Vec<&str> = GROUPS.into_iter().filter(|_| rng.chance(40)).collect();
            let (method, name) = (rng.pick(&VERBS).1, *rng.pick(&NAMES));
            let path = format!("/{name}{}", rng.pick(&["", "/", "/a", "/caf%C3%A9"]));
            let claims = json!({"sub": user, "groups": groups});
            let subject = json!({"type": "user", "id": user, "properties": claims});
            let properties =
                json!({"host": "api.example.org", "port": "", "path": path, "scheme": "https"});
            let route = json!({"type": "route", "id": path, "properties": properties});
            let answers = [
                doors.authzen(&subject, method, &route),
                doors.http(&claims, method, &path),
                doors.grpc(&claims, method, &path),
            ];
            let one = answers.iter().all(|answer| *answer == answers[0]);
            assert!(
                one,
                "seed {seed}, round {round}: {answers:?} for {user} {groups:?} {method} {path}"
            );
            allowed += usize::from(answers[0]);
            asked += 1;
        }
    }
    assert!(
        allowed * 20 > asked && allowed * 10 < asked * 9,
        "seed {seed}: {allowed} of {asked} tell little"
    );
}
