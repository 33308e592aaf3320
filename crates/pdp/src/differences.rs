//! Where two states decide differently: a bounded search, which finds but never proves.

use std::collections::BTreeSet;

use bailiwick_core::{
    Decision, NonResourceRequest, Reason, Request, ResourceRequest, Timestamp, UserInfo,
};

use crate::cedar::Words;
use crate::question::{ApplicationRequest, Entity, Question};
use crate::state::State;

/// What a search for differences found.
#[derive(Clone, Debug, Default)]
pub struct Differences {
    /// Questions asked of both.
    pub asked: usize,
    /// Questions that there are in the words of the policies, and others that were asked; more than were asked where the
    /// bound was reached.
    pub possible: usize,
    /// Questions that are answered differently, in the order of the search, at most as many as were wanted.
    pub found: Vec<Difference>,
    /// How many there are in all.
    pub differ: usize,
}

impl Differences {
    /// Asks both states one more question. `wanted`: differences kept.
    pub fn ask(
        &mut self,
        old: &State,
        new: &State,
        question: Asked,
        now: Timestamp,
        wanted: usize,
    ) {
        self.possible = self.possible.saturating_add(1);
        self.compare(old, new, question, now, wanted);
    }

    fn compare(
        &mut self,
        old: &State,
        new: &State,
        question: Asked,
        now: Timestamp,
        wanted: usize,
    ) {
        self.asked += 1;
        let (old, new) = (
            old.decide(question.question(), now).to_decision(),
            new.decide(question.question(), now).to_decision(),
        );
        if says(&old) != says(&new) {
            self.differ += 1;
            if self.found.len() < wanted {
                self.found.push(Difference { question, old, new });
            }
        }
    }
}

/// A question that two states answer differently.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The question.
    pub question: Asked,
    /// The answer of the first.
    pub old: Decision,
    /// The answer of the second.
    pub new: Decision,
}

/// A question with parts of its own.
#[derive(Clone, Debug)]
pub enum Asked {
    /// Of the Kubernetes API.
    Kubernetes {
        /// Who asks.
        user: UserInfo,
        /// What for.
        request: Request,
    },
    /// Of an application.
    Application(ApplicationRequest),
}

impl Asked {
    fn question(&self) -> Question<'_> {
        match self {
            Self::Kubernetes { user, request } => Question::Kubernetes { user, request },
            Self::Application(request) => Question::Application(request),
        }
    }
}

/// Asks both states the questions that can be made of the words, and of one word beside them for each place. `most`:
/// questions asked at most, spread evenly over all that there are. `wanted`: differences kept.
pub fn differences(
    old: &State,
    new: &State,
    words: &Words,
    now: Timestamp,
    most: usize,
    wanted: usize,
) -> Differences {
    let mut differences = Differences::default();
    let (kubernetes, application) = (Kubernetes::new(words), Application::new(words));
    for space in [&kubernetes as &dyn Space, &application] {
        let sizes = space.sizes();
        let possible = sizes
            .iter()
            .fold(1_usize, |all, size| all.saturating_mul(*size));
        differences.possible = differences.possible.saturating_add(possible);
        // An odd step meets every place of a product of few factors before it comes round.
        let step = possible.div_ceil(most.max(1)) | 1;
        for number in (0..possible).step_by(step).take(most) {
            let asked = space.question(&places(number, &sizes));
            differences.compare(old, new, asked, now, wanted);
        }
    }
    differences
}

/// What an answer says, whatever it rests on.
fn says(decision: &Decision) -> (bailiwick_core::Effect, Vec<(u8, &str)>) {
    let residuals = match &decision.reason {
        Reason::Conditions(conditions) => {
            let denying = conditions.deny.iter().map(|one| (0, one.residual.as_str()));
            let allowing = conditions
                .allow
                .iter()
                .map(|one| (1, one.residual.as_str()));
            let all: BTreeSet<(u8, &str)> = denying.chain(allowing).collect();
            all.into_iter().collect()
        }
        _ => Vec::new(),
    };
    (decision.effect, residuals)
}

/// The digits of a number whose places have these sizes.
fn places(mut number: usize, sizes: &[usize]) -> Vec<usize> {
    let digits = sizes.iter().map(|size| {
        let digit = number % size;
        number /= size;
        digit
    });
    digits.collect()
}

/// Questions by numbers.
trait Space {
    fn sizes(&self) -> Vec<usize>;
    fn question(&self, places: &[usize]) -> Asked;
}

fn at<'a>(list: &'a [String], places: &[usize], place: usize) -> &'a str {
    let number = places.get(place).copied().unwrap_or_default();
    list.get(number).map_or("", String::as_str)
}

/// Words in order, and others beside them, each once.
fn beside<'a>(words: impl Iterator<Item = &'a str>, others: &[&'a str]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for word in words.chain(others.iter().copied()) {
        if !all.iter().any(|known| known == word) {
            all.push(word.to_owned());
        }
    }
    all
}

/// No group, each alone, and all at once.
fn groups(words: &[String]) -> Vec<Vec<String>> {
    let alone = words.iter().map(|word| vec![word.clone()]);
    let all = (words.len() > 1).then(|| words.to_vec());
    std::iter::once(Vec::new())
        .chain(alone)
        .chain(all)
        .collect()
}

