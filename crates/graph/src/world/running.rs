//! What runs where, and as whom.

use bailiwick_core::{Kind, Str};
use bailiwick_model::Workload;

use super::Unit;
use super::index::{DEFAULT, Index, Woken};
use super::reads::Key;
use crate::host::{NODE_LOGS, relation};
use crate::node::Node;

impl Index {
    /// Whether this runs, rather than being a plan.
    pub(super) fn runs(&self, kind: Kind) -> bool {
        !self.has_pods || kind == Kind::Pod
    }

    pub(super) fn place(&mut self, workload: &Workload, woken: &mut Woken) {
        self.count_runner(workload, true, woken);
        if !self.runs(workload.kind) {
            return;
        }
        let object = workload.object_ref();
        if !workload.node_name.is_empty() {
            let of_node = self.by_node.entry(workload.node_name.clone()).or_default();
            of_node.insert(object.clone());
            self.moved(&workload.node_name, woken);
        }
        self.use_drivers(workload, woken);
        self.trust(workload, woken);
        if writes_logs(workload) {
            let namespace = &workload.metadata.namespace;
            let count = self.log_writers.entry(namespace.clone()).or_default();
            *count += 1;
            if *count == 1 {
                self.wake_log_readers(namespace, woken);
            }
        }
        woken.units.push(Unit::Workload(object));
    }

    pub(super) fn displace(&mut self, workload: &Workload, woken: &mut Woken) {
        self.count_runner(workload, false, woken);
        let object = workload.object_ref();
        if self.runs(workload.kind) {
            self.leave_drivers(workload, woken);
            self.trust_no_more(workload, woken);
            let namespace = &workload.metadata.namespace;
            if let Some(count) = self
                .log_writers
                .get_mut(namespace)
                .filter(|_| writes_logs(workload))
            {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.log_writers.remove(namespace);
                    self.wake_log_readers(namespace, woken);
                }
            }
        }
        if let Some(of_node) = self.by_node.get_mut(&workload.node_name) {
            of_node.remove(&object);
            if of_node.is_empty() {
                self.by_node.remove(&workload.node_name);
            }
            self.moved(&workload.node_name, woken);
        }
        woken.units.push(Unit::Workload(object));
    }

    /// Whether a pod, or what makes pods, runs as this service account, as far as it can be told.
    pub(super) fn is_run_as(&self, namespace: &Str, name: &Str) -> bool {
        self.runners_hidden
            || self
                .runners
                .contains_key(&(namespace.clone(), name.clone()))
    }

    fn count_runner(&mut self, workload: &Workload, more: bool, woken: &mut Woken) {
        let name = match &workload.pod.service_account_name {
            unnamed if unnamed.is_empty() => DEFAULT.into(),
            name => name.clone(),
        };
        let account = (workload.metadata.namespace.clone(), name);
        let (namespace, name) = &account;
        let was_run_as = self.is_run_as(namespace, name);
        let (namespace, name) = (namespace.clone(), name.clone());
        let count = self.runners.entry(account).or_default();
        *count = if more {
            *count + 1
        } else {
            count.saturating_sub(1)
        };
        if *count == 0 {
            self.runners.remove(&(namespace.clone(), name.clone()));
        }
        let is_run_as = self.is_run_as(&namespace, &name);
        if is_run_as == was_run_as {
            return;
        }
        let node = Node::service_account(&namespace, &name);
        self.wake(Key::IsRunAs(&node), woken);
        if self.has_account(&namespace, &name) {
            self.count_account_roles(&node, is_run_as, woken);
        }
    }

    fn wake_log_readers(&self, namespace: &Str, woken: &mut Woken) {
        self.wake(Key::LogWriters(namespace), woken);
        self.wake(Key::LogWriters(""), woken);
    }

    pub(super) fn moved(&self, node: &Str, woken: &mut Woken) {
        self.wake(Key::OnNode(node), woken);
        woken.units.push(Unit::Machine(node.clone()));
    }
}

/// Whether a pod may write where its node keeps logs, by a path that it mounts itself.
pub(super) fn writes_logs(workload: &Workload) -> bool {
    let containers = workload.pod.containers.iter();
    let mut mounts = containers.flat_map(|container| &container.host_paths);
    mounts.any(|mount| !mount.read_only && relation(&mount.path, NODE_LOGS).is_some())
}
