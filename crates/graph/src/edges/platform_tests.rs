//! What volumes, nodes, guards and operators add to steps, and what takes steps away.

use super::testing::{check, graph, has};
use crate::{EDGES, EdgeKind, Graph};

pub(super) fn kind(id: &str) -> &'static EdgeKind {
    EDGES.iter().find(|kind| kind.id == id).unwrap()
}

/// Why a step of this kind is held back; empty where one is there, `-` where nobody thinks of it.
fn why(graph: &Graph, id: &str) -> String {
    if graph.edges().any(|step| step.kind.id == id) {
        return String::new();
    }
    let held = graph.held_back().find(|held| held.kind.id == id);
    held.map_or("-".to_owned(), |held| {
        format!("{}: {}", held.by.pointer(), held.why)
    })
}

#[track_caller]
pub(super) fn check_why(id: &str, text: &str, expected: &str) {
    assert_eq!(why(&graph(text, 37), id), expected, "{id}: {text}");
}

/// A pod with a claim, and the volume behind it.
fn claimed(volume: &str, mount: &str) -> String {
    format!(
        "---
         {{apiVersion: v1, kind: PersistentVolume, metadata: {{name: disk}},
          spec: {{capacity: {{storage: 1Gi}}, accessModes: [ReadWriteOnce], {volume}}}}}
         {{apiVersion: v1, kind: Pod, metadata: {{namespace: shop, name: web}},
          spec: {{nodeName: n1, volumes: [{{name: v, persistentVolumeClaim: {{claimName: data}}}}],
           containers: [{{name: web, image: web, volumeMounts: [{{name: v, mountPath: /v, {mount}}}]}}]}}}}"
    )
}

#[test]
fn a_claim_shows_the_path_of_its_volume() {
    let bound = "claimRef: {namespace: shop, name: data}";
    let of = |path: &str| format!("hostPath: {{path: {path}}}, {bound}");
    check_why("host-path-write", &claimed(&of("/"), ""), "");
    check_why(
        "host-path-write",
        &claimed(&of("/"), "subPath: etc/cron.d"),
        "",
    );
    check_why("host-path-write", &claimed(&of("/"), "subPath: srv"), "-");
    check_why("host-path-write", &claimed(&of("/"), "readOnly: true"), "-");
    check_why("runtime-socket", &claimed(&of("/var/run"), ""), "");
    check_why("host-path-tokens", &claimed(&of("/var/lib"), ""), "");
    check_why("host-path-write", &claimed(&of("/srv"), ""), "-");
    let elsewhere = "hostPath: {path: /}, claimRef: {namespace: pay, name: data}";
    check_why("host-path-write", &claimed(elsewhere, ""), "-");
    check_why("host-path-write", &claimed("hostPath: {path: /}", ""), "-");
    let graph = graph(&claimed(&of("/"), ""), 37);
    let step = graph.edges().find(|step| step.kind.id == "host-path-write");
    let evidence = step.unwrap().evidence;
    let atoms = evidence.iter().flatten().flatten();
    let places: Vec<String> = atoms
        .map(|atom| format!("{} {}", atom.object(), atom.pointer()))
        .collect();
    assert_eq!(
        places,
        [
            "Pod shop/web /spec/containers/0/volumeMounts/0",
            "PersistentVolume disk /spec/hostPath"
        ]
    );
}

#[test]
fn a_claim_that_names_its_volume_is_bound_to_it() {
    let with_claim = |volume: &str, spec: &str| {
        let cluster = claimed(volume, "");
        format!(
            "{cluster}
         {{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {{namespace: shop, name: data}}, spec: {{{spec}}}}}"
        )
    };
    let own = "volumeName: disk";
    let free = "hostPath: {path: /}";
    check_why("host-path-write", &with_claim(free, own), "");
    check_why("host-path-write", &with_claim(free, ""), "-");
    check_why(
        "host-path-write",
        &with_claim(free, "volumeName: other"),
        "-",
    );
    let taken = "hostPath: {path: /}, claimRef: {namespace: pay, name: data}";
    check_why("host-path-write", &with_claim(taken, own), "-");
}

/// A pod of a RuntimeClass with this handler.
fn of_class(handler: &str, pod: &str, container: &str) -> String {
    format!(
        "---
         {{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {{name: own}}, handler: {handler}}}
         {{apiVersion: v1, kind: Pod, metadata: {{namespace: shop, name: web}},
          spec: {{nodeName: n1, runtimeClassName: own, {pod} containers: [{{name: web, image: web, {container}}}]}}}}"
    )
}