struct Kubernetes {
    users: Vec<String>,
    groups: Vec<Vec<String>>,
    verbs: Vec<String>,
    api_groups: Vec<String>,
    resources: Vec<String>,
    subresources: Vec<String>,
    namespaces: Vec<String>,
    names: Vec<String>,
}

impl Kubernetes {
    fn new(words: &Words) -> Self {
        let of_kind = ["k8s::User", "k8s::ServiceAccount", "k8s::Node"];
        let users = of_kind.iter().flat_map(|kind| words.entities(kind));
        let mut verbs = BTreeSet::from(["get"]);
        for verb in words.entities("k8s::Action") {
            match verb {
                "read" => verbs.extend(["get", "list", "watch"]),
                "write" => verbs.extend(["create", "update", "delete"]),
                verb => verbs.extend([verb]),
            }
        }
        // A policy that names no verb speaks of all.
        verbs.extend(["create", "delete", "list"]);
        let namespaces = words
            .texts("namespace")
            .chain(words.entities("k8s::Namespace"));
        let group_words: Vec<String> = words.entities("k8s::Group").map(str::to_owned).collect();
        let paths = words
            .texts("path")
            .chain(words.entities("k8s::NonResourceURL"));
        let resources = words.texts("resource").chain(["unheard-of"]);
        Self {
            users: beside(users, &["somebody"]),
            groups: groups(&group_words),
            verbs: verbs.into_iter().map(str::to_owned).collect(),
            api_groups: beside(words.texts("apiGroup"), &["", "unheard-of.example"]),
            resources: beside(resources.chain(paths), &["/unheard-of"]),
            subresources: beside(
                [""].into_iter(),
                &Vec::from_iter(words.texts("subresource")),
            ),
            namespaces: beside(namespaces, &["", "elsewhere"]),
            names: beside(words.texts("name"), &["", "unheard-of"]),
        }
    }
}

impl Space for Kubernetes {
    fn sizes(&self) -> Vec<usize> {
        vec![
            self.users.len(),
            self.groups.len(),
            self.verbs.len(),
            self.api_groups.len(),
            self.resources.len(),
            self.subresources.len(),
            self.namespaces.len(),
            self.names.len(),
        ]
    }

    fn question(&self, places: &[usize]) -> Asked {
        let groups = places.get(1).and_then(|place| self.groups.get(*place));
        let user = UserInfo {
            name: at(&self.users, places, 0).to_owned(),
            groups: groups.cloned().unwrap_or_default(),
            ..UserInfo::default()
        };
        let (verb, resource) = (at(&self.verbs, places, 2), at(&self.resources, places, 4));
        let request = if resource.starts_with('/') {
            Request::NonResource(NonResourceRequest {
                verb: verb.to_owned(),
                path: resource.to_owned(),
            })
        } else {
            let mut request = ResourceRequest::new(verb, at(&self.api_groups, places, 3), resource)
                .in_namespace(at(&self.namespaces, places, 6))
                .named(at(&self.names, places, 7));
            at(&self.subresources, places, 5).clone_into(&mut request.subresource);
            request.into()
        };
        Asked::Kubernetes { user, request }
    }
}

struct Application {
    applications: Vec<String>,
    subjects: Vec<String>,
    groups: Vec<Vec<String>>,
    actions: Vec<String>,
    resources: Vec<String>,
}

impl Application {
    fn new(words: &Words) -> Self {
        let ids = |kind: &str| {
            let texts = words.texts("type").flat_map(|kind| {
                let ids = words.texts("id").chain(["unheard-of"]);
                ids.map(move |id| format!("{kind}/{id}"))
            });
            let named = words.entities(kind).map(str::to_owned);
            let all: BTreeSet<String> = named.chain(texts).collect();
            all.into_iter()
                .chain(["thing/unheard-of".to_owned()])
                .collect()
        };
        let group_words: Vec<String> = words.entities("app::Group").map(str::to_owned).collect();
        Self {
            applications: beside(words.texts("application"), &["unheard-of"]),
            subjects: ids("app::Subject"),
            groups: groups(&group_words),
            actions: beside(words.texts("action"), &["unheard-of"]),
            resources: ids("app::Resource"),
        }
    }
}

fn entity(text: &str) -> Entity {
    let (kind, id) = text.split_once('/').unwrap_or((text, ""));
    Entity::new(kind, id)
}

impl Space for Application {
    fn sizes(&self) -> Vec<usize> {
        vec![
            self.applications.len(),
            self.subjects.len(),
            self.groups.len(),
            self.actions.len(),
            self.resources.len(),
        ]
    }

    fn question(&self, places: &[usize]) -> Asked {
        let groups = places.get(2).and_then(|place| self.groups.get(*place));
        Asked::Application(ApplicationRequest {
            application: at(&self.applications, places, 0).to_owned(),
            subject: entity(at(&self.subjects, places, 1)),
            groups: groups.cloned().unwrap_or_default(),
            action: at(&self.actions, places, 3).to_owned(),
            resource: entity(at(&self.resources, places, 4)),
            ..ApplicationRequest::default()
        })
    }
}
