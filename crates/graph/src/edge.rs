use crate::build::{Held, Link, World};
use crate::right::Right;

/// A way to get from one node to another.
#[derive(Debug)]
pub struct EdgeKind {
    /// Stable id in kebab case.
    pub id: &'static str,
    /// What an attacker does, in a few words that follow "can": `read Secrets`.
    pub title: &'static str,
    /// How hard it is: 0 is free, 1 one request, 2 several or some waiting, 5 needs luck or noise.
    pub effort: u32,
    /// The minors of Kubernetes 1 in which it works.
    pub versions: Versions,
    /// The doc comment, each line with the space that follows the slashes.
    pub(crate) doc: &'static str,
    pub(crate) rule: Rule,
}

/// The first and the last minor in which something works; `None` is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The first.
    pub since: Option<u16>,
    /// The last.
    pub until: Option<u16>,
}

/// Where edges of a kind come from.
#[derive(Debug)]
pub(crate) enum Rule {
    /// From rights: a subject that holds every leg in one scope.
    Rights {
        legs: &'static [Leg],
        link: fn(&Held<'_>, &World<'_>, &mut Link<'_>),
    },
    /// From what is there.
    Objects(fn(&World<'_>, &mut Link<'_>)),
}

/// One of the rights that a step needs. Any of `rights` will do.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) rights: &'static [Right],
    pub(crate) reach: Reach,
    /// Whether a rule that is limited to names gives the right on the objects of these names. Requests that name no
    /// object are matched by no such rule.
    pub(crate) by_name: bool,
}

/// Which bindings count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// ClusterRoleBindings: the request has no namespace.
    Cluster,
    /// RoleBindings too, in their namespace.
    Namespace,
}

impl Versions {
    /// Every version.
    pub(crate) const ALL: Self = Self {
        since: None,
        until: None,
    };

    /// Whether it works in this minor. What is not known works: better one step too many than one too few.
    pub fn hold(&self, minor: Option<u16>) -> bool {
        minor.is_none_or(|minor| {
            self.since.is_none_or(|since| minor >= since)
                && self.until.is_none_or(|until| minor <= until)
        })
    }
}

impl EdgeKind {
    /// The page, in Markdown.
    pub fn page(&self) -> String {
        let body: String = self
            .doc
            .lines()
            .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
            .collect();
        format!(
            "# {}\n\nEdge `{}`, effort {}.\n\n{body}",
            self.title, self.id, self.effort
        )
    }
}

/// Declares the edge of a file: `EDGE`, with the doc comment as its page.
macro_rules! edge {
    ($(#[doc = $doc:literal])* $id:literal, $title:literal, effort $effort:literal, $versions:expr, $rule:expr) => {
        $(#[doc = $doc])*
        pub(super) static EDGE: $crate::EdgeKind = $crate::EdgeKind {
            id: $id,
            title: $title,
            effort: $effort,
            versions: $versions,
            doc: concat!($($doc, "\n"),*),
            rule: $rule,
        };
    };
}
pub(crate) use edge;
