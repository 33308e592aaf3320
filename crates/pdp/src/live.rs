use std::sync::Arc;

use bailiwick_model::{Delta, Snapshot};
use bailiwick_rbac::Engine;

use crate::documents::DocumentProblem;
use crate::kind::DocumentId;
use crate::revision::{self, Digest, Sum};
use crate::set::{Compiler, Edit, PartChange, Set};
use crate::state::State;

/// A state that changes, for those who ask it meanwhile.
///
/// There are two of it. One is asked; a change is made to the other, which then is asked, and the first gets the same
/// change with the next one. So nobody ever sees a state half changed, nobody waits, and a change costs what it
/// changes. Whoever still asks the old state when it is its turn makes the parts that change be copied.
#[derive(Debug)]
pub struct Live {
    now: Arc<State>,
    other: Arc<State>,
    /// What `now` has and `other` does not.
    lacks: Vec<Change>,
    set: Set,
    floor: Sum,
    cluster: Sum,
}

/// One change of a state.
#[derive(Clone, Debug)]
enum Change {
    Cluster(Delta),
    WholeCluster(Arc<Engine>),
    Floor(Arc<Engine>),
    Part(PartChange),
}

impl Live {
    /// Nothing yet. Documents that `compiler` has prepared can be put in it.
    pub fn new(compiler: &Compiler) -> Self {
        let mut state = State::new(Arc::new(Engine::new(Snapshot::default())));
        state.policies = Arc::new(compiler.policies());
        let mut live = Self {
            other: Arc::new(state.clone()),
            now: Arc::new(state),
            lacks: Vec::new(),
            set: Set::default(),
            floor: Sum::default(),
            cluster: Sum::default(),
        };
        live.make(Vec::new());
        live
    }

    /// The state that is asked now.
    pub fn now(&self) -> &Arc<State> {
        &self.now
    }

    /// Whether a document is in force.
    pub fn has(&self, id: &DocumentId) -> bool {
        self.set.has(id)
    }

    /// What is in force of a document, by a name that is the same for the same contents.
    pub fn version(&self, id: &DocumentId) -> Option<String> {
        self.set.version(id)
    }

    /// Number of documents in force.
    pub fn documents(&self) -> usize {
        self.set.len()
    }

    /// Objects of the cluster change.
    pub fn change_cluster(&mut self, deltas: Vec<Delta>) {
        self.make(deltas.into_iter().map(Change::Cluster).collect());
    }

    /// The cluster is read anew.
    pub fn replace_cluster(&mut self, mut snapshot: Snapshot) {
        snapshot.pack();
        self.cluster = sum(&snapshot);
        let engine = Arc::new(Engine::new(snapshot));
        self.make(vec![Change::WholeCluster(engine)]);
    }

    /// What allows before anything else is asked is read anew.
    pub fn replace_floor(&mut self, snapshot: Snapshot) {
        self.floor = sum(&snapshot);
        let engine = Arc::new(Engine::new(snapshot));
        self.make(vec![Change::Floor(engine)]);
    }

    /// Documents change: all that the edit says, or nothing where anything of it is wrong.
    pub fn edit(&mut self, edit: Edit) -> Result<(), Vec<DocumentProblem>> {
        let changes = self.set.edit(&self.now.relations, edit)?;
        self.make(changes.into_iter().map(Change::Part).collect());
        Ok(())
    }

    /// Brings the other one up to date if nobody asks it any more, so that the next change does not have to.
    pub fn settle(&mut self) {
        if Arc::get_mut(&mut self.other).is_some() {
            self.catch_up();
        }
    }

    /// Copies roles and bindings now that both share, so that the first change of one of them does not have to.
    pub fn spread(&mut self) {
        if Arc::ptr_eq(&self.now.rbac, &self.other.rbac)
            && let Some(other) = Arc::get_mut(&mut self.other)
        {
            other.rbac = Arc::new(Engine::clone(&other.rbac));
        }
    }

