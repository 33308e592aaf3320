//! What a policy asks of a request before anything else: its scope, and tests lifted from the front of its conditions.

use cedar_policy_core::ast::{
    ActionConstraint, BinaryOp, EntityReference, EntityUID, Expr, ExprKind, Literal, Policy,
    PrincipalOrResourceConstraint, Var,
};
use smallvec::SmallVec;
use smol_str::SmolStr;

use super::facts::{Facts, Hashes, Side, Uid, Word, is_text};

/// The tests in the order in which Cedar makes them. A request that fails one is no case for the policy: Cedar would
/// evaluate the policy to `false`, without an error. One that passes all of them leaves the rest to Cedar.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    tests: Box<[Test]>,
    /// The conditions behind the tests, each of which has to hold.
    rest: Box<[Expr]>,
}

/// What the tests of a policy say to a request that may be a case for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    /// All pass, and there is nothing else: the policy holds.
    Wholly,
    /// All pass; [`Scope::rest`] decides.
    SoFar,
    /// They do not tell: Cedar evaluates the policy.
    Unknown,
}

/// One test of one variable of the request.
#[derive(Clone, Debug)]
pub(super) struct Test {
    pub(super) variable: Var,
    pub(super) what: What,
    /// Any of these passes.
    pub(super) values: SmallVec<[Known; 1]>,
}

/// What a test compares with.
#[derive(Clone, Debug)]
pub(super) struct Known {
    hash: u64,
    /// The type of an entity.
    pub(super) kind: SmolStr,
    /// The id of an entity, or a text.
    pub(super) text: SmolStr,
}

impl Known {
    fn is_uid(&self, uid: &Uid<'_>) -> bool {
        self.hash == uid.hash && self.text == uid.id && self.kind == uid.kind
    }

    fn is_text(&self, word: Word<'_>) -> bool {
        self.hash == word.hash && self.text == word.text
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Is of a type.
    Is,
    /// Is this entity.
    Equal,
    /// Is this entity or in it.
    In,
    /// Has an attribute. `text`: one that is a text wherever it is.
    Has { name: u64, text: bool },
    /// Has an attribute with this text.
    Text {
        name: u64,
        /// How good a key it makes; lower is better.
        rank: u8,
        /// Whether a request without the attribute passes over the policy. Otherwise Cedar would meet an error, and
        /// the policy has to be evaluated.
        guarded: bool,
    },
}

/// Where a policy is filed: what the request must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// Nothing.
    Any,
    /// The entity itself.
    Is(u64),
    /// The entity or what it is in.
    Within(u64),
    /// An attribute with a text.
    Text(u64, u64),
    /// An attribute that is not there as a text.
    Missing(u64),
}

impl Key {
    /// The key of the principal's side and that of the resource's as one.
    pub(crate) fn with(self, resource: Self) -> u64 {
        const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
        self.mixed().rotate_left(23).wrapping_mul(ODD) ^ resource.mixed()
    }

    /// A hash.
    #[inline]
    pub(crate) fn mixed(self) -> u64 {
        match self {
            Self::Any => 0,
            Self::Is(uid) => uid ^ 0x51,
            Self::Within(uid) => uid ^ 0xA2,
            Self::Text(name, value) => name.rotate_left(31) ^ value,
            Self::Missing(name) => name ^ 0xF3,
        }
    }
}

/// A policy that is filed under more keys than this is filed under none.
const MOST_KEYS: usize = 8;

impl Scope {
    /// Reads a policy. `trusted`: strict validation has passed, so that no attribute that it reads can be missing.
    pub(crate) fn of(policy: &Policy, hashes: &Hashes, trusted: bool) -> Self {
        let mut reader = Reader {
            hashes,
            trusted,
            known: Vec::new(),
            tests: Vec::new(),
            rest: Vec::new(),
        };
        reader.constraint(Var::Principal, policy.principal_constraint().as_inner());
        reader.action(policy.action_constraint());
        reader.constraint(Var::Resource, policy.resource_constraint().as_inner());
        if let Some(conditions) = policy.non_scope_constraints() {
            reader.conjunction(conditions);
        }
        Self {
            tests: reader.tests.into(),
            rest: reader.rest.into(),
        }
    }

