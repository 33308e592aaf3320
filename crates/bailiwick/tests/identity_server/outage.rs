//! A server whose API server is gone, and with it the Secret that says who is banned.

use std::time::{Duration, Instant};

use bailiwick_spiffe::{Client, Endpoint};
use tokio::runtime::Runtime;

use super::*;

/// Has this process run in the pod with this UID, as an agent sees it.
fn enter(proc_root: &Path, uid: &str) {
    let own = proc_root.join(std::process::id().to_string());
    fs::create_dir_all(&own).unwrap();
    for file in ["stat", "status"] {
        fs::copy(Path::new("/proc/self").join(file), own.join(file)).unwrap();
    }
    fs::write(
        own.join("cgroup"),
        format!("0::/kubepods/burstable/pod{uid}/1\n"),
    )
    .unwrap();
}

/// Asks for a token, for others than before, until it comes or the refusal says this.
fn asks(runtime: &Runtime, socket: &str, refusal: Option<&str>) {
    let end = Instant::now() + Duration::from_secs(300);
    for turn in 0.. {
        let audience = format!("{}-{turn}", refusal.unwrap_or("given"));
        let asked = runtime.block_on(async {
            let mut client = Client::connect(&Endpoint::Unix(socket.into())).await?;
            client.fetch_jwt(vec![audience], None).await
        });
        let said = asked.map(drop).map_err(|error| format!("{error:?}"));
        match (&said, refusal) {
            (Ok(()), None) => return,
            (Err(why), Some(refusal)) if why.contains(refusal) => return,
            _ => assert!(Instant::now() < end, "{said:?}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn nothing_is_given_when_bans_cannot_be_read_for_long_and_everything_when_they_can() {
    let mut cluster = Cluster::builder().start().unwrap();
    let admin = cluster.admin();
    admin.apply(&MANIFESTS.replace("issue", "hold")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("rules.yaml"), RULES).unwrap();
    let (seal, data) = (path("seal.key"), path("data"));
    fs::write(&seal, [7; 32]).unwrap();
    fs::set_permissions(&seal, fs::Permissions::from_mode(0o600)).unwrap();
    let kubeconfig = admin.kubeconfig().to_str().unwrap().to_owned();
    let secret = ["--state-secret", "hold/authority", "--seal-key", &seal];
    let place = [
        "--data",
        &data,
        "--trust-domain",
        "td.example",
        "--kubeconfig",
        &kubeconfig,
    ];
    let hold = ["--hold-after", "15"];
    let more = [&secret[..], &hold].concat();
    let (_server, address) = server(admin.kubeconfig(), &data, &path("rules.yaml"), &more);
    let say = |args: &[&str]| run(&[args, &place[..], &secret].concat()).1;
    fs::write(
        path("roots.pem"),
        say(&["identity", "authority", "--roots"]),
    )
    .unwrap();
    let token = say(&["identity", "agent-token", "--node", "hold-node"]);
    fs::write(path("join"), token.lines().next().unwrap()).unwrap();
    let pod = admin
        .get("/api/v1/namespaces/hold/pods/web")
        .unwrap()
        .json()
        .unwrap();
    enter(
        Path::new(&path("proc")),
        pod["metadata"]["uid"].as_str().unwrap(),
    );
    let socket = path("agent.sock");
    let agent = Command::new(PROGRAM)
        .args([
            "agent",
            "--server",
            &address,
            "--trust-domain",
            "td.example",
        ])
        .args([
            "--join-token-file",
            &path("join"),
            "--trust-bundle",
            &path("roots.pem"),
        ])
        .args(["--socket", &socket, "--proc-root", &path("proc")])
        .stderr(Stdio::null())
        .spawn();
    let _agent = Process(agent.unwrap());
    let runtime = Runtime::new().unwrap();
    asks(&runtime, &socket, None);

    let api_server = cluster.pids()[1].to_string();
    let stopped = Command::new("kill").args(["-STOP", &api_server]).status();
    assert!(stopped.unwrap().success());
    // The API server says nothing, its connections open. Ours goes on by what it knows, and no longer than it may.
    asks(&runtime, &socket, None);
    let held = "who is banned could not be read for 15 seconds";
    asks(&runtime, &socket, Some(held));
    cluster.restart_api_server().unwrap();
    asks(&runtime, &socket, None);
}
