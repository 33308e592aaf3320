use bailiwick_core::names::{AUTHENTICATED, MASTERS};
use bailiwick_core::{NonResourceRequest, Request, ResourceRequest, Str, Subject, UserInfo};
use bailiwick_model::{Binding, PolicyRule, Snapshot};

use super::rng::Rng;
use super::words;

/// Somebody asks for something.
#[derive(Clone, Debug)]
pub struct Question {
    /// Who.
    pub user: UserInfo,
    /// For what.
    pub request: Request,
}

/// Users and requests for a cluster, without end.
///
/// Two in three start from a binding that gives rules to somebody: one of its subjects asks for what one of the rules
/// says, and in a quarter of the cases one field is then changed. One in eight starts from any binding, and the others
/// are words at random. Every user has five groups, of those that the bindings know; a service account has two more.
#[derive(Clone, Debug)]
pub struct Requests<'a> {
    snapshot: &'a Snapshot,
    bindings: Vec<&'a Binding>,
    /// Those that give rules to somebody.
    live: Vec<&'a Binding>,
    groups: Vec<&'a str>,
    namespaces: Vec<&'a str>,
    /// Percentage of words that are odd.
    odd: usize,
    rng: Rng,
}

impl<'a> Requests<'a> {
    /// Requests of a seed.
    pub fn new(snapshot: &'a Snapshot, seed: u64) -> Self {
        let subjects = snapshot.bindings.iter().flat_map(|b| &b.subjects);
        let of_groups = subjects.filter(|subject| &*subject.kind == "Group");
        let names = of_groups.map(|subject| &*subject.name);
        // Whoever is in it is allowed everything, which would say little about the rules.
        let mut groups: Vec<&str> = names.filter(|&name| name != MASTERS).collect();
        groups.push(AUTHENTICATED);
        groups.sort_unstable();
        groups.dedup();
        let objects = snapshot.bindings.iter().map(|b| &*b.metadata.namespace);
        let mut namespaces: Vec<&str> = objects.filter(|name| !name.is_empty()).collect();
        namespaces.push("elsewhere");
        namespaces.dedup();
        let live = snapshot.bindings.iter().filter(|b| gives(snapshot, b));
        Self {
            snapshot,
            bindings: snapshot.bindings.iter().collect(),
            live: live.collect(),
            groups,
            namespaces,
            odd: 20,
            rng: Rng::new(seed),
        }
    }

