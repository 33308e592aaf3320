//! What tools get wrong about RBAC, point by point.
//!
//! Most are a cluster and questions with their answers. The questions go to our engine and to upstream's code here,
//! and to a real API server in `live.rs`. Where a point is about more than a yes
//! or no it is in `more_points.rs`, `covers.rs` (17), `escalation.rs` (16) or `impersonation.rs` (20).

use bailiwick_core::{Request, UserInfo};
use bailiwick_rbac::request_info;
use bailiwick_testkit::generate::manifest;
use bailiwick_testkit::notation::{request, user};

use crate::support::{both, expected_request};

/// A cluster and questions about it.
pub(crate) struct Point {
    pub(crate) name: &'static str,
    pub(crate) cluster: &'static str,
    /// `WHO: REQUEST = yes` or `= no`. The request is in the notation of `testkit`, or a method and a URL.
    pub(crate) questions: &'static str,
}

macro_rules! points {
    ($($name:ident: $cluster:literal, $questions:literal;)*) => {
        pub(crate) const ALL: &[Point] = &[
            $(Point { name: stringify!($name), cluster: $cluster, questions: $questions },)*
        ];
        $(#[test] fn $name() { check(ALL.iter().find(|p| p.name == stringify!($name)).unwrap()) })*
    };
}

points! {
    p01_verbs_are_words_not_patterns:
    "ClusterRole r
       get,Get,lis*,use on pods of ''
     ClusterRole all
       * on secrets of ''
     ClusterRoleBinding r gives ClusterRole/r to user:ann
     ClusterRoleBinding all gives ClusterRole/all to user:ann",
    "ann: get pods = yes
     ann: Get pods = yes
     ann: GET pods = no
     ann: list pods = no
     ann: lis* pods = yes
     ann: use pods = yes
     ann: impersonate-on:user-info:get secrets = yes
     ann: anything secrets = yes
     ann: '' secrets = yes
     ann: '' pods = no";

    p02_the_core_group_is_empty_and_never_core:
    "ClusterRole r
       get on pods of core,v1
       get on secrets of ''
       get on jobs of *
     ClusterRoleBinding r gives ClusterRole/r to user:ann",
    "ann: get pods = no
     ann: get pods.core = yes
     ann: get secrets = yes
     ann: get secrets.core = no
     ann: get jobs = yes
     ann: get jobs.batch = yes";

    p03_resources_and_subresources:
    "ClusterRole plain
       get on pods of ''
     ClusterRole all
       get on * of ''
     ClusterRole sub
       get on */log of ''
     ClusterRole literal
       get on pods/*,*/* of ''
     ClusterRoleBinding plain gives ClusterRole/plain to user:plain
     ClusterRoleBinding all gives ClusterRole/all to user:all
     ClusterRoleBinding sub gives ClusterRole/sub to user:sub
     ClusterRoleBinding literal gives ClusterRole/literal to user:literal",
    "plain: get pods = yes
     plain: get pods/log = no
     all: get pods/log = yes
     sub: get pods/log = yes
     sub: get nodes/log = yes
     sub: get pods = no
     sub: get pods/exec = no
     literal: get pods/log = no
     literal: get pods = no
     literal: get pods/* = yes
     literal: get nodes/* = yes
     sub: get pods/* = no";

    p04_what_follows_the_subresource_is_ignored:
    "ClusterRole r
       get on nodes/proxy of '' named n1
     ClusterRoleBinding r gives ClusterRole/r to user:ann",
    "ann: GET /api/v1/nodes/n1/proxy/logs/ = yes
     ann: GET /api/v1/nodes/n1/proxy/exec/shop/web/main = yes
     ann: GET /api/v1/nodes/n2/proxy/logs/ = no
     ann: GET /api/v1/nodes/n1 = no
     ann: POST /api/v1/nodes/n1/proxy/exec/shop/web/main = no";

    p05_names_never_match_a_nameless_request:
    "ClusterRole named
       * on pods of '' named web
     ClusterRole empty
       create,list on pods of '' named ''
     ClusterRoleBinding named gives ClusterRole/named to user:ann
     ClusterRoleBinding empty gives ClusterRole/empty to user:eve",
    "ann: get pods web -n shop = yes
     ann: get pods db -n shop = no
     ann: create pods -n shop = no
     ann: list pods -n shop = no
     ann: deletecollection pods -n shop = no
     ann: create pods web -n shop = yes
     eve: create pods -n shop = yes
     eve: list pods = yes
     eve: list pods web -n shop = no";

    p06_list_and_watch_take_a_name_from_the_field_selector:
    "Role shop/r
       list,watch,deletecollection on secrets of '' named tls
     RoleBinding shop/r gives Role/r to user:ann",
    "ann: GET /api/v1/namespaces/shop/secrets = no
     ann: GET /api/v1/namespaces/shop/secrets?fieldSelector=metadata.name%3Dtls = yes
     ann: GET /api/v1/namespaces/shop/secrets?fieldSelector=metadata.name%3Ddb = no
     ann: GET /api/v1/namespaces/shop/secrets?fieldSelector=type%3DOpaque,metadata.name%3Dtls = yes
     ann: GET /api/v1/namespaces/shop/secrets?fieldSelector=metadata.name!%3Dtls = no
     ann: GET /api/v1/namespaces/shop/secrets?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dtls = yes
     ann: GET /api/v1/watch/namespaces/shop/secrets/tls?timeoutSeconds=1 = yes
     ann: GET /api/v1/watch/namespaces/shop/secrets?fieldSelector=metadata.name%3Dtls&timeoutSeconds=1 = no
     ann: DELETE /api/v1/namespaces/shop/secrets?fieldSelector=metadata.name%3Dtls = no";

    p07_create_takes_a_name_on_subresources_and_by_put:
    "Role shop/r
       create on pods,pods/exec,serviceaccounts/token of '' named web
     RoleBinding shop/r gives Role/r to user:ann",
    "ann: POST /api/v1/namespaces/shop/pods/web/exec?command=id = yes
     ann: POST /api/v1/namespaces/shop/pods/db/exec?command=id = no
     ann: POST /api/v1/namespaces/shop/serviceaccounts/web/token = yes
     ann: POST /api/v1/namespaces/shop/pods = no
     ann: create pods web -n shop = yes";

    p08_the_name_of_a_proxied_service_is_the_whole_segment:
    "Role shop/r
       get on services/proxy of '' named web,https:api:443
     RoleBinding shop/r gives Role/r to user:ann",
    "ann: GET /api/v1/namespaces/shop/services/web/proxy/x = yes
     ann: GET /api/v1/namespaces/shop/services/web:80/proxy/x = no
     ann: GET /api/v1/namespaces/shop/services/http:web:/proxy/x = no
     ann: GET /api/v1/namespaces/shop/services/https:api:443/proxy/x = yes
     ann: GET /api/v1/namespaces/shop/services/api/proxy/x = no";

    p09_a_namespace_is_in_itself:
    "Role shop/r
       get,patch,delete,list,create,watch on namespaces of ''
     RoleBinding shop/r gives Role/r to user:ann",
    "ann: GET /api/v1/namespaces/shop = yes
     ann: GET /api/v1/namespaces/other = no
     ann: GET /api/v1/namespaces = no
     ann: GET /api/v1/namespaces?fieldSelector=metadata.name%3Dshop = no
     ann: GET /api/v1/watch/namespaces/shop?timeoutSeconds=1 = yes
     ann: POST /api/v1/namespaces = no
     ann: GET /api/v1/namespaces/shop/status = no";

    p10_without_a_namespace_only_clusterrolebindings_count:
    "ClusterRole r
       * on * of *
       * at *
     RoleBinding shop/r gives ClusterRole/r to user:ann
     ClusterRoleBinding r gives ClusterRole/r to user:bob",
    "ann: list pods -n shop = yes
     ann: list pods -n other = no
     ann: list pods = no
     ann: get nodes n1 = no
     ann: get nodes n1 -n shop = yes
     ann: get /healthz = no
     bob: list pods = yes
     bob: list pods -n other = yes
     bob: get /healthz = yes";

    p11_paths:
    "ClusterRole r
       get at /foo/*,/bar**,/exact
     ClusterRole any
       post at *
     ClusterRoleBinding r gives ClusterRole/r to user:ann
     ClusterRoleBinding any gives ClusterRole/any to user:eve",
    "ann: get /foo = no
     ann: get /foo/ = yes
     ann: get /foo/a/b = yes
     ann: get /bar = yes
     ann: get /barn = yes
     ann: get /exact = yes
     ann: get /exact/ = no
     ann: GET /exact?x=y = yes
     ann: head /exact = no
     ann: HEAD /exact = no
     ann: get /api/v1 = no
     eve: post / = yes
     eve: get / = no";

    p11_methods_on_resources:
    "ClusterRole r
       get,list on pods of ''
     ClusterRole all
       * on pods of ''
     ClusterRoleBinding r gives ClusterRole/r to user:ann
     ClusterRoleBinding all gives ClusterRole/all to user:eve",
    "ann: HEAD /api/v1/namespaces/shop/pods/web = yes
     ann: HEAD /api/v1/pods = yes
     ann: OPTIONS /api/v1/pods = no
     eve: OPTIONS /api/v1/pods = yes";

    p12_subjects:
    "ClusterRole r
       get on pods of ''
     RoleBinding shop/user gives ClusterRole/r to user:ann
     RoleBinding shop/group gives ClusterRole/r to group:dev
     RoleBinding shop/local gives ClusterRole/r to sa:/runner
     RoleBinding shop/other gives ClusterRole/r to sa:ci/deployer
     RoleBinding shop/alias gives ClusterRole/r to user:system:serviceaccount:ci:alias
     RoleBinding shop/all-of gives ClusterRole/r to group:system:serviceaccounts:web",
    "ann: get pods -n shop = yes
     dev: get pods -n shop = no
     bob+dev: get pods -n shop = yes
     bob+ann: get pods -n shop = no
     system:serviceaccount:shop:runner: get pods -n shop = yes
     system:serviceaccount:ci:runner: get pods -n shop = no
     runner: get pods -n shop = no
     system:serviceaccount:ci:deployer: get pods -n shop = yes
     system:serviceaccount:ci:alias: get pods -n shop = yes
     system:serviceaccount:web:any: get pods -n shop = no
     system:serviceaccount:web:any+system:serviceaccounts:web: get pods -n shop = yes";

    p13_a_missing_role_hides_no_other:
    "ClusterRole r
       get on pods of ''
     Role other/here
       get on secrets of ''
     RoleBinding shop/a gives Role/here to user:ann
     RoleBinding shop/b gives ClusterRole/ghost to user:ann
     RoleBinding shop/c gives ClusterRole/r to user:ann",
    "ann: get pods -n shop = yes
     ann: get secrets -n shop = no
     ann: get secrets -n other = no";

    p14_rights_only_add_up:
    "ClusterRole r
       get on pods of ''
     ClusterRole nothing
     RoleBinding shop/a gives ClusterRole/nothing to user:ann
     RoleBinding shop/b gives ClusterRole/r to user:ann",
    "ann: get pods -n shop = yes
     ann: list pods -n shop = no
     king+system:masters: delete nodes = yes
     king+system:masters: get /anything = yes
     king: delete nodes = no";

    p15_the_authorizer_reads_no_aggregation_rule:
    "ClusterRole gathers aggregates point=p15
     ClusterRole part labels point=p15
       get on pods of ''
     ClusterRoleBinding whole gives ClusterRole/gathers to user:ann
     ClusterRoleBinding part gives ClusterRole/part to user:bob",
    "ann: get pods = no
     bob: get pods = yes";

    p18_bind_is_asked_of_the_role_where_the_binding_is:
    "ClusterRole r
       bind on clusterroles of rbac.authorization.k8s.io named view
     RoleBinding shop/r gives ClusterRole/r to user:ann",
    "ann: bind clusterroles.rbac.authorization.k8s.io view -n shop = yes
     ann: bind clusterroles.rbac.authorization.k8s.io view -n other = no
     ann: bind clusterroles.rbac.authorization.k8s.io view = no
     ann: bind rolebindings.rbac.authorization.k8s.io view -n shop = no";

    p19_signers_are_names_and_domains:
    "ClusterRole exact
       approve on signers of certificates.k8s.io named example.com/serving
     ClusterRole domain
       approve on signers of certificates.k8s.io named example.com/*
     ClusterRole star
       approve on signers of certificates.k8s.io named *,*/*
     ClusterRoleBinding exact gives ClusterRole/exact to user:ann
     ClusterRoleBinding domain gives ClusterRole/domain to user:dan
     ClusterRoleBinding star gives ClusterRole/star to user:eve",
    "ann: approve signers.certificates.k8s.io example.com/serving = yes
     ann: approve signers.certificates.k8s.io example.com/* = no
     dan: approve signers.certificates.k8s.io example.com/serving = no
     dan: approve signers.certificates.k8s.io example.com/* = yes
     eve: approve signers.certificates.k8s.io example.com/serving = no
     eve: approve signers.certificates.k8s.io example.com/* = no";

    p20_exec_by_get_and_by_post:
    "ClusterRole read
       get on pods/exec of ''
     ClusterRole make
       create on pods/exec of ''
     ClusterRoleBinding read gives ClusterRole/read to user:ann
     ClusterRoleBinding make gives ClusterRole/make to user:bob",
    "ann: GET /api/v1/namespaces/shop/pods/web/exec?command=id = yes
     ann: POST /api/v1/namespaces/shop/pods/web/exec?command=id = no
     bob: POST /api/v1/namespaces/shop/pods/web/exec?command=id = yes
     bob: GET /api/v1/namespaces/shop/pods/web/exec?command=id = no";
}

/// One question.
pub(crate) struct Question {
    pub(crate) text: &'static str,
    pub(crate) who: UserInfo,
    /// Method and URL, where the question gives these.
    pub(crate) http: Option<(&'static str, &'static str)>,
    pub(crate) request: Request,
    pub(crate) allowed: bool,
}

impl Point {
    pub(crate) fn questions(&self) -> impl Iterator<Item = Question> {
        self.questions.lines().map(|line| {
            let text = line.trim();
            let (question, answer) = text.rsplit_once(" = ").expect(text);
            let (who, what) = question.split_once(": ").expect(text);
            let http = what.split_once(' ').filter(|(method, url)| {
                url.starts_with('/') && method.chars().all(|c| c.is_ascii_uppercase())
            });
            let request = match http {
                Some((method, url)) => request_info(method, url).expect(text),
                None => request(what),
            };
            let allowed = match answer {
                "yes" => true,
                "no" => false,
                other => panic!("{other:?} in {text:?} is neither yes nor no"),
            };
            Question {
                text,
                who: user(who),
                http,
                request,
                allowed,
            }
        })
    }
}

fn check(point: &Point) {
    let (engine, mut oracle) = both(point.cluster);
    for question in point.questions() {
        let Question {
            text,
            who,
            http,
            request,
            allowed,
        } = &question;
        if let Some((method, url)) = http {
            let info = oracle
                .request_info(method, &format!("http://h{url}"))
                .unwrap();
            assert_eq!(*request, expected_request(info), "{}: {text}", point.name);
        }
        let verdict = engine.decide(who, request);
        assert_eq!(
            verdict.is_allowed(),
            *allowed,
            "{}: {text}: {verdict:?}",
            point.name
        );
        assert_eq!(
            verdict.grant().is_some(),
            *allowed && !who.is_master(),
            "{}: {text}",
            point.name
        );
        // Upstream's authorizer does not know system:masters, which another one answers for before it.
        let theirs = oracle
            .authorize(&manifest::review_spec(who, request))
            .unwrap();
        assert_eq!(
            theirs.allowed || who.is_master(),
            *allowed,
            "{}: {text}: {theirs:?}",
            point.name
        );
    }
}