#[test]
fn a_sandbox_keeps_what_a_container_may_do_to_itself() {
    let privileged = "securityContext: {privileged: true}";
    let boxed = "/spec/runtimeClassName: the handler of its RuntimeClass runs it in a sandbox";
    for handler in ["runsc", "gvisor", "kata", "kata-qemu"] {
        let text = of_class(handler, "", privileged);
        check_why("privileged-container", &text, boxed);
    }
    for handler in ["runc", "crun", "katana", "nvidia"] {
        let text = of_class(handler, "", privileged);
        check_why("privileged-container", &text, "");
    }
    let admin = "securityContext: {capabilities: {add: [SYS_ADMIN]}}";
    check_why("capability-sys-admin", &of_class("runsc", "", admin), boxed);
    let trace = "securityContext: {capabilities: {add: [SYS_PTRACE]}}";
    let text = of_class("runsc", "hostPID: true,", trace);
    check_why("trace-host-process", &text, boxed);
    // A path of the node is one in a sandbox, too.
    let (volume, mount) = (
        "volumes: [{name: v, hostPath: {path: /etc}}],",
        "volumeMounts: [{name: v, mountPath: /v}]",
    );
    check_why("host-path-write", &of_class("runsc", volume, mount), "");
    let unknown = of_class("runsc", "", privileged)
        .replace("runtimeClassName: own", "runtimeClassName: gone");
    check_why("privileged-container", &unknown, "");
}

#[test]
fn a_file_system_that_is_read_only_and_missing_profiles_change_nothing() {
    let pod = |context: &str| {
        format!(
            "---
             {{apiVersion: v1, kind: Pod, metadata: {{namespace: shop, name: web}}, spec: {{nodeName: n1,
              containers: [{{name: web, image: web, securityContext: {{{context}}}}}]}}}}"
        )
    };
    check_why(
        "privileged-container",
        &pod("privileged: true, readOnlyRootFilesystem: true"),
        "",
    );
    for open in [
        "seccompProfile: {type: Unconfined}",
        "appArmorProfile: {type: Unconfined}",
        "seLinuxOptions: {type: spc_t}",
    ] {
        let found = graph(&pod(open), 37);
        let left = found.edges().any(|step| {
            step.to.to_string() == "node n1" && step.from.to_string() == "Pod shop/web"
        });
        assert!(!left, "{open}");
    }
}

#[test]
fn templates_reach_control_planes_that_take_their_pods() {
    let cluster = |taints: &str, pod: &str| {
        format!(
            "---
             {{apiVersion: v1, kind: Node, metadata: {{name: m1, labels: {{node-role.kubernetes.io/control-plane: '', disk: ssd}}}},
              spec: {{taints: [{taints}]}}}}
             {{apiVersion: apps/v1, kind: DaemonSet, metadata: {{namespace: shop, name: agent}},
              spec: {{selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}},
               spec: {{{pod} containers: [{{name: a, image: a, securityContext: {{privileged: true}}}}]}}}}}}}}"
        )
    };
    let check = |taints: &str, pod: &str, expected: bool| {
        let text = cluster(taints, pod);
        let found = has(
            &graph(&text, 37),
            kind("privileged-container"),
            "DaemonSet shop/agent",
            "node m1",
        );
        assert_eq!(found, expected, "{text}");
    };
    let taint = "{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}";
    check("", "", true);
    check(taint, "", false);
    check("{key: a, effect: PreferNoSchedule}", "", true);
    check("{key: a, effect: NoExecute}", "", false);
    let key = "node-role.kubernetes.io/control-plane";
    let tolerations = |one: &str| format!("tolerations: [{{{one}}}],");
    check(taint, &tolerations("operator: Exists"), true);
    check(
        taint,
        &tolerations(&format!("key: {key}, operator: Exists")),
        true,
    );
    check(taint, &tolerations(&format!("key: {key}")), true);
    check(taint, &tolerations(&format!("key: {key}, value: x")), false);
    check(
        taint,
        &tolerations(&format!("key: {key}, operator: Exists, effect: NoExecute")),
        false,
    );
    check("", "nodeSelector: {disk: ssd},", true);
    check("", "nodeSelector: {disk: tape},", false);
}

