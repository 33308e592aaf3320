use bailiwick_core::Str;

use super::{ApiResource, ApiTable};
use crate::spelling;

/// What a name that people write stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved<'a> {
    /// The resource.
    pub resource: &'a ApiResource,
    /// The version, where the name said one.
    pub version: Option<Str>,
    /// Further resources that the name could have meant, such as `events` of `events.k8s.io`.
    pub others: Vec<&'a ApiResource>,
}

/// No resource has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server has no resource `{name}`{}", did_you_mean(.suggestions))]
pub struct UnknownResource {
    /// What was asked for.
    pub name: String,
    /// Names that are close to it, the closest first.
    pub suggestions: Vec<String>,
}

fn did_you_mean(suggestions: &[String]) -> String {
    let quoted: Vec<String> = suggestions.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        names => format!("; did you mean {}?", names.join(" or ")),
    }
}

impl ApiTable {
    /// What a name stands for, read as kubectl reads it: plural, singular, short name or kind, upper and lower case
    /// alike, with `.GROUP` (its beginning is enough where no group has exactly that name) or `.VERSION.GROUP` after
    /// it. Where several resources have the name, the first in the order of discovery is meant
    /// (upstream `client-go/restmapper/shortcut.go`, `apimachinery/pkg/api/meta/restmapper.go`).
    pub fn resolve(&self, name: &str) -> Result<Resolved<'_>, UnknownResource> {
        let lower = name.to_ascii_lowercase();
        self.with_version(&lower)
            .or_else(|| {
                let (short, group) = lower.split_once('.').unwrap_or((&lower, ""));
                self.named(short, group, "")
            })
            .ok_or_else(|| self.unknown(name))
    }

    /// `RESOURCE.VERSION.GROUP`, which kubectl tries before `RESOURCE.GROUP`.
    fn with_version(&self, name: &str) -> Option<Resolved<'_>> {
        let (short, rest) = name.split_once('.')?;
        let (version, group) = rest.split_once('.')?;
        self.named(short, group, version)
    }

    fn named(&self, name: &str, group: &str, version: &str) -> Option<Resolved<'_>> {
        let served = |resource: &ApiResource| {
            version.is_empty() || resource.versions.iter().any(|v| *v.version == *version)
        };
        let of_group = |resource: &ApiResource| group.is_empty() || *resource.group == *group;
        let below = |resource: &ApiResource| resource.group.starts_with(group);
        let long =
            |resource: &ApiResource| *resource.resource == *name || *resource.singular == *name;
        let short = |resource: &ApiResource| resource.short_names.iter().any(|s| **s == *name);
        let kind = |resource: &ApiResource| resource.kind.eq_ignore_ascii_case(name);
        let find = |version: &str, which: &dyn Fn(&ApiResource) -> bool| -> Option<Resolved<'_>> {
            let mut found = self.resources().iter().filter(|r| which(r));
            Some(Resolved {
                resource: found.next()?,
                version: (!version.is_empty()).then(|| version.into()),
                others: found.collect(),
            })
        };
        // kubectl replaces a short name before it looks at the version, which gets lost on the way.
        find(version, &|r| of_group(r) && served(r) && long(r))
            .or_else(|| find("", &|r| of_group(r) && short(r)))
            .or_else(|| find("", &|r| version.is_empty() && below(r) && long(r)))
            .or_else(|| find("", &|r| below(r) && short(r)))
            .or_else(|| find(version, &|r| of_group(r) && served(r) && kind(r)))
    }

    fn unknown(&self, name: &str) -> UnknownResource {
        let (short, group) = name.split_once('.').unwrap_or((name, ""));
        // The name may be right, and only the group or the version wrong.
        let mut suggestions: Vec<String> = Vec::new();
        if let Some(Resolved {
            resource, others, ..
        }) = self.named(&short.to_ascii_lowercase(), "", "")
        {
            suggestions.push(resource.qualified());
            suggestions.extend(others.iter().map(|other| other.qualified()));
        }
        let names = |resource: &ApiResource| -> Vec<Str> {
            let mut names = vec![resource.resource.clone(), resource.singular.clone()];
            names.extend(resource.short_names.iter().filter(|s| s.len() > 2).cloned());
            names
        };
        let own: Vec<(Str, &ApiResource)> = self
            .resources()
            .iter()
            .flat_map(|resource| {
                names(resource)
                    .into_iter()
                    .map(move |name| (name, resource))
            })
            .collect();
        for near in spelling::closest(short, own.iter().map(|(name, _)| &**name), 8) {
            let meant = own.iter().filter(|(name, _)| **name == *near);
            suggestions.extend(meant.map(|(_, resource)| resource.qualified()));
        }
        suggestions.sort_by_key(|suggestion| group.is_empty() || !suggestion.ends_with(group));
        let mut seen = std::collections::HashSet::new();
        suggestions.retain(|suggestion| seen.insert(suggestion.clone()));
        suggestions.truncate(3);
        UnknownResource {
            name: name.to_owned(),
            suggestions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::CustomResource;

    fn check(table: &ApiTable, name: &str, expected: &str) {
        let found = match table.resolve(name) {
            Ok(found) => {
                let version = found.version.map(|v| format!(" {v}")).unwrap_or_default();
                let others: String = found
                    .others
                    .iter()
                    .map(|other| format!(", not {}", other.qualified()))
                    .collect();
                format!("{}{version}{others}", found.resource.qualified())
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn names_mean_what_they_mean_to_kubectl() {
        let table = ApiTable::embedded(ApiTable::NEWEST).unwrap();
        for (name, expected) in [
            ("pods", "pods"),
            ("pod", "pods"),
            ("po", "pods"),
            ("Pod", "pods"),
            ("PODS", "pods"),
            ("deploy", "deployments.apps"),
            ("Deployment", "deployments.apps"),
            ("deployments.apps", "deployments.apps"),
            ("deployments.v1.apps", "deployments.apps v1"),
            ("Deployment.v1.apps", "deployments.apps v1"),
            ("deployments.ap", "deployments.apps"),
            ("deploy.ap", "deployments.apps"),
            ("storageclass.storage", "storageclasses.storage.k8s.io"),
            ("no", "nodes"),
            ("ing", "ingresses.networking.k8s.io"),
            ("netpol", "networkpolicies.networking.k8s.io"),
            ("events", "events, not events.events.k8s.io"),
            ("ev", "events, not events.events.k8s.io"),
            ("events.events.k8s.io", "events.events.k8s.io"),
            ("events.v1.events.k8s.io", "events.events.k8s.io v1"),
            ("ev.events", "events.events.k8s.io"),
            ("crd", "customresourcedefinitions.apiextensions.k8s.io"),
            ("hpa", "horizontalpodautoscalers.autoscaling"),
            (
                "horizontalpodautoscalers.v1.autoscaling",
                "horizontalpodautoscalers.autoscaling v1",
            ),
            ("sa", "serviceaccounts"),
            ("clusterrole", "clusterroles.rbac.authorization.k8s.io"),
        ] {
            check(&table, name, expected);
        }
    }

    #[test]
    fn misses_say_what_was_probably_meant() {
        let table = ApiTable::embedded(ApiTable::NEWEST).unwrap();
        for (name, expected) in [
            (
                "podz",
                "the server has no resource `podz`; did you mean `pods`?",
            ),
            (
                "deployment.app.k8s.io",
                "the server has no resource `deployment.app.k8s.io`; did you mean `deployments.apps`?",
            ),
            ("widgets", "the server has no resource `widgets`"),
            ("", "the server has no resource ``"),
            (".", "the server has no resource `.`"),
            (
                "pods.v9.",
                "the server has no resource `pods.v9.`; did you mean `pods`?",
            ),
        ] {
            check(&table, name, expected);
        }
    }

    #[test]
    fn custom_resources_come_after_those_of_kubernetes() {
        let mut table = ApiTable::embedded(ApiTable::NEWEST).unwrap();
        table.add_custom(&CustomResource {
            group: "acme.example".into(),
            plural: "pods".into(),
            kind: "Pod".into(),
            short_names: ["ap".into()].into(),
            versions: ["v1".into(), "v2".into()].into(),
            namespaced: true,
            subresources: ["status".into()].into(),
            ..CustomResource::default()
        });
        check(&table, "pods", "pods, not pods.acme.example");
        check(&table, "pod.acme", "pods.acme.example");
        check(&table, "ap", "pods.acme.example");
        check(&table, "pod.v2.acme.example", "pods.acme.example v2");
        check(
            &table,
            "pod.v3.acme.example",
            "the server has no resource `pod.v3.acme.example`; did you mean `pods` or `pods.acme.example`?",
        );
    }
}
