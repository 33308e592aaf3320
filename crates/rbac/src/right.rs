use bailiwick_core::Str;
use bailiwick_core::names::RBAC_GROUP;
use bailiwick_model::PolicyRule;

/// Verbs on a resource, or `resource/subresource`, of a group. A rule gives the right if it gives any of the verbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// API group; empty for core. `*` asks for a rule that has the star there.
    pub group: &'static str,
    /// Resource, or `resource/subresource`; `resource/` is any subresource of it.
    pub resource: &'static str,
    /// Verbs, any of which will do.
    pub verbs: &'static [&'static str],
    /// Which bindings count.
    pub scope: Scope,
}

/// Which bindings give a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// ClusterRoleBindings alone: the request has no namespace.
    Cluster,
    /// RoleBindings too, in their namespace.
    Namespace,
}

/// The objects that a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names<'a> {
    /// All of them.
    All,
    /// Those of these names.
    Only(&'a [Str]),
}

impl Names<'_> {
    /// Whether the object of this name is among them.
    pub fn hold(self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|own| **own == *name),
        }
    }
}

impl Right {
    /// Every verb on every resource of every group.
    pub const EVERYTHING: Self = Self::new("*", "*", &["*"]);

    /// The right to any of `verbs` on `resource` of `group`, which is in namespaces.
    pub const fn new(
        group: &'static str,
        resource: &'static str,
        verbs: &'static [&'static str],
    ) -> Self {
        Self {
            group,
            resource,
            verbs,
            scope: Scope::Namespace,
        }
    }

    /// The same on a resource that is in no namespace.
    pub const fn cluster(
        group: &'static str,
        resource: &'static str,
        verbs: &'static [&'static str],
    ) -> Self {
        Self {
            scope: Scope::Cluster,
            ..Self::new(group, resource, verbs)
        }
    }

    /// The objects on which a rule gives this right; `None` where it does not give it at all.
    ///
    /// Compares as upstream's `pkg/apis/rbac/v1/evaluation_helpers.go` does. A rule with names gives nothing to requests
    /// that name no object, unless the empty name is among its names. Objects are created without a name in the
    /// request, or with one by server-side apply (which takes `patch`, too) and for some resources by PUT.
    pub fn names<'r>(&self, rule: &'r PolicyRule) -> Option<Names<'r>> {
        let names = self
            .verbs
            .iter()
            .filter_map(|verb| self.names_by(rule, verb, verb));
        // A verb that gives all gives more than one that gives some.
        names.reduce(|first, second| if first == Names::All { first } else { second })
    }

    /// The same for one verb, where a rule has to give another word for it.
    pub fn names_by<'r>(&self, rule: &'r PolicyRule, verb: &str, word: &str) -> Option<Names<'r>> {
        if !has(&rule.verbs, word) || !self.is_about(rule) {
            return None;
        }
        let for_nameless = rule.resource_names.iter().any(|name| name.is_empty());
        if rule.resource_names.is_empty() || (for_nameless && self.is_nameless(verb)) {
            return Some(Names::All);
        }
        self.is_named(verb, rule)
            .then_some(Names::Only(&rule.resource_names))
    }

    /// Whether a rule gives this right on anything, whatever names it is limited to.
    pub fn is_in(&self, rule: &PolicyRule) -> bool {
        self.verbs.iter().any(|verb| has(&rule.verbs, verb)) && self.is_about(rule)
    }

    /// Position in `resources` of the word by which a rule gives this right, other than the lone `*`.
    pub fn named_in(&self, rule: &PolicyRule) -> Option<usize> {
        let is_named = |own: &Str| &**own != "*" && self.is_resource(own);
        let position = rule.resources.iter().position(is_named);
        position.filter(|_| self.is_in(rule))
    }

    fn is_about(&self, rule: &PolicyRule) -> bool {
        let mut resources = rule.resources.iter();
        has(&rule.api_groups, self.group) && resources.any(|own| self.is_resource(own))
    }

    /// The verbs of this right that a rule gives.
    pub fn verbs_of<'s>(&'s self, rule: &'s PolicyRule) -> impl Iterator<Item = &'static str> + 's {
        self.verbs
            .iter()
            .copied()
            .filter(|verb| has(&rule.verbs, verb))
    }

    /// Whether requests with this verb may come without a name.
    fn is_nameless(&self, verb: &str) -> bool {
        match verb {
            "list" | "watch" | "deletecollection" => true,
            "create" => !self.resource.contains('/'),
            _ => false,
        }
    }

    /// Whether a rule that is limited to names lets anybody do this.
    fn is_named(&self, verb: &str, rule: &PolicyRule) -> bool {
        match verb {
            "*" | "deletecollection" => false,
            "create" if !self.resource.contains('/') => {
                let by_put = self.is_created_by_put() && has(&rule.verbs, "update");
                by_put || has(&rule.verbs, "patch")
            }
            _ => true,
        }
    }

    /// Whether PUT creates what is not there (upstream `AllowCreateOnUpdate` of each resource's strategy).
    fn is_created_by_put(&self) -> bool {
        let of_group: &[&str] = match self.group {
            RBAC_GROUP => return true,
            "" => &["endpoints", "events", "limitranges", "services"],
            "coordination.k8s.io" => &["leasecandidates", "leases"],
            "node.k8s.io" => &["runtimeclasses"],
            _ => &[],
        };
        of_group.contains(&self.resource)
    }

    fn is_resource(&self, resource: &str) -> bool {
        if resource == "*" || resource == self.resource {
            return true;
        }
        // The star stands for itself behind a slash.
        if self.resource.ends_with('/') {
            let own = resource.strip_prefix(self.resource);
            return own
                .or_else(|| resource.strip_prefix("*/"))
                .is_some_and(|own| !matches!(own, "" | "*"));
        }
        let subresource = self
            .resource
            .split_once('/')
            .map(|(_, subresource)| subresource);
        subresource.is_some() && resource.strip_prefix("*/") == subresource
    }
}

