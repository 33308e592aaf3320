use std::collections::HashSet;
use std::sync::Arc;

use bailiwick_core::Str;

use crate::meta::ObjectMeta;
use crate::object::Object;
use crate::rbac::{Binding, PolicyRule};
use crate::value::Value;
use crate::workload::PodSpec;

/// Gives equal texts and equal pod specs one allocation, so that a name that ten thousand objects carry costs its bytes
/// once.
#[derive(Debug, Default)]
pub struct Interner {
    texts: HashSet<Str>,
    pods: HashSet<Arc<PodSpec>>,
    yaml: Option<ReadYaml>,
}

/// Reads the YAML that a text of an object holds, as Kubernetes reads YAML. Parsing is not done here: whoever can do it
/// gives it.
pub type ReadYaml = fn(&str) -> Result<Value, YamlError>;

/// Why the YAML of a text cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    /// Line in the text, from 1.
    pub line: u32,
    /// What is wrong, in a sentence.
    pub message: String,
    /// Whether Kubernetes would read it: it is beyond a limit of our own.
    pub is_ours: bool,
}

impl Interner {
    /// One for objects that hold YAML in their texts.
    pub fn reading(yaml: Option<ReadYaml>) -> Self {
        Self {
            yaml,
            ..Self::default()
        }
    }

    /// What the YAML of a text says; `None` where nobody can read it here.
    pub(crate) fn read_yaml(&self, text: &str) -> Option<Result<Value, YamlError>> {
        self.yaml.map(|read| read(text))
    }

    /// The shared text equal to `text`.
    pub fn intern(&mut self, text: &str) -> Str {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let new: Str = text.into();
        self.texts.insert(new.clone());
        new
    }

    /// The shared pod spec equal to `pod`.
    pub(crate) fn pod(&mut self, pod: PodSpec) -> Arc<PodSpec> {
        self.share_pod(&Arc::new(pod))
    }

    fn share_pod(&mut self, pod: &Arc<PodSpec>) -> Arc<PodSpec> {
        if let Some(known) = self.pods.get(pod) {
            return known.clone();
        }
        self.pods.insert(pod.clone());
        pod.clone()
    }

    /// Lets an object that was read without this interner share what objects have in common: namespaces, labels, the
    /// names of controllers, pod specs, what rules list, and whom and what bindings name.
    pub fn share(&mut self, object: &mut Object) {
        let metadata = object.metadata_mut();
        self.share_metadata(metadata);
        match object {
            Object::Workload(workload) => {
                workload.node_name = self.intern(&workload.node_name);
                workload.pod = self.share_pod(&workload.pod);
            }
            Object::Role(role) => role.rules.iter_mut().for_each(|rule| self.share_rule(rule)),
            Object::Binding(binding) => self.share_binding(binding),
            _ => {}
        }
    }

    fn share_rule(&mut self, rule: &mut PolicyRule) {
        let lists = [
            &mut rule.verbs,
            &mut rule.api_groups,
            &mut rule.resources,
            &mut rule.resource_names,
            &mut rule.non_resource_urls,
        ];
        for text in lists.into_iter().flatten() {
            *text = self.intern(text);
        }
    }

    fn share_binding(&mut self, binding: &mut Binding) {
        let role = &mut binding.role_ref;
        let texts = [&mut role.api_group, &mut role.kind, &mut role.name];
        let subjects = binding.subjects.iter_mut().flat_map(|subject| {
            [
                &mut subject.kind,
                &mut subject.api_group,
                &mut subject.name,
                &mut subject.namespace,
            ]
        });
        for text in texts.into_iter().chain(subjects) {
            *text = self.intern(text);
        }
    }

    fn share_metadata(&mut self, metadata: &mut ObjectMeta) {
        metadata.namespace = self.intern(&metadata.namespace);
        let pairs = metadata.labels.iter_mut().chain(&mut metadata.annotations);
        for (key, value) in pairs.chain(&mut metadata.controller) {
            *key = self.intern(key);
            *value = self.intern(value);
        }
    }

    /// Number of different texts.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether nothing was interned yet.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one_allocation() {
        let mut names = Interner::default();
        let (first, second) = (names.intern("kube-system"), names.intern("kube-system"));
        assert!(Str::ptr_eq(&first, &second));
        assert!(!Str::ptr_eq(&first, &names.intern("kube-public")));
        assert_eq!(names.len(), 2);
    }
}
