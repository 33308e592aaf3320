//! What becomes of a conditional decision, in the words of the API server's library
//! (`k8s.io/apiserver/pkg/authorization/authorizer`, 1.37: `evaluate.go`, `conditionsmap.go`, `union.go`).

use bailiwick_core::{Condition, Conditions, Decision, Effect, Reason};

use crate::cedar::{Objects, Rest};

/// What one condition came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It could not be evaluated.
    Error(String),
    /// It is in a language that is not spoken here: somebody else has to be asked.
    Unknown,
}

/// What a list of conditions came to.
enum Found<'a> {
    True(&'a Condition),
    Error(String),
    Unknown(Vec<Condition>),
    False,
}

/// A decision after its conditions were looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The answer; conditional only where a condition was [`Truth::Unknown`].
    pub decision: Decision,
    /// Why a condition could not be evaluated, where that decided.
    pub error: Option<String>,
}

/// Settles conditions: the first row of the table that holds decides.
///
/// Denials first: one that holds denies, one that fails denies with an error. Then abstentions, which take away what
/// permissions would give. Then permissions: one that fails gives nothing.
pub fn settle(conditions: &Conditions, mut truth: impl FnMut(&Condition) -> Truth) -> Settled {
    let left = |deny, no_opinion: &[Condition], allow: &[Condition]| {
        conditional(Conditions {
            deny,
            no_opinion: no_opinion.to_vec(),
            allow: allow.to_vec(),
        })
    };
    match look(&conditions.deny, &mut truth) {
        Found::True(found) => return settled(Effect::Deny, &found.reason, None),
        Found::Error(error) => return settled(Effect::Deny, &Reason::NoGrant, Some(error)),
        Found::Unknown(deny) => return left(deny, &conditions.no_opinion, &conditions.allow),
        Found::False => {}
    }
    match look(&conditions.no_opinion, &mut truth) {
        Found::True(found) => return settled(Effect::NoOpinion, &found.reason, None),
        Found::Error(error) => return settled(Effect::NoOpinion, &Reason::NoGrant, Some(error)),
        Found::Unknown(unknown) => return left(Vec::new(), &unknown, &conditions.allow),
        Found::False => {}
    }
    match look(&conditions.allow, &mut truth) {
        Found::True(found) => settled(Effect::Allow, &found.reason, None),
        Found::Error(error) => settled(Effect::NoOpinion, &Reason::NoGrant, Some(error)),
        Found::Unknown(allow) => left(Vec::new(), &[], &allow),
        Found::False => settled(Effect::NoOpinion, &Reason::NoGrant, None),
    }
}

/// Within a list one that holds counts before one that fails, and that before one that is not understood.
fn look<'a>(list: &'a [Condition], truth: &mut impl FnMut(&Condition) -> Truth) -> Found<'a> {
    let mut error = None;
    let mut unknown = Vec::new();
    for condition in list {
        match truth(condition) {
            Truth::True => return Found::True(condition),
            Truth::False => {}
            Truth::Error(message) => error = error.or(Some(message)),
            Truth::Unknown => unknown.push(condition.clone()),
        }
    }
    match error {
        Some(error) => Found::Error(error),
        None if unknown.is_empty() => Found::False,
        None => Found::Unknown(unknown),
    }
}

fn settled(effect: Effect, reason: &Reason, error: Option<String>) -> Settled {
    Settled {
        decision: Decision {
            effect,
            reason: reason.clone(),
            problems: error.iter().cloned().collect(),
        },
        error,
    }
}

/// A decision that rests on conditions. Limits and ids are checked: a decision that breaks them is taken for the
/// worst that it could have been.
pub(crate) fn conditional(conditions: Conditions) -> Settled {
    if conditions.deny.is_empty() && conditions.allow.is_empty() {
        return settled(Effect::NoOpinion, &Reason::NoGrant, None);
    }
    match objection(&conditions) {
        Some(message) => Settled {
            decision: refused(conditions.failure(), &message),
            error: Some(message),
        },
        None => Settled {
            decision: Decision {
                effect: Effect::Conditional,
                reason: Reason::Conditions(conditions),
                problems: Vec::new(),
            },
            error: None,
        },
    }
}

/// Conditions of one decision.
const MOST: usize = 128;
/// Bytes of one condition.
const LONGEST: usize = 10_240;

fn objection(conditions: &Conditions) -> Option<String> {
    let all = || {
        [&conditions.deny, &conditions.no_opinion, &conditions.allow]
            .into_iter()
            .flatten()
    };
    let count = all().count();
    if count > MOST {
        return Some(format!("{count} conditions; a decision can hold {MOST}"));
    }
    let mut ids: Vec<&str> = all().map(|condition| condition.id.as_str()).collect();
    ids.sort_unstable();
    if let Some(pair) = ids.windows(2).find(|pair| pair.first() == pair.last()) {
        return Some(format!("two conditions have the id `{}`", pair.concat()));
    }
    all().find_map(|condition| {
        if !is_id(&condition.id) {
            return Some(format!("`{}` is no id: write `DOMAIN/NAME`", condition.id));
        }
        let length = condition.residual.len();
        (length > LONGEST).then(|| {
            format!(
                "condition `{}` has {length} bytes; {LONGEST} are allowed",
                condition.id
            )
        })
    })
}