#[test]
fn processes_are_entered_by_equals_and_by_tracers() {
    let check = |web: &str, log: &str, expected: bool| {
        let text = format!(
            "---
             {{apiVersion: v1, kind: Pod, metadata: {{namespace: shop, name: web}}, spec: {{shareProcessNamespace: true,
              containers: [{{name: web, image: web, securityContext: {{{web}}}}}, {{name: log, image: log, securityContext: {{{log}}}}}]}}}}"
        );
        let from = "container web of Pod shop/web";
        let found = has(
            &graph(&text, 37),
            kind("share-processes"),
            from,
            "Pod shop/web",
        );
        assert_eq!(found, expected, "{text}");
    };
    let caps = |names: &str| format!("capabilities: {{add: [{names}]}}");
    check("", "", true);
    check("runAsUser: 1", "runAsUser: 1", true);
    check("runAsUser: 1", "runAsUser: 2", false);
    check("", &caps("SYS_ADMIN"), false);
    check(&caps("SYS_ADMIN"), &caps("SYS_ADMIN"), true);
    check(&caps("cap_sys_admin"), &caps("SYS_ADMIN"), true);
    check("", "privileged: true", false);
    check("privileged: true", "runAsUser: 2", true);
    check(&caps("SYS_PTRACE"), "privileged: true, runAsUser: 2", true);
    check(
        &format!("runAsUser: 1, {}", caps("SYS_PTRACE")),
        "runAsUser: 2",
        false,
    );
}

#[test]
fn flaws_of_the_runtime_take_what_they_take() {
    let check = |runtime: &str, pod: &str, container: &str, expected: &str| {
        let text = format!(
            "---
             {{apiVersion: v1, kind: Node, metadata: {{name: n1}}, status: {{nodeInfo: {{containerRuntimeVersion: '{runtime}'}}}}}}
             {{apiVersion: v1, kind: Pod, metadata: {{namespace: shop, name: web}}, spec: {{nodeName: n1, {pod}
              containers: [{{name: web, image: web, {container}}}]}}}}"
        );
        check_why("runtime-flaw", &text, expected);
    };
    let old = "containerd://1.4.2";
    check(old, "hostNetwork: true,", "", "");
    check(old, "", "", "-");
    check("containerd://1.4.3", "hostNetwork: true,", "", "-");
    let why = "/spec/securityContext/runAsUser: the container does not run as root";
    let user = "hostNetwork: true, securityContext: {runAsUser: 1},";
    check(old, user, "", why);
    check(old, user, "securityContext: {runAsUser: 0}", "");
}

#[test]
fn the_identity_of_a_machine_is_kept_from_pods_on_googles_word() {
    let cluster = |label: &str| {
        format!(
            "---
             {{apiVersion: v1, kind: Node, metadata: {{name: n1, labels: {{iam.gke.io/gke-metadata-server-enabled: '{label}'}}}},
              spec: {{providerID: gce://shop/a/n1}}}}
             {{apiVersion: v1, kind: Pod, metadata: {{namespace: shop, name: web}}, spec: {{nodeName: n1, containers: [{{name: web, image: web}}]}}}}"
        )
    };
    check_why("pod-metadata", &cluster("false"), "");
    check_why("pod-metadata", &cluster("true"), "-");
    check_why("node-metadata", &cluster("true"), "");
}

#[test]
fn flex_volumes_pass_at_the_level_baseline() {
    let cluster = |level: &str| {
        format!(
            "---
             {{apiVersion: v1, kind: Namespace, metadata: {{name: shop, labels: {{pod-security.kubernetes.io/enforce: {level}}}}}}}
             {{apiVersion: v1, kind: Pod, metadata: {{namespace: pay, name: web}},
              spec: {{volumes: [{{name: v, flexVolume: {{driver: shop/disk}}}}], containers: [{{name: web, image: web}}]}}}}"
        )
    };
    let check = |level: &str, expected: bool| {
        let graph = graph(&cluster(level), 37);
        let (from, to) = (
            "new pods of namespace shop",
            "volumes of every FlexVolume driver of the cluster",
        );
        assert_eq!(
            has(&graph, kind("inline-volume"), from, to),
            expected,
            "{level}"
        );
        let mut held = graph.held_back();
        let why =
            held.find(|held| held.kind.id == "inline-volume" && held.from.to_string() == from);
        assert_eq!(why.is_some(), !expected, "{level}");
    };
    check("baseline", true);
    check("privileged", true);
    check("restricted", false);
    check("unheard-of", false);
}

/// Somebody who writes a resource, its operator's rights, and what runs.
fn operated(writes: &str, operator: &str, runs: &str) -> String {
    format!(
        "Role {writes}/w
           create on applications of argoproj.io
         RoleBinding {writes}/w gives Role/w to user:eve
         {operator}
         ---
         {{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {{name: applications.argoproj.io}},
          spec: {{group: argoproj.io, scope: Namespaced, names: {{plural: applications, kind: Application}}, versions: [{{name: v1, served: true, storage: true}}]}}}}
         {{apiVersion: v1, kind: ServiceAccount, metadata: {{namespace: argo, name: controller}}}}
         {{apiVersion: apps/v1, kind: StatefulSet, metadata: {{namespace: argo, name: controller}},
          spec: {{serviceName: c, selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}},
           spec: {{serviceAccountName: {runs}, containers: [{{name: c, image: c}}]}}}}}}}}"
    )
}

