//! Commands for people to paste, quoted so that no name can act on their shell.

use bailiwick_core::{Kind, ObjectRef};
use serde_json::{Value, json};

/// The command that deletes the object.
pub fn delete(object: &ObjectRef) -> String {
    command("kubectl delete", object, "")
}

/// The command that takes an element out of a list of the object, after a test that it is still the one meant.
pub fn remove(object: &ObjectRef, pointer: &str, test: &str, value: &str) -> String {
    let operations = [
        json!({"op": "test", "path": test, "value": value}),
        json!({"op": "remove", "path": pointer}),
    ];
    patch(object, &operations)
}

/// The command that applies the operations of a JSON patch (RFC 6902), all of them or none.
pub fn patch(object: &ObjectRef, operations: &[Value]) -> String {
    let operations = Value::from(operations).to_string();
    let options = format!(" --type=json -p {}", shell(&operations));
    command("kubectl patch", object, &options)
}

/// The command that sets a label of the object, whatever its value was.
pub fn label(object: &ObjectRef, key: &str, value: &str) -> String {
    let label = shell(&format!("{key}={value}"));
    format!(
        "{} {label}",
        command("kubectl label --overwrite", object, "")
    )
}

/// The word as a POSIX shell reads it: quoted where it holds anything but letters, digits and `-._:/=`.
pub fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:/=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn command(verb: &str, object: &ObjectRef, options: &str) -> String {
    let namespace = match &*object.namespace {
        "" => String::new(),
        namespace => format!(" -n {}", shell(namespace)),
    };
    format!(
        "{verb} {}{namespace}{options}{}{}",
        target(object.kind),
        separator(&object.name),
        shell(&object.name)
    )
}

/// A name that starts with a dash has to stand behind `--`.
fn separator(name: &str) -> &'static str {
    if name.starts_with('-') { " -- " } else { " " }
}

fn target(kind: Kind) -> &'static str {
    // Singular forms read better in commands and are as exact.
    match kind {
        Kind::Role => "role",
        Kind::ClusterRole => "clusterrole",
        Kind::RoleBinding => "rolebinding",
        Kind::ClusterRoleBinding => "clusterrolebinding",
        Kind::Namespace => "namespace",
        Kind::Secret => "secret",
        Kind::ServiceAccount => "serviceaccount",
        Kind::Pod => "pod",
        Kind::Deployment => "deployment",
        Kind::StatefulSet => "statefulset",
        Kind::DaemonSet => "daemonset",
        Kind::Job => "job",
        Kind::CronJob => "cronjob",
        other => other.resource(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_survive_any_name() {
        let check = |kind, namespace, name, expected: &str| {
            assert_eq!(delete(&ObjectRef::new(kind, namespace, name)), expected);
        };
        check(
            Kind::ClusterRole,
            "",
            "system:x",
            "kubectl delete clusterrole system:x",
        );
        check(
            Kind::RoleBinding,
            "a",
            "b",
            "kubectl delete rolebinding -n a b",
        );
        check(
            Kind::ClusterRole,
            "",
            "a; rm -rf /",
            "kubectl delete clusterrole 'a; rm -rf /'",
        );
        check(
            Kind::ClusterRole,
            "",
            "it's $(x)",
            "kubectl delete clusterrole 'it'\\''s $(x)'",
        );
        check(
            Kind::ClusterRole,
            "",
            "-x",
            "kubectl delete clusterrole -- -x",
        );
        let role = ObjectRef::new(Kind::ClusterRole, "", "ops");
        assert_eq!(
            remove(&role, "/rules/0", "/rules/0/verbs/0", "*"),
            "kubectl patch clusterrole --type=json -p \
             '[{\"op\":\"test\",\"path\":\"/rules/0/verbs/0\",\"value\":\"*\"},\
             {\"op\":\"remove\",\"path\":\"/rules/0\"}]' ops"
        );
        let namespace = ObjectRef::new(Kind::Namespace, "", "shop");
        assert_eq!(
            label(&namespace, "a.b/c", "d e"),
            "kubectl label --overwrite namespace shop 'a.b/c=d e'"
        );
    }
}