fn has(words: &[Str], wanted: &str) -> bool {
    words.iter().any(|word| &**word == "*" || **word == *wanted)
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
    fn what_a_rule_with_names_creates_is_named_by_the_request() {
        let check =
            |group: &'static str, resource: &'static str, verbs: &[&str], expected: bool| {
                let right = Right::new(group, resource, &["create"]);
                let rule = rule(verbs, group, resource, &["web"]);
                assert_eq!(
                    right.names(&rule).is_some(),
                    expected,
                    "{verbs:?} {resource}"
                );
            };
        check("", "pods", &["create"], false);
        check("", "pods", &["create", "patch"], true);
        check("", "pods", &["create", "update"], false);
        check("", "services", &["create", "update"], true);
        check("", "secrets", &["create", "update"], false);
        check("node.k8s.io", "runtimeclasses", &["create", "update"], true);
        check("coordination.k8s.io", "leases", &["create", "update"], true);
        check(RBAC_GROUP, "rolebindings", &["create", "update"], true);
    }

    #[test]
    fn a_right_is_in_a_rule_whatever_its_names() {
        const READ: Right = Right::new("", "secrets", &["get", "list"]);
        const EXEC: Right = Right::new("", "pods/exec", &["create"]);
        let check = |right: Right, own: PolicyRule, is_in: bool, named_in: Option<usize>| {
            assert_eq!(right.is_in(&own), is_in, "{own:?}");
            assert_eq!(right.named_in(&own), named_in, "{own:?}");
        };
        check(READ, rule(&["get"], "", "secrets", &["tls"]), true, Some(0));
        check(READ, rule(&["*"], "*", "secrets", &[]), true, Some(0));
        check(READ, rule(&["get"], "", "*", &[]), true, None);
        check(READ, rule(&["create"], "", "secrets", &[]), false, None);
        check(READ, rule(&["get"], "core", "secrets", &[]), false, None);
        check(READ, rule(&["Get"], "", "secrets", &[]), false, None);
        check(READ, rule(&["get"], "", "secrets/*", &[]), false, None);
        check(EXEC, rule(&["create"], "", "*/exec", &[]), true, Some(0));
        check(EXEC, rule(&["create"], "", "pods/*", &[]), false, None);
        check(EXEC, rule(&["create"], "", "pods", &[]), false, None);
        check(EXEC, rule(&["create"], "", "*", &[]), true, None);
    }

    #[test]
    fn any_subresource_is_one_with_a_name() {
        const EXTRA: Right = Right::new("", "userextras/", &["get"]);
        let check = |resource: &str, expected: bool| {
            let own = rule(&["get"], "", resource, &[]);
            assert_eq!(EXTRA.is_in(&own), expected, "{resource}");
        };
        check("userextras/scopes", true);
        check("*/scopes", true);
        check("*", true);
        check("userextras/*", false);
        check("*/*", false);
        check("userextras", false);
        check("uids", false);
    }

    #[test]
    fn a_star_is_given_by_a_star_alone() {
        const ALL: Right = Right::EVERYTHING;
        assert!(ALL.names(&rule(&["*"], "*", "*", &[])).is_some());
        assert!(ALL.names(&rule(&["get"], "*", "*", &[])).is_none());
        assert!(ALL.names(&rule(&["*"], "", "*", &[])).is_none());
        assert!(ALL.names(&rule(&["*"], "*", "pods", &[])).is_none());
    }

    #[test]
    fn names_count_for_requests_that_have_them() {
        let check = |right: Right, verbs: &[&str], names: &[&str], expected: Option<&[&str]>| {
            let rule = rule(verbs, right.group, right.resource, names);
            let found = right.names(&rule).map(|names| match names {
                Names::All => Vec::new(),
                Names::Only(names) => names.iter().map(|name| &**name).collect(),
            });
            assert_eq!(found.as_deref(), expected, "{verbs:?} {right:?} {names:?}");
        };
        let pods = Right::new("", "pods", &["create"]);
        check(pods, &["create"], &[], Some(&[]));
        check(pods, &["create"], &["web"], None);
        check(pods, &["create", "patch"], &["web"], Some(&["web"]));
        check(pods, &["create", "update"], &["web"], None);
        check(pods, &["create"], &["web", ""], Some(&[]));
        let bindings = Right::new(RBAC_GROUP, "rolebindings", &["create"]);
        check(bindings, &["create", "update"], &["web"], Some(&["web"]));
        let secrets = Right::new("", "secrets", &["list"]);
        check(secrets, &["list"], &["tls"], Some(&["tls"]));
        check(secrets, &["list"], &[""], Some(&[]));
        let collection = Right::new("", "secrets", &["deletecollection"]);
        check(collection, &["deletecollection"], &["tls"], None);
        let token = Right::new("", "serviceaccounts/token", &["create"]);
        check(token, &["create"], &["web"], Some(&["web"]));
        check(token, &["create"], &[""], Some(&[""]));
        check(Right::EVERYTHING, &["*"], &["web"], None);
    }
}