#[test]
fn operators_are_found_by_their_rights_and_because_they_run() {
    let check = |writes: &str, operator: &str, runs: &str, expected: bool| {
        let text = operated(writes, operator, runs);
        let graph = graph(&text, 37);
        let eve = format!("what obeys applications.argoproj.io of namespace {writes}");
        let (writes, acts) = (kind("deputy-rights"), kind("operator-rights"));
        let found = has(&graph, writes, "user eve", &eve)
            && has(&graph, acts, &eve, "service account argo/controller");
        assert_eq!(found, expected, "{text}");
    };
    let role = "Role argo/o
                  watch,update on applications of argoproj.io
                RoleBinding argo/o gives Role/o to sa:argo/controller";
    check("argo", role, "controller", true);
    // It does not look there.
    check("shop", role, "controller", false);
    // Nothing runs as it.
    check("argo", role, "other", false);
    // It only watches.
    let watches = role.replace("watch,update", "watch,list");
    check("argo", &watches, "controller", false);
    // Who may do everything is not the operator of everything.
    let all = "ClusterRole o
                 * on * of *
               ClusterRoleBinding o gives ClusterRole/o to sa:argo/controller";
    check("argo", all, "controller", false);
}

#[test]
fn an_operator_that_does_not_run_obeys_nothing() {
    for id in [
        "deputy-node",
        "deputy-pods",
        "deputy-secrets",
        "volume-snapshot",
    ] {
        let text = kind(id).example.cluster;
        let is_there = |text: &str| graph(text, 37).edges().any(|step| step.kind.id == id);
        assert!(is_there(text), "{id}");
        let stopped = text.replace(
            "{serviceAccountName: controller",
            "{serviceAccountName: other",
        );
        assert!(!is_there(&stopped), "{id}");
    }
}

#[test]
fn devices_are_shared_where_the_namespace_says_so() {
    let text = |label: &str| {
        format!(
            "ClusterRole r
               create on resourceclaimtemplates of resource.k8s.io
               create on jobs of batch
             ClusterRoleBinding r gives ClusterRole/r to user:eve
             ---
             {{apiVersion: v1, kind: Namespace, metadata: {{name: shop, labels: {{resource.kubernetes.io/admin-access: '{label}'}}}}}}"
        )
    };
    check(
        "device-admin",
        "user eve",
        &text("true"),
        &["every device of the cluster"],
    );
    check("device-admin", "user eve", &text(""), &[]);
}

/// The versions in which the policies are not generally available yet take a sign that they are served.
#[test]
fn policies_that_mutate_before_they_are_generally_available() {
    let policy =
        "{apiVersion: admissionregistration.k8s.io/v1beta1, kind: MutatingAdmissionPolicyBinding,
          metadata: {name: a}, spec: {policyName: a}}";
    let (rbac, _) = kind("mutating-policy")
        .example
        .cluster
        .split_once("---")
        .unwrap();
    let served = format!("{rbac}\n---\n{policy}");
    let everywhere = "new pods of the cluster";
    for (minor, bare, with_policy) in [
        (33, false, false),
        (34, false, true),
        (35, false, true),
        (36, true, true),
    ] {
        for (text, expected) in [(rbac, bare), (&*served, with_policy)] {
            let graph = graph(text, minor);
            let found = has(&graph, kind("mutating-policy"), "user eve", everywhere);
            assert_eq!(found, expected, "1.{minor}: {text}");
        }
    }
}
