use std::collections::BTreeMap;

use bailiwick_core::{Request, Subject, names};

use crate::engine::Engine;
use crate::evidence::{Applies, GrantRef};
use crate::index::{BindingId, Given, RoleSlot, SubjectKey, Symbol, Wanted};
use crate::problem::Problem;

/// Groups by user name: what an identity provider knows and RBAC does not.
pub type Memberships = BTreeMap<String, Vec<String>>;

/// Everybody whom RBAC allows a request.
#[derive(Clone, Debug)]
pub struct WhoCan<'a> {
    engine: &'a Engine,
    /// Sorted by subject.
    grants: Vec<RawGrant>,
    /// What kept the engine from seeing everybody.
    pub problems: Vec<Problem<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RawGrant {
    subject: SubjectKey,
    binding: BindingId,
    rule: u32,
    position: u32,
}

/// Somebody who can, and through what.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    engine: &'a Engine,
    key: SubjectKey,
    is_master: bool,
    grants: &'a [RawGrant],
}

/// A user who can because of groups.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// The user name.
    pub user: &'a str,
    /// The groups of the user that can.
    pub groups: Vec<&'a str>,
}

impl Engine {
    /// Everybody whom RBAC allows this very request. One without a namespace is answered by ClusterRoleBindings alone.
    ///
    /// As upstream's `subject_locator.go`: `system:masters` is always among them and groups are not expanded. Unlike
    /// there each subject comes once, with all its grants, and a user name that is a service account's is that
    /// service account.
    pub fn who_can(&self, request: &Request) -> WhoCan<'_> {
        let namespace = self.index.symbols.find(request.namespace());
        let own = match namespace {
            Symbol::EMPTY | Symbol::UNKNOWN => None,
            namespace => Some(namespace),
        };
        self.who_can_in(request, |role| {
            let bindings_in = |namespace| self.index.bindings_in(role, namespace);
            [bindings_in(Symbol::EMPTY), own.map_or(&[], bindings_in)]
        })
        .with_problems(request, false)
    }

    /// Everybody whom RBAC allows this request in some namespace, or in all: the namespace of the request is not
    /// read, and [`GrantRef::namespace`] of each grant tells where it holds (empty: everywhere).
    ///
    /// For a request on a path, or on a resource without namespaces, ask [`Engine::who_can`]: RoleBindings cannot
    /// allow those. Paths are answered so here, too.
    pub fn who_can_everywhere(&self, request: &Request) -> WhoCan<'_> {
        match request {
            Request::NonResource(_) => self.who_can(request),
            Request::Resource(_) => self
                .who_can_in(request, |role| [role.bindings(), &[]])
                .with_problems(request, true),
        }
    }

    fn who_can_in<'a>(
        &'a self,
        request: &Request,
        bindings: impl Fn(&'a RoleSlot) -> [&'a [BindingId]; 2],
    ) -> WhoCan<'a> {
        let index = &self.index;
        let wanted = Wanted::new(request, &index.symbols);
        let mut grants = Vec::new();
        for (role, rules) in index.defined_roles() {
            let allowing: Vec<u32> = rules.allowing(&wanted, &index.symbols, || {}).collect();
            if allowing.is_empty() {
                continue;
            }
            for &binding in bindings(role).into_iter().flatten() {
                let subjects = index
                    .binding(binding)
                    .map_or(&[][..], |slot| index.subjects(slot));
                for (position, &subject) in (0..).zip(subjects) {
                    if subject == SubjectKey::NOBODY {
                        continue;
                    }
                    grants.extend(allowing.iter().map(|&rule| RawGrant {
                        subject,
                        binding,
                        rule,
                        position,
                    }));
                }
            }
        }
        grants.sort_unstable_by_key(|grant| grant.subject);
        WhoCan {
            engine: self,
            grants,
            problems: Vec::new(),
        }
    }
}

impl<'a> WhoCan<'a> {
    fn with_problems(mut self, request: &Request, everywhere: bool) -> Self {
        let engine = self.engine;
        let namespace = if everywhere { "" } else { request.namespace() };
        self.problems = engine
            .dangling_bindings(namespace, everywhere)
            .chain(engine.gap_problems(namespace, everywhere))
            .collect();
        self
    }

    /// Everybody, each once; `system:masters` first, the others in no particular order.
    pub fn subjects(&self) -> impl Iterator<Item = Who<'_>> {
        let engine = self.engine;
        let masters = SubjectKey::group(engine.index.symbols.find(names::MASTERS));
        let granted = self
            .grants
            .chunk_by(|a, b| a.subject == b.subject)
            .filter_map(|grants| grants.first().map(|first| (first.subject, grants)));
        let of_masters = granted
            .clone()
            .find(|&(key, _)| key == masters)
            .map_or(&[][..], |(_, grants)| grants);
        let first = Who {
            engine,
            key: masters,
            is_master: true,
            grants: of_masters,
        };
        let others = granted
            .filter(move |&(key, _)| key != masters)
            .map(move |(key, grants)| Who {
                engine,
                key,
                is_master: false,
                grants,
            });
        std::iter::once(first).chain(others)
    }

    /// Number of grants in all.
    pub fn grants(&self) -> usize {
        self.grants.len()
    }

    /// The users whom `memberships` puts into groups that can, sorted by name.
    pub fn members<'m>(&self, memberships: &'m Memberships) -> Vec<Member<'m>> {
        let groups: std::collections::HashSet<&str> = self
            .subjects()
            .filter(Who::is_group)
            .map(|who| who.name())
            .collect();
        let of_user = |(user, own): (&'m String, &'m Vec<String>)| {
            let groups: Vec<&str> = own
                .iter()
                .map(String::as_str)
                .filter(|group| groups.contains(group))
                .collect();
            (!groups.is_empty()).then_some(Member { user, groups })
        };
        memberships.iter().filter_map(of_user).collect()
    }
}

impl<'a> Who<'a> {
    /// The subject.
    pub fn subject(&self) -> Subject {
        if self.is_group() {
            Subject::Group {
                name: self.name().to_owned(),
            }
        } else {
            Subject::from_user_name(self.name())
        }
    }

    /// Whether it is a group.
    pub fn is_group(&self) -> bool {
        self.is_master || self.key.is_group()
    }

    /// Name of the group or of the user; a service account's is the user name that it makes requests with.
    pub fn name(&self) -> &'a str {
        if self.is_master {
            names::MASTERS
        } else {
            self.engine.index.symbols.text(self.key.name())
        }
    }

    /// Whether this is `system:masters`, which needs no grant.
    pub fn is_master(&self) -> bool {
        self.is_master
    }

    /// Every grant.
    pub fn grants(&self) -> impl Iterator<Item = GrantRef<'a>> {
        let engine = self.engine;
        self.grants.iter().filter_map(move |raw| {
            let role = engine.index.binding(raw.binding)?.role;
            let given = Given {
                binding: raw.binding,
                role,
            };
            GrantRef::new(engine, given, raw.rule, Applies::At(raw.position))
        })
    }
}
