//! What holds containers back, and what does not.

use std::fmt::Write as _;

use crate::edges::testing::{check, graph, has};
use crate::{EDGES, EdgeKind, Graph};

/// A pod `shop/web` on node `n1` with this much of its spec, and of the spec of its one container.
fn pod(spec: &str, container: &str) -> String {
    let mut text = String::from("---\n");
    let _ = write!(
        text,
        "{{apiVersion: v1, kind: Pod, metadata: {{namespace: shop, name: web}}, spec: {{nodeName: n1, {spec} \
         containers: [{{name: web, image: web, {container}}}]}}}}"
    );
    text
}

fn kind(id: &str) -> &'static EdgeKind {
    EDGES.iter().find(|kind| kind.id == id).unwrap()
}

/// Why the step from the pod to its node is held back; empty where it is there, `-` where nobody thinks of it.
fn why(graph: &Graph, id: &str) -> String {
    if has(graph, kind(id), "Pod shop/web", "node n1") {
        return String::new();
    }
    let mut held = graph.held_back();
    let held = held.find(|held| held.kind.id == id);
    held.map_or("-".to_owned(), |held| {
        format!("{}: {}", held.by.pointer(), held.why)
    })
}

#[track_caller]
fn check_why(id: &str, (spec, container): (&str, &str), minor: u16, expected: &str) {
    let text = pod(spec, container);
    assert_eq!(
        why(&graph(&text, minor), id),
        expected,
        "{id} in 1.{minor}: {text}"
    );
}

const PRIVILEGED: &str = "securityContext: {privileged: true}";
const ADMIN: &str = "securityContext: {capabilities: {add: [SYS_ADMIN]}}";
const NOBODY: &str = "root in the pod is an ordinary user of the node";
const NOT_ROOT: &str = "the container does not run as root";
const CONFINED: &str = "its AppArmor profile refuses this";

#[test]
fn users_of_its_own_count_since_1_33() {
    let own_users = format!("/spec/hostUsers: {NOBODY}");
    for (container, id) in [
        (PRIVILEGED, "privileged-container"),
        (ADMIN, "capability-sys-admin"),
    ] {
        check_why(id, ("hostUsers: false,", container), 33, &own_users);
        check_why(id, ("hostUsers: false,", container), 32, "");
        check_why(id, ("hostUsers: true,", container), 37, "");
    }
}

#[test]
fn an_app_armor_profile_of_the_pod_counts_since_1_30() {
    let confined = format!("/spec/securityContext/appArmorProfile: {CONFINED}");
    let pod = "securityContext: {appArmorProfile: {type: RuntimeDefault}},";
    check_why("capability-sys-admin", (pod, ADMIN), 30, &confined);
    check_why("capability-sys-admin", (pod, ADMIN), 29, "");
    let own =
        "securityContext: {appArmorProfile: {type: Unconfined}, capabilities: {add: [SYS_ADMIN]}}";
    check_why("capability-sys-admin", (pod, own), 37, "");
    check_why("privileged-container", (pod, PRIVILEGED), 37, "");
    let module = "securityContext: {capabilities: {add: [SYS_MODULE]}}";
    check_why("capability-sys-module", (pod, module), 37, "");
}

#[test]
fn who_is_not_root_has_no_added_capabilities() {
    let check = |pod: &str, own: &str, expected: &str| {
        let own = format!("securityContext: {{{own} capabilities: {{add: [SYS_MODULE]}}}}");
        check_why("capability-sys-module", (pod, &own), 37, expected);
    };
    let user = |at: &str| format!("{at}/securityContext/runAsUser: {NOT_ROOT}");
    let (of_pod, own) = (user("/spec"), user("/spec/containers/0"));
    check("", "runAsUser: 1000,", &own);
    check("", "runAsUser: 0,", "");
    check("securityContext: {runAsUser: 1000},", "", &of_pod);
    check("securityContext: {runAsUser: 1000},", "runAsUser: 0,", "");
    let root = format!("/spec/securityContext/runAsNonRoot: {NOT_ROOT}");
    check("securityContext: {runAsNonRoot: true},", "", &root);
    check(
        "securityContext: {runAsNonRoot: true},",
        "runAsNonRoot: false,",
        "",
    );
    check_why(
        "privileged-container",
        ("securityContext: {runAsUser: 1000},", PRIVILEGED),
        37,
        "",
    );
}

