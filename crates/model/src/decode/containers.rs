//! What the containers of a pod may do on their node: security contexts and mounted paths of the node.

use std::collections::{BTreeMap, BTreeSet};

use bailiwick_core::Str;

use super::node::Node;
use super::reader::{Context, Shape};
use crate::workload::{AppArmor, ClaimMount, Container, ContainerList, HostPathMount, Security};

const CONTAINER: Shape = Shape {
    what: "a container",
    complete: false,
    fields: &[
        ("name", ""),
        (
            "securityContext",
            "the container runs as its image and its pod say",
        ),
        ("volumeMounts", ""),
        ("restartPolicy", "the container ends before others start"),
        ("env", ""),
        ("envFrom", ""),
        ("ports", ""),
        // Not read, and close to one that is.
        ("resizePolicy", ""),
        ("restartPolicyRules", ""),
        ("volumeDevices", ""),
    ],
};

const POD_SECURITY: Shape = Shape {
    what: "the security context of a pod",
    complete: true,
    fields: &[
        ("appArmorProfile", "the container runtime's profile holds"),
        ("fsGroup", ""),
        ("fsGroupChangePolicy", ""),
        ("runAsGroup", ""),
        ("runAsNonRoot", "its containers may run as root"),
        ("runAsUser", "its containers run as the user of their image"),
        ("seLinuxChangePolicy", ""),
        ("seLinuxOptions", ""),
        ("seccompProfile", ""),
        ("supplementalGroups", ""),
        ("supplementalGroupsPolicy", ""),
        ("sysctls", ""),
        ("windowsOptions", ""),
    ],
};

const SECURITY: Shape = Shape {
    what: "the security context of a container",
    complete: true,
    fields: &[
        ("allowPrivilegeEscalation", "the container may gain rights"),
        ("appArmorProfile", "the profile of the pod holds"),
        (
            "capabilities",
            "the container has those of the container runtime",
        ),
        ("privileged", "the container is not privileged"),
        ("procMount", "`/proc` is masked"),
        ("readOnlyRootFilesystem", ""),
        ("runAsGroup", ""),
        ("runAsNonRoot", "the container may run as root"),
        (
            "runAsUser",
            "the container runs as the user of its pod or image",
        ),
        ("seLinuxOptions", ""),
        ("seccompProfile", ""),
        ("windowsOptions", ""),
    ],
};

const CAPABILITIES: Shape = Shape {
    what: "the capabilities of a container",
    complete: true,
    fields: &[
        ("add", "the container gets no further ones"),
        ("drop", "the container keeps them"),
    ],
};

const APP_ARMOR: Shape = Shape {
    what: "an AppArmor profile",
    complete: true,
    fields: &[("type", ""), ("localhostProfile", "")],
};

const WINDOWS: Shape = Shape {
    what: "the options of a Windows container",
    complete: true,
    fields: &[
        ("gmsaCredentialSpec", ""),
        ("gmsaCredentialSpecName", ""),
        ("hostProcess", "the container is not a process of the node"),
        ("runAsUserName", ""),
    ],
};

const VOLUME_MOUNT: Shape = Shape {
    what: "a volume mount",
    complete: false,
    fields: &[
        ("bindMountOptions", ""),
        ("mountPath", ""),
        ("mountPropagation", ""),
        ("name", ""),
        ("readOnly", "the container can write to it"),
        ("recursiveReadOnly", "what is mounted below can be written"),
        ("subPath", "the whole volume is mounted"),
        ("subPathExpr", "the whole volume is mounted"),
    ],
};

const HOST_PATH: Shape = Shape {
    what: "a hostPath volume",
    complete: true,
    fields: &[("path", ""), ("type", "")],
};

/// What stands before a container's name in the annotation that was its AppArmor profile before Kubernetes 1.30.
const APP_ARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";

/// Largest user id (upstream `k8s.io/apimachinery/pkg/util/validation`, `IsValidUserID`).
const MAX_USER: i64 = i32::MAX as i64;

