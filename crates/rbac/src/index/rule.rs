use bailiwick_core::{Request, ResourceRequest, Str};
use bailiwick_model::PolicyRule;

use super::symbols::{Symbol, Symbols};

/// A rule with its strings interned.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    verbs: Set,
    groups: Set,
    resources: Resources,
    names: Set,
    urls: Box<[Str]>,
}

/// A list of strings of which one has to equal the wanted one. The mask rejects most without a look at the list.
#[derive(Clone, Debug)]
struct Set {
    mask: u64,
    /// Empty where everything is in.
    symbols: Box<[Symbol]>,
}

/// The resources of a rule.
#[derive(Clone, Debug)]
struct Resources {
    mask: u64,
    /// Empty where everything is in.
    patterns: Box<[Pattern]>,
}

/// `head` or `head/tail`, cut at the first slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pattern {
    head: Symbol,
    tail: Option<Symbol>,
}

/// A request with its strings looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted<'a> {
    Resource(WantedResource<'a>),
    Path { verb: Symbol, path: &'a str },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct WantedResource<'a> {
    verb: Symbol,
    group: Symbol,
    pattern: Pattern,
    /// [`Symbol::UNKNOWN`] also where there is none.
    subresource: Symbol,
    mask: u64,
    name: Symbol,
    /// The request, where its resource has a slash of its own besides a subresource, so that the string compared
    /// is in no single field.
    odd: Option<&'a ResourceRequest>,
}

impl<'a> Wanted<'a> {
    pub(crate) fn new(request: &'a Request, symbols: &Symbols) -> Self {
        match request {
            Request::Resource(request) => Self::Resource(WantedResource::new(request, symbols)),
            Request::NonResource(request) => Self::Path {
                verb: symbols.find(&request.verb),
                path: &request.path,
            },
        }
    }
}

impl<'a> WantedResource<'a> {
    fn new(request: &'a ResourceRequest, symbols: &Symbols) -> Self {
        let (head, rest) = cut(&request.resource);
        let (tail, odd) = match (rest, request.subresource.as_str()) {
            (None, "") => (None, None),
            (None, subresource) => (Some(subresource), None),
            (Some(rest), "") => (Some(rest), None),
            (Some(_), _) => (None, Some(request)),
        };
        let pattern = Pattern {
            head: symbols.find(head),
            tail: tail.map(|tail| symbols.find(tail)),
        };
        let subresource = match request.subresource.as_str() {
            "" => Symbol::UNKNOWN,
            // Where the resource has no slash, the tail is the subresource.
            _ if odd.is_none() => pattern.tail.unwrap_or(Symbol::UNKNOWN),
            subresource => symbols.find(subresource),
        };
        Self {
            verb: symbols.find(&request.verb),
            group: symbols.find(&request.group),
            pattern,
            subresource,
            mask: pattern.head.bit()
                | if subresource == Symbol::UNKNOWN {
                    0
                } else {
                    Symbol::STAR.bit()
                },
            name: symbols.find(&request.name),
            odd,
        }
    }
}

/// `text` up to its first slash, and what follows it.
fn cut(text: &str) -> (&str, Option<&str>) {
    match text.split_once('/') {
        Some((head, tail)) => (head, Some(tail)),
        None => (text, None),
    }
}

impl Set {
    fn new(texts: &[Str], all: bool, symbols: &mut Symbols) -> Self {
        if all {
            return Self {
                mask: u64::MAX,
                symbols: Box::default(),
            };
        }
        let interned: Box<[Symbol]> = texts.iter().map(|t| symbols.intern_shared(t)).collect();
        Self {
            mask: interned.iter().fold(0, |mask, symbol| mask | symbol.bit()),
            symbols: interned,
        }
    }

    fn has(&self, wanted: Symbol) -> bool {
        self.mask & wanted.bit() != 0 && (self.symbols.is_empty() || self.symbols.contains(&wanted))
    }
}

impl Resources {
    fn new(texts: &[Str], symbols: &mut Symbols) -> Self {
        if is_all(texts) {
            return Self {
                mask: u64::MAX,
                patterns: Box::default(),
            };
        }
        let patterns: Box<[Pattern]> = texts
            .iter()
            .map(|text| {
                let (head, tail) = cut(text);
                Pattern {
                    head: symbols.intern(head),
                    tail: tail.map(|tail| symbols.intern(tail)),
                }
            })
            .collect();
        Self {
            mask: patterns.iter().fold(0, |mask, p| mask | p.head.bit()),
            patterns,
        }
    }

    /// `*`, the same string, or `*/` and the subresource (`pkg/apis/rbac/v1/evaluation_helpers.go`). Nothing else
    /// is a pattern: `pods/*` and `*/*` are matched by themselves alone.
    fn has(&self, wanted: &WantedResource<'_>, symbols: &Symbols) -> bool {
        if self.mask & wanted.mask == 0 {
            return false;
        }
        let matches = |pattern: &Pattern| {
            (pattern.head == Symbol::STAR && pattern.tail == Some(wanted.subresource))
                || match wanted.odd {
                    None => *pattern == wanted.pattern,
                    Some(request) => pattern.spells(request, symbols),
                }
        };
        self.patterns.is_empty() || self.patterns.iter().any(matches)
    }
}

impl Pattern {
    /// Whether the pattern is the request's resource, a slash and its subresource.
    fn spells(self, request: &ResourceRequest, symbols: &Symbols) -> bool {
        let (head, rest) = cut(&request.resource);
        let (Some(tail), Some(rest)) = (self.tail, rest) else {
            return false;
        };
        symbols.text(self.head) == head
            && symbols
                .text(tail)
                .strip_prefix(rest)
                .and_then(|text| text.strip_prefix('/'))
                == Some(&request.subresource)
    }
}

fn is_all(texts: &[Str]) -> bool {
    texts.iter().any(|text| &**text == "*")
}

impl Rule {
    pub(crate) fn new(rule: &PolicyRule, symbols: &mut Symbols) -> Self {
        Self {
            verbs: Set::new(&rule.verbs, is_all(&rule.verbs), symbols),
            groups: Set::new(&rule.api_groups, is_all(&rule.api_groups), symbols),
            resources: Resources::new(&rule.resources, symbols),
            // No name means every name; `*` is a name like any other.
            names: Set::new(
                &rule.resource_names,
                rule.resource_names.is_empty(),
                symbols,
            ),
            urls: rule.non_resource_urls.clone(),
        }
    }

    pub(crate) fn release(&self, symbols: &mut Symbols) {
        for set in [&self.verbs, &self.groups, &self.names] {
            set.symbols.iter().for_each(|&s| symbols.release(s));
        }
        for pattern in &self.resources.patterns {
            symbols.release(pattern.head);
            pattern.tail.into_iter().for_each(|s| symbols.release(s));
        }
    }

    /// Whether the rule allows what is wanted (`plugin/pkg/auth/authorizer/rbac/rbac.go`, `RuleAllows`).
    pub(crate) fn allows(&self, wanted: &Wanted<'_>, symbols: &Symbols) -> bool {
        match wanted {
            Wanted::Resource(wanted) => {
                self.verbs.has(wanted.verb)
                    && self.groups.has(wanted.group)
                    && self.resources.has(wanted, symbols)
                    && self.names.has(wanted.name)
            }
            Wanted::Path { verb, path } => {
                self.verbs.has(*verb) && self.urls.iter().any(|url| url_matches(url, path))
            }
        }
    }

    /// Bits of what the rule can match at all.
    pub(crate) fn mask(&self) -> Mask {
        Mask {
            verbs: self.verbs.mask,
            groups: self.groups.mask,
            resources: self.resources.mask,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        let sets = [&self.verbs, &self.groups, &self.names];
        size_of::<Self>()
            + sets.iter().map(|s| size_of_val(&*s.symbols)).sum::<usize>()
            + size_of_val(&*self.resources.patterns)
            + size_of_val(&*self.urls)
    }
}

/// `*`, the same path, or what stands before trailing stars is where the path begins.
fn url_matches(url: &str, path: &str) -> bool {
    let stem = url.trim_end_matches('*');
    if stem.len() == url.len() {
        url == path
    } else {
        path.starts_with(stem)
    }
}

/// What a list of rules can match at all: a request that has no bit in common is allowed by none of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mask {
    verbs: u64,
    groups: u64,
    resources: u64,
}

impl Mask {
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            verbs: self.verbs | other.verbs,
            groups: self.groups | other.groups,
            resources: self.resources | other.resources,
        }
    }

    pub(crate) fn meets(self, wanted: &Wanted<'_>) -> bool {
        match wanted {
            Wanted::Resource(wanted) => {
                self.verbs & wanted.verb.bit() != 0
                    && self.groups & wanted.group.bit() != 0
                    && self.resources & wanted.mask != 0
            }
            Wanted::Path { verb, .. } => self.verbs & verb.bit() != 0,
        }
    }
}
