use std::borrow::Cow;
use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::gate::{Answer, BaselineState};
use crate::place::Place;
use crate::reach::{Goal, Reach};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing to do by itself.
    Info,
    /// Untidy, or a step of an attack that needs several others.
    Low,
    /// Should be mended.
    Medium,
    /// Leads to broad access with one further step.
    High,
    /// Is full control of a namespace or of the cluster, or open to everybody.
    Critical,
}

impl Severity {
    /// From least to most.
    pub const ALL: [Self; 5] = [
        Self::Info,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::Critical,
    ];

    /// One step less, [`Info`](Self::Info) at least.
    #[must_use]
    pub fn lower(self) -> Self {
        match self {
            Self::Critical => Self::High,
            Self::High => Self::Medium,
            Self::Medium => Self::Low,
            Self::Low | Self::Info => Self::Info,
        }
    }

    /// One step more, [`Critical`](Self::Critical) at most.
    #[must_use]
    pub fn higher(self) -> Self {
        match self {
            Self::Critical | Self::High => Self::Critical,
            Self::Medium => Self::High,
            Self::Low => Self::Medium,
            Self::Info => Self::Low,
        }
    }

    /// The word in lower case, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|severity| severity.as_str() == text)
            .ok_or_else(|| {
                format!("`{text}` is no severity; write info, low, medium, high or critical")
            })
    }
}

/// Something to report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Stable id in kebab case, such as `wildcard-verbs` or `duplicate-key`; `bailiwick explain ID` prints the page of a
    /// check.
    pub id: Cow<'static, str>,
    /// How much it matters.
    pub severity: Severity,
    /// One sentence: what is the case, with names.
    pub message: String,
    /// Where it stands. The first is the primary place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
    /// Facts that support it, one a line: who is affected, which grant leads there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// Ways to make use of it, each the places that it passes, in their order; the label of a place is the step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<Vec<Place>>,
    /// How far it leads, where it is about something that can be used to get further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reach: Option<Reach>,
    /// What to do, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// A change that mends it, where one can be named exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
    /// What tells it from others, once somebody has [identified](Self::identify) it: it stays when lines move.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// Whether it was there before, where that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineState>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<Answer>,
    /// Whether something could not be read because of it, so that every answer from this input is partial.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub input_lost: bool,
}

/// An exact change that mends a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// What the change does, in a sentence.
    pub title: String,
    /// Commands or a manifest, ready to paste.
    pub text: String,
}

impl Finding {
    /// Puts findings into the order in which to read them: the worst first, of equals those that lead the farthest, with
    /// the least effort, for the most; then by id and place.
    pub fn rank(findings: &mut [Self]) {
        findings.sort_by_cached_key(Self::key);
    }

    fn key(&self) -> impl Ord + use<> {
        let reach = self
            .reach
            .map(|reach| (reach.goal, reach.effort, Reverse(reach.from)));
        let far = reach.unwrap_or((Goal::Node, u32::MAX, Reverse(0)));
        let place = self.places.first();
        let place = place.map(|place| (place.object.clone(), place.pointer.clone()));
        let text = (self.id.to_string(), place, self.message.clone());
        (Reverse(self.severity), reach.is_none(), far, text)
    }

    /// A finding without places, evidence or advice yet.
    pub fn new(
        id: impl Into<Cow<'static, str>>,
        severity: Severity,
        message: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            severity,
            message: message.into(),
            places: Vec::new(),
            evidence: Vec::new(),
            flows: Vec::new(),
            reach: None,
            help: None,
            fix: None,
            fingerprint: String::new(),
            baseline: None,
            exception: None,
            input_lost: false,
        }
    }

    /// Adds a place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.places.push(place);
        self
    }

    /// Adds a supporting fact.
    #[must_use]
    pub fn because(mut self, fact: impl Into<String>) -> Self {
        self.evidence.push(fact.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Names the change that mends it.
    #[must_use]
    pub fn fix(mut self, title: impl Into<String>, text: impl Into<String>) -> Self {
        self.fix = Some(Fix {
            title: title.into(),
            text: text.into(),
        });
        self
    }

    /// Says that part of the input was lost.
    #[must_use]
    pub fn losing_input(mut self) -> Self {
        self.input_lost = true;
        self
    }
}