/// What containers are read against, and what they use.
#[derive(Default)]
pub(super) struct Surroundings {
    /// Paths of the node by the volume that holds them.
    pub(super) host_paths: BTreeMap<Str, Str>,
    /// Names of claims by the volume that stands for them, and whether it can only be read.
    pub(super) claims: BTreeMap<Str, (Str, bool)>,
    /// Whether the pod has users of its own.
    pub(super) own_users: bool,
    /// Whether the containers see the processes of each other.
    pub(super) shared_processes: bool,
    /// AppArmor profiles by container, from annotations.
    pub(super) app_armor: BTreeMap<Str, AppArmor>,
    /// CSI drivers of volumes without a claim.
    pub(super) csi_drivers: BTreeSet<Str>,
    /// FlexVolume drivers.
    pub(super) flex_drivers: BTreeSet<Str>,
    /// Names of ClusterTrustBundles.
    pub(super) trust_bundles: BTreeSet<Str>,
    /// Signers of ClusterTrustBundles that are found by their labels.
    pub(super) trusted_signers: BTreeSet<Str>,
    /// Names of Secrets that the containers see.
    pub(super) secrets: BTreeSet<Str>,
}

impl Surroundings {
    /// Notes the AppArmor profiles in the annotations of a pod or template.
    pub(super) fn annotations(&mut self, cx: &mut Context<'_>, node: &Node<'_>) {
        const ANY: Shape = Shape {
            what: "metadata",
            complete: false,
            fields: &[],
        };
        let Some(metadata) = cx.inner(node, "metadata", &ANY) else {
            return;
        };
        cx.text_map(&metadata, "annotations", |cx, _, key, value| {
            if let Some(name) = key.strip_prefix(APP_ARMOR_ANNOTATION) {
                let profile = match value {
                    "unconfined" => AppArmor::Unconfined,
                    _ => AppArmor::Confined,
                };
                let name = cx.intern(name);
                self.app_armor.insert(name, profile);
            }
            false
        });
    }
}

/// The security context of a pod.
pub(super) fn pod_security(cx: &mut Context<'_>, pod: &Node<'_>) -> Security {
    match cx.inner(pod, "securityContext", &POD_SECURITY) {
        Some(node) => common(cx, &node),
        None => Security::default(),
    }
}

/// A container; its name where it says nothing else that is kept.
pub(super) fn container(
    cx: &mut Context<'_>,
    node: &Node<'_>,
    (list, position): (ContainerList, u32),
    around: &Surroundings,
) -> Result<Container, Str> {
    let name = cx.text(node, "name");
    let mut security = match cx.inner(node, "securityContext", &SECURITY) {
        Some(node) => own_security(cx, &node, around),
        None => Security::default(),
    };
    let annotated = around.app_armor.get(&name).copied();
    security.app_armor = security.app_armor.or(annotated);
    let mut host_paths = Vec::new();
    let mut claims = Vec::new();
    let mut mounts = 0;
    cx.each(node, "volumeMounts", |cx, mount| {
        match volume_mount(cx, mount, mounts, around) {
            Some(Mount::HostPath(mount)) => host_paths.push(mount),
            Some(Mount::Claim(mount)) => claims.push(mount),
            None => {}
        }
        mounts += 1;
    });
    let restarts = &*cx.text(node, "restartPolicy") == "Always";
    let sidecar = restarts && list == ContainerList::InitContainers;
    let mounts_something = !host_paths.is_empty() || !claims.is_empty();
    let says_something =
        security != Security::default() || mounts_something || around.shared_processes;
    if !says_something {
        return Err(name);
    }
    Ok(Container {
        list,
        position,
        name,
        sidecar,
        security,
        host_paths: host_paths.into(),
        claims: claims.into(),
    })
}

/// Whether it is one at all; notes near misses among its fields.
pub(super) fn is_container(cx: &mut Context<'_>, node: &Node<'_>) -> bool {
    cx.mapping(node, &CONTAINER)
}

