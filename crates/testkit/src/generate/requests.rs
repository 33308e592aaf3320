use std::collections::BTreeMap;

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
/// are words at random. Every user has five groups: two of those that are bound in the namespace of the request, two of
/// all that are bound anywhere, and `system:authenticated`; a service account has two more.
#[derive(Clone, Debug)]
pub struct Requests<'a> {
    snapshot: &'a Snapshot,
    bindings: Vec<&'a Binding>,
    /// Those that give rules to somebody.
    live: Vec<&'a Binding>,
    groups: Vec<&'a str>,
    /// Groups that are bound in a namespace.
    groups_in: BTreeMap<&'a str, Vec<&'a str>>,
    namespaces: Vec<&'a str>,
    /// Percentage of words that are odd.
    odd: usize,
    rng: Rng,
}

impl<'a> Requests<'a> {
    /// Requests of a seed.
    pub fn new(snapshot: &'a Snapshot, seed: u64) -> Self {
        let mut groups_in: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for binding in snapshot.bindings.iter() {
            let groups = binding.subjects.iter().filter(|s| &*s.kind == "Group");
            // Whoever is in `system:masters` is allowed everything, which would say little about the rules.
            let names = groups.map(|s| &*s.name).filter(|&name| name != MASTERS);
            let own = groups_in.entry(&binding.metadata.namespace).or_default();
            own.extend(names);
        }
        let mut groups: Vec<&str> = groups_in.values().flatten().copied().collect();
        groups.push(AUTHENTICATED);
        groups.sort_unstable();
        groups.dedup();
        let namespaces = groups_in.keys().copied().filter(|name| !name.is_empty());
        let live = snapshot.bindings.iter().filter(|b| gives(snapshot, b));
        Self {
            snapshot,
            bindings: snapshot.bindings.iter().collect(),
            live: live.collect(),
            groups,
            namespaces: namespaces.collect(),
            groups_in,
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
                let request = self.any_request();
                let user = self.stranger(request.namespace());
                return Question { user, request };
            }
        };
        let binding = *self.rng.pick(from);
        let request = self.request_of(binding);
        let user = self.user_of(binding, request.namespace());
        Question { user, request }
    }

    fn stranger(&mut self, namespace: &str) -> UserInfo {
        let name = format!("stranger-{}", self.rng.below(1000));
        UserInfo {
            name,
            groups: self.five_groups(namespace),
            ..UserInfo::default()
        }
    }

    fn five_groups(&mut self, namespace: &str) -> Vec<String> {
        let near = match self.groups_in.get(namespace).map(Vec::as_slice) {
            None | Some([]) => &self.groups,
            Some(near) => near,
        };
        let mut groups = self.rng.some(near, 2, 2);
        groups.extend(self.rng.some(&self.groups, 2, 2));
        groups.push(AUTHENTICATED);
        groups.into_iter().map(str::to_owned).collect()
    }

    /// A user to whom one of the binding's subjects applies, where it has any that can.
    fn user_of(&mut self, binding: &Binding, namespace: &str) -> UserInfo {
        let mut user = self.stranger(namespace);
        if binding.subjects.is_empty() {
            return user;
        }
        let subject = self.rng.pick(&binding.subjects);
        match subject.subject(&binding.metadata.namespace) {
            None => {}
            Some(Subject::User { name }) => user.name = name,
            Some(Subject::Group { name }) => {
                let place = self.rng.below(user.groups.len());
                if let Some(group) = user.groups.get_mut(place) {
                    *group = name;
                }
            }
            Some(account) => user = UserInfo::of(&account, &user.groups),
        }
        user
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
            "" => self.namespace(),
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
                _ => request.namespace = self.namespace(),
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
            namespace: self.namespace(),
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

    /// A namespace with bindings; one in ten has none, unless words are plain.
    fn namespace(&mut self) -> String {
        if self.namespaces.is_empty() || self.rng.chance(self.odd / 2) {
            return "elsewhere".to_owned();
        }
        (*self.rng.pick(&self.namespaces)).to_owned()
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
