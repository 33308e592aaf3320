use bailiwick_core::{Decision, Effect, Reason};
use serde::{Deserialize, Serialize};

/// What the webhook makes of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// No opinion on anything, but the reason, which the user reads where everybody else refuses too. Last in the
    /// chain of authorizers.
    Explain,
    /// No opinion and no reason; differences from RBAC are logged. First in the chain.
    Shadow,
    /// Denies what is denied, no opinion on the rest. First in the chain.
    Guard,
    /// Allows, denies, or has no opinion.
    Authority,
}

impl Mode {
    /// As the configuration spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Explain => "explain",
            Self::Shadow => "shadow",
            Self::Guard => "guard",
            Self::Authority => "authority",
        }
    }

    /// Whether an answer can change what happens.
    pub(crate) fn decides(self) -> bool {
        matches!(self, Self::Guard | Self::Authority)
    }

    /// What is answered. A question that could not be decided is denied where we decide: it may have been one that a
    /// policy forbids.
    pub(crate) fn answered(self, decision: &Decision) -> Effect {
        let refused = matches!(decision.reason, Reason::Refused { .. });
        match (self, decision.effect) {
            (Self::Explain | Self::Shadow, _) => Effect::NoOpinion,
            (Self::Guard | Self::Authority, _) if refused => Effect::Deny,
            (Self::Guard | Self::Authority, Effect::Deny) => Effect::Deny,
            (Self::Authority, Effect::Allow) => Effect::Allow,
            _ => Effect::NoOpinion,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_effect_in_every_mode() {
        use Effect::{Allow, Conditional, Deny, NoOpinion};
        let check = |mode: Mode, expected: [Effect; 5]| {
            let refused = Reason::Refused {
                message: String::new(),
            };
            let cases = [
                (Allow, Reason::Masters),
                (Deny, Reason::NoGrant),
                (NoOpinion, Reason::NoGrant),
                (Conditional, Reason::NoGrant),
                (NoOpinion, refused),
            ];
            let answered = cases.map(|(effect, reason)| {
                mode.answered(&Decision {
                    effect,
                    reason,
                    problems: vec![],
                })
            });
            assert_eq!(answered, expected, "{mode:?}");
        };
        check(Mode::Explain, [NoOpinion; 5]);
        check(Mode::Shadow, [NoOpinion; 5]);
        check(Mode::Guard, [NoOpinion, Deny, NoOpinion, NoOpinion, Deny]);
        check(Mode::Authority, [Allow, Deny, NoOpinion, NoOpinion, Deny]);
    }
}