    /// What the tests say; `None` where the request is no case for the policy.
    pub(crate) fn meet(&self, facts: &Facts<'_>) -> Option<Met> {
        for test in &self.tests {
            match test.passes(side(facts, test.variable)) {
                Some(true) => {}
                Some(false) => return None,
                None => return Some(Met::Unknown),
            }
        }
        Some(if self.rest.is_empty() {
            Met::Wholly
        } else {
            Met::SoFar
        })
    }

    /// The tests, in the order of evaluation.
    pub(super) fn tests(&self) -> &[Test] {
        &self.tests
    }

    /// The conditions that are left where every test passes, in the order of evaluation.
    pub(crate) fn rest(&self) -> &[Expr] {
        &self.rest
    }

    /// The keys to file the policy under, for the principal and for the resource: one of each for each request that
    /// it has to be found by.
    pub(crate) fn keys(&self) -> (Keys, Keys) {
        (self.key(Var::Principal), self.key(Var::Resource))
    }

    fn key(&self, variable: Var) -> Keys {
        let mut best: Option<(u8, Keys)> = None;
        for test in &self.tests {
            if test.variable == variable
                && let Some((rank, keys)) = test.keys()
                && best.as_ref().is_none_or(|(other, _)| rank < *other)
            {
                best = Some((rank, keys));
            }
            // Where this attribute is missing, Cedar meets an error, whatever comes after: later tests do not tell
            // where the policy has to be found.
            if matches!(test.what, What::Text { guarded: false, .. }) {
                break;
            }
        }
        best.map_or_else(|| Keys::from_slice(&[Key::Any]), |(_, keys)| keys)
    }
}

pub(crate) type Keys = SmallVec<[Key; 2]>;

impl Test {
    /// `None` where the facts do not tell, or Cedar would meet an error.
    fn passes(&self, side: &Side<'_>) -> Option<bool> {
        let any = |uid: &Uid<'_>| self.values.iter().any(|value| value.is_uid(uid));
        match self.what {
            What::Is => Some(self.values.iter().any(|value| value.text == side.uid.kind)),
            What::Equal => Some(any(&side.uid)),
            What::In => Some(any(&side.uid) || side.ancestors.iter().any(any)),
            What::Has { name, text } => match side.text(name) {
                Some(_) => Some(true),
                None if text => Some(false),
                None => None,
            },
            What::Text { name, guarded, .. } => match side.text(name) {
                Some(word) => Some(self.values.iter().any(|value| value.is_text(word))),
                None if guarded => Some(false),
                None => None,
            },
        }
    }

    fn keys(&self) -> Option<(u8, Keys)> {
        if self.values.len() > MOST_KEYS {
            return None;
        }
        let values = self.values.iter().map(|value| value.hash);
        match self.what {
            What::Is | What::Has { .. } => None,
            What::Equal => Some((0, values.map(Key::Is).collect())),
            What::In => Some((2, values.map(Key::Within).collect())),
            What::Text {
                name,
                rank,
                guarded,
            } => {
                let mut keys: Keys = values.map(|value| Key::Text(name, value)).collect();
                if !guarded {
                    keys.push(Key::Missing(name));
                }
                Some((rank, keys))
            }
        }
    }
}

fn side<'f, 'a>(facts: &'f Facts<'a>, variable: Var) -> &'f Side<'a> {
    match variable {
        Var::Principal => &facts.principal,
        Var::Action => &facts.action,
        Var::Resource => &facts.resource,
        Var::Context => &facts.context,
    }
}

