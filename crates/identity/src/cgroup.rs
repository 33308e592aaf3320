//! Which pod a process runs in, by the cgroup that its kubelet put it into.
//!
//! The form of the paths is that of kubelet's container manager (`pkg/kubelet/cm` of Kubernetes) with its two drivers,
//! cgroupfs and systemd, and of the names that containerd, CRI-O and Docker give to containers below them.

use thiserror::Error;

/// A cgroup that says something and proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CgroupError {
    /// Several pods are named: somebody made cgroups of his own inside a container.
    #[error("its cgroups name several pods, `{0}` and `{1}`")]
    Several(String, String),
    /// It belongs to a kubelet and names no pod.
    #[error("its cgroup `{0}` is one of a kubelet and names no pod")]
    Unknown(String),
}

/// The UID of the pod that a process runs in, by the text of its `/proc/PID/cgroup`; `None` for a process of the host.
///
/// A user of the host may own cgroups and give them any name, so that only those count that a kubelet makes: from the
/// root, from a cgroup of kubelet's own, or from above the reader where the reader is in a cgroup namespace. The
/// outermost pod counts, and no other may be named, in this hierarchy or another one.
///
/// # Errors
/// When several pods are named, or the cgroup is a kubelet's and names none.
pub fn pod_uid(cgroups: &str) -> Result<Option<String>, CgroupError> {
    let mut found: Option<String> = None;
    for line in cgroups.lines() {
        // HIERARCHY:CONTROLLERS:PATH
        let path = line.splitn(3, ':').nth(2).unwrap_or_default();
        let Some(uid) = pod_of(path)? else { continue };
        match &found {
            Some(known) if *known != uid => return Err(CgroupError::Several(known.clone(), uid)),
            _ => found = Some(uid),
        }
    }
    Ok(found)
}

/// The pod of one path.
fn pod_of(path: &str) -> Result<Option<String>, CgroupError> {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let mut above = false;
    let first = loop {
        match segments.next() {
            Some("..") => above = true,
            Some("kubelet" | "kubelet.slice") => {}
            Some(other) => break other,
            None => return Ok(None),
        }
    };
    // `system.slice/containerd.service/kubepods-...:cri-containerd:ID`: names of systemd without systemd.
    let first = match first {
        "system.slice" => match (segments.next(), segments.next()) {
            (Some(service), Some(named)) if is_runtime(service) => named,
            _ => return Ok(None),
        },
        first => first,
    };
    let root = matches!(
        first,
        "kubepods" | "kubepods.slice" | "kubelet-kubepods.slice"
    );
    let unknown = || CgroupError::Unknown(path.chars().take(200).collect());
    let mut pod = None;
    for segment in std::iter::once(first).chain(segments) {
        match (uid_of(segment, above || root), &pod) {
            (Some(uid), None) => pod = Some(uid),
            (Some(uid), Some(known)) if uid != *known => {
                return Err(CgroupError::Several(known.clone(), uid));
            }
            // Between a kubelet and its pods are classes of service alone.
            (None, None) if !root && !is_class(segment) => return Ok(None),
            (None, None) if segment != first && !is_class(segment) => return Err(unknown()),
            _ => {}
        }
    }
    match pod {
        None if root => Err(unknown()),
        pod => Ok(pod),
    }
}

/// Services of runtimes that make cgroups of containers.
fn is_runtime(service: &str) -> bool {
    matches!(
        service,
        "containerd.service"
            | "crio.service"
            | "docker.service"
            | "k3s.service"
            | "k3s-agent.service"
            | "rke2-server.service"
            | "rke2-agent.service"
    )
}

/// Classes of service, in both ways of writing.
fn is_class(segment: &str) -> bool {
    let segment = segment.strip_prefix("kubelet-").unwrap_or(segment);
    matches!(
        segment,
        "burstable" | "besteffort" | "kubepods-burstable.slice" | "kubepods-besteffort.slice"
    )
}

/// The UID in a segment. The short form `podUID` counts only below a kubelet's cgroup or above the reader.
fn uid_of(segment: &str, short: bool) -> Option<String> {
    if let Some(uid) = segment.strip_prefix("pod") {
        return (short && is_uid(uid)).then(|| uid.to_owned());
    }
    let named = segment.split(':').next().unwrap_or_default();
    let named = named.strip_prefix("kubelet-").unwrap_or(named);
    let named = named.strip_prefix("kubepods-")?.strip_suffix(".slice")?;
    let classes = ["burstable-", "besteffort-", ""];
    let uid = classes
        .iter()
        .find_map(|class| named.strip_prefix(class)?.strip_prefix("pod"))?;
    // A name of systemd has `_` where a path has `-`.
    let uid = uid.replace('_', "-");
    is_uid(&uid).then_some(uid)
}

