use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU64, Ordering};

use bailiwick_identity::rotation::{Policy, Purpose, Step};
use bailiwick_identity::{Bundle, UnixTime, x509};
use tonic::Code;

use super::*;
use crate::wire::{
    JwtBundlesRequest, JwtsvidRequest, ValidateJwtsvidRequest, X509BundlesRequest, X509svidRequest,
};

#[tokio::test]
async fn e_2_every_request_needs_the_header() {
    let house = house(vec![rule("r", json!({}))]).await;
    let mut client = house.raw().await;
    let header = |value: Option<&'static str>| {
        move |request: &mut tonic::metadata::MetadataMap| {
            if let Some(value) = value {
                request.insert("workload.spiffe.io", value.parse().unwrap());
            }
        }
    };
    for value in [None, Some("True"), Some("1"), Some(""), Some("true,true")] {
        macro_rules! check {
            ($method:ident, $message:expr) => {
                let mut request = tonic::Request::new($message);
                header(value)(request.metadata_mut());
                let status = client.$method(request).await.map(drop).unwrap_err();
                assert_eq!(status.code(), Code::InvalidArgument, "{value:?}");
            };
        }
        check!(fetch_x509svid, X509svidRequest {});
        check!(fetch_x509_bundles, X509BundlesRequest {});
        check!(fetch_jwtsvid, JwtsvidRequest::default());
        check!(fetch_jwt_bundles, JwtBundlesRequest {});
        check!(validate_jwtsvid, ValidateJwtsvidRequest::default());
    }
    assert!(
        client
            .fetch_x509svid(request(X509svidRequest {}))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn e_3_no_identity_is_permission_denied() {
    let mut house = house(vec![rule(
        "r",
        json!({"selector": {"unix": {"uids": [4_000_000_000_u32]}}}),
    )])
    .await;
    let mut client = house.raw().await;
    macro_rules! check {
        (stream $method:ident, $message:expr) => {
            let mut stream = client
                .$method(request($message))
                .await
                .unwrap()
                .into_inner();
            let status = soon(stream.message()).await.unwrap_err();
            assert_eq!(status.code(), Code::PermissionDenied);
            assert!(
                status.message().contains("no rule gives it an identity"),
                "{status}"
            );
        };
        ($method:ident, $message:expr) => {
            let status = client.$method(request($message)).await.unwrap_err();
            assert_eq!(status.code(), Code::PermissionDenied);
        };
    }
    let message = JwtsvidRequest {
        audience: vec!["me".into()],
        ..JwtsvidRequest::default()
    };
    check!(stream fetch_x509svid, X509svidRequest {});
    check!(stream fetch_x509_bundles, X509BundlesRequest {});
    check!(stream fetch_jwt_bundles, JwtBundlesRequest {});
    check!(fetch_jwtsvid, message);
    check!(validate_jwtsvid, ValidateJwtsvidRequest::default());
    // One caller and one reason: a record for the first of them, and one for the others at the latest when the server ends.
    assert_eq!(house.said().matches("Denial(").count(), 1);
    drop(client);
    let _ = house.stop.take().map(|stop| stop.send(()));
    soon(async {
        while !house.said().contains("Times { count: 4,") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn e_4_reflection_names_the_services() {
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::{ServerReflectionRequest, server_reflection_response};

    let house = house(vec![rule("r", json!({}))]).await;
    let mut client = ServerReflectionClient::new(house.channel().await);
    let question = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = client
        .server_reflection_info(tokio_stream::iter([question]))
        .await;
    let answer = soon(answers.unwrap().into_inner().message()).await.unwrap();
    let Some(server_reflection_response::MessageResponse::ListServicesResponse(list)) =
        answer.unwrap().message_response
    else {
        panic!("no list");
    };
    let names: Vec<&str> = list
        .service
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    assert!(names.contains(&"SpiffeWorkloadAPI"), "{names:?}");
    assert!(names.contains(&"envoy.service.secret.v3.SecretDiscoveryService"));
}

#[tokio::test]
async fn a_2_the_first_message_comes_at_once_and_is_good() {
    let house = house(vec![rule(
        "r",
        json!({"dnsNames": ["localhost"], "hint": "main"}),
    )])
    .await;
    let fetched = soon(house.client().await.fetch_x509()).await.unwrap();
    let [svid] = fetched.as_slice() else {
        panic!("{fetched:?}");
    };
    let checked = x509::validate(&svid.chain, &svid.bundle, SystemClock.now()).unwrap();
    assert_eq!(checked.id().as_str(), "spiffe://td/a");
    assert_eq!(checked.profile.dns_names, ["localhost"]);
    assert_eq!(svid.hint, "main");
    let key = aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(
        &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        &svid.key,
    );
    let public = aws_lc_rs::signature::KeyPair::public_key(&key.unwrap())
        .as_ref()
        .to_vec();
    assert_eq!(checked.profile.public_key.unwrap().bits(), public);
    assert!(house.said().contains("Issue("), "{}", house.said());
}

#[tokio::test]
async fn a_2_every_message_is_the_full_state() {
    let two = vec![rule("a", json!({})), rule("b", json!({"id": "/b"}))];
    let house = house(two).await;
    let mut watch = house.client().await.watch_x509().await.unwrap();
    let ids = |fetched: Vec<crate::Fetched>| -> Vec<String> {
        fetched
            .iter()
            .map(|svid| svid.id.path().to_owned())
            .collect()
    };
    assert_eq!(ids(soon(watch.next()).await.unwrap()), ["/a", "/b"]);
    house.rules.send_replace(set(vec![rule("a", json!({}))]));
    assert_eq!(ids(soon(watch.next()).await.unwrap()), ["/a"]);
    let three = vec![
        rule("a", json!({})),
        rule("b", json!({"id": "/b"})),
        rule("c", json!({"id": "/c", "priority": 1})),
    ];
    house.rules.send_replace(set(three));
    assert_eq!(ids(soon(watch.next()).await.unwrap()), ["/c", "/a", "/b"]);
}

#[tokio::test]
async fn a_2_nothing_is_sent_when_nothing_changes_for_the_caller() {
    let house = house(vec![rule("a", json!({}))]).await;
    let mut watch = house.client().await.watch_x509().await.unwrap();
    soon(watch.next()).await.unwrap();
    let other = rule(
        "z",
        json!({"selector": {"unix": {"uids": [4_000_000_000_u32]}}}),
    );
    house
        .rules
        .send_replace(set(vec![rule("a", json!({})), other]));
    let nothing = tokio::time::timeout(Duration::from_millis(500), watch.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
}

#[tokio::test]
async fn a_4_hints_are_unique_or_nothing_is_given() {
    let same = vec![
        rule("a", json!({"hint": "h"})),
        rule("b", json!({"id": "/b", "hint": "h"})),
    ];
    let house = house(same).await;
    let error = soon(house.client().await.fetch_x509()).await.unwrap_err();
    assert!(error.to_string().contains("the same hint `h`"), "{error}");
}

#[tokio::test]
async fn a_5_bundles_go_by_the_id_of_their_domain() {
    let house = house(vec![rule("r", json!({"federatesWith": ["other"]}))]).await;
    let mut map = BundleMap::default();
    for name in ["other", "third"] {
        let mut bundle = Bundle::new(domain(name));
        for root in house.authority.bundle().x509_authorities() {
            bundle.add_x509(root.clone()).unwrap();
        }
        map.insert(bundle);
    }
    house.federated.send_replace(Arc::new(map));
    let mut client = house.raw().await;
    let mut stream = client
        .fetch_x509_bundles(request(X509BundlesRequest {}))
        .await
        .unwrap()
        .into_inner();
    let message = soon(stream.message()).await.unwrap().unwrap();
    let names: Vec<&String> = message.bundles.keys().collect();
    assert_eq!(
        names,
        ["spiffe://other", "spiffe://td"],
        "what no rule names is not seen"
    );
    let mut stream = client
        .fetch_x509svid(request(X509svidRequest {}))
        .await
        .unwrap()
        .into_inner();
    let message = soon(stream.message()).await.unwrap().unwrap();
    let names: Vec<&String> = message.federated_bundles.keys().collect();
    assert_eq!(names, ["spiffe://other"]);
}

#[tokio::test]
async fn a_9_a_stream_ends_with_the_identity() {
    let house = house(vec![rule("r", json!({}))]).await;
    let mut client = house.raw().await;
    let mut svids = client
        .fetch_x509svid(request(X509svidRequest {}))
        .await
        .unwrap()
        .into_inner();
    let mut bundles = client
        .fetch_x509_bundles(request(X509BundlesRequest {}))
        .await
        .unwrap()
        .into_inner();
    soon(svids.message()).await.unwrap().unwrap();
    soon(bundles.message()).await.unwrap().unwrap();
    house.rules.send_replace(set(Vec::new()));
    let status = soon(svids.message()).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    let status = soon(bundles.message()).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
}

/// The clock of the machine and some hours.
struct Ahead(AtomicU64);

impl Clock for Ahead {
    fn now(&self) -> UnixTime {
        SystemClock.now().plus(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn a_tainted_root_gives_every_stream_new_certificates() {
    let clock = Arc::new(Ahead(AtomicU64::new(0)));
    let house = house_at(
        vec![rule("r", json!({}))],
        Arc::clone(&clock) as Arc<dyn Clock>,
    )
    .await;
    let mut watch = house.client().await.watch_x509().await.unwrap();
    let old = soon(watch.next()).await.unwrap();
    let wait = Policy::DEFAULT.propagation + Policy::DEFAULT.skew;
    clock.0.store(wait, Ordering::SeqCst);
    let state = house.authority.state();
    let root = state.active(Purpose::X509).unwrap().id.clone();
    let next = state.successor(Purpose::X509).unwrap().id.clone();
    house.authority.step(Step::Activate(next)).unwrap();
    house.authority.step(Step::Taint(root.clone())).unwrap();
    let mut new = soon(watch.next()).await.unwrap();
    // The steps may arrive as one message or as several.
    while let Ok(more) = tokio::time::timeout(Duration::from_millis(300), watch.next()).await {
        new = more.unwrap();
    }
    clock
        .0
        .store(wait + Policy::DEFAULT.reissue, Ordering::SeqCst);
    house.authority.step(Step::Revoke(root)).unwrap();
    let bundle = house.authority.bundle();
    assert!(x509::validate(&old[0].chain, &*bundle, clock.now()).is_err());
    assert!(x509::validate(&new[0].chain, &*bundle, clock.now()).is_ok());
}

#[tokio::test]
async fn a_client_that_names_the_path_of_the_socket_is_served() {
    // As gRPC's C library does it, which the http crate refuses.
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let house = house(vec![rule("r", json!({}))]).await;
    let text = |first: u8, strings: &[&str]| {
        let mut field = vec![first];
        for text in strings {
            field.push(u8::try_from(text.len()).unwrap());
            field.extend(text.as_bytes());
        }
        field
    };
    let block = [
        vec![0x83, 0x86],
        text(0x44, &["/SpiffeWorkloadAPI/FetchX509SVID"]),
        text(0x40, &[":authority", "run%2Fagent.sock"]),
        text(0x40, &["content-type", "application/grpc"]),
        text(0x40, &["te", "trailers"]),
        text(0x40, &["workload.spiffe.io", "true"]),
    ]
    .concat();
    let length = u8::try_from(block.len()).unwrap();
    let request = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        vec![0, 0, 0, 4, 0, 0, 0, 0, 0],
        vec![0, 0, length, 1, 4, 0, 0, 0, 1],
        block,
        vec![0, 0, 5, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0],
    ];
    let mut stream = UnixStream::connect(&house.socket).await.unwrap();
    stream.write_all(&request.concat()).await.unwrap();
    let mut frames = Vec::new();
    let found = soon(async {
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.unwrap();
            let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
            stream.read_exact(&mut payload).await.unwrap();
            frames.push(head[3]);
            let id = b"spiffe://td/a";
            if payload.windows(id.len()).any(|part| part == id) {
                return true;
            }
            assert_ne!(head[3], 3, "the stream was reset");
        }
    });
    assert!(found.await, "{frames:?}");
}

#[tokio::test]
async fn the_socket_is_private_and_only_one_serves_it() {
    let house = house(vec![rule("r", json!({}))]).await;
    let mode = std::fs::metadata(&house.socket)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let (rules, federated) = (house.rules.subscribe(), house.federated.subscribe());
    let again = |socket: PathBuf| Serve {
        socket: Socket::new(socket, 0o600),
        authority: Arc::clone(&house.authority),
        rules: rules.clone(),
        federated: federated.clone(),
        evidence: evidence(&house.log).0,
    };
    let stop = || async {};
    let taken = serve(again(house.socket.clone()), || (), stop()).await;
    assert!(taken.unwrap_err().to_string().contains("is served already"));
    soon(house.client().await.fetch_x509()).await.unwrap();

    let folder = house.socket.parent().unwrap();
    let file = folder.join("file");
    std::fs::write(&file, "x").unwrap();
    let error = serve(again(file.clone()), || (), stop()).await.unwrap_err();
    assert!(error.to_string().contains("is no socket"), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), b"x");

    // One that was left behind by a process that is gone is replaced.
    let left = folder.join("left");
    drop(std::os::unix::net::UnixListener::bind(&left).unwrap());
    soon(serve(again(left.clone()), || (), stop()))
        .await
        .unwrap();
    assert!(!left.exists(), "the socket goes with its server");
}

#[tokio::test]
async fn a_thousand_streams_are_served() {
    let house = house(vec![rule("r", json!({}))]).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        let client = house.raw().await;
        for _ in 0..50 {
            let mut client = client.clone();
            let stream = client.fetch_x509svid(request(X509svidRequest {})).await;
            streams.push(stream.unwrap().into_inner());
        }
    }
    for stream in &mut streams {
        soon(stream.message()).await.unwrap().unwrap();
    }
    let second = rule("b", json!({"id": "/b"}));
    house
        .rules
        .send_replace(set(vec![rule("r", json!({})), second]));
    for stream in &mut streams {
        let message = soon(stream.message()).await.unwrap().unwrap();
        assert_eq!(message.svids.len(), 2);
    }
}
