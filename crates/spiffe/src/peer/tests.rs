use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command};
use std::time::Duration;

use super::*;

/// Where a caller of the tests connects to.
const SOCKET: &str = "BAILIWICK_TEST_SOCKET";

/// This program again, as a process that connects to a socket of ours and stays; its peer.
fn connected(caller: &str) -> (Child, UnixStream, Peer) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", &format!("peer::tests::{caller}")])
        .env(SOCKET, &path)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let (stream, _) = listener.accept().unwrap();
    let peer = Peer::of(&stream, Path::new("/proc")).unwrap();
    (child, stream, peer)
}

fn connect() -> UnixStream {
    UnixStream::connect(std::env::var_os(SOCKET).unwrap()).unwrap()
}

#[test]
#[ignore = "a process that other tests start"]
fn a_caller_that_stays() {
    let _connection = connect();
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
#[ignore = "a process that other tests start"]
#[allow(clippy::zombie_processes, reason = "the child is to outlive it")]
fn a_caller_that_leaves_its_socket_to_a_child() {
    let connection = OwnedFd::from(connect());
    Command::new("sleep")
        .arg("20")
        .stdin(connection)
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
}

#[test]
fn a_process_is_told_by_the_kernel() {
    let (mut child, _stream, peer) = connected("a_caller_that_stays");
    let process = peer.attest().unwrap().0.process.unwrap();
    assert_eq!(process.pid, child.id());
    assert_eq!(process.uid, nix::unistd::geteuid().as_raw());
    assert_eq!(process.gid, nix::unistd::getegid().as_raw());
    let own = std::env::current_exe().unwrap();
    assert_eq!(process.path.as_deref(), own.to_str());
    assert!(
        peer.handle.is_some(),
        "this kernel gives handles of processes"
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_look_at_a_process_says_what_its_connection_would() {
    let (mut child, _stream, peer) = connected("a_caller_that_stays");
    assert_eq!(facts_of(child.id()).unwrap(), peer.attest().unwrap().0);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(matches!(facts_of(child.id()), Err(PeerError::Gone(_))));
}

#[test]
fn a_process_that_ended_is_nobody() {
    let (mut child, _stream, peer) = connected("a_caller_that_stays");
    peer.attest().unwrap();
    child.kill().unwrap();
    // Dead and not yet waited for: /proc still has it.
    std::thread::sleep(Duration::from_millis(100));
    assert!(matches!(peer.attest(), Err(PeerError::Gone(_))));
    child.wait().unwrap();
    assert!(matches!(peer.attest(), Err(PeerError::Gone(_))));
}

#[test]
fn a_number_that_was_given_again_is_noticed() {
    let (mut child, _stream, mut peer) = connected("a_caller_that_stays");
    // As after the number went to a process that started later, on a kernel without handles.
    peer.handle = None;
    peer.attest().unwrap();
    peer.started -= 1;
    assert!(matches!(peer.attest(), Err(PeerError::Gone(_))));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_process_that_left_its_socket_to_a_child_is_nobody() {
    let (mut child, _stream, peer) = connected("a_caller_that_leaves_its_socket_to_a_child");
    peer.attest().unwrap();
    child.wait().unwrap();
    assert!(matches!(peer.attest(), Err(PeerError::Gone(_))));
}

/// A folder that looks like /proc, with one process in it.
fn made_up(stat: &str, status: &str, cgroup: &str) -> (tempfile::TempDir, Peer) {
    let dir = tempfile::tempdir().unwrap();
    let process = dir.path().join("7");
    fs::create_dir_all(&process).unwrap();
    fs::write(process.join("stat"), stat).unwrap();
    fs::write(process.join("status"), status).unwrap();
    fs::write(process.join("cgroup"), cgroup).unwrap();
    let peer = Peer {
        pid: 7,
        uid: 1000,
        gid: 100,
        started: 42,
        handle: None,
        proc_root: dir.path().to_owned(),
        pod: None,
    };
    (dir, peer)
}

const STATUS: &str = "Name:\tweb\nUid:\t1000\t1000\t1000\t1000\nGroups:\t20 44\n";

fn stat(name: &str) -> String {
    let zeros = "0 ".repeat(17);
    format!("7 ({name}) S 1 {zeros}42 0 0\n")
}

#[test]
fn names_of_programs_do_not_move_the_fields() {
    for name in ["web", "a b", ") S 1 2 3 4 (", "((", "a) R 9"] {
        let (_dir, peer) = made_up(&stat(name), STATUS, "0::/user.slice\n");
        let process = peer.attest().unwrap().0.process.unwrap();
        assert_eq!(
            (process.uid, process.groups),
            (1000, vec![20, 44]),
            "{name}"
        );
        assert_eq!(process.path, None, "no program, no path");
    }
}

#[test]
fn processes_that_are_not_what_they_were() {
    let other = STATUS.replace("1000\t1000\t1000\t1000", "1000\t0\t0\t0");
    let (_dir, peer) = made_up(&stat("web"), &other, "0::/\n");
    let error = peer.attest().unwrap_err().to_string();
    assert_eq!(error, "process 7 connected as uid 1000 and is uid 0 now");

    let (_dir, peer) = made_up(&stat("web").replace(" 42 ", " 43 "), STATUS, "0::/\n");
    assert!(matches!(peer.attest(), Err(PeerError::Gone(7))));
    let (_dir, peer) = made_up("", STATUS, "0::/\n");
    assert!(matches!(peer.attest(), Err(PeerError::Gone(7))));
}

#[test]
fn a_process_of_a_pod_is_no_process_of_the_host() {
    let uid = "0d9c6a1e-4f5b-4c0e-9d3a-0123456789ab";
    let systemd = uid.replace('-', "_");
    let cgroup = format!("0::/kubepods.slice/kubepods-pod{systemd}.slice/cri-containerd-2.scope\n");
    let (_dir, peer) = made_up(&stat("web"), STATUS, &cgroup);
    assert_eq!(peer.attest().unwrap().1.as_deref(), Some(uid));
    assert_eq!(peer.pod_now().as_deref(), Some(uid));
    // Of kubelets that put their pods elsewhere nothing is known.
    for cgroup in [
        "0::/own/kubepods/pod1/2\n",
        "0::/user.slice/kubepods/pod1\n",
    ] {
        let (_dir, peer) = made_up(&stat("web"), STATUS, cgroup);
        assert!(
            matches!(peer.attest(), Err(PeerError::InPod(7))),
            "{cgroup}"
        );
    }
    let (_dir, peer) = made_up(&stat("web"), STATUS, "0::/kubepods/pod1/2\n");
    assert!(matches!(peer.attest(), Err(PeerError::Cgroup { .. })));
}

/// Handles of processes that this one holds.
fn handles() -> usize {
    let files = fs::read_dir("/proc/self/fd").unwrap();
    let targets = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    targets
        .filter(|target| target.to_string_lossy().contains("pidfd"))
        .count()
}

#[test]
fn v_17_callers_that_left_leave_no_files_open() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let mut held = Vec::new();
    for turn in 0..300 {
        let _client = UnixStream::connect(&path).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let peer = Peer::of(&stream, Path::new("/proc")).unwrap();
        peer.attest().unwrap();
        // Who cannot be attested leaves nothing open either.
        assert!(Peer::of(&stream, dir.path()).is_err());
        if turn < 50 {
            held.push(peer);
        }
    }
    // Other tests hold some at the same time.
    let with = handles();
    assert!(with < 150, "{with} handles of processes are open");
    if held[0].handle.is_some() {
        assert!(with >= 50, "handles are not where they are counted");
    }
}