/// A label key with a domain that is not Kubernetes' own.
fn is_id(id: &str) -> bool {
    let Some((domain, name)) = id.split_once('/') else {
        return false;
    };
    let plain = |text: &str, most: usize, marks: &[char]| {
        let inner = |c: char| c.is_ascii_alphanumeric() || marks.contains(&c);
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        text.len() <= most
            && text.chars().all(inner)
            && edge(text.chars().next())
            && edge(text.chars().next_back())
    };
    let reserved = |own: &str| domain == own || domain.ends_with(&format!(".{own}"));
    plain(name, 63, &['-', '_', '.'])
        && plain(domain, 253, &['-', '.'])
        && !reserved("k8s.io")
        && !reserved("kubernetes.io")
}

/// Settles conditions of [`crate::State::decide`] with the objects that they waited for.
pub(crate) fn settle_with(conditions: &Conditions, objects: &Objects, verb: &str) -> Settled {
    let rest = Rest::new(objects, verb);
    settle(conditions, |condition| match condition.residual.as_str() {
        "" => Truth::True,
        residual => match &rest {
            Ok(rest) => match rest.evaluate(residual) {
                Ok(true) => Truth::True,
                Ok(false) => Truth::False,
                Err(error) => Truth::Error(error),
            },
            Err(error) => Truth::Error(error.clone()),
        },
    })
}

/// The answers of several authorizers in a row, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Union {
    chain: Vec<(String, Decision)>,
}

/// What answers a decision can come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Possible {
    allow: bool,
    deny: bool,
    no_opinion: bool,
}

impl Possible {
    fn of(decision: &Decision) -> Self {
        match (decision.effect, &decision.reason) {
            (Effect::Allow, _) => Self {
                allow: true,
                ..Self::default()
            },
            (Effect::Deny, _) => Self {
                deny: true,
                ..Self::default()
            },
            (Effect::Conditional, Reason::Conditions(conditions)) => Self {
                allow: !conditions.allow.is_empty(),
                deny: !conditions.deny.is_empty(),
                no_opinion: true,
            },
            _ => Self {
                no_opinion: true,
                ..Self::default()
            },
        }
    }

    fn holds(self, effect: Effect) -> bool {
        match effect {
            Effect::Allow => self.allow,
            Effect::Deny => self.deny,
            Effect::NoOpinion => self.no_opinion,
            Effect::Conditional => false,
        }
    }

    fn failure(self) -> Effect {
        if self.deny {
            Effect::Deny
        } else {
            Effect::NoOpinion
        }
    }
}

impl Union {
    /// The row of authorizers that were asked: up to the first that allows or denies. A conditional answer does not
    /// stop it. Names that are empty or come twice are an error, and the answer then the worst that it can be.
    pub fn new(asked: impl IntoIterator<Item = (String, Decision)>) -> Result<Self, Box<Decision>> {
        let mut chain: Vec<(String, Decision)> = Vec::new();
        let mut wrong = false;
        let mut deny = false;
        for (name, decision) in asked {
            wrong |= name.is_empty() || chain.iter().any(|(other, _)| *other == name);
            deny |= Possible::of(&decision).deny;
            let last = matches!(decision.effect, Effect::Allow | Effect::Deny);
            chain.push((name, decision));
            if last {
                break;
            }
        }
        if wrong {
            let effect = if deny {
                Effect::Deny
            } else {
                Effect::NoOpinion
            };
            let message = "authorizers in a row need names, each its own";
            return Err(Box::new(refused(effect, message)));
        }
        Ok(Self { chain })
    }

    /// The answer where it is the same whatever the conditions come to; `None` where they have to be evaluated.
    pub fn unconditional(&self) -> Option<Decision> {
        let mut possible = Possible::default();
        for (_, decision) in &self.chain {
            let here = Possible::of(decision);
            possible.allow |= here.allow;
            possible.deny |= here.deny;
        }
        let last = self.chain.last().map(|(_, decision)| decision);
        let end = last.filter(|last| matches!(last.effect, Effect::Allow | Effect::Deny));
        match (end, possible.allow, possible.deny) {
            (Some(end), true, false) | (Some(end), false, true) => Some(end.clone()),
            (None, false, false) => Some(Decision {
                effect: Effect::NoOpinion,
                reason: Reason::NoGrant,
                problems: Vec::new(),
            }),
            _ => None,
        }
    }

    /// Evaluates in order: the first authorizer that then allows or denies decides. An answer that an authorizer's
    /// conditions cannot lead to is taken for the worst that they can.
    pub fn evaluate(&self, mut settle: impl FnMut(&str, &Conditions) -> Decision) -> Decision {
        for (name, decision) in &self.chain {
            let answer = match &decision.reason {
                Reason::Conditions(conditions) if decision.effect == Effect::Conditional => {
                    let answer = settle(name, conditions);
                    let possible = Possible::of(decision);
                    if possible.holds(answer.effect) {
                        answer
                    } else {
                        let message = format!("`{name}` gave an answer that it cannot give");
                        refused(possible.failure(), &message)
                    }
                }
                _ => decision.clone(),
            };
            match answer.effect {
                Effect::Allow | Effect::Deny => return answer,
                Effect::NoOpinion | Effect::Conditional => {}
            }
        }
        Decision {
            effect: Effect::NoOpinion,
            reason: Reason::NoGrant,
            problems: Vec::new(),
        }
    }
}

fn refused(effect: Effect, message: &str) -> Decision {
    Decision {
        effect,
        reason: Reason::Refused {
            message: message.to_owned(),
        },
        problems: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
