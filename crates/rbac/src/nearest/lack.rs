//! What a rule lacks to allow a request.

use std::fmt;

use bailiwick_core::{NonResourceRequest, Request, ResourceRequest, Str};
use bailiwick_model::PolicyRule;

use crate::rules::ResolvedRule;

/// What a rule does not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lack {
    /// The verb.
    Verb,
    /// The object's name, or that there is none.
    Name,
    /// The API group.
    Group,
    /// The resource or subresource.
    Resource,
    /// The path.
    Url,
}

/// A rule that the user has and that would allow the request, were it not for one thing.
#[derive(Clone, Copy, Debug)]
pub struct NearMiss<'a> {
    /// The rule, with the role and binding through which it reaches the user.
    pub rule: ResolvedRule<'a>,
    /// What it lacks.
    pub lack: Lack,
    request: &'a Request,
}

/// What a rule lacks; nothing where it allows the request (`pkg/apis/rbac/v1/evaluation_helpers.go`).
pub(super) fn lacks(rule: &PolicyRule, request: &Request) -> Vec<Lack> {
    let mut lacks = Vec::new();
    if !has(&rule.verbs, request.verb()) {
        lacks.push(Lack::Verb);
    }
    match request {
        Request::Resource(request) => {
            if !has(&rule.api_groups, &request.group) {
                lacks.push(Lack::Group);
            }
            if !has_resource(rule, request) {
                lacks.push(Lack::Resource);
            }
            if !has_name(rule, request) {
                lacks.push(Lack::Name);
            }
        }
        Request::NonResource(request) => {
            if !has_url(rule, request) {
                lacks.push(Lack::Url);
            }
        }
    }
    lacks
}

fn has(words: &[Str], word: &str) -> bool {
    words.iter().any(|own| **own == *"*" || **own == *word)
}

fn has_resource(rule: &PolicyRule, request: &ResourceRequest) -> bool {
    let combined = request.combined_resource();
    let sub = |own: &Str| {
        own.strip_prefix("*/")
            .is_some_and(|own| own == request.subresource)
    };
    has(&rule.resources, &combined)
        || !request.subresource.is_empty() && rule.resources.iter().any(sub)
}

fn has_name(rule: &PolicyRule, request: &ResourceRequest) -> bool {
    rule.resource_names.is_empty() || rule.resource_names.iter().any(|own| **own == *request.name)
}

fn has_url(rule: &PolicyRule, request: &NonResourceRequest) -> bool {
    rule.non_resource_urls.iter().any(|own| {
        let begins = || request.path.starts_with(own.trim_end_matches('*'));
        **own == *request.path || own.ends_with('*') && begins()
    })
}

impl<'a> NearMiss<'a> {
    pub(super) fn of(rule: ResolvedRule<'a>, request: &'a Request) -> Option<Self> {
        match lacks(rule.rule, request).as_slice() {
            [lack] => Some(Self {
                rule,
                lack: *lack,
                request,
            }),
            _ => None,
        }
    }

    /// The lower, the closer: another subresource of the same resource is closer than another resource.
    pub(super) fn rank(&self) -> u8 {
        match (self.lack, self.request) {
            (Lack::Resource, Request::Resource(request)) => {
                let base = |own: &Str| own.split('/').next() == Some(request.resource.as_str());
                if self.rule.rule.resources.iter().any(base) {
                    1
                } else {
                    4
                }
            }
            (Lack::Verb, _) => 0,
            (Lack::Name, _) => 2,
            _ => 3,
        }
    }
}

impl fmt::Display for NearMiss<'_> {
    /// `RoleBinding shop/x gives Role shop/y, whose rule 2 allows get, list on pods, but not delete`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ResolvedRule {
            rule,
            position,
            role,
            binding,
            ..
        } = self.rule;
        let (binding, role, number) = (binding.object_ref(), role.object_ref(), position + 1);
        write!(
            f,
            "{binding} gives {role}, whose rule {number} allows {}",
            Words(&rule.verbs)
        )?;
        if rule.non_resource_urls.is_empty() {
            write!(f, " on {}", Words(&rule.resources))?;
        } else {
            write!(f, " at {}", Words(&rule.non_resource_urls))?;
        }
        match (self.lack, self.request) {
            (Lack::Group, _) => write!(f, " of API group {}", Words(&rule.api_groups))?,
            _ if !rule.resource_names.is_empty() => {
                write!(f, " named {}", Words(&rule.resource_names))?;
            }
            _ => {}
        }
        match (self.lack, self.request) {
            (Lack::Verb, request) => write!(f, ", but not {}", Word(request.verb())),
            (Lack::Name, Request::Resource(request)) if request.name.is_empty() => {
                write!(f, ", but the request names no object")
            }
            (Lack::Name, Request::Resource(request)) => {
                write!(f, ", but not {}", Word(&request.name))
            }
            (Lack::Group, Request::Resource(request)) => {
                write!(f, ", but not {}", Word(&request.group))
            }
            (_, Request::Resource(request)) => {
                write!(f, ", but not {}", request.combined_resource())
            }
            (_, Request::NonResource(request)) => write!(f, ", but not {}", request.path),
        }
    }
}

/// A word as it is, or in quotes where that would be misread.
struct Word<'a>(&'a str);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            word if word.is_empty() || word.contains(char::is_whitespace) => write!(f, "{word:?}"),
            word => f.write_str(word),
        }
    }
}

/// The first words of a list.
struct Words<'a>(&'a [Str]);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        for (position, word) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{}", if position > 0 { ", " } else { "" }, Word(word))?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
