use bailiwick_core::{Request, ResourceRequest};

use super::rule::Mask;
use super::symbols::{Symbol, Symbols};

/// A request with its strings looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted<'a> {
    Resource(WantedResource<'a>),
    Path { verb: Symbol, path: &'a str },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct WantedResource<'a> {
    pub(super) verb: Symbol,
    pub(super) group: Symbol,
    /// The resource before its first slash.
    head: Symbol,
    /// What a rule has behind the first slash: the subresource, as a rule, or [`Symbol::NONE`].
    tail: Symbol,
    /// [`Symbol::UNKNOWN`] also where there is none.
    pub(super) subresource: Symbol,
    /// Bits of the verb, the group and the resources that can match: its own, and `*` where there is a subresource.
    pub(super) mask: Mask,
    /// Looked up where a rule has names, which few have.
    pub(super) name: &'a str,
    /// The request, where its resource has a slash of its own besides a subresource, so that what rules are compared
    /// with is in no single field.
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
        let head = symbols.find(head);
        let subresource = match request.subresource.as_str() {
            "" => Symbol::UNKNOWN,
            text => symbols.find(text),
        };
        let has_subresource = !request.subresource.is_empty();
        let (tail, odd) = match rest {
            None if has_subresource => (subresource, None),
            None => (Symbol::NONE, None),
            Some(_) if has_subresource => (Symbol::UNKNOWN, Some(request)),
            Some(rest) => (symbols.find(rest), None),
        };
        let (verb, group) = (symbols.find(&request.verb), symbols.find(&request.group));
        let mask = Mask::verb(verb)
            .or(Mask::group(group))
            .or(Mask::resource(head));
        let of_star = if has_subresource {
            Mask::resource(Symbol::STAR)
        } else {
            Mask::default()
        };
        Self {
            verb,
            group,
            head,
            tail,
            subresource,
            mask: mask.or(of_star),
            name: &request.name,
            odd,
        }
    }

    /// Whether a rule's resource, cut at its first slash, is the requested one letter for letter.
    pub(super) fn spelled(&self, head: Symbol, tail: Symbol, symbols: &Symbols) -> bool {
        let Some(request) = self.odd else {
            return head == self.head && tail == self.tail;
        };
        let (_, rest) = cut(&request.resource);
        let behind = |rest| symbols.text(tail).strip_prefix(rest)?.strip_prefix('/');
        head == self.head
            && tail != Symbol::NONE
            && rest.and_then(behind) == Some(&request.subresource)
    }
}

/// `text` up to its first slash, and what follows it.
pub(super) fn cut(text: &str) -> (&str, Option<&str>) {
    match text.split_once('/') {
        Some((head, tail)) => (head, Some(tail)),
        None => (text, None),
    }
}