struct Reader<'a> {
    hashes: &'a Hashes,
    trusted: bool,
    /// Attributes that a test before has found to be there.
    known: Vec<(Var, &'a str)>,
    tests: Vec<Test>,
    /// What comes after the last test.
    rest: Vec<Expr>,
}

impl<'a> Reader<'a> {
    fn push(&mut self, variable: Var, what: What, values: impl IntoIterator<Item = Known>) {
        self.tests.push(Test {
            variable,
            what,
            values: values.into_iter().collect(),
        });
    }

    fn uid(&self, uid: &EntityUID) -> Known {
        let (kind, id): (String, &str) = (uid.entity_type().to_string(), uid.eid().as_ref());
        Known {
            hash: self.hashes.entity(&kind, id),
            kind: kind.into(),
            text: id.into(),
        }
    }

    fn word(&self, text: &str) -> Known {
        Known {
            hash: self.hashes.text(text),
            kind: SmolStr::default(),
            text: text.into(),
        }
    }

    fn constraint(&mut self, variable: Var, constraint: &PrincipalOrResourceConstraint) {
        use PrincipalOrResourceConstraint as Is;
        if let Is::Is(kind) | Is::IsIn(kind, _) = constraint {
            let kind = self.word(&kind.to_string());
            self.push(variable, What::Is, [kind]);
        }
        let (what, entity) = match constraint {
            Is::Eq(entity) => (What::Equal, entity),
            Is::In(entity) | Is::IsIn(_, entity) => (What::In, entity),
            Is::Any | Is::Is(_) => return,
        };
        // A slot that is not filled cannot be: policies are linked before they come here.
        if let EntityReference::EUID(uid) = entity {
            let uid = self.uid(uid);
            self.push(variable, what, [uid]);
        }
    }

    fn action(&mut self, constraint: &ActionConstraint) {
        match constraint {
            ActionConstraint::Any => {}
            ActionConstraint::Eq(uid) => {
                let uid = self.uid(uid);
                self.push(Var::Action, What::Equal, [uid]);
            }
            ActionConstraint::In(uids) => {
                let uids: Vec<Known> = uids.iter().map(|uid| self.uid(uid)).collect();
                self.push(Var::Action, What::In, uids);
            }
        }
    }

    /// Reads `A && B && ...` from the front for as long as no part can meet an error that no test stands for; what
    /// follows is the rest.
    fn conjunction(&mut self, expression: &'a Expr) {
        match expression.expr_kind() {
            ExprKind::And { left, right } => {
                self.conjunction(left);
                self.conjunction(right);
            }
            _ if self.rest.is_empty() && self.conjunct(expression) => {}
            _ => self.rest.push(expression.clone()),
        }
    }

    fn conjunct(&mut self, expression: &'a Expr) -> bool {
        match expression.expr_kind() {
            ExprKind::Lit(Literal::Bool(true)) => true,
            ExprKind::HasAttr { expr, attr } => match variable(expr) {
                Some(variable) => {
                    self.known.push((variable, attr));
                    let has = What::Has {
                        name: self.hashes.attribute(attr),
                        text: self.trusted && is_text(attr),
                    };
                    self.push(variable, has, []);
                    true
                }
                None => false,
            },
            ExprKind::Is { expr, entity_type } => match variable(expr) {
                Some(variable) if variable != Var::Context => {
                    let kind = self.word(&entity_type.to_string());
                    self.push(variable, What::Is, [kind]);
                    true
                }
                _ => false,
            },
            ExprKind::BinaryApp {
                op: BinaryOp::In,
                arg1,
                arg2,
            } => self.within(arg1, arg2),
            _ => self.text(expression),
        }
    }