    /// Whether a change would have to copy what it changes, because somebody still asks the old state.
    pub fn would_copy(&mut self) -> bool {
        Arc::get_mut(&mut self.other).is_none()
    }

    fn catch_up(&mut self) {
        let lacks = std::mem::take(&mut self.lacks);
        let state = Arc::make_mut(&mut self.other);
        lacks.into_iter().for_each(|change| state.make(change));
    }

    fn make(&mut self, changes: Vec<Change>) {
        self.catch_up();
        let state = Arc::make_mut(&mut self.other);
        for change in &changes {
            if let Change::Cluster(delta) = change {
                count(&mut self.cluster, state.rbac.snapshot(), delta);
            }
            state.make(change.clone());
        }
        state.revision = revision::name(&[self.floor, self.cluster, self.set.sum()]);
        std::mem::swap(&mut self.now, &mut self.other);
        self.lacks = changes;
    }
}

/// What a change of one object does to the sum of all.
fn count(sum: &mut Sum, snapshot: &Snapshot, delta: &Delta) {
    if let Some(old) = snapshot.object(&delta.object_ref()) {
        sum.remove(Digest::of(&old));
    }
    if let Delta::Upsert(object, _) = delta {
        sum.add(Digest::of(&**object));
    }
}

fn sum(snapshot: &Snapshot) -> Sum {
    let mut sum = Sum::default();
    snapshot
        .objects()
        .for_each(|(object, _)| sum.add(Digest::of(&object)));
    sum
}

impl State {
    fn make(&mut self, change: Change) {
        match change {
            Change::Cluster(delta) => {
                Arc::make_mut(&mut self.rbac).apply(delta);
            }
            Change::WholeCluster(engine) => self.rbac = engine,
            Change::Floor(engine) => self.floor = engine,
            Change::Part(part) => self.put(part),
        }
    }