    /// Plain words alone, for measuring.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.odd = 0;
        self
    }

    /// The next one.
    pub fn question(&mut self) -> Question {
        let from = match self.rng.below(100) {
            0..67 if !self.live.is_empty() => &self.live,
            67..80 if !self.bindings.is_empty() => &self.bindings,
            _ => {
                return Question {
                    user: self.stranger(),
                    request: self.any_request(),
                };
            }
        };
        let binding = *self.rng.pick(from);
        Question {
            user: self.user_of(binding),
            request: self.request_of(binding),
        }
    }

    fn stranger(&mut self) -> UserInfo {
        let name = format!("stranger-{}", self.rng.below(1000));
        UserInfo {
            name,
            groups: self.five_groups(),
            ..UserInfo::default()
        }
    }

    fn five_groups(&mut self) -> Vec<String> {
        let known = self.rng.some(&self.groups, 4, 4);
        let mut groups: Vec<String> = known.into_iter().map(str::to_owned).collect();
        groups.push(AUTHENTICATED.to_owned());
        groups
    }

    /// A user to whom one of the binding's subjects applies, where it has any that can.
    fn user_of(&mut self, binding: &Binding) -> UserInfo {
        let namespace = &binding.metadata.namespace;
        if binding.subjects.is_empty() {
            return self.stranger();
        }
        let subject = self.rng.pick(&binding.subjects).subject(namespace);
        let mut groups = self.five_groups();
        match subject {
            None => self.stranger(),
            Some(Subject::User { name }) => UserInfo {
                name,
                groups,
                ..UserInfo::default()
            },
            Some(Subject::Group { name }) => {
                let place = self.rng.below(groups.len());
                if let Some(group) = groups.get_mut(place) {
                    *group = name;
                }
                UserInfo {
                    groups,
                    ..self.stranger()
                }
            }
            Some(account) => UserInfo::of(&account, &groups),
        }
    }

    /// A request that a rule of the binding's role allows; a quarter of them changed in one field.
    fn request_of(&mut self, binding: &Binding) -> Request {
        let rules = rules_of(self.snapshot, binding);
        if rules.is_empty() {
            return self.any_request();
        }
        let rule = self.rng.pick(rules);
        let paths = !rule.non_resource_urls.is_empty();
        let mut request = if paths && (rule.resources.is_empty() || self.rng.chance(50)) {
            self.path_of(rule)
        } else {
            self.resource_of(rule, &binding.metadata.namespace)
        };
        if self.rng.chance(25) {
            self.change(&mut request);
        }
        request
    }

    fn path_of(&mut self, rule: &PolicyRule) -> Request {
        let url = self.rng.pick(&rule.non_resource_urls).clone();
        let stem = url.trim_end_matches('*');
        let path = if stem.len() < url.len() && self.rng.chance(70) {
            format!("{stem}{}", self.rng.pick(&["", "x", "v1/web", "*"]))
        } else {
            url.to_string()
        };
        let verb = self.one_of(&rule.verbs, words::VERBS, words::ODD_VERBS);
        NonResourceRequest { verb, path }.into()
    }

    fn resource_of(&mut self, rule: &PolicyRule, namespace: &str) -> Request {
        let text = self.one_of(&rule.resources, words::RESOURCES, words::ODD_RESOURCES);
        let (resource, subresource) = match text.strip_prefix("*/") {
            Some(subresource) if self.rng.chance(80) => {
                let resource = self.word(words::RESOURCES, words::ODD_RESOURCES);
                (resource, subresource.to_owned())
            }
            _ => split(&text, self.rng.chance(5)),
        };
        let name = match &*rule.resource_names {
            [] => self.name(),
            names => self.rng.pick(names).to_string(),
        };
        let namespace = match namespace {
            "" if self.rng.chance(50) => String::new(),
            "" => (*self.rng.pick(&self.namespaces)).to_owned(),
            own => own.to_owned(),
        };
        ResourceRequest {
            verb: self.one_of(&rule.verbs, words::VERBS, words::ODD_VERBS),
            group: self.one_of(&rule.api_groups, words::GROUPS, words::ODD_GROUPS),
            resource,
            subresource,
            namespace,
            name,
            ..ResourceRequest::default()
        }
        .into()
    }

    fn change(&mut self, request: &mut Request) {
        match request {
            Request::NonResource(request) => match self.rng.below(2) {
                0 => request.verb = self.word(words::VERBS, words::ODD_VERBS),
                _ => request.path = self.word(words::URLS, words::ODD_URLS),
            },
            Request::Resource(request) => match self.rng.below(6) {
                0 => request.verb = self.word(words::VERBS, words::ODD_VERBS),
                1 => request.group = self.word(words::GROUPS, words::ODD_GROUPS),
                2 => request.resource = self.word(words::RESOURCES, words::ODD_RESOURCES),
                3 => request.subresource = (*self.rng.pick(words::SUBRESOURCES)).to_owned(),
                4 => request.name = self.name(),
                _ => request.namespace = (*self.rng.pick(&self.namespaces)).to_owned(),
            },
        }
    }

    fn any_request(&mut self) -> Request {
        if self.rng.chance(15) {
            return NonResourceRequest {
                verb: self.word(words::VERBS, words::ODD_VERBS),
                path: self.word(words::URLS, words::ODD_URLS),
            }
            .into();
        }
        let text = self.word(words::RESOURCES, words::ODD_RESOURCES);
        let (resource, subresource) = split(&text, self.rng.chance(5));
        ResourceRequest {
            verb: self.word(words::VERBS, words::ODD_VERBS),
            group: self.word(words::GROUPS, words::ODD_GROUPS),
            resource,
            subresource,
            namespace: (*self.rng.pick(&self.namespaces)).to_owned(),
            name: self.name(),
            ..ResourceRequest::default()
        }
        .into()
    }

    /// A word of the rule, any word where that is `*` or there is none.
    fn one_of(&mut self, texts: &[Str], plain: &[&str], odd: &[&str]) -> String {
        if texts.is_empty() {
            return self.word(plain, odd);
        }
        match &**self.rng.pick(texts) {
            "*" => self.word(plain, odd),
            text => text.to_owned(),
        }
    }

    fn name(&mut self) -> String {
        if self.rng.chance(50) {
            return String::new();
        }
        self.word(words::NAMES, words::ODD_NAMES)
    }

    fn word(&mut self, plain: &[&str], odd: &[&str]) -> String {
        let odd = self.rng.chance(self.odd).then_some(odd);
        (*self.rng.pick(odd.unwrap_or(plain))).to_owned()
    }
}

fn rules_of<'a>(snapshot: &'a Snapshot, binding: &Binding) -> &'a [PolicyRule] {
    binding
        .role()
        .and_then(|role| snapshot.roles.get(&role.namespace, &role.name))
        .map_or(&[], |role| &role.rules)
}

/// Whether a binding gives somebody rules that can count where it is.
fn gives(snapshot: &Snapshot, binding: &Binding) -> bool {
    let namespace = &binding.metadata.namespace;
    let rules = rules_of(snapshot, binding);
    binding
        .subjects
        .iter()
        .any(|s| s.subject(namespace).is_some())
        && rules
            .iter()
            .any(|rule| namespace.is_empty() || !rule.resources.is_empty())
}

/// Resource and subresource; all of it as the resource where `whole`, which a review can ask for.
fn split(text: &str, whole: bool) -> (String, String) {
    match text.split_once('/') {
        Some((resource, subresource)) if !whole => (resource.to_owned(), subresource.to_owned()),
        _ => (text.to_owned(), String::new()),
    }
}
