//! Versions of kernels and container runtimes of which it is known how containers get out of them.

use bailiwick_model::Node;

/// A flaw, in what it is, and who can use it.
#[derive(Debug)]
pub(crate) struct Flaw {
    /// What has it.
    pub(crate) software: Software,
    /// Who can use it.
    pub(crate) by: By,
    /// From the first version that has it to the first that does not any more.
    bands: &'static [(Version, Version)],
}

/// What a kubelet tells the version of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Software {
    Containerd,
    CriO,
    Kernel,
}

/// Who can use a flaw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// Code in any container.
    Anybody,
    /// Root in a pod with the network of the node.
    HostNetwork,
    /// Whoever starts a pod.
    Pod,
    /// Whoever starts a pod with an image of his own; what he gets are the files of the node.
    Image,
}

type Version = [u32; 3];

/// Each with the advisory that gives its versions.
static FLAWS: [Flaw; 4] = [
    // CVE-2020-15257, GHSA-36xw-fx78-c5r4: fixed in 1.3.9 and 1.4.3; older series were not mended.
    Flaw {
        software: Software::Containerd,
        by: By::HostNetwork,
        bands: &[([0, 0, 0], [1, 3, 9]), ([1, 4, 0], [1, 4, 3])],
    },
    // CVE-2022-23648, GHSA-crp2-qrr5-8pq7: fixed in 1.4.13, 1.5.10 and 1.6.1.
    Flaw {
        software: Software::Containerd,
        by: By::Image,
        bands: &[
            ([0, 0, 0], [1, 4, 13]),
            ([1, 5, 0], [1, 5, 10]),
            ([1, 6, 0], [1, 6, 1]),
        ],
    },
    // CVE-2022-0811, GHSA-6x2m-w449-qwx7: since 1.19.0, fixed in 1.19.6, 1.20.7, 1.21.6, 1.22.3 and 1.23.2.
    Flaw {
        software: Software::CriO,
        by: By::Pod,
        bands: &[
            ([1, 19, 0], [1, 19, 6]),
            ([1, 20, 0], [1, 20, 7]),
            ([1, 21, 0], [1, 21, 6]),
            ([1, 22, 0], [1, 22, 3]),
            ([1, 23, 0], [1, 23, 2]),
        ],
    },
    // CVE-2022-0847: since 5.8, fixed in 5.10.102, 5.15.25 and 5.16.11 (dirtypipe.cm4all.com).
    Flaw {
        software: Software::Kernel,
        by: By::Anybody,
        bands: &[
            ([5, 8, 0], [5, 10, 102]),
            ([5, 11, 0], [5, 15, 25]),
            ([5, 16, 0], [5, 16, 11]),
        ],
    },
];

/// The known flaws of a node.
pub(crate) fn of(node: &Node) -> impl Iterator<Item = &'static Flaw> {
    let kernel = kernel(&node.kernel).map(|version| (Software::Kernel, version));
    let known: Vec<(Software, Version)> =
        kernel.into_iter().chain(runtime(&node.runtime)).collect();
    FLAWS.iter().filter(move |flaw| {
        let mut own = known
            .iter()
            .filter(|(software, _)| *software == flaw.software);
        own.any(|(_, version)| {
            flaw.bands
                .iter()
                .any(|(from, to)| from <= version && version < to)
        })
    })
}

impl Software {
    /// JSON pointer to its version in a Node.
    pub(crate) fn pointer(self) -> &'static str {
        match self {
            Self::Kernel => "/status/nodeInfo/kernelVersion",
            Self::Containerd | Self::CriO => "/status/nodeInfo/containerRuntimeVersion",
        }
    }
}

/// What is `containerd://1.6.4`. A mark behind the numbers is that of a distribution, which may have mended it.
fn runtime(text: &str) -> Option<(Software, Version)> {
    let (name, version) = text.split_once("://")?;
    let software = match name {
        "containerd" => Software::Containerd,
        "cri-o" => Software::CriO,
        _ => return None,
    };
    let (version, rest) = numbers(version)?;
    rest.is_empty().then_some((software, version))
}

/// What is `5.15.24-flatcar`. Distributions that do not follow the stable series stay at `.0`.
fn kernel(text: &str) -> Option<Version> {
    let (version, rest) = numbers(text)?;
    let ends = rest.is_empty() || rest.starts_with(['-', '+']);
    (ends && version[2] > 0).then_some(version)
}

/// Three numbers, and what follows them.
fn numbers(text: &str) -> Option<(Version, &str)> {
    let (major, rest) = text.split_once('.')?;
    let (minor, rest) = rest.split_once('.')?;
    let end = rest
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(rest.len());
    let (patch, rest) = rest.split_at_checked(end)?;
    Some((
        [
            major.parse().ok()?,
            minor.parse().ok()?,
            patch.parse().ok()?,
        ],
        rest,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_the_flaws_of_their_band() {
        let check = |kernel: &str, runtime: &str, expected: &[By]| {
            let node = Node {
                kernel: kernel.into(),
                runtime: runtime.into(),
                ..Node::default()
            };
            let found: Vec<By> = of(&node).map(|flaw| flaw.by).collect();
            assert_eq!(found, expected, "{kernel} {runtime}");
        };
        let (anybody, host) = (By::Anybody, By::HostNetwork);
        check("", "containerd://1.3.8", &[host, By::Image]);
        check("", "containerd://1.3.9", &[By::Image]);
        check("", "containerd://1.4.2", &[host, By::Image]);
        check("", "containerd://1.4.3", &[By::Image]);
        check("", "containerd://1.4.13", &[]);
        check("", "containerd://1.5.9", &[By::Image]);
        check("", "containerd://1.5.10", &[]);
        check("", "containerd://1.6.0", &[By::Image]);
        check("", "containerd://1.6.1", &[]);
        check("", "containerd://2.1.4", &[]);
        check("", "containerd://1.5.9-0ubuntu1~20.04.6", &[]);
        check("", "containerd://1.3", &[]);
        check("", "docker://1.3.8", &[]);
        check("", "cri-o://1.18.9", &[]);
        check("", "cri-o://1.19.5", &[By::Pod]);
        check("", "cri-o://1.19.6", &[]);
        check("", "cri-o://1.23.1", &[By::Pod]);
        check("", "cri-o://1.23.2", &[]);
        check("5.7.19", "", &[]);
        check("5.8.1", "", &[anybody]);
        check("5.10.101-flatcar", "", &[anybody]);
        check("5.10.102", "", &[]);
        check("5.15.24+", "", &[anybody]);
        check("5.15.25", "", &[]);
        check("5.16.10", "", &[anybody]);
        check("5.16.11", "", &[]);
        check("5.17.1", "", &[]);
        check("5.15.0-25-generic", "", &[]);
        check("5.14.0-70.13.1.el9_0.x86_64", "", &[]);
        check("5.15.24rc", "", &[]);
        check("5.15", "", &[]);
        check("-1.2.3", "cri-o://a.b.c", &[]);
    }
}