#[test]
fn capabilities_in_every_spelling() {
    let check = |asked: &str, expected: &str| {
        let container = format!("securityContext: {{capabilities: {{add: [{asked}]}}}}");
        check_why("capability-sys-module", ("", &container), 37, expected);
    };
    check("SYS_MODULE", "");
    check("NET_RAW, sys_module", "");
    check("CAP_SYS_MODULE", "");
    check("ALL", "");
    check("SYS_MODULES", "-");
    check("NET_ADMIN", "-");
}

#[test]
fn tracing_takes_processes_and_the_capability() {
    let trace = "securityContext: {capabilities: {add: [SYS_PTRACE]}}";
    check_why("trace-host-process", ("hostPID: true,", trace), 37, "");
    check_why("trace-host-process", ("hostPID: true,", ""), 37, "-");
    check_why("trace-host-process", ("", trace), 37, "-");
    let confined = "securityContext: {appArmorProfile: {type: RuntimeDefault}, capabilities: {add: [SYS_PTRACE]}}";
    let by = format!("/spec/containers/0/securityContext/appArmorProfile: {CONFINED}");
    check_why("trace-host-process", ("hostPID: true,", confined), 37, &by);
}

/// A mount of a path of the node.
fn mount(path: &str, mount: &str) -> (String, String) {
    (
        format!("volumes: [{{name: host, hostPath: {{path: {path}}}}}],"),
        format!("volumeMounts: [{{name: host, mountPath: /host, {mount}}}]"),
    )
}

#[track_caller]
fn check_mount(id: &str, (path, options): (&str, &str), expected: &str) {
    let (spec, container) = mount(path, options);
    check_why(id, (&spec, &container), 37, expected);
}

#[test]
fn writing_takes_a_path_that_matters() {
    let check = |path, options, expected| check_mount("host-path-write", (path, options), expected);
    check("/", "", "");
    check("/etc", "", "");
    check("/etc/cron.d/jobs", "", "");
    check("/usr", "", "");
    check("/var/lib/docker/volumes", "", "");
    check("/", "subPath: etc/cron.d", "");
    check("/", "subPath: srv/shop", "-");
    check("/etc", "readOnly: true", "-");
    check("/etc/shop", "", "-");
    check("/etcetera", "", "-");
    check("/var/log", "", "-");
    check("/srv", "", "-");
}

#[test]
fn sockets_do_not_care_for_read_only() {
    let check = |path, options, expected| check_mount("runtime-socket", (path, options), expected);
    check("/var/run", "readOnly: true", "");
    check("/run/containerd", "", "");
    check("/run/containerd/containerd.sock", "", "");
    check("/var", "", "-");
    check("/run/containerd/io.containerd.grpc", "", "-");
    check("/var/run/docker.socket", "", "-");
}

#[test]
fn read_only_ends_at_the_next_file_system() {
    let check = |path, options, expected| check_mount("core-pattern", (path, options), expected);
    check("/", "readOnly: true", "");
    check("/", "readOnly: true, recursiveReadOnly: Enabled", "-");
    check("/", "readOnly: true, recursiveReadOnly: IfPossible", "");
    check("/proc", "", "");
    check("/proc", "readOnly: true", "-");
    check("/proc/sys/kernel/core_pattern", "", "");
    check("/proc/sys/net", "", "-");
    let (spec, container) = mount("/proc", "");
    let by = format!("/spec/hostUsers: {NOBODY}");
    check_why(
        "core-pattern",
        (&format!("{spec} hostUsers: false,"), &container),
        37,
        &by,
    );
    let (spec, container) = mount("/etc", "");
    check_why(
        "host-path-write",
        (&format!("{spec} hostUsers: false,"), &container),
        37,
        "",
    );
}

#[test]
fn init_containers_have_ended() {
    let init =
        |more: &str| format!("initContainers: [{{name: init, image: init, {PRIVILEGED} {more}}}],");
    let ended = "/spec/initContainers/0: it ends before the other containers start";
    check_why("privileged-container", (&init(""), ""), 37, ended);
    check_why(
        "privileged-container",
        (&init(", restartPolicy: Always"), ""),
        37,
        "",
    );
}

