//! How nodes are written and read.

use super::*;

#[test]
fn reads_what_it_writes() {
    for key in [
        "user:alice",
        "group:system:masters",
        "sa:ci/runner",
        "pod:shop/web",
        "deployment:shop/web",
        "container:shop/web/app",
        "container:deployment:shop/web/app",
        "node:n1",
        "secret:shop/key",
        "namespace:shop",
        "service:shop/web",
        "ingress:shop/web",
        "cluster",
        "outside",
    ] {
        let node: Node = key.parse().unwrap();
        assert_eq!(node.key().as_deref(), Some(key));
    }
    assert_eq!(
        "alice".parse(),
        Ok(Node::User {
            name: "alice".into()
        })
    );
    assert_eq!(
        "system:admin".parse(),
        Ok(Node::User {
            name: "system:admin".into()
        })
    );
    for wrong in [
        "",
        "node:",
        "pod:web",
        "secret:/x",
        "sa:x",
        "namespace:",
        "container:shop/web",
        "container:shop/web/",
        "container:shop//app",
        "container:shop/a/b/c",
        "container:thing:shop/web/app",
    ] {
        assert!(wrong.parse::<Node>().is_err(), "{wrong}");
    }
    let said = |text: &str| text.parse::<Node>().unwrap_err().to_string();
    assert!(
        said("sa:x").ends_with("; write sa:NAMESPACE/NAME"),
        "{}",
        said("sa:x")
    );
    assert!(
        said("node:").ends_with("; write node:NAME"),
        "{}",
        said("node:")
    );
    assert!(
        said("").contains("write user:NAME, group:NAME"),
        "{}",
        said("")
    );
    let account = Node::service_account(&"ci".into(), &"runner".into());
    assert_eq!("serviceaccount:ci/runner".parse(), Ok(account));
}
