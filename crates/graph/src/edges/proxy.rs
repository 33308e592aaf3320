
use bailiwick_rbac::Right;

use crate::build::{Held, Link, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::ports_in_reach;

edge! {
    /// Send HTTP requests to pods and services through the API server.
    ///
    /// On `pods/proxy` and `services/proxy` the verb is the HTTP method: `get` reads and opens WebSockets, `create` posts. The request
    /// comes from the API server, so that network policies which let it in let in whoever holds the right. A rule with names has to
    /// spell the name as the path does, `https:web:8443` included.
    "proxy", "talk to pods and services through the API server", effort 1, Versions::ALL,
    &[Rule::Rights { legs: LEGS, link }],
    "user eve" => "every port of namespace shop", "get" => "list",
    "Role shop/r
       get on services/proxy of ''
     RoleBinding shop/r gives Role/r to user:eve"
}

const METHODS: &[&str] = &["get", "create", "update", "patch", "delete"];

static LEGS: &[Leg] = &[&[
    Right::new("", "pods/proxy", METHODS),
    Right::new("", "services/proxy", METHODS),
]];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    ports_in_reach(held, world, link, object);
}

/// The object in `[SCHEME:]NAME[:PORT]`; `None` where that is no way to name one
/// (upstream `k8s.io/apimachinery/pkg/util/net`, `SplitSchemeNamePort`).
fn object(path: &str) -> Option<&str> {
    let parts: Vec<&str> = path.split(':').collect();
    let name = match parts.as_slice() {
        [name] | [name, _] => name,
        [scheme, name, _] if matches!(*scheme, "" | "http" | "https") => name,
        _ => return None,
    };
    (!name.is_empty()).then_some(*name)
}

#[cfg(test)]
mod tests {
    use super::object;

    #[test]
    fn names_as_the_path_spells_them() {
        let check = |path, expected| assert_eq!(object(path), expected, "{path}");
        check("web", Some("web"));
        check("web:8443", Some("web"));
        check("web:", Some("web"));
        check("https:web:8443", Some("web"));
        check("http:web:", Some("web"));
        check(":web:80", Some("web"));
        check("ftp:web:80", None);
        check("https:web:80:1", None);
        check(":80", None);
        check("", None);
    }
}
