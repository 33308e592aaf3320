use std::cell::OnceCell;
use std::sync::Arc;

use bailiwick_core::Str;
use bailiwick_model::Snapshot;
use hashbrown::HashMap;

use crate::cedar::{
    Asking, Candidate, Candidates, Checker, Evaluation, Facts, Hashes, Index, Input, Keys, KeysOf,
    Objects, Policy, PolicyDocument, PolicyLint, PolicyProblem, Shared, Statement, Types, Words,
    application, evaluate, kubernetes, lints,
};
use crate::question::Question;

/// The policies of the cluster's tier and of each namespace's, ready to be asked.
///
/// A copy shares everything with the original; a change copies the index of the tier that it touches.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// Made with the first policy.
    language: Option<Language>,
    hashes: Hashes,
    cluster: Arc<Index>,
    namespaces: HashMap<Str, Arc<Index>>,
    documents: Arc<HashMap<Document, Box<[Str]>>>,
}

/// Namespace and name.
type Document = (Str, Str);

/// What policies are written in: the schema, ready to check them with.
#[derive(Clone, Debug)]
pub(crate) struct Language {
    parts: Arc<LanguageParts>,
    hashes: Hashes,
}

#[derive(Debug)]
struct LanguageParts {
    checker: Checker,
    types: Types,
    shared: Shared,
}

/// The policies of one document, checked.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    pub(crate) namespace: Str,
    pub(crate) name: Str,
    policies: Arc<[Arc<Policy>]>,
}

impl Language {
    pub(crate) fn new() -> Result<Self, PolicyProblem> {
        Self::with(Hashes::default())
    }

    fn with(hashes: Hashes) -> Result<Self, PolicyProblem> {
        let problem = |message: String| PolicyProblem {
            id: String::new(),
            message: format!("the schema of Bailiwick cannot be read: {message}"),
            span: None,
        };
        let parts = Arc::new(LanguageParts {
            checker: Checker::new().map_err(problem)?,
            types: Types::new().map_err(problem)?,
            shared: Shared::default(),
        });
        Ok(Self { parts, hashes })
    }

    /// The policies of a document, or everything that is wrong with it.
    pub(crate) fn compile(
        &self,
        document: &PolicyDocument,
    ) -> Result<Compiled, Vec<PolicyProblem>> {
        let policies = document.compile(&self.parts.checker)?;
        let (namespace, shared) = (&document.namespace, &self.parts.shared);
        let policy = |(id, ast)| Policy::new(namespace, id, ast, &self.hashes, shared, true);
        Ok(Compiled {
            namespace: document.namespace.clone(),
            name: document.name.clone(),
            policies: policies.into_iter().map(policy).map(Arc::new).collect(),
        })
    }
}

/// The policies that a question may be a case for, and the question as they see it.
pub(crate) struct Asked<'a> {
    pub(crate) cluster: Candidates<'a>,
    pub(crate) namespace: Candidates<'a>,
    question: Question<'a>,
    snapshot: &'a Snapshot,
    objects: Option<&'a Objects>,
    types: &'a Types,
    /// Made where a policy has to be evaluated by Cedar.
    input: OnceCell<Input>,
}

impl<'a> Asked<'a> {
    /// Evaluates policies of this question.
    pub(crate) fn evaluate(
        &self,
        candidates: impl IntoIterator<Item = Candidate<'a>>,
    ) -> Evaluation<'a> {
        let input = || self.input.get_or_init(|| self.input());
        evaluate(candidates, input, self.objects.is_some())
    }

    fn input(&self) -> Input {
        match self.question {
            Question::Kubernetes { user, request } => {
                kubernetes::input(user, request, self.snapshot, self.types, self.objects)
            }
            Question::Application(request) => application::input(request, self.types),
        }
    }
}

impl Policies {
    /// No policies yet, of which those that are compiled with `language` can be made.
    pub(crate) fn new(language: &Language) -> Self {
        Self {
            hashes: language.hashes.clone(),
            language: Some(language.clone()),
            ..Self::default()
        }
    }

    /// Adds the policies of a document, in place of those of the document of its name. Where anything is wrong with
    /// it, everything stays as it was.
    pub fn put(&mut self, document: &PolicyDocument) -> Result<(), Vec<PolicyProblem>> {
        let language = match &self.language {
            Some(language) => language.clone(),
            None => Language::with(self.hashes.clone()).map_err(|problem| vec![problem])?,
        };
        let compiled = language.compile(document)?;
        self.language = Some(language);
        self.put_compiled(&compiled);
        Ok(())
    }

    /// The same with what [`Language::compile`] made of it.
    pub(crate) fn put_compiled(&mut self, compiled: &Compiled) {
        let Compiled {
            namespace,
            name,
            policies,
        } = compiled;
        self.remove(namespace, name);
        let ids = policies.iter().map(|policy| policy.id().clone()).collect();
        let tier = self.tier(namespace);
        for policy in policies.iter() {
            tier.put(Arc::clone(policy));
        }
        let key = (namespace.clone(), name.clone());
        Arc::make_mut(&mut self.documents).insert(key, ids);
    }

    /// Takes the policies of a document out; says whether it was there.
    pub fn remove(&mut self, namespace: &Str, name: &Str) -> bool {
        let key = (namespace.clone(), name.clone());
        if !self.documents.contains_key(&key) {
            return false;
        }
        let ids = Arc::make_mut(&mut self.documents)
            .remove(&key)
            .unwrap_or_default();
        let tier = self.tier(namespace);
        for id in &ids {
            tier.remove(id);
        }
        if !namespace.is_empty() && tier.len() == 0 {
            self.namespaces.remove(namespace);
        }
        true
    }

