use std::collections::BTreeMap;

use bailiwick_core::ObjectRef;
use bailiwick_diag::Place;
use bailiwick_model::{BindingSubject, PolicyRule, Snapshot};

/// A field of an object in words that stay the same when elements of the lists around it come, go or change places: rules,
/// subjects and containers by what they say in place of where they stand.
pub fn anchor(snapshot: &Snapshot, place: &Place) -> String {
    let words = place.object.as_ref().and_then(|object| {
        rule(snapshot, object, &place.pointer)
            .or_else(|| subject(snapshot, object, &place.pointer))
            .or_else(|| container(snapshot, object, &place.pointer))
    });
    words.unwrap_or_else(|| place.pointer.clone())
}

/// The position behind a list, and what follows it.
fn element<'p>(pointer: &'p str, list: &str) -> Option<(usize, &'p str)> {
    let rest = pointer.strip_prefix(list)?.strip_prefix('/')?;
    let (position, rest) = rest.split_once('/').unwrap_or((rest, ""));
    Some((position.parse().ok()?, rest))
}

fn rule(snapshot: &Snapshot, object: &ObjectRef, pointer: &str) -> Option<String> {
    let (position, field) = element(pointer, "/rules")?;
    let role = snapshot.roles.get(&object.namespace, &object.name)?;
    let rule: &PolicyRule = role.rules.get(position)?;
    let value = serde_json::to_value(rule).ok()?;
    // A word of a rule stays the same however the rule around it changes; a rule as a whole is what it says.
    match value
        .pointer(&format!("/{field}"))
        .filter(|_| !field.is_empty())
    {
        Some(word) => {
            let list = field.split('/').next().unwrap_or_default();
            Some(format!("/rules/{list}/{word}"))
        }
        None => {
            // In the order of the names: that of a JSON object depends on how the program is built.
            let fields: BTreeMap<_, _> = value.as_object()?.iter().collect();
            let rule = serde_json::to_string(&fields).ok()?;
            Some(format!("/rules/{rule}/{field}"))
        }
    }
}

fn subject(snapshot: &Snapshot, object: &ObjectRef, pointer: &str) -> Option<String> {
    let (position, field) = element(pointer, "/subjects")?;
    let binding = snapshot.bindings.get(&object.namespace, &object.name)?;
    let BindingSubject {
        kind,
        namespace,
        name,
        ..
    } = binding.subjects.get(position)?;
    Some(format!("/subjects/{kind}/{namespace}/{name}/{field}"))
}

fn container(snapshot: &Snapshot, object: &ObjectRef, pointer: &str) -> Option<String> {
    let store = snapshot.workloads.get(&object.kind)?;
    let workload = store.get(&object.namespace, &object.name)?;
    let field = pointer.strip_prefix(workload.pod_pointer())?;
    let (container, rest) = workload.pod.containers.iter().find_map(|container| {
        let rest = field.strip_prefix(&container.pointer())?;
        (rest.is_empty() || rest.starts_with('/')).then_some((container, rest))
    })?;
    let mounts = element(rest, "/volumeMounts").and_then(|(position, _)| {
        let mut mounts = container.host_paths.iter();
        let mount = mounts.find(|mount| mount.position as usize == position)?;
        Some(format!("/volumeMounts/{}", mount.path))
    });
    let rest = mounts.unwrap_or_else(|| rest.to_owned());
    Some(format!("/containers/{}{rest}", container.name))
}

#[cfg(test)]
mod tests {
    use bailiwick_core::Kind;

    use super::*;
    use crate::testing::{binding, deployment, role, snapshot};

    #[track_caller]
    fn check(manifests: &str, object: &ObjectRef, pointer: &str, expected: &str) {
        let place = Place::field(object.clone(), pointer);
        assert_eq!(anchor(&snapshot(manifests), &place), expected);
    }

    #[test]
    fn what_stands_there_counts_not_where() {
        let (pods, secrets) = (
            "{apiGroups: [''], resources: [pods], verbs: [get]}",
            "{apiGroups: [''], resources: [configmaps, secrets], verbs: [list]}",
        );
        let r = ObjectRef::new(Kind::Role, "shop", "r");
        let word = "/rules/resources/\"secrets\"";
        check(
            &role("shop", "r", secrets),
            &r,
            "/rules/0/resources/1",
            word,
        );
        check(
            &role("shop", "r", &format!("{pods}\n{secrets}")),
            &r,
            "/rules/1/resources/1",
            word,
        );
        check(
            &role("shop", "r", secrets),
            &r,
            "/rules/0",
            r#"/rules/{"apiGroups":[""],"resources":["configmaps","secrets"],"verbs":["list"]}/"#,
        );
        check(
            &role("shop", "r", pods),
            &r,
            "/rules/7/verbs/0",
            "/rules/7/verbs/0",
        );
        let b = ObjectRef::new(Kind::RoleBinding, "shop", "b");
        let subjects = binding("shop", "b", "Role r", "User eve, ServiceAccount shop/web");
        check(
            &subjects,
            &b,
            "/subjects/1/name",
            "/subjects/ServiceAccount/shop/web/name",
        );
        check(&subjects, &b, "/roleRef/name", "/roleRef/name");
        let d = ObjectRef::new(Kind::Deployment, "shop", "d");
        let pods = deployment(
            "shop",
            "d",
            "{containers: [{name: a}, {name: b, securityContext: {privileged: true}}]}",
        );
        check(
            &pods,
            &d,
            "/spec/template/spec/containers/1/securityContext/privileged",
            "/containers/b/securityContext/privileged",
        );
    }
}
