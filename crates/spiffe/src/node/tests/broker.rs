//! The Broker API as a broker sees it: a real socket and TLS both ways.

use bailiwick_audit::Document;
use bailiwick_identity::SpiffeId;
use hyper_util::rt::TokioIo;
use prost::Message as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;
use tonic::{Code, Streaming};

use super::attacks::sign;
use super::*;
use crate::channel::Shows;
use crate::keys::WorkloadKey;
use crate::own::own_plan;
use crate::tls::client_config;
use crate::wire::broker::api_client::ApiClient;
use crate::wire::broker::{
    FetchJwtsvidRequest, FetchJwtsvidResponse, KubernetesObjectKey, KubernetesObjectReference,
    KubernetesObjectType, SubscribeToJwtBundlesRequest, SubscribeToX509BundlesRequest,
    SubscribeToX509svidRequest, SubscribeToX509svidResponse, WorkloadPidReference,
    WorkloadReference,
};
use crate::wire::issuer::{Brokered, SignRequest};
use crate::wire::rpc;

pub(super) const BROKER: &str = "spiffe://td/broker";
pub(super) const AGENT: &str = "spiffe://td/bailiwick/agent/n1/m1";

/// A certificate of this id by this authority.
pub(super) fn svid(authority: &Authority, id: &str) -> Shows {
    let key = WorkloadKey::generate(KeyType::EcP256).unwrap();
    let plan = own_plan("test", SpiffeId::parse(id).unwrap(), Vec::new());
    let issued = authority.issue_x509(&plan, &key.public).unwrap();
    let chain = issued.chain.into_iter().map(CertificateDer::from);
    let key = PrivateKeyDer::Pkcs8(key.pkcs8.to_vec().into());
    (chain.collect(), key)
}

/// Connects as somebody who believes that the agent is `server`.
pub(super) async fn connect(
    house: &House,
    agent: &Agent,
    own: Option<Shows>,
    server: &str,
) -> Result<ApiClient<Channel>, tonic::transport::Error> {
    let mut bundles = BundleMap::default();
    bundles.insert(Bundle::clone(&house.authority.bundle()));
    let server = SpiffeId::parse(server).unwrap();
    let config = client_config(bundles, server, own, house.clock.clone()).unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let path = agent.brokers.clone();
    let connect = tower::service_fn(move |_: tonic::transport::Uri| {
        let (connector, path) = (connector.clone(), path.clone());
        async move {
            let stream = UnixStream::connect(path).await?;
            let name = ServerName::try_from("agent").unwrap();
            connector.connect(name, stream).await.map(TokioIo::new)
        }
    });
    let endpoint = tonic::transport::Endpoint::from_static("http://localhost");
    endpoint
        .connect_with_connector(connect)
        .await
        .map(ApiClient::new)
}

pub(super) struct Scene {
    pub(super) house: House,
    pub(super) agent: Agent,
    pub(super) client: ApiClient<Channel>,
}

/// An agent that has heard of its pod, and a broker that is connected.
pub(super) async fn scene() -> Scene {
    let house = house().await;
    let agent = house.agent("a", house.token_file("good-n1"), WEB).await;
    assert_eq!(agent.ids().await, ["spiffe://td/ns/shop/sa/web"]);
    let own = svid(&house.authority, BROKER);
    let client = connect(&house, &agent, Some(own), AGENT).await.unwrap();
    Scene {
        house,
        agent,
        client,
    }
}

fn with_header<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let headers = request.metadata_mut();
    headers.insert("broker.spiffe.io", "true".parse().unwrap());
    request
}

fn any(name: &str, message: &impl prost::Message) -> WorkloadReference {
    raw_reference(
        &format!("type.googleapis.com/spiffe.broker.{name}"),
        message.encode_to_vec(),
    )
}

fn raw_reference(type_url: &str, value: Vec<u8>) -> WorkloadReference {
    WorkloadReference {
        reference: Some(prost_types::Any {
            type_url: type_url.to_owned(),
            value,
        }),
    }
}

