//! What would allow a request that nothing allows: how close the user's own rules come, where else he may do the
//! same, which roles would do and with how much beyond the need, and the smallest new role.

mod lack;
mod manifest;

use std::cmp::Reverse;

use bailiwick_core::names::RBAC_GROUP;
use bailiwick_core::{Request, Str, Subject, UserInfo};
use bailiwick_model::{Binding, BindingSubject, ObjectMeta, PolicyRule, Role, RoleRef};

pub use lack::{Lack, NearMiss};

use crate::engine::Engine;
use crate::evidence::GrantRef;

/// So many of each kind of suggestion are kept.
const MOST: usize = 5;

/// Suggestions, the best of each kind first.
#[derive(Clone, Debug)]
pub struct Nearest<'a> {
    /// Rules that the user has and that lack one thing.
    pub misses: Vec<NearMiss<'a>>,
    /// Grants that allow the same in other namespaces, one for each of them.
    pub elsewhere: Vec<GrantRef<'a>>,
    /// Number of namespaces in which it is allowed, those that `elsewhere` has no room for included.
    pub namespaces: usize,
    /// Roles that would allow it once bound, the one with the least beyond the need first.
    pub roles: Vec<RoleOffer<'a>>,
    /// A role with nothing beyond the need, and its binding.
    pub new_role: NewRole,
}

/// An existing role and a binding that would give it to the user, where the request is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleOffer<'a> {
    /// The role.
    pub role: &'a Role,
    /// How much the role allows beyond the request: an order, not a measure. The combinations of group, resource,
    /// verb and name count, each `*` and each missing list of names as a thousand words.
    pub surplus: u64,
    /// The binding to make.
    pub binding: Binding,
}

/// A role that does not exist yet, and a binding that would give it to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRole {
    /// The role to make.
    pub role: Role,
    /// The binding to make.
    pub binding: Binding,
}

impl RoleOffer<'_> {
    /// The binding as a YAML document.
    pub fn manifest(&self) -> String {
        manifest::binding(&self.binding)
    }
}

impl NewRole {
    /// Role and binding as YAML documents.
    pub fn manifest(&self) -> String {
        format!(
            "{}---\n{}",
            manifest::role(&self.role),
            manifest::binding(&self.binding)
        )
    }
}

impl Engine {
    /// What would allow `request`, which nothing allows, to `user`.
    ///
    /// Takes one look at each rule of the user in the request's namespace, one decision for each namespace that has
    /// bindings, and one look at each rule of the ClusterRoles and of the namespace's Roles.
    pub fn nearest<'a>(&'a self, user: &'a UserInfo, request: &'a Request) -> Nearest<'a> {
        let (elsewhere, namespaces) = self.elsewhere(user, request);
        let who = binding_subject(user);
        Nearest {
            misses: self.near_misses(user, request),
            elsewhere,
            namespaces,
            roles: self.role_offers(&who, request),
            new_role: self.new_role(&who, request),
        }
    }

    fn near_misses<'a>(&'a self, user: &'a UserInfo, request: &'a Request) -> Vec<NearMiss<'a>> {
        let resolved = self.rules_for(user, request.namespace()).rules;
        let mut misses: Vec<NearMiss<'a>> = resolved
            .into_iter()
            .filter_map(|rule| NearMiss::of(rule, request))
            .collect();
        misses.sort_by_key(|miss| (miss.rank(), weight(miss.rule.rule)));
        misses.truncate(MOST);
        misses
    }

    fn elsewhere<'a>(&'a self, user: &UserInfo, request: &Request) -> (Vec<GrantRef<'a>>, usize) {
        let Request::Resource(resource) = request else {
            return (Vec::new(), 0);
        };
        let (mut found, mut namespaces) = (Vec::new(), 0);
        for namespace in self
            .snapshot()
            .bindings
            .namespaces()
            .filter(|name| !name.is_empty())
        {
            let there = Request::Resource(resource.clone().in_namespace(namespace));
            if self.decide(user, &there).is_allowed() {
                namespaces += 1;
                if namespaces <= MOST {
                    found.extend(self.grants(user, &there).into_iter().next());
                }
            }
        }
        (found, namespaces)
    }

    fn role_offers<'a>(&'a self, who: &BindingSubject, request: &Request) -> Vec<RoleOffer<'a>> {
        let roles = &self.snapshot().roles;
        let own = match request.namespace() {
            "" => None,
            namespace => Some(roles.in_namespace(namespace)),
        };
        let allows = |role: &&Role| {
            role.rules
                .iter()
                .any(|rule| lack::lacks(rule, request).is_empty())
        };
        let need = weight(&smallest_rule(request));
        let mut found: Vec<(u64, &Role)> = roles
            .in_namespace("")
            .chain(own.into_iter().flatten())
            .filter(allows)
            .map(|role| (surplus(role, need), role))
            .collect();
        // Of equal roles the namespace's own comes first.
        found.sort_by_key(|(surplus, role)| (*surplus, Reverse(role.metadata.namespace.clone())));
        found.truncate(MOST);
        let offer = |(surplus, role): (u64, &'a Role)| RoleOffer {
            role,
            surplus,
            binding: self.new_binding(role, who, request.namespace()),
        };
        found.into_iter().map(offer).collect()
    }

    fn new_role(&self, who: &BindingSubject, request: &Request) -> NewRole {
        let namespace = request.namespace();
        let taken = |name: &str| self.snapshot().roles.get(namespace, name).is_some();
        let what = match request {
            Request::NonResource(request) => request.path.clone(),
            Request::Resource(request) => request.combined_resource(),
        };
        let role = Role {
            metadata: ObjectMeta::named(namespace, &free_name(&[request.verb(), &what], taken)),
            rules: [smallest_rule(request)].into(),
            aggregation: None,
        };
        let binding = self.new_binding(&role, who, namespace);
        NewRole { role, binding }
    }

    fn new_binding(&self, role: &Role, who: &BindingSubject, namespace: &str) -> Binding {
        let taken = |name: &str| self.snapshot().bindings.get(namespace, name).is_some();
        let name = free_name(&[&role.metadata.name, &who.name], taken);
        Binding {
            metadata: ObjectMeta::named(namespace, &name),
            role_ref: RoleRef {
                api_group: RBAC_GROUP.into(),
                kind: role.kind().as_str().into(),
                name: role.metadata.name.clone(),
            },
            subjects: [who.clone()].into(),
        }
    }
}

