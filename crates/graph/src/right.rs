use bailiwick_core::Str;
use bailiwick_model::PolicyRule;

/// Verbs on a resource, or `resource/subresource`, of a group. A rule gives the right if it gives any of the verbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// API group; empty for core. `*` asks for a rule that has the star there.
    pub group: &'static str,
    /// Resource, or `resource/subresource`.
    pub resource: &'static str,
    /// Verbs, any of which will do.
    pub verbs: &'static [&'static str],
}

/// The objects that a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names<'a> {
    /// All of them.
    All,
    /// Those of these names.
    Only(&'a [Str]),
}

impl Right {
    /// The right to any of `verbs` on `resource` of `group`.
    pub const fn new(
        group: &'static str,
        resource: &'static str,
        verbs: &'static [&'static str],
    ) -> Self {
        Self {
            group,
            resource,
            verbs,
        }
    }

    /// The objects on which a rule gives this right; `None` where it does not give it at all.
    ///
    /// Compares as upstream's `pkg/apis/rbac/v1/evaluation_helpers.go` does.
    pub fn names<'r>(&self, rule: &'r PolicyRule) -> Option<Names<'r>> {
        let has = |words: &[Str], wanted: &[&str]| {
            words
                .iter()
                .any(|word| &**word == "*" || wanted.contains(&&**word))
        };
        let gives = has(&rule.verbs, self.verbs)
            && has(&rule.api_groups, &[self.group])
            && rule
                .resources
                .iter()
                .any(|resource| self.is_resource(resource));
        gives.then_some(match &*rule.resource_names {
            [] => Names::All,
            names => Names::Only(names),
        })
    }

    fn is_resource(&self, resource: &str) -> bool {
        if resource == "*" || resource == self.resource {
            return true;
        }
        let subresource = self
            .resource
            .split_once('/')
            .map(|(_, subresource)| subresource);
        subresource.is_some() && resource.strip_prefix("*/") == subresource
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(verbs: &[&str], group: &str, resource: &str, names: &[&str]) -> PolicyRule {
        let texts = |words: &[&str]| words.iter().map(|&word| Str::from(word)).collect();
        PolicyRule {
            verbs: texts(verbs),
            api_groups: texts(&[group]),
            resources: texts(&[resource]),
            resource_names: texts(names),
            ..PolicyRule::default()
        }
    }

    #[test]
    fn compares_as_the_authorizer_does() {
        const EXEC: Right = Right::new("", "pods/exec", &["create"]);
        let check = |verb: &str, group: &str, resource: &str, expected: bool| {
            let rule = rule(&[verb], group, resource, &[]);
            assert_eq!(
                EXEC.names(&rule).is_some(),
                expected,
                "{verb} {resource}.{group}"
            );
        };
        check("create", "", "pods/exec", true);
        check("*", "*", "*", true);
        check("create", "", "*/exec", true);
        check("create", "", "pods", false);
        check("create", "", "pods/*", false);
        check("create", "", "*/*", false);
        check("Create", "", "pods/exec", false);
        check("create", "core", "pods/exec", false);
        check("get", "", "pods/exec", false);
        let named = rule(&["create"], "", "pods/exec", &["web"]);
        assert_eq!(EXEC.names(&named), Some(Names::Only(&["web".into()])));
    }

    #[test]
    fn a_star_is_given_by_a_star_alone() {
        const ALL: Right = Right::new("*", "*", &["*"]);
        assert!(ALL.names(&rule(&["*"], "*", "*", &[])).is_some());
        assert!(ALL.names(&rule(&["get"], "*", "*", &[])).is_none());
        assert!(ALL.names(&rule(&["*"], "", "*", &[])).is_none());
        assert!(ALL.names(&rule(&["*"], "*", "pods", &[])).is_none());
    }
}
