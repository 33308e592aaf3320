use bailiwick_model::{LabelSelector, ObjectMeta};

use crate::facts::{Facts, Pod, Process};

/// Which workloads a rule fits. Every part that is there has to fit; within a list one entry has to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Labels and expressions over the pod.
    pub pods: Option<LabelSelector>,
    /// Names of namespaces; `None` leaves them open.
    pub namespaces: Option<Vec<String>>,
    /// Labels and expressions over the namespace.
    pub namespace_labels: Option<LabelSelector>,
    /// Names of service accounts.
    pub service_accounts: Option<Vec<String>>,
    /// Images; one that ends in `*` stands for all that begin so.
    pub images: Option<Vec<String>>,
    /// Names of nodes.
    pub nodes: Option<Vec<String>>,
    /// Labels and expressions over the node.
    pub node_labels: Option<LabelSelector>,
    /// The process itself.
    pub unix: Option<UnixSelector>,
}

/// Which processes a rule fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnixSelector {
    /// Effective users.
    pub uids: Option<Vec<u32>>,
    /// Groups, effective or further.
    pub gids: Option<Vec<u32>>,
    /// Programs, as absolute paths; one that ends in `*` stands for all that begin so.
    pub paths: Option<Vec<String>>,
}

impl Selector {
    /// Whether it speaks of pods.
    pub fn wants_pod(&self) -> bool {
        let Self {
            pods,
            namespaces,
            namespace_labels,
            service_accounts,
            images,
            nodes,
            node_labels,
            unix: _,
        } = self;
        pods.is_some()
            || namespaces.is_some()
            || namespace_labels.is_some()
            || service_accounts.is_some()
            || images.is_some()
            || nodes.is_some()
            || node_labels.is_some()
    }

    /// What keeps it from fitting; empty where it fits.
    pub fn mismatches(&self, facts: &Facts) -> Vec<String> {
        let mut mismatches = Vec::new();
        match (&facts.pod, self.wants_pod()) {
            (Some(pod), true) => self.pod_mismatches(pod, &mut mismatches),
            (None, true) => mismatches.push("it runs in no pod".to_owned()),
            // User 1000 of a host is not user 1000 of any container.
            (Some(_), false) => {
                mismatches
                    .push("it runs in a pod, and the rule is for processes of the host".to_owned());
            }
            (None, false) => {}
        }
        if let Some(unix) = &self.unix {
            match &facts.process {
                Some(process) => unix.mismatches(process, &mut mismatches),
                None => mismatches.push("its process was not seen".to_owned()),
            }
        }
        mismatches
    }

    fn pod_mismatches(&self, pod: &Pod, mismatches: &mut Vec<String>) {
        let mut named = |what: &str, names: &Option<Vec<String>>, own: &str| {
            if names
                .as_ref()
                .is_some_and(|names| !names.iter().any(|name| name == own))
            {
                mismatches.push(format!("its {what} is `{own}`"));
            }
        };
        named("namespace", &self.namespaces, &pod.meta.namespace);
        named(
            "service account",
            &self.service_accounts,
            &pod.service_account,
        );
        named("node", &self.nodes, &pod.node.name);
        let mut labelled = |what: &str, selector: &Option<LabelSelector>, meta: &ObjectMeta| {
            // A selector that makes no sense fits nobody.
            if selector
                .as_ref()
                .is_some_and(|labels| labels.matches(meta) != Some(true))
            {
                mismatches.push(format!("the labels of its {what} do not fit"));
            }
        };
        labelled("pod", &self.pods, &pod.meta);
        labelled("namespace", &self.namespace_labels, &pod.namespace);
        labelled("node", &self.node_labels, &pod.node);
        if let Some(image) = self
            .images
            .as_ref()
            .and_then(|known| foreign_image(known, pod))
        {
            mismatches.push(format!("its image is `{image}`"));
        }
    }
}

/// The image of the container that asks, where it fits nothing of `known`. Where that is not known, any image of the
/// pod that does not fit: the identity would be everybody's in the pod.
fn foreign_image<'p>(known: &[String], pod: &'p Pod) -> Option<&'p str> {
    let fits = |image: &&String| known.iter().any(|pattern| matches(pattern, image));
    match &pod.own_image {
        Some(image) => (!fits(&image)).then_some(image),
        None if pod.images.is_empty() => Some("unknown"),
        None => {
            let mut images = pod.images.iter();
            images.find(|image| !fits(image)).map(String::as_str)
        }
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => text == pattern,
    }
}

impl UnixSelector {
    fn mismatches(&self, process: &Process, mismatches: &mut Vec<String>) {
        if self
            .uids
            .as_ref()
            .is_some_and(|uids| !uids.contains(&process.uid))
        {
            mismatches.push(format!("its uid is {}", process.uid));
        }
        let in_group = |gid: &u32| *gid == process.gid || process.groups.contains(gid);
        if self
            .gids
            .as_ref()
            .is_some_and(|gids| !gids.iter().any(in_group))
        {
            mismatches.push(format!("its gid is {}", process.gid));
        }
        let Some(paths) = &self.paths else {
            return;
        };
        match &process.path {
            Some(path) if paths.iter().any(|pattern| matches(pattern, path)) => {}
            Some(path) => mismatches.push(format!("its program is `{path}`")),
            None => mismatches.push("its program is not known".to_owned()),
        }
    }
}