    pub(crate) fn put(&mut self, part: PartChange) {
        match part {
            PartChange::Policies(compiled) => {
                Arc::make_mut(&mut self.policies).put_compiled(&compiled);
            }
            PartChange::NoPolicies(namespace, name) => {
                Arc::make_mut(&mut self.policies).remove(&namespace, &name);
            }
            PartChange::Relations(relations) => self.relations = relations,
            PartChange::Delegation(delegation) => {
                Arc::make_mut(&mut self.delegations).put(&delegation);
            }
            PartChange::NoDelegation(name) => {
                Arc::make_mut(&mut self.delegations).remove(&name);
            }
            PartChange::Revocation(revocation) => {
                Arc::make_mut(&mut self.revocations).put(revocation);
            }
            PartChange::NoRevocation(name) => {
                Arc::make_mut(&mut self.revocations).remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bailiwick_core::{Kind, ObjectRef, Request, ResourceRequest, Timestamp, UserInfo};
    use bailiwick_model::{Namespace, Object, ObjectMeta, Origin, Value};

    use super::*;
    use crate::{Document, Question};

    fn document(json: &str) -> Document {
        let value: Value = serde_json::from_str(json).unwrap();
        Document::read(&value).unwrap().unwrap()
    }

    fn written(kind: &str, name: &str, spec: &str) -> Document {
        let metadata = match name.split_once('/') {
            Some((namespace, name)) => format!(r#"{{"namespace":"{namespace}","name":"{name}"}}"#),
            None => format!(r#"{{"name":"{name}"}}"#),
        };
        document(&format!(
            r#"{{"apiVersion":"bailiwick.dev/v1alpha1","kind":"{kind}","metadata":{metadata},"spec":{spec}}}"#
        ))
    }

    fn revoked(user: &str) -> Document {
        written("Revocation", user, &format!(r#"{{"user":"{user}"}}"#))
    }

    fn policy(name: &str, user: &str) -> Document {
        let cedar = format!(r#"forbid (principal == k8s::User::\"{user}\", action, resource);"#);
        written("ClusterPolicy", name, &format!(r#"{{"cedar":"{cedar}"}}"#))
    }

    fn schema(relation: &str) -> Document {
        let spec = format!(
            r#"{{"types":{{"pods":{{"relations":{{"{relation}":"[user]"}},"actions":{{"get":"{relation}"}}}}}}}}"#
        );
        written("RelationSchema", "pods", &spec)
    }

    fn related(name: &str, tuples: &[&str]) -> Document {
        let tuples = serde_json::to_string(tuples).unwrap();
        written(
            "ClusterRelations",
            name,
            &format!(r#"{{"tuples":{tuples}}}"#),
        )
    }

    fn namespace(name: &str) -> Delta {
        let metadata = ObjectMeta::named("", name);
        Delta::Upsert(
            Box::new(Object::Namespace(Namespace { metadata })),
            Origin::Live,
        )
    }

    struct Bench {
        compiler: Compiler,
        live: Live,
    }

    impl Bench {
        fn new() -> Self {
            let compiler = Compiler::new().unwrap();
            Self {
                live: Live::new(&compiler),
                compiler,
            }
        }

        fn edit(&mut self, put: &[Document], remove: &[&Document]) -> Result<(), String> {
            let prepared = put
                .iter()
                .map(|document| self.compiler.prepare(document).unwrap());
            let edit = Edit {
                put: prepared.collect(),
                remove: remove.iter().map(|document| document.id()).collect(),
            };
            self.live.edit(edit).map_err(|wrong| wrong[0].to_string())
        }

        fn put(&mut self, put: &[Document]) {
            self.edit(put, &[]).unwrap();
        }

        fn shown(&self, user: &str) -> String {
            let request: Request = ResourceRequest {
                namespace: "shop".into(),
                name: "web".into(),
                ..ResourceRequest::new("get", "", "pods")
            }
            .into();
            let user = UserInfo::exactly(user, &[]);
            let question = Question::Kubernetes {
                user: &user,
                request: &request,
            };
            let decided = self.live.now().decide(question, Timestamp::default());
            format!("{:?}", decided.to_decision().effect)
        }
    }

    #[test]
    fn every_change_counts_at_once_and_until_it_is_taken_back() {
        let mut bench = Bench::new();
        let tuple = "pods:shop/web#reader@user:anna";
        bench.put(&[schema("reader"), related("a", &[tuple])]);
        assert_eq!(bench.shown("anna"), "Allow");
        for round in 0..3 {
            bench.put(&[revoked("anna")]);
            assert_eq!(bench.shown("anna"), "Deny", "{round}");
            bench.edit(&[], &[&revoked("anna")]).unwrap();
            bench.put(&[policy("p", "anna")]);
            assert_eq!(bench.shown("anna"), "Deny", "{round}");
            bench.put(&[policy("p", "ben")]);
            assert_eq!(bench.shown("anna"), "Allow", "{round}");
            bench.put(&[related("a", &[])]);
            assert_eq!(bench.shown("anna"), "NoOpinion", "{round}");
            bench.put(&[related("a", &[tuple])]);
            bench.live.settle();
            assert_eq!(bench.shown("anna"), "Allow", "{round}");
        }
    }

    #[test]
    fn a_tuple_that_two_documents_say_stays_while_one_of_them_does() {
        let mut bench = Bench::new();
        let tuple = "pods:shop/web#reader@user:anna";
        bench.put(&[
            schema("reader"),
            related("a", &[tuple]),
            related("b", &[tuple]),
        ]);
        bench.edit(&[], &[&related("a", &[])]).unwrap();
        assert_eq!(bench.shown("anna"), "Allow");
        bench.put(&[related("a", &["pods:shop/db#reader@user:anna"])]);
        bench.edit(&[], &[&related("b", &[])]).unwrap();
        assert_eq!(bench.shown("anna"), "NoOpinion");
        assert_eq!(bench.live.now().relations.len(), 1);
    }

    #[test]
    fn a_new_schema_keeps_the_tuples_or_is_refused() {
        let mut bench = Bench::new();
        bench.put(&[
            schema("reader"),
            related("a", &["pods:shop/web#reader@user:anna"]),
        ]);
        let refused = bench.edit(&[schema("editor")], &[]).unwrap_err();
        assert!(refused.contains("ClusterRelations a"), "{refused}");
        assert!(refused.contains("not in the schema"), "{refused}");
        assert_eq!(bench.shown("anna"), "Allow");
        // Both at once are right.
        bench.put(&[
            schema("editor"),
            related("a", &["pods:shop/web#editor@user:anna"]),
        ]);
        assert_eq!(bench.shown("anna"), "Allow");
        let both = r#"{"types":{"pods":{"relations":{"reader":"[user]","editor":"[user]"},"actions":{"get":"editor"}}}}"#;
        bench.put(&[written("RelationSchema", "pods", both)]);
        assert_eq!(bench.shown("anna"), "Allow");
        bench
            .edit(&[], &[&related("a", &[]), &schema("editor")])
            .unwrap();
        assert_eq!(bench.shown("anna"), "NoOpinion");
    }

    #[test]
    fn whoever_asks_an_old_state_goes_on_to_see_it() {
        let mut bench = Bench::new();
        bench.put(&[revoked("anna")]);
        let old = Arc::clone(bench.live.now());
        bench.put(&[revoked("ben")]);
        bench.put(&[revoked("cleo")]);
        bench.live.spread();
        bench.live.change_cluster(vec![namespace("shop")]);
        assert!(!bench.live.would_copy());
        assert_eq!(old.revocations.len(), 1);
        assert_eq!(old.rbac.snapshot().namespaces.len(), 0);
        let now = bench.live.now();
        assert_eq!(now.revocations.len(), 3);
        assert_eq!(now.rbac.snapshot().namespaces.len(), 1);
    }

    #[test]
    fn a_revision_names_what_holds_and_not_how_it_came() {
        let revision = |bench: &Bench| bench.live.now().revision.to_string();
        let (mut one, mut two) = (Bench::new(), Bench::new());
        let empty = revision(&one);
        assert_eq!(empty, revision(&two));
        one.put(&[revoked("anna"), policy("p", "ben")]);
        one.live
            .change_cluster(vec![namespace("a"), namespace("b")]);
        two.live.change_cluster(vec![namespace("b")]);
        two.put(&[policy("p", "anna"), revoked("anna"), revoked("cleo")]);
        two.put(&[policy("p", "ben")]);
        two.edit(&[], &[&revoked("cleo")]).unwrap();
        assert_ne!(revision(&one), revision(&two));
        two.live
            .change_cluster(vec![namespace("a"), namespace("a")]);
        assert_eq!(revision(&one), revision(&two));
        let mut snapshot = Snapshot::default();
        snapshot.apply(namespace("a"));
        snapshot.apply(namespace("b"));
        two.live.replace_cluster(snapshot);
        assert_eq!(revision(&one), revision(&two));
        let gone = |name| Delta::Remove(ObjectRef::new(Kind::Namespace, "", name));
        two.live.change_cluster(vec![gone("a"), gone("b")]);
        two.edit(&[], &[&revoked("anna"), &policy("p", "")])
            .unwrap();
        assert_eq!(revision(&two), empty);
    }

    #[test]
    fn an_edit_that_is_partly_wrong_changes_nothing() {
        let mut bench = Bench::new();
        bench.put(&[schema("reader"), revoked("anna")]);
        let before = bench.live.now().revision.clone();
        let wrong = related("a", &["pods:shop/web#editor@user:anna"]);
        let refused = bench.edit(&[revoked("ben"), wrong], &[&revoked("anna")]);
        assert!(refused.unwrap_err().contains("ClusterRelations a"));
        let twice = bench.edit(&[revoked("ben"), revoked("ben")], &[]);
        assert!(
            twice
                .unwrap_err()
                .contains("2 documents have this kind and name")
        );
        assert_eq!(bench.live.now().revision, before);
        assert!(bench.live.has(&revoked("anna").id()) && !bench.live.has(&revoked("ben").id()));
        assert_eq!(bench.live.documents(), 2);
    }
}