    /// Adds a policy to the cluster's tier without a check.
    #[cfg(test)]
    pub(crate) fn put_unchecked(&mut self, id: &str, cedar: &str) {
        let hashes = self.hashes.clone();
        self.language
            .get_or_insert_with(|| Language::with(hashes).unwrap());
        let id: Str = id.into();
        let ast = cedar_policy_core::parser::parse_policy(None, cedar).unwrap();
        let hashes = self.hashes.clone();
        let policy = Policy::new(
            &Str::default(),
            id,
            ast.into(),
            &hashes,
            &Shared::default(),
            false,
        );
        self.tier(&Str::default()).put(policy);
    }

    #[cfg(test)]
    pub(crate) fn remove_unchecked(&mut self, id: &str) {
        assert!(self.tier(&Str::default()).remove(id));
    }

    fn tier(&mut self, namespace: &Str) -> &mut Index {
        let tier = if namespace.is_empty() {
            &mut self.cluster
        } else {
            self.namespaces.entry(namespace.clone()).or_default()
        };
        Arc::make_mut(tier)
    }

    /// The ids of all policies, in no order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.documents.values().flatten().map(|id| &**id)
    }

    /// Number of policies.
    pub fn len(&self) -> usize {
        self.cluster.len()
            + self
                .namespaces
                .values()
                .map(|tier| tier.len())
                .sum::<usize>()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.cluster.len() == 0 && self.namespaces.is_empty()
    }

    /// What is right by the rules and still most likely a mistake, by tier and id.
    pub fn lints(&self) -> Vec<PolicyLint> {
        let Some(language) = &self.language else {
            return Vec::new();
        };
        let mut namespaces: Vec<_> = self.namespaces.iter().collect();
        namespaces.sort_unstable_by_key(|(namespace, _)| *namespace);
        let tiers = std::iter::once(&self.cluster).chain(namespaces.into_iter().map(|(_, t)| t));
        tiers
            .flat_map(|tier| lints(&tier.all(), &language.parts.checker))
            .collect()
    }

    /// All policies, in no order. Fails where one cannot be written as JSON.
    pub fn statements(&self) -> Result<Vec<Statement>, serde_json::Error> {
        let tiers = std::iter::once(&self.cluster).chain(self.namespaces.values());
        let policies = tiers.flat_map(|tier| tier.all());
        policies.map(Statement::of).collect()
    }

    /// The words of all policies.
    pub fn words(&self) -> Words {
        let mut words = Words::default();
        let tiers = self.namespaces.iter();
        for (namespace, tier) in tiers {
            words.entity("k8s::Namespace", namespace);
            tier.all().into_iter().for_each(|policy| words.add(policy));
        }
        let cluster = self.cluster.all();
        cluster.into_iter().for_each(|policy| words.add(policy));
        words
    }

    /// The policies that a question may be a case for; `None` where there are none. `objects`: those of the write,
    /// where they are known.
    pub(crate) fn ask<'a>(
        &'a self,
        question: Question<'a>,
        snapshot: &'a Snapshot,
        objects: Option<&'a Objects>,
    ) -> Option<Asked<'a>> {
        if self.is_empty() {
            return None;
        }
        let (cluster, namespace) = match question {
            Question::Kubernetes { user, request } => {
                let hashes = &self.hashes;
                let tiers = self.concerned(question, kubernetes::keys(user, hashes))?;
                let principal = kubernetes::principal(user, hashes);
                debug_assert!(kubernetes::keys(user, hashes).are(principal.keys()));
                let target = kubernetes::Target::of(request);
                tiers.candidates(&kubernetes::facts(
                    user, request, &target, principal, hashes,
                ))
            }
            Question::Application(request) => {
                let hashes = &self.hashes;
                let tiers = self.concerned(question, application::keys(request, hashes))?;
                let ids = application::Ids::of(request);
                let facts = application::facts(request, &ids, hashes);
                debug_assert!(application::keys(request, hashes).are(facts.principal.keys()));
                tiers.candidates(&facts)
            }
        };
        if cluster.is_empty() && namespace.is_empty() {
            return None;
        }
        Some(Asked {
            cluster,
            namespace,
            question,
            snapshot,
            objects,
            types: &self.language.as_ref()?.parts.types,
            input: OnceCell::new(),
        })
    }

    /// The tiers with policies that may concern whoever has these keys; `None` where there are none, which most often is all that
    /// has to be known. A namespace's policies speak of what lies in it, and of nothing else.
    fn concerned<'a>(
        &'a self,
        question: Question<'_>,
        principal: KeysOf<impl Keys, impl Keys>,
    ) -> Option<Concerned<'a>> {
        let own = question
            .namespaced()
            .and_then(|request| self.namespaces.get(request.namespace.as_str()));
        let some = |tier, keys: Asking| (!keys.is_empty()).then_some((tier, keys));
        let namespace = own.and_then(|own| some(&**own, own.principals(principal.clone())));
        let cluster = some(&*self.cluster, self.cluster.principals(principal));
        (cluster.is_some() || namespace.is_some()).then_some(Concerned { cluster, namespace })
    }
}

/// Tiers, and the keys by which their policies may concern whoever asks.
struct Concerned<'a> {
    cluster: Option<(&'a Index, Asking)>,
    namespace: Option<(&'a Index, Asking)>,
}

impl<'a> Concerned<'a> {
    fn candidates(self, facts: &Facts<'_>) -> (Candidates<'a>, Candidates<'a>) {
        let of = |tier: Option<(&'a Index, Asking)>| match tier {
            Some((tier, principals)) => tier.candidates(&principals, facts),
            None => Candidates::default(),
        };
        (of(self.cluster), of(self.namespace))
    }
}