#[test]
fn files_of_pods_are_tokens_and_mounted_secrets() {
    let (spec, container) = mount("/var/lib/kubelet", "readOnly: true");
    let cluster = pod(&spec, &container)
        + "
    {apiVersion: v1, kind: Secret, metadata: {namespace: pay, name: db}}
    {apiVersion: v1, kind: Secret, metadata: {namespace: pay, name: pull}}
    {apiVersion: v1, kind: Pod, metadata: {namespace: pay, name: api},
     spec: {nodeName: n1, serviceAccountName: api, imagePullSecrets: [{name: pull}],
      containers: [{name: api, image: api, envFrom: [{secretRef: {name: db}}]}]}}
    {apiVersion: v1, kind: Pod, metadata: {namespace: pay, name: quiet},
     spec: {nodeName: n1, serviceAccountName: quiet, automountServiceAccountToken: false, containers: [{name: a, image: a}]}}
    {apiVersion: v1, kind: Pod, metadata: {namespace: pay, name: far},
     spec: {nodeName: n2, serviceAccountName: far, containers: [{name: a, image: a}]}}";
    let files = "the files of the pods on node n1";
    check("host-path-tokens", "Pod shop/web", &cluster, &[files]);
    let expected = [
        "service account pay/api",
        "service account shop/default",
        "Secret pay/db",
    ];
    check("host-path-tokens", files, &cluster, &expected);
    check(
        "host-path-kubelet",
        "Pod shop/web",
        &cluster,
        &["user system:node:n1"],
    );
    let kubelet = [
        "service account pay/api",
        "service account shop/default",
        "Secret pay/db",
        "Secret pay/pull",
    ];
    check("node-authorizer", "user system:node:n1", &cluster, &kubelet);
    check(
        "pods-of-node",
        "node n1",
        &cluster,
        &["Pod shop/web", "Pod pay/api", "Pod pay/quiet"],
    );
    check("pod-secrets", "Pod pay/api", &cluster, &["Secret pay/db"]);
    // Before 1.33 a kubelet gets a token for any audience, also for a pod without a token.
    let quiet = |minor| {
        let graph = graph(&cluster, minor);
        has(
            &graph,
            kind("node-authorizer"),
            "user system:node:n1",
            "service account pay/quiet",
        )
    };
    assert!(quiet(32));
    assert!(!quiet(33));
}

#[test]
fn the_control_plane_is_where_its_label_is() {
    let cluster = |label: &str, path: &str| {
        let (spec, container) = mount(path, "readOnly: true");
        let pod = pod(&spec, &container);
        format!(
            "{pod}\n{{apiVersion: v1, kind: Node, metadata: {{name: n1, labels: {{{label}: ''}}}}}}"
        )
    };
    let all = ["full control of the cluster"];
    let label = "node-role.kubernetes.io/master";
    check(
        "control-plane-node",
        "node n1",
        &cluster(label, "/srv"),
        &all,
    );
    check(
        "host-path-control-plane",
        "Pod shop/web",
        &cluster(label, "/etc"),
        &all,
    );
    check(
        "host-path-control-plane",
        "Pod shop/web",
        &cluster(label, "/etc/kubernetes/pki/ca.crt"),
        &[],
    );
    let label = "node-role.kubernetes.io/worker";
    check(
        "control-plane-node",
        "node n1",
        &cluster(label, "/srv"),
        &[],
    );
    check(
        "host-path-control-plane",
        "Pod shop/web",
        &cluster(label, "/etc"),
        &[],
    );
}

#[test]
fn pod_security_refuses_pods_that_reach_for_their_node() {
    let namespace = |labels: &str| {
        format!(
            "---\n{{apiVersion: v1, kind: Namespace, metadata: {{name: shop, labels: {{{labels}}}}}}}"
        )
    };
    let check = |labels: &str, minor: u16, expected: bool| {
        let graph = graph(&namespace(labels), minor);
        let (from, to) = ("new pods of namespace shop", "every node of the cluster");
        assert_eq!(
            has(&graph, kind("new-pod-node"), from, to),
            expected,
            "{labels} in 1.{minor}"
        );
        let held = graph.held_back().any(|held| {
            held.by.pointer() == "/metadata/labels/pod-security.kubernetes.io~1enforce"
        });
        assert_eq!(held, !expected, "{labels} in 1.{minor}");
    };
    check("", 37, true);
    check("pod-security.kubernetes.io/enforce: privileged", 37, true);
    check("pod-security.kubernetes.io/enforce: baseline", 37, false);
    check("pod-security.kubernetes.io/enforce: restricted", 37, false);
    check("pod-security.kubernetes.io/enforce: Baseline", 37, false);
    check("pod-security.kubernetes.io/warn: restricted", 37, true);
    check("pod-security.kubernetes.io/enforce: baseline", 23, false);
    check("pod-security.kubernetes.io/enforce: baseline", 22, true);
}