/// The rule that allows this request and as little else as a rule can.
fn smallest_rule(request: &Request) -> PolicyRule {
    let some = |word: &str| -> Box<[Str]> { [word.into()].into() };
    let verbs = some(request.verb());
    match request {
        Request::NonResource(request) => PolicyRule {
            verbs,
            non_resource_urls: some(&request.path),
            ..PolicyRule::default()
        },
        Request::Resource(request) => PolicyRule {
            verbs,
            api_groups: some(&request.group),
            resources: some(&request.combined_resource()),
            resource_names: match request.name.as_str() {
                "" => [].into(),
                name => some(name),
            },
            ..PolicyRule::default()
        },
    }
}

/// The user as a binding names him; a member without a name by his first group.
fn binding_subject(user: &UserInfo) -> BindingSubject {
    let subject = match user.groups.first() {
        Some(group) if user.name.is_empty() => Subject::Group {
            name: group.clone(),
        },
        _ => Subject::from_user_name(&user.name),
    };
    let (api_group, name, namespace) = match &subject {
        Subject::ServiceAccount { namespace, name } => ("", name, namespace.as_str()),
        Subject::User { name } | Subject::Group { name } => (RBAC_GROUP, name, ""),
    };
    BindingSubject {
        kind: subject.kind().into(),
        api_group: api_group.into(),
        name: name.as_str().into(),
        namespace: namespace.into(),
    }
}

/// A name out of `parts` that every object may have and that is not `taken`.
fn free_name(parts: &[&str], taken: impl Fn(&str) -> bool) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let words: String = parts.join("-").chars().map(plain).collect();
    let words: Vec<&str> = words.split('-').filter(|word| !word.is_empty()).collect();
    let mut base = words.join("-");
    base.truncate(200);
    let base = if base.is_empty() {
        "access"
    } else {
        base.trim_end_matches('-')
    };
    let numbered = (2..).map(|number: u32| format!("{base}-{number}"));
    let mut names = std::iter::once(base.to_owned()).chain(numbered);
    names
        .find(|name| !taken(name))
        .unwrap_or_else(|| base.to_owned())
}

/// What a role allows beyond the request; nothing where it allows that alone.
fn surplus(role: &Role, need: u64) -> u64 {
    let all = role.rules.iter().map(weight);
    all.fold(0_u64, u64::saturating_add).saturating_sub(need)
}

/// How much a rule allows, `*` and a missing list of names each counted as a thousand words, a URL pattern as a
/// hundred.
fn weight(rule: &PolicyRule) -> u64 {
    let word = |word: &Str| match &**word {
        "*" => 1_000,
        word if word.ends_with('*') || word.starts_with("*/") => 100,
        _ => 1,
    };
    let sum = |words: &[Str]| words.iter().map(word).sum::<u64>();
    let names = match rule.resource_names.len() {
        0 => 1_000,
        names => u64::try_from(names).unwrap_or(u64::MAX),
    };
    let resources = sum(&rule.api_groups)
        .saturating_mul(sum(&rule.resources))
        .saturating_mul(names);
    resources
        .saturating_add(sum(&rule.non_resource_urls))
        .saturating_mul(sum(&rule.verbs))
}

#[cfg(test)]
mod tests;
