//! Every combination of what can speak for or against a request.

use std::sync::Arc;

use bailiwick_core::{Decision, Effect, Reason, Timestamp};
use bailiwick_model::Value;

use super::world::{World, request_of, user_of};
use crate::{Objects, Policies, Question, State};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    None,
    Holds,
    Fails,
    /// Holds where the object has the field `flag`.
    Waits,
}

const POLICIES: [Policy; 4] = [Policy::None, Policy::Holds, Policy::Fails, Policy::Waits];

const FAILS: &str = "when { 9223372036854775807 + 1 > 0 }";
const WAITS: &str = "when { context.request.hasTag(\"flag\") }";

#[derive(Clone, Copy, Debug)]
struct Case {
    floor: bool,
    revoked: bool,
    forbid: Policy,
    rbac: bool,
    related: bool,
    permit: Policy,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for flags in 0..16 {
        for forbid in POLICIES {
            for permit in POLICIES {
                cases.push(Case {
                    floor: flags & 1 > 0,
                    revoked: flags & 2 > 0,
                    rbac: flags & 4 > 0,
                    related: flags & 8 > 0,
                    forbid,
                    permit,
                });
            }
        }
    }
    cases
}

impl Case {
    /// `base`: policies without a policy, with everything that takes time to make.
    fn state(self, base: &Policies) -> State {
        let mut world = World::new();
        if self.floor {
            world = world.floor("anna", "create", "pods");
        }
        if self.revoked {
            world = world.revoked("anna");
        }
        if self.rbac {
            world = world.rbac("anna", "create", "pods");
        }
        if self.related {
            world = world.related("", "namespaces:shop#creator@user:anna");
        }
        let mut state = world.state;
        state.policies = Arc::new(base.clone());
        let policies = Arc::make_mut(&mut state.policies);
        for (effect, policy) in [("forbid", self.forbid), ("permit", self.permit)] {
            let when = match policy {
                Policy::None => continue,
                Policy::Holds => "",
                Policy::Fails => FAILS,
                Policy::Waits => WAITS,
            };
            // Not checked, for a check would refuse the one that forbids and fails.
            policies.put_unchecked(
                effect,
                &format!("{effect}(principal, action, resource) {when};"),
            );
        }
        state
    }

    /// The order of the module's documentation, written down once more.
    fn expected(self, flag: bool) -> Effect {
        let holds = |policy| policy == Policy::Holds || (policy == Policy::Waits && flag);
        if self.floor {
            Effect::Allow
        } else if self.revoked || holds(self.forbid) || self.forbid == Policy::Fails {
            Effect::Deny
        } else if self.rbac || self.related || holds(self.permit) {
            Effect::Allow
        } else {
            Effect::NoOpinion
        }
    }
}

#[test]
fn every_combination_is_decided_in_the_fixed_order() {
    let (user, request) = (user_of("anna"), request_of("create pods shop/"));
    let question = Question::Kubernetes {
        user: &user,
        request: &request,
    };
    let bailiwick_core::Request::Resource(resource) = &request else {
        panic!("a request on a resource")
    };
    let mut base = Policies::default();
    base.put_unchecked(
        "none",
        "permit(principal, action, resource) when { false };",
    );
    let cases = cases();
    assert_eq!(cases.len(), 256);
    for case in cases {
        let state = case.state(&base);
        let before = state.decide(question, Timestamp::default()).to_decision();
        let both = [false, true].map(|flag| case.expected(flag));
        match before.effect {
            Effect::Conditional => {
                assert!(
                    both[0] != both[1] || case.forbid == Policy::Waits,
                    "{case:?}: not worth a condition"
                );
                let worst = if both.contains(&Effect::Deny) {
                    Effect::Deny
                } else {
                    Effect::NoOpinion
                };
                assert_eq!(before.clone().unconditional().effect, worst, "{case:?}");
            }
            effect => assert_eq!(both, [effect, effect], "{case:?}"),
        }
        for (flag, expected) in [false, true].into_iter().zip(both) {
            let object = format!("{{{}}}", if flag { "\"flag\":1" } else { "" });
            let object: Value = serde_json::from_str(&object).unwrap();
            let objects = Objects::new(Some(&object), None).unwrap();
            let whole = state.decide_with_objects(question, &objects, Timestamp::default());
            assert_eq!(whole.effect(), expected, "{case:?} as a whole, flag {flag}");
            let settled = State::settle(&before, resource, &objects);
            assert_eq!(settled.effect, expected, "{case:?} settled, flag {flag}");
            check_evidence(case, &settled);
        }
    }
}

fn check_evidence(case: Case, decision: &Decision) {
    let good = match (&decision.reason, decision.effect) {
        (Reason::Floor(_), Effect::Allow) => case.floor,
        (Reason::Revoked(_), Effect::Deny) => case.revoked,
        (Reason::Rbac(_), Effect::Allow) => case.rbac,
        (Reason::Relation { .. }, Effect::Allow) => case.related && !case.rbac,
        (Reason::Policies { policies }, Effect::Deny) => {
            policies.iter().all(|policy| &*policy.id == "forbid")
        }
        (Reason::Policies { policies }, Effect::Allow) => {
            policies.iter().all(|policy| &*policy.id == "permit")
        }
        (Reason::NoGrant, Effect::NoOpinion) => true,
        _ => false,
    };
    assert!(good, "{case:?}: {decision:?}");
}