#[test]
fn a_setting_is_that_of_the_object_that_makes_the_pod() {
    let owner = |kind: &str, name: &str| {
        format!(
            "ownerReferences: [{{apiVersion: apps/v1, kind: {kind}, name: {name}, uid: '1', controller: true}}]"
        )
    };
    let template = format!(
        "{{metadata: {{labels: {{a: b}}}}, spec: {{containers: [{{name: web, image: web, {PRIVILEGED}}}]}}}}"
    );
    let selector = "selector: {matchLabels: {a: b}}";
    let cluster = format!(
        "---
         {{apiVersion: apps/v1, kind: Deployment, metadata: {{namespace: shop, name: web}}, spec: {{{selector}, template: {template}}}}}
         {{apiVersion: apps/v1, kind: ReplicaSet, metadata: {{namespace: shop, name: web-1, {}}}, spec: {{{selector}, template: {template}}}}}
         {{apiVersion: v1, kind: Pod, metadata: {{namespace: shop, name: web-1-a, {}}},
          spec: {{nodeName: n1, containers: [{{name: web, image: web, {PRIVILEGED}}}, {{name: injected, image: proxy, {PRIVILEGED}}}]}}}}",
        owner("Deployment", "web"),
        owner("ReplicaSet", "web-1"),
    );
    let graph = graph(&cluster, 37);
    let step = graph
        .edges()
        .find(|step| step.kind.id == "privileged-container")
        .unwrap();
    let settings: Vec<String> = step
        .evidence
        .iter()
        .flatten()
        .flatten()
        .map(|atom| format!("{}{}", atom.object(), atom.pointer()))
        .collect();
    assert_eq!(
        settings,
        [
            "Deployment shop/web/spec/template/spec/containers/0/securityContext/privileged",
            "Pod shop/web-1-a/spec/containers/1/securityContext/privileged",
        ]
    );
}

#[test]
fn a_template_leads_to_some_node() {
    let cluster = format!(
        "---
         {{apiVersion: apps/v1, kind: Deployment, metadata: {{namespace: shop, name: web}},
          spec: {{selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}},
           spec: {{containers: [{{name: web, image: web, {PRIVILEGED}}}]}}}}}}}}"
    );
    check(
        "privileged-container",
        "Deployment shop/web",
        &cluster,
        &["some node"],
    );
    let graph = graph(&cluster, 37);
    assert!(
        graph
            .edges()
            .all(|step| step.from.to_string() != "some node")
    );
}

#[test]
fn windows_says_it_for_the_pod_or_for_each_container() {
    let own = "securityContext: {windowsOptions: {hostProcess: true}}";
    check_why("windows-host-process", ("hostNetwork: true,", own), 37, "");
    check_why("windows-host-process", ("hostNetwork: true,", own), 22, "-");
    check_why("windows-host-process", ("hostNetwork: true,", ""), 37, "-");
}

#[test]
fn templates_of_the_whole_cluster_are_reached_by_kind() {
    let template = "selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, \
                    spec: {containers: [{name: web, image: web}]}}";
    let cluster = |names: &str| {
        format!(
            "ClusterRole r
               patch on deployments of apps {names}
             ClusterRoleBinding r gives ClusterRole/r to user:eve
             ---
             {{apiVersion: apps/v1, kind: Deployment, metadata: {{namespace: shop, name: web}}, spec: {{{template}}}}}
             {{apiVersion: apps/v1, kind: DaemonSet, metadata: {{namespace: pay, name: web}}, spec: {{{template}}}}}"
        )
    };
    let every = "the template of every Deployment of the cluster";
    let shop = "new pods of namespace shop";
    check("template-change", "user eve", &cluster(""), &[every]);
    check("template-change", every, &cluster(""), &[shop]);
    check(
        "template-change",
        "user eve",
        &cluster("named web"),
        &[shop],
    );
    check("template-change", "user eve", &cluster("named app"), &[]);
}