fn own_security(cx: &mut Context<'_>, node: &Node<'_>, around: &Surroundings) -> Security {
    let mut security = common(cx, node);
    match &*cx.text(node, "procMount") {
        "" | "Default" => {}
        "Unmasked" if around.own_users => {}
        "Unmasked" => cx.refuse(
            node,
            "has `procMount: Unmasked` in a pod with the users of its node",
            "say `hostUsers: false` as well",
        ),
        _ => cx.refuse(
            node,
            "has no such `procMount`",
            "write `Default` or `Unmasked`",
        ),
    }
    security.privileged = cx.flag(node, "privileged").unwrap_or(false);
    if let Some(capabilities) = cx.inner(node, "capabilities", &CAPABILITIES) {
        security.capabilities = cx.texts(&capabilities, "add");
    }
    let escalation = cx.flag(node, "allowPrivilegeEscalation");
    if security.privileged && escalation == Some(false) {
        cx.refuse(
            node,
            "is `privileged` and says `allowPrivilegeEscalation: false`",
            "remove one of the two",
        );
    }
    security
}

/// What pods and containers both say.
fn common(cx: &mut Context<'_>, node: &Node<'_>) -> Security {
    let run_as_user = cx.integer(node, "runAsUser");
    if let Some(at) = node.field("runAsUser")
        && run_as_user.is_some_and(|user| !(0..=MAX_USER).contains(&user))
    {
        cx.refuse(&at, "is below 0 or above 2147483647", "");
    }
    let windows = cx.inner(node, "windowsOptions", &WINDOWS);
    Security {
        run_as_user,
        run_as_non_root: cx.flag(node, "runAsNonRoot"),
        app_armor: app_armor(cx, node),
        host_process: windows.and_then(|windows| cx.flag(&windows, "hostProcess")),
        ..Security::default()
    }
}

fn app_armor(cx: &mut Context<'_>, node: &Node<'_>) -> Option<AppArmor> {
    let profile = cx.inner(node, "appArmorProfile", &APP_ARMOR)?;
    match &*cx.text(&profile, "type") {
        "Unconfined" => Some(AppArmor::Unconfined),
        "RuntimeDefault" | "Localhost" => Some(AppArmor::Confined),
        _ => {
            let help = "write `RuntimeDefault`, `Localhost` or `Unconfined`";
            cx.refuse(&profile, "has no such `type`", help);
            None
        }
    }
}

/// The path of a hostPath volume; `None` for volumes of other kinds.
pub(super) fn host_path(cx: &mut Context<'_>, volume: &Node<'_>) -> Option<Str> {
    let source = cx.inner(volume, "hostPath", &HOST_PATH)?;
    Some(path_of(cx, &source))
}

/// The `path` of a volume that is one of the node.
pub(super) fn path_of(cx: &mut Context<'_>, source: &Node<'_>) -> Str {
    let path = cx.text(source, "path");
    if path.is_empty() {
        cx.refuse_missing(source, "path", "name a path of the node");
    } else if path.split('/').any(|step| step == "..") {
        cx.refuse(source, "has a `path` with `..` in it", "name it directly");
    }
    path
}

/// What a container mounts, as far as it is kept.
enum Mount {
    HostPath(HostPathMount),
    Claim(ClaimMount),
}

fn volume_mount(
    cx: &mut Context<'_>,
    mount: &Node<'_>,
    position: u32,
    around: &Surroundings,
) -> Option<Mount> {
    if !cx.mapping(mount, &VOLUME_MOUNT) {
        return None;
    }
    let volume = cx.text(mount, "name");
    let below = cx.text(mount, "subPath");
    let read_only = cx.flag(mount, "readOnly").unwrap_or(false);
    // `IfPossible` is no promise: it depends on the kernel and the container runtime.
    let recursive = &*cx.text(mount, "recursiveReadOnly") == "Enabled";
    let recursive = read_only && recursive;
    if let Some((claim, only_read)) = around.claims.get(&volume) {
        return Some(Mount::Claim(ClaimMount {
            position,
            claim: claim.clone(),
            below,
            read_only: read_only || *only_read,
            recursive,
        }));
    }
    let path = match (around.host_paths.get(&volume)?, &*below) {
        (path, "") => path.clone(),
        (path, below) => cx.intern(&format!("{}/{below}", path.trim_end_matches('/'))),
    };
    Some(Mount::HostPath(HostPathMount {
        position,
        path,
        read_only,
        recursive,
    }))
}
