use bailiwick_diag::Finding;
use bailiwick_model::PolicyRule;

use crate::check::check;
use crate::grants::{Cause, Live};
use crate::rights::{dangers, is_everything};
use crate::scan::Scan;
use crate::words::{few, ticked};

check! {
    /// The resource `*` is every resource and subresource of the groups of the rule, also of those that are installed
    /// later. With the core group it holds Secrets, `pods/exec` and `serviceaccounts/token`; the finding names what the
    /// verbs of the rule make of it.
    ///
    /// Rules that allow everything are reported as `full-control` instead.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// rules:
    /// - apiGroups: ["*"]
    ///   resources: ["*"]
    ///   verbs: [get, list, watch]   # reads every Secret
    /// ```
    ///
    /// ## Fix
    ///
    /// - List the resources. For people who look around, the ClusterRole `view` leaves Secrets out.
    ///
    /// See "RBAC Good Practices", section "Least privilege", in the Kubernetes documentation.
    "wildcard-resources", "Every resource at once", High, weighed
}

fn run(scan: &Scan<'_>) -> Vec<Finding> {
    let find = |rule: &PolicyRule| {
        let position = rule.resources.iter().position(|word| &**word == "*")?;
        let reported = !is_everything(rule) && rule.resource_names.is_empty();
        reported.then(|| format!("resources/{position}"))
    };
    let causes = scan.causes(Live::Anywhere, find);
    causes.iter().map(finding).collect()
}

fn finding(cause: &Cause<'_>) -> Finding {
    let rule = cause.rule;
    let does = format!(
        "use {} on every resource of {}",
        ticked(&*rule.verbs),
        group_words(rule)
    );
    let dangers = dangers(rule);
    let severity = match dangers.is_empty() {
        true => bailiwick_diag::Severity::Medium,
        false => CHECK.severity,
    };
    let mut finding = cause
        .finding(&CHECK, cause.by_reach(severity), &does)
        .help("list the resources that are used");
    if !dangers.is_empty() {
        let fact = format!("with that one can {}", dangers.join("; "));
        finding.evidence.insert(0, fact);
    }
    finding
}

fn group_words(rule: &PolicyRule) -> String {
    if rule.api_groups.iter().any(|group| &**group == "*") {
        return "every group".to_owned();
    }
    let name = |group: &bailiwick_core::Str| match &**group {
        "" => "the core group".to_owned(),
        group => format!("`{group}`"),
    };
    few(&rule.api_groups.iter().map(name).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::CHECK;
    use crate::testing::{bound, bound_in, check};

    #[test]
    fn with_the_core_group() {
        check(
            CHECK,
            &bound("{apiGroups: ['*'], resources: ['*'], verbs: [get, list]}"),
            &[
                "high /rules/0/resources/0: ClusterRole `r` lets `group:dev` use `get` and `list` on every resource of \
               every group in the whole cluster",
            ],
        );
    }

    #[test]
    fn of_a_group_of_its_own() {
        let rule = "{apiGroups: [acme.example], resources: [widgets, '*'], verbs: ['*']}";
        check(
            CHECK,
            &bound_in("shop", rule),
            &[
                "low /rules/0/resources/1: ClusterRole `r` lets `group:dev` use `*` on every resource of `acme.example` \
               in namespace `shop`",
            ],
        );
    }

    #[test]
    fn listed_or_reported_elsewhere() {
        check(
            CHECK,
            &bound("{apiGroups: [''], resources: [pods, '*/scale'], verbs: ['*']}"),
            &[],
        );
        check(
            CHECK,
            &bound("{apiGroups: ['*'], resources: ['*'], verbs: ['*']}"),
            &[],
        );
    }
}