pub(super) fn process(pid: i32) -> WorkloadReference {
    any("WorkloadPIDReference", &WorkloadPidReference { pid })
}

fn own_pid() -> i32 {
    i32::try_from(std::process::id()).unwrap()
}

fn object(kind: (&str, &str), key: Option<(&str, &str)>, uid: &str) -> WorkloadReference {
    let object = KubernetesObjectReference {
        r#type: Some(KubernetesObjectType {
            plural: kind.0.to_owned(),
            group: kind.1.to_owned(),
        }),
        key: key.map(|(namespace, name)| KubernetesObjectKey {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }),
        uid: uid.to_owned(),
    };
    any("KubernetesObjectReference", &object)
}

const POD: (&str, &str) = ("pods", "core");

pub(super) fn by_uid(uid: &str) -> WorkloadReference {
    object(POD, None, uid)
}

fn by_name(name: &str) -> WorkloadReference {
    object(POD, Some(("shop", name)), "")
}

impl Scene {
    async fn open(
        &mut self,
        reference: WorkloadReference,
    ) -> Result<Streaming<SubscribeToX509svidResponse>, Status> {
        let reference = Some(reference);
        let request = with_header(SubscribeToX509svidRequest { reference });
        let answer = self.client.subscribe_to_x509svid(request).await;
        answer.map(Response::into_inner)
    }

    /// The ids that a workload gets through the broker.
    pub(super) async fn ids(
        &mut self,
        reference: WorkloadReference,
    ) -> Result<Vec<String>, Status> {
        let message = soon(self.open(reference).await?.message()).await?;
        let svids = message.expect("a message").svids.into_iter();
        Ok(svids.map(|svid| svid.spiffe_id).collect())
    }

    pub(super) async fn tokens(
        &mut self,
        reference: Option<WorkloadReference>,
        id: &str,
    ) -> Result<FetchJwtsvidResponse, Status> {
        let request = with_header(FetchJwtsvidRequest {
            reference,
            audience: vec!["db".to_owned()],
            spiffe_id: id.to_owned(),
        });
        let answer = self.client.fetch_jwtsvid(request).await;
        answer.map(Response::into_inner)
    }
}

/// Fails instead of waiting for ever.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("an answer in time")
}

/// A refusal with the details that machines read.
#[track_caller]
pub(super) fn check<T: std::fmt::Debug>(outcome: Result<T, Status>, code: Code, reason: &str) {
    let status = outcome.unwrap_err();
    assert_eq!(status.code(), code, "{status}");
    let details = rpc::Status::decode(status.details()).unwrap();
    assert_eq!(details.code, i32::from(code));
    assert_eq!(details.message, status.message());
    let [detail] = details.details.as_slice() else {
        panic!("{details:?}");
    };
    assert_eq!(detail.type_url, "type.googleapis.com/google.rpc.ErrorInfo");
    let info = rpc::ErrorInfo::decode(detail.value.as_slice()).unwrap();
    assert_eq!(
        (info.reason.as_str(), info.domain.as_str()),
        (reason, "spiffe.io"),
        "{status}"
    );
}

pub(super) const INVALID: &str = "WORKLOAD_REFERENCE_INVALID";
pub(super) const NOT_FOUND: &str = "WORKLOAD_NOT_FOUND";
pub(super) const NOT_ENTITLED: &str = "WORKLOAD_NOT_ENTITLED";

