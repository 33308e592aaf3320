use std::fmt;

use bailiwick_rbac::Right;

use crate::build::{Held, Item, Link, World};

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
    /// A cluster in which it is possible.
    pub example: Example,
    pub(crate) rules: &'static [Rule],
}

/// The first and the last minor in which something works; `None` is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The first.
    pub since: Option<u16>,
    /// The last.
    pub until: Option<u16>,
}

/// Where edges of a kind come from. A kind may have several such rules.
#[derive(Debug)]
pub(crate) enum Rule {
    /// From rights: a subject that holds every leg in one scope.
    Rights {
        legs: &'static [Leg],
        link: LinkHeld,
    },
    /// The same, where the step leads depends on who the subject is, or of several legs on what gives it one.
    Own {
        legs: &'static [Leg],
        link: LinkHeld,
    },
    /// The same, where the step leads depends on the roles that the subject has.
    Roles {
        legs: &'static [Leg],
        link: LinkHeld,
    },
    /// From constrained impersonation: a subject that may act as those on whom it has the first leg, as far as it has
    /// `impersonate-on:MODE:VERB` where they have VERB. It holds each further leg on anything.
    Acting {
        mode: &'static str,
        whom: Whom,
        legs: &'static [Leg],
    },
    /// From each thing that is there: what comes of one must not depend on which others are looped over, so that one
    /// that changes is looked at alone. The place for everything that there are many of.
    Each(fn(&Item<'_>, &World<'_>, &mut Link<'_>)),
    /// From the cluster as a whole: made anew whenever anything changes that it reads.
    Objects(fn(&World<'_>, &mut Link<'_>)),
}

/// As whom constrained impersonation lets somebody act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// Users that are neither service accounts nor nodes.
    Users,
    /// Members of a group, under some user name.
    Groups,
    /// Service accounts.
    Accounts,
    /// Nodes.
    Nodes,
    /// The nodes on which one's own pods run.
    OwnNodes,
}

/// Links a subject that holds every leg to where that leads.
pub(crate) type LinkHeld = fn(&Held<'_>, &World<'_>, &mut Link<'_>);

/// One of the rights that a step needs. Any of these will do.
pub(crate) type Leg = &'static [Right];

/// A cluster with one step of a kind, and the word on which the step hangs.
///
/// It stands on the page of the edge, and the tests hold it to what it says: the step is there, it vanishes with the
/// word, and what it rests on is what the API server is asked.
#[derive(Debug)]
pub struct Example {
    /// Roles and bindings in few words; below a line `---` other objects in YAML.
    pub cluster: &'static str,
    /// Where the step starts, as [`Node`](crate::Node) shows itself.
    pub from: &'static str,
    /// Where it ends.
    pub to: &'static str,
    /// A word of `cluster` that is there once, and what to write instead so that the step is not there.
    pub safe: (&'static str, &'static str),
}

impl Rule {
    /// What a subject has to hold.
    pub(crate) fn legs(&self) -> &'static [Leg] {
        match self {
            Self::Rights { legs, .. } | Self::Own { legs, .. } | Self::Roles { legs, .. } => legs,
            Self::Acting { .. } | Self::Each(_) | Self::Objects(_) => &[],
        }
    }

    /// The same, by constrained impersonation too.
    #[cfg(test)]
    pub(crate) fn every_leg(&self) -> &'static [Leg] {
        match self {
            Self::Acting { legs, .. } => legs,
            rule => rule.legs(),
        }
    }

    /// Whether several roles may have parts of what it needs.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Roles { .. }) || self.legs().len() > 1
    }

    /// Whether it takes several rights, and no more than to have them.
    pub(crate) fn is_of_several(&self) -> bool {
        matches!(self, Self::Rights { legs, .. } if legs.len() > 1)
    }

    /// Whether one role alone says where the step leads, whoever has it.
    pub(crate) fn is_of_role(&self) -> bool {
        matches!(self, Self::Rights { legs, .. } if legs.len() == 1)
    }

    /// All legs, as bits.
    pub(crate) fn all_legs(&self) -> u32 {
        (1 << self.legs().len().min(31)) - 1
    }

    /// Where a subject that holds them gets.
    pub(crate) fn link(&self) -> Option<LinkHeld> {
        match self {
            Self::Rights { link, .. } | Self::Own { link, .. } | Self::Roles { link, .. } => {
                Some(*link)
            }
            Self::Acting { .. } | Self::Each(_) | Self::Objects(_) => None,
        }
    }
}

impl Versions {
    /// From this minor on.
    pub(crate) const fn since(minor: u16) -> Self {
        Self {
            since: Some(minor),
            until: None,
        }
    }

    /// Up to this minor.
    pub(crate) const fn until(minor: u16) -> Self {
        Self {
            since: None,
            until: Some(minor),
        }
    }

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

/// As the index of the pages has it; nothing where it is every version.
impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.since, self.until) {
            (Some(since), Some(until)) => write!(f, "1.{since} to 1.{until}"),
            (Some(since), None) => write!(f, "1.{since} and later"),
            (None, Some(until)) => write!(f, "up to 1.{until}"),
            (None, None) => Ok(()),
        }
    }
}

impl EdgeKind {
    /// Whether somebody needs rights for it, rather than to be where it starts.
    pub fn needs_rights(&self) -> bool {
        let is_right = |rule: &Rule| !matches!(rule, Rule::Each(_) | Rule::Objects(_));
        self.rules.iter().any(is_right)
    }

    /// The page, in Markdown.
    pub fn page(&self) -> String {
        let body: String = self
            .doc
            .lines()
            .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
            .collect();
        let Example {
            cluster,
            from,
            to,
            safe: (word, instead),
        } = &self.example;
        let versions = match self.versions {
            Versions::ALL => String::new(),
            versions => format!(", Kubernetes {versions}"),
        };
        format!(
            "# {}\n\nEdge `{}`, effort {}{versions}.\n\n{body}\n## Example\n\n{}\n\
             This takes {from} to {to}; with `{instead}` instead of `{word}` it does not.\n",
            self.title,
            self.id,
            self.effort,
            indented(cluster),
        )
    }
}

/// As a block of code in Markdown. The rules of a role stand deeper than the role, whatever the source file does.
fn indented(text: &str) -> String {
    let is_rule = |line: &str| line.contains(" on ") || line.contains(" at /");
    let lines = text.lines().map(str::trim).map(|line| match line {
        line if is_rule(line) => format!("      {line}\n"),
        line => format!("    {line}\n"),
    });
    lines.collect()
}

/// Declares the edge of a file: `EDGE`, with the doc comment as its page.
macro_rules! edge {
    (
        $(#[doc = $doc:literal])*
        $id:literal, $title:literal, effort $effort:literal, $versions:expr, $rules:expr,
        $from:literal => $to:literal, $word:literal => $instead:literal, $cluster:literal
    ) => {
        $(#[doc = $doc])*
        pub(super) static EDGE: $crate::EdgeKind = $crate::EdgeKind {
            id: $id,
            title: $title,
            effort: $effort,
            versions: $versions,
            doc: concat!($($doc, "\n"),*),
            example: $crate::Example {
                cluster: $cluster,
                from: $from,
                to: $to,
                safe: ($word, $instead),
            },
            rules: $rules,
        };
    };
}
pub(crate) use edge;
