use super::*;

const TEAM: Scope<'_> = Scope {
    given: Some("team"),
    default: "default",
    all: false,
};
const DEFAULT: Scope<'_> = Scope {
    given: None,
    default: "default",
    all: false,
};
const ALL: Scope<'_> = Scope {
    given: None,
    default: "default",
    all: true,
};

fn api() -> ApiTable {
    ApiTable::embedded(37).unwrap()
}

/// What `bailiwick can SUBJECT VERB TARGET` asks, and whether it has something to say about the question.
fn check(scope: Scope<'_>, verb: &str, target: &str, expected: &str, hint: &str) {
    let read = read(&api(), verb, target, &TargetOptions::default(), scope).unwrap();
    assert_eq!(read.request.to_string(), expected, "{verb} {target}");
    let hints = read.hints.join("\n");
    match hint {
        "" => assert_eq!(hints, "", "{verb} {target}"),
        hint => assert!(hints.contains(hint), "{verb} {target}: {hints:?}"),
    }
}

#[test]
fn names_of_resources() {
    check(
        DEFAULT,
        "get",
        "pods",
        "get pods in namespace \"default\"",
        "",
    );
    check(
        TEAM,
        "get",
        "po/web",
        "get pods \"web\" in namespace \"team\"",
        "",
    );
    check(
        TEAM,
        "list",
        "deploy",
        "list deployments.apps in namespace \"team\"",
        "",
    );
    check(
        TEAM,
        "list",
        "Deployment",
        "list deployments.apps in namespace \"team\"",
        "",
    );
    check(
        TEAM,
        "list",
        "deployments.v1.apps",
        "list deployments.apps in namespace \"team\"",
        "",
    );
    check(ALL, "list", "pods", "list pods", "");
    check(ALL, "*", "*", "* *", "`*.*`");
    check(ALL, "*", "*.*", "* *.*", "");
    check(
        TEAM,
        "get",
        "podz",
        "get podz in namespace \"team\"",
        "did you mean pods?",
    );
    check(
        TEAM,
        "get",
        "things.example.com",
        "get things.example.com in namespace \"team\"",
        "no API is known",
    );
    check(
        ALL,
        "impersonate",
        "groups/dev",
        "impersonate groups \"dev\"",
        "",
    );
}

#[test]
fn scopes() {
    check(DEFAULT, "get", "nodes/n1", "get nodes \"n1\"", "");
    check(TEAM, "get", "nodes", "get nodes", "-n changes nothing");
    check(
        TEAM,
        "bind",
        "clusterroles/view",
        "bind clusterroles.rbac.authorization.k8s.io \"view\" in namespace \"team\"",
        "is asked in namespace `team`",
    );
    check(
        DEFAULT,
        "bind",
        "clusterroles/view",
        "bind clusterroles.rbac.authorization.k8s.io \"view\"",
        "",
    );
    // A namespace's own path has it as namespace and as name; create and list of namespaces do not.
    check(
        DEFAULT,
        "delete",
        "ns/shop",
        "delete namespaces \"shop\" in namespace \"shop\"",
        "",
    );
    check(DEFAULT, "list", "ns", "list namespaces", "");
    check(
        DEFAULT,
        "create",
        "ns/shop",
        "create namespaces \"shop\"",
        "",
    );
}

#[test]
fn traps() {
    check(
        TEAM,
        "get",
        "pods/log",
        "get pods \"log\" in namespace \"team\"",
        "--subresource log",
    );
    check(
        TEAM,
        "GET",
        "pods",
        "GET pods in namespace \"team\"",
        "write `get`",
    );
    check(TEAM, "get", "/metrics", "get /metrics", "");
    check(
        TEAM,
        "get",
        "/api/v1/pods",
        "get /api/v1/pods",
        "never sees as a URL",
    );
    check(
        TEAM,
        "GET",
        "/api/v1/pods?watch=1",
        "watch pods",
        "reads `GET",
    );
    check(TEAM, "GET", "/metrics", "get /metrics", "reads `GET");
    check(
        TEAM,
        "DELETE",
        "/api/v1/namespaces/x/pods",
        "deletecollection pods in namespace \"x\"",
        "reads `DELETE",
    );
}

#[test]
fn subresources_and_selectors() {
    let ask = |verb: &str, target: &str, options: TargetOptions| {
        let read = read(&api(), verb, target, &options, TEAM);
        read.map(|read| (read.request.to_string(), read.hints.join("\n")))
    };
    let sub = |name: &str| TargetOptions {
        subresource: Some(name.into()),
        ..TargetOptions::default()
    };
    let field = |text: &str| TargetOptions {
        field_selector: Some(text.into()),
        ..TargetOptions::default()
    };

    let (request, hints) = ask("get", "pods/web", sub("log")).unwrap();
    assert_eq!(
        (request.as_str(), hints.as_str()),
        ("get pods/log \"web\" in namespace \"team\"", "")
    );
    assert!(
        ask("get", "pods", sub("logs"))
            .unwrap()
            .1
            .contains("it has"),
        "a hint names the subresources"
    );

    let named = ask("list", "secrets", field("metadata.name=x")).unwrap().0;
    assert_eq!(named, "list secrets \"x\" in namespace \"team\"");
    let (request, hints) = ask("deletecollection", "secrets", field("metadata.name=x")).unwrap();
    assert_eq!(request, "deletecollection secrets in namespace \"team\"");
    assert!(hints.contains("list or watch only"), "{hints}");
    assert!(ask("list", "secrets/x", field("metadata.name=x")).is_err());
    assert!(ask("get", "/metrics", sub("log")).is_err());
    assert!(ask("", "pods", sub("log")).is_err());
    assert!(ask("get", "/", TargetOptions::default()).is_ok());
}