/// A UUID, or the hash that stands for it in a static pod.
fn is_uid(text: &str) -> bool {
    let hex = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    if text.len() == 32 {
        return hex(text);
    }
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.into_iter().all(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0d9c6a1e-4f5b-4c0e-9d3a-0123456789ab";
    const B: &str = "11111111-2222-3333-4444-555555555555";
    const HASH: &str = "0123456789abcdef0123456789abcdef";
    const ID: &str = "8f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8";

    fn paths(lines: &[&str]) -> String {
        let fill = |line: &&str| {
            let line = line
                .replace("A_", &A.replace('-', "_"))
                .replace("{A}", A)
                .replace("{B}", B);
            line.replace("{HASH}", HASH).replace("{ID}", ID) + "\n"
        };
        lines.iter().map(fill).collect()
    }

    #[test]
    fn where_kubelets_put_pods() {
        let check = |lines: &[&str], expected: Option<&str>| {
            let text = paths(lines);
            assert_eq!(pod_uid(&text), Ok(expected.map(str::to_owned)), "{text}");
        };
        // cgroupfs, with v2 and with v1.
        check(&["0::/kubepods/burstable/pod{A}/{ID}"], Some(A));
        check(&["0::/kubepods/pod{A}/{ID}"], Some(A));
        check(&["0::/kubepods/besteffort/pod{HASH}/{ID}"], Some(HASH));
        check(
            &[
                "12:cpu,cpuacct:/kubepods/besteffort/pod{A}/{ID}",
                "1:name=systemd:/kubepods/besteffort/pod{A}/{ID}",
                "0::/",
            ],
            Some(A),
        );
        // systemd: containerd, CRI-O, Docker.
        let systemd = "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podA_.slice/";
        for container in [
            "cri-containerd-{ID}.scope",
            "crio-{ID}.scope",
            "docker-{ID}.scope",
            "crio-{ID}.scope/container",
        ] {
            check(&[&format!("{systemd}{container}")], Some(A));
        }
        check(
            &["0::/kubepods.slice/kubepods-podA_.slice/crio-{ID}.scope"],
            Some(A),
        );
        check(
            &["0::/kubepods.slice/kubepods-pod{HASH}.slice/crio-{ID}.scope"],
            Some(HASH),
        );
        // kind, and a containerd with names of systemd and without systemd.
        check(
            &[
                "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-podA_.slice/cri-containerd-{ID}.scope",
            ],
            Some(A),
        );
        check(&["0::/kubelet/kubepods/burstable/pod{A}/{ID}"], Some(A));
        check(
            &[
                "3:cpu:/system.slice/containerd.service/kubepods-burstable-podA_.slice:cri-containerd:{ID}",
            ],
            Some(A),
        );
        // Seen out of a cgroup namespace.
        check(&["0::/../../pod{A}/{ID}"], Some(A));
        check(&["0::/../../../besteffort/pod{A}/{ID}"], Some(A));
        check(
            &["0::/../../kubepods-besteffort-podA_.slice/cri-containerd-{ID}.scope"],
            Some(A),
        );
        check(
            &[
                "0::/../../../kubepods-burstable.slice/kubepods-burstable-podA_.slice/cri-containerd-{ID}.scope",
            ],
            Some(A),
        );
        // The host.
        for path in [
            "0::/",
            "0::/init.scope",
            "0::/system.slice/sshd.service",
            "",
            "garbage",
        ] {
            check(&[path], None);
        }
    }

    #[test]
    fn a_user_of_the_host_makes_no_pod_by_a_name() {
        for path in [
            "0::/user.slice/user-1000.slice/user@1000.service/kubepods/pod{A}/{ID}",
            "0::/user.slice/user-1000.slice/user@1000.service/kubepods.slice/kubepods-podA_.slice/crio-{ID}.scope",
            "0::/../../../user.slice/user-1000.slice/user@1000.service/pod{A}/{ID}",
            "0::/system.slice/own.service/kubepods-burstable-podA_.slice:cri-containerd:{ID}",
            "0::/system.slice/own.service/pod{A}/{ID}",
            "0::/pod{A}/{ID}",
            "0::/docker/{ID}/kubepods/pod{A}/{ID}",
            "0::/burstable/pod{A}/{ID}",
        ] {
            assert_eq!(pod_uid(&paths(&[path])), Ok(None), "{path}");
        }
    }

    #[test]
    fn a_container_gets_no_other_pod_by_cgroups_of_its_own() {
        let several = |lines: &[&str]| {
            let outcome = pod_uid(&paths(lines));
            assert!(
                matches!(outcome, Err(CgroupError::Several(..))),
                "{lines:?}: {outcome:?}"
            );
        };
        several(&["0::/kubepods/pod{A}/{ID}/pod{B}/{ID}"]);
        several(&["0::/kubepods/pod{A}/{ID}/kubepods/burstable/pod{B}"]);
        several(&["0::/../../pod{A}/{ID}/pod{B}"]);
        several(&["2:cpu:/kubepods/pod{A}/{ID}", "0::/kubepods/pod{B}/{ID}"]);
        for path in [
            "0::/kubepods",
            "0::/kubepods.slice/kubepods-burstable.slice",
            "0::/kubepods/podX/{ID}",
            "0::/kubepods/other/pod{A}",
            "0::/kubepods/pod../{ID}",
        ] {
            let outcome = pod_uid(&paths(&[path]));
            assert!(
                matches!(outcome, Err(CgroupError::Unknown(_))),
                "{path}: {outcome:?}"
            );
        }
    }
}