#[tokio::test]
async fn r_1_brokers_are_those_on_the_list_by_their_certificate() {
    let mut scene = scene().await;
    let web = ["spiffe://td/ns/shop/sa/web"];
    assert_eq!(scene.ids(by_uid(WEB)).await.unwrap(), web);
    // Each call says that it is meant for this API.
    for value in [None, Some("TRUE"), Some("1")] {
        let reference = Some(by_uid(WEB));
        let mut request = Request::new(SubscribeToX509svidRequest { reference });
        if let Some(value) = value {
            let headers = request.metadata_mut();
            headers.insert("broker.spiffe.io", value.parse().unwrap());
        }
        let refused = scene.client.subscribe_to_x509svid(request).await;
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    }
    // Somebody of the domain who is not on the list: the pod itself, and the agent.
    for id in ["spiffe://td/ns/shop/sa/web", AGENT, "spiffe://td/broker/x"] {
        let own = svid(&scene.house.authority, id);
        let connected = connect(&scene.house, &scene.agent, Some(own), AGENT).await;
        scene.client = connected.unwrap();
        let refused = scene.ids(by_uid(WEB)).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        assert!(refused.message().contains("no broker"), "{refused}");
        let record = scene.house.report_of(&format!("`{id}` is no broker")).await;
        assert_eq!(record.proof.broker, id);
    }
    // Nobody, and one of the same name by another authority. TLS 1.3 tells a client late.
    let other = house().await;
    for own in [None, Some(svid(&other.authority, BROKER))] {
        if let Ok(client) = connect(&scene.house, &scene.agent, own, AGENT).await {
            scene.client = client;
            assert!(scene.ids(by_uid(WEB)).await.is_err());
        }
    }
    // The broker checks who the agent is.
    let own = svid(&scene.house.authority, BROKER);
    let impostor = "spiffe://td/bailiwick/agent/n2/m2";
    let connected = connect(&scene.house, &scene.agent, Some(own), impostor).await;
    assert!(connected.is_err());
}

#[tokio::test]
async fn r_2_one_reference_that_can_be_read() {
    let mut scene = scene().await;
    let web = ["spiffe://td/ns/shop/sa/web"];
    for good in [
        by_uid(WEB),
        by_name("web"),
        object(POD, Some(("shop", "web")), WEB),
        process(own_pid()),
    ] {
        assert_eq!(scene.ids(good).await.unwrap(), web);
    }
    let long = "x".repeat(254);
    let bad = [
        WorkloadReference::default(),
        raw_reference("", Vec::new()),
        raw_reference("type.googleapis.com/example.Other", Vec::new()),
        raw_reference("spiffe.broker.WorkloadPIDReference", vec![8, 1]),
        raw_reference("x/spiffe.broker.WorkloadPIDReference", vec![255]),
        raw_reference("x/spiffe.broker.KubernetesObjectReference", vec![255]),
        process(0),
        process(-1),
        object(("deployments", "apps"), None, WEB),
        object(("pods", ""), None, WEB),
        object(("", "core"), None, WEB),
        object(POD, None, ""),
        object(POD, Some(("shop", "")), WEB),
        object(POD, Some(("", "web")), WEB),
        object(POD, None, &long),
    ];
    for reference in bad {
        check(
            scene.ids(reference.clone()).await,
            Code::InvalidArgument,
            INVALID,
        );
        check(
            scene.tokens(Some(reference), "").await,
            Code::InvalidArgument,
            INVALID,
        );
    }
    check(scene.tokens(None, "").await, Code::InvalidArgument, INVALID);
    let none = with_header(SubscribeToX509BundlesRequest { reference: None });
    let refused = scene.client.subscribe_to_x509_bundles(none).await;
    check(refused, Code::InvalidArgument, INVALID);
    let none = with_header(SubscribeToJwtBundlesRequest { reference: None });
    let refused = scene.client.subscribe_to_jwt_bundles(none).await;
    check(refused, Code::InvalidArgument, INVALID);
}