    /// `principal in Group::"a"` and `principal in [Group::"a", Group::"b"]`.
    fn within(&mut self, entity: &Expr, places: &Expr) -> bool {
        let Some(variable) = variable(entity).filter(|variable| *variable != Var::Context) else {
            return false;
        };
        let uids: Option<Vec<Known>> = match places.expr_kind() {
            ExprKind::Set(places) => places
                .iter()
                .map(|place| Some(self.uid(literal(place)?)))
                .collect(),
            _ => literal(places).map(|uid| vec![self.uid(uid)]),
        };
        match uids {
            Some(uids) => {
                self.push(variable, What::In, uids);
                true
            }
            None => false,
        }
    }

    /// A comparison of one attribute with texts, in any of the ways to write one. Also `principal == User::"a"`.
    fn text(&mut self, expression: &Expr) -> bool {
        if let Some((variable, uid)) = equal_entity(expression) {
            let uid = self.uid(uid);
            self.push(variable, What::Equal, [uid]);
            return true;
        }
        let mut values = Vec::new();
        let Some((variable, name)) = texts(expression, &mut values) else {
            return false;
        };
        let values: Vec<Known> = values.into_iter().map(|value| self.word(value)).collect();
        let guarded = self.trusted || self.known.contains(&(variable, name));
        let what = What::Text {
            name: self.hashes.attribute(name),
            rank: match name {
                "name" | "id" => 1,
                "namespace" => 3,
                _ => 4,
            },
            guarded,
        };
        self.push(variable, what, values);
        true
    }
}

/// The variable that an expression is.
fn variable(expression: &Expr) -> Option<Var> {
    match expression.expr_kind() {
        ExprKind::Var(variable) => Some(*variable),
        _ => None,
    }
}

/// The entity that an expression spells.
fn literal(expression: &Expr) -> Option<&EntityUID> {
    match expression.expr_kind() {
        ExprKind::Lit(Literal::EntityUID(uid)) => Some(uid),
        _ => None,
    }
}

fn text_literal(expression: &Expr) -> Option<&str> {
    match expression.expr_kind() {
        ExprKind::Lit(Literal::String(text)) => Some(text),
        _ => None,
    }
}

pub(super) fn attribute(expression: &Expr) -> Option<(Var, &str)> {
    match expression.expr_kind() {
        ExprKind::GetAttr { expr, attr } => Some((variable(expr)?, attr)),
        _ => None,
    }
}

fn equal_entity(expression: &Expr) -> Option<(Var, &EntityUID)> {
    let ExprKind::BinaryApp {
        op: BinaryOp::Eq,
        arg1,
        arg2,
    } = expression.expr_kind()
    else {
        return None;
    };
    let pair = |entity: &Expr, uid| Some((variable(entity)?, literal(uid)?));
    pair(arg1, arg2)
        .or_else(|| pair(arg2, arg1))
        .filter(|(variable, _)| *variable != Var::Context)
}

/// The attribute that an expression compares with texts, which are added to `values`: `a == "x"`, `"x" == a`,
/// `["x", "y"].contains(a)`, `a == "x" || a == "y"`.
pub(super) fn texts<'a>(expression: &'a Expr, values: &mut Vec<&'a str>) -> Option<(Var, &'a str)> {
    match expression.expr_kind() {
        ExprKind::BinaryApp {
            op: BinaryOp::Eq,
            arg1,
            arg2,
        } => {
            let (found, value) = match (attribute(arg1), attribute(arg2)) {
                (Some(found), None) => (found, text_literal(arg2)?),
                (None, Some(found)) => (found, text_literal(arg1)?),
                _ => return None,
            };
            values.push(value);
            Some(found)
        }
        ExprKind::BinaryApp {
            op: BinaryOp::Contains,
            arg1,
            arg2,
        } => {
            let ExprKind::Set(listed) = arg1.expr_kind() else {
                return None;
            };
            let listed: Option<Vec<&str>> = listed.iter().map(text_literal).collect();
            values.extend(listed?);
            attribute(arg2)
        }
        ExprKind::Or { left, right } => {
            let (left, right) = (texts(left, values)?, texts(right, values)?);
            (left == right).then_some(left)
        }
        _ => None,
    }
}