#[tokio::test]
async fn r_3_nothing_is_believed_that_a_broker_says() {
    let mut scene = scene().await;
    // A pod of another node, under its own name, its UID, and the name of one that is here.
    check(scene.ids(by_uid(DB)).await, Code::NotFound, NOT_FOUND);
    check(scene.ids(by_name("db")).await, Code::NotFound, NOT_FOUND);
    let mixed = object(POD, Some(("shop", "web")), DB);
    check(scene.ids(mixed).await, Code::NotFound, NOT_FOUND);
    // The server looks again, also where an agent would not.
    let mut agent = scene.house.attacker("n1").await;
    let brokered = |broker: &str, name: &str, uid: &str| SignRequest {
        brokered: Some(Brokered {
            broker: broker.to_owned(),
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            object_uid: uid.to_owned(),
        }),
        ..sign(WEB, "spiffe://td/ns/shop/sa/web")
    };
    let mut ask = async |request: SignRequest| {
        let answer = agent.client.sign(request).await;
        answer.map(|_| ()).map_err(|status| status.code())
    };
    assert_eq!(ask(brokered(BROKER, "web", WEB)).await, Ok(()));
    let denied = Err(Code::PermissionDenied);
    assert_eq!(ask(brokered(BROKER, "db", WEB)).await, denied);
    assert_eq!(ask(brokered(BROKER, "web", DB)).await, denied);
    let elsewhere = SignRequest {
        pod_uid: DB.to_owned(),
        spiffe_id: "spiffe://td/ns/shop/sa/db".to_owned(),
        ..brokered(BROKER, "db", DB)
    };
    assert_eq!(ask(elsewhere).await, denied);
    let invalid = Err(Code::InvalidArgument);
    assert_eq!(ask(brokered("broker", "web", WEB)).await, invalid);
    let foreign = brokered("spiffe://other/broker", "web", WEB);
    assert_eq!(ask(foreign).await, invalid);
}

#[tokio::test]
async fn r_3_each_document_names_its_broker_in_the_log() {
    let mut scene = scene().await;
    scene.ids(by_uid(WEB)).await.unwrap();
    scene.ids(process(own_pid())).await.unwrap();
    let token = scene.tokens(Some(by_name("web")), "").await.unwrap();
    assert_eq!(token.svids[0].spiffe_id, "spiffe://td/ns/shop/sa/web");
    let through = |issue: &IssueRecord| issue.proof.broker == BROKER;
    let issues = scene.house.issues();
    let brokered: Vec<_> = issues.iter().filter(|issue| through(issue)).collect();
    let kinds: Vec<_> = brokered.iter().map(|issue| issue.document).collect();
    // One certificate for all calls of the broker, and none of those that the pod has.
    assert_eq!(kinds, [Document::X509, Document::Jwt], "{issues:?}");
    for issue in brokered {
        assert_eq!(issue.workload.pod.as_ref().unwrap().uid, WEB);
        assert_eq!(issue.proof.agent, AGENT);
    }
    assert!(issues.iter().any(|issue| issue.proof.broker.is_empty()));
}

#[tokio::test]
async fn r_5_a_stream_ends_with_its_pod() {
    let mut scene = scene().await;
    let mut streams = Vec::new();
    for reference in [by_uid(WEB), by_name("web")] {
        let mut stream = scene.open(reference).await.unwrap();
        soon(stream.message()).await.unwrap().unwrap();
        streams.push(stream);
    }
    scene.house.pods.remove(ObjectKind::Pod, "shop", "web");
    let again = pod("web", "another", "n1");
    // Another one of the same name is another workload.
    scene.house.pods.put(Object::Pod(Box::new(again)));
    for mut stream in streams {
        let ended = soon(stream.message()).await;
        check(ended, Code::NotFound, NOT_FOUND);
    }
    assert!(scene.ids(by_name("web")).await.is_ok());
    check(scene.ids(by_uid(WEB)).await, Code::NotFound, NOT_FOUND);
}

#[tokio::test]
async fn r_5_a_stream_ends_with_its_process() {
    let mut scene = scene().await;
    let root = scene.agent.proc_root.clone();
    made_up_process(&root, 7, WEB);
    made_up_process(&root, 8, WEB);
    let mut ending = scene.open(process(7)).await.unwrap();
    let mut replaced = scene.open(process(8)).await.unwrap();
    for stream in [&mut ending, &mut replaced] {
        soon(stream.message()).await.unwrap().unwrap();
    }
    fs::remove_dir_all(root.join("7")).unwrap();
    // Its number is that of another process of the same pod now.
    let stat = fs::read_to_string(root.join("8/stat")).unwrap();
    let (name, fields) = stat.rsplit_once(')').unwrap();
    let mut fields: Vec<&str> = fields.split_whitespace().collect();
    fields[19] = "1";
    fs::write(root.join("8/stat"), format!("{name}) {}", fields.join(" "))).unwrap();
    for stream in [&mut ending, &mut replaced] {
        check(soon(stream.message()).await, Code::NotFound, NOT_FOUND);
    }
}

#[tokio::test]
async fn r_6_a_call_is_about_one_workload() {
    let mut scene = scene().await;
    let other = pod("other", "p9", "n1");
    scene.house.pods.put(Object::Pod(Box::new(other)));
    // On one connection, each with what is its own.
    let mut web = scene.open(by_name("web")).await.unwrap();
    let mut two = scene.open(by_uid("p9")).await.unwrap();
    let first = soon(web.message()).await.unwrap().unwrap().svids;
    let second = soon(two.message()).await.unwrap().unwrap().svids;
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].spiffe_id, "spiffe://td/ns/shop/sa/web");
    assert_eq!(second[0].spiffe_id, "spiffe://td/ns/shop/sa/other");
    assert_ne!(first[0].x509_svid_key, second[0].x509_svid_key);
    // What ends the one is nothing to the other.
    scene.house.pods.remove(ObjectKind::Pod, "shop", "other");
    check(soon(two.message()).await, Code::NotFound, NOT_FOUND);
    let nothing = tokio::time::timeout(Duration::from_millis(300), web.message()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    let reference = Some(by_name("web"));
    let request = with_header(SubscribeToX509BundlesRequest { reference });
    let bundles = scene.client.subscribe_to_x509_bundles(request).await;
    let bundles = soon(bundles.unwrap().into_inner().message()).await.unwrap();
    let names: Vec<_> = bundles.unwrap().bundles.into_keys().collect();
    assert_eq!(names, ["spiffe://td"]);
    let reference = Some(by_name("web"));
    let request = with_header(SubscribeToJwtBundlesRequest { reference });
    let bundles = scene.client.subscribe_to_jwt_bundles(request).await;
    let bundles = soon(bundles.unwrap().into_inner().message()).await.unwrap();
    let json = bundles.unwrap().bundles["spiffe://td"].clone();
    let own = Bundle::from_json(TrustDomain::parse("td").unwrap(), &json).unwrap();
    assert!(own.x509_authorities().is_empty());
    assert!(own.wit_authorities().is_empty());
}

#[tokio::test]
async fn r_4_go_spiffe_reads_what_it_gets() {
    let scene = scene().await;
    let (chain, key) = svid(&scene.house.authority, BROKER);
    let chain: Vec<Vec<u8>> = chain.iter().map(|der| der.to_vec()).collect();
    let question = json!({
        "socket": format!("unix://{}", scene.agent.brokers.display()),
        "server": AGENT,
        "chain": pem::certificates(&chain),
        "key": pem::encode("PRIVATE KEY", key.secret_der()).to_string(),
        "roots": fs::read_to_string(scene.house.path("roots.pem")).unwrap(),
        "audience": ["db"],
    });
    let ask = move |uid: &str| {
        let mut question = question.clone();
        question["uid"] = json!(uid);
        question
    };
    let asked = tokio::task::spawn_blocking(move || {
        let mut go = bailiwick_testkit::spiffe::Spiffe::start().unwrap();
        let given = go.ask("broker", ask(WEB)).unwrap();
        let refused = go.ask("broker", ask(DB)).unwrap();
        (given, refused)
    });
    let (given, refused) = asked.await.unwrap();
    let web = "spiffe://td/ns/shop/sa/web";
    assert_eq!(given["ids"], json!([web, web]), "{given}");
    assert_eq!(refused["code"], "NotFound");
    assert_eq!(
        (&refused["reason"], &refused["domain"]),
        (&json!(NOT_FOUND), &json!("spiffe.io"))
    );
}
