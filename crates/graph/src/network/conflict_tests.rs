use crate::edges::testing::check;

const STORED: &str = "uid: u, resourceVersion: '1', creationTimestamp: '2026-01-0";

/// A Gateway `edge/public` with its own listeners, ListenerSets (namespace, name, day of January on which it was made
/// (0 for manifests), listener), and routes to all of them; the routes are called after what they name.
struct Case<'c> {
    own: &'c str,
    sets: &'c [(&'c str, &'c str, u32, &'c str)],
}

impl Case<'_> {
    /// Asserts which routes are in force.
    #[track_caller]
    fn check(&self, expected: &[&str]) {
        let route = |name: &str, parent: &str| {
            let (kind, namespace) = ("HTTPRoute", "shop");
            format!(
                "{{apiVersion: gateway.networking.k8s.io/v1, kind: {kind}, metadata: {{namespace: {namespace}, name: {name}}},
                   spec: {{parentRefs: [{parent}], rules: []}}}}\n"
            )
        };
        let every = "allowedRoutes: {kinds: [{kind: HTTPRoute}], namespaces: {from: All}}";
        let listeners = |own: &str| {
            let own = own.split("; ").filter(|own| !own.is_empty());
            let own = own
                .enumerate()
                .map(|(number, own)| format!("{{name: l{number}, {own}, {every}}}"));
            own.collect::<Vec<_>>().join(", ")
        };
        let mut text = format!(
            "---\n{{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {{namespace: edge, name: public}},
               spec: {{gatewayClassName: envoy, allowedListeners: {{namespaces: {{from: All}}}}, listeners: [{}]}}}}\n{}",
            listeners(self.own),
            route("public", "{namespace: edge, name: public}"),
        );
        for (namespace, name, day, own) in self.sets {
            let made = match day {
                0 => String::new(),
                day => format!(", {STORED}{day}T00:00:00Z'"),
            };
            text += &format!(
                "{{apiVersion: gateway.networking.k8s.io/v1, kind: ListenerSet, metadata: {{namespace: {namespace}, name: {name}{made}}},
                   spec: {{parentRef: {{namespace: edge, name: public}}, listeners: [{}]}}}}\n{}",
                listeners(own),
                route(&format!("{namespace}-{name}"), &format!("{{namespace: {namespace}, name: {name}, kind: ListenerSet}}")),
            );
        }
        let expected: Vec<String> = expected
            .iter()
            .map(|name| format!("HTTPRoute shop/{name}"))
            .collect();
        let expected: Vec<&str> = expected.iter().map(|name| &**name).collect();
        check("open-route", "anybody", &text, &expected);
    }
}

const WEB: &str = "port: 80, protocol: HTTP, hostname: shop.example";

#[test]
fn the_gateways_own_listener_comes_before_those_of_sets() {
    let check = |own: &str, of_set: &str, expected: &[&str]| {
        Case {
            own,
            sets: &[("team", "more", 0, of_set)],
        }
        .check(expected);
        Case {
            own,
            sets: &[("team", "more", 1, of_set)],
        }
        .check(expected);
    };
    check(WEB, WEB, &["public"]);
    let both = &["public", "team-more"];
    check(
        WEB,
        "port: 81, protocol: HTTP, hostname: shop.example",
        both,
    );
    check(WEB, "port: 80, protocol: HTTP, hostname: web.example", both);
    check(WEB, "port: 80, protocol: HTTP", both);
    check(
        "port: 80, protocol: HTTP",
        "port: 80, protocol: HTTP",
        &["public"],
    );
    // Of these the standard says nothing.
    check(
        WEB,
        "port: 80, protocol: HTTPS, hostname: shop.example",
        both,
    );
    check(
        WEB,
        "port: 80, protocol: example.com/own, hostname: shop.example",
        both,
    );
}

#[test]
fn connections_share_their_port_with_nothing_that_has_a_host() {
    // A route of the kind that TCP takes would do; that these hold none back is what the other listener shows.
    let tcp = "port: 80, protocol: TCP";
    Case {
        own: tcp,
        sets: &[("team", "more", 1, WEB)],
    }
    .check(&[]);
    Case {
        own: &format!("{WEB}; {tcp}"),
        sets: &[],
    }
    .check(&[]);
    Case {
        own: &format!("{WEB}; port: 80, protocol: UDP"),
        sets: &[],
    }
    .check(&["public"]);
    Case {
        own: &format!("{WEB}; port: 81, protocol: TCP"),
        sets: &[],
    }
    .check(&["public"]);
    // Where neither of two counts, they keep nothing else from it.
    let twins = format!("{WEB}; {tcp}");
    let other = "port: 80, protocol: HTTP, hostname: web.example";
    Case {
        own: &twins,
        sets: &[("team", "more", 1, other)],
    }
    .check(&["team-more"]);
    Case {
        own: WEB,
        sets: &[("team", "more", 1, &format!("{other}; {tcp}"))],
    }
    .check(&["public"]);
}

#[test]
fn the_older_set_comes_first_then_the_first_by_name() {
    let check = |first: (&str, &str, u32), second: (&str, &str, u32), expected: &[&str]| {
        let set = |(namespace, name, day)| (namespace, name, day, WEB);
        Case {
            own: "",
            sets: &[set(first), set(second)],
        }
        .check(expected);
        Case {
            own: "",
            sets: &[set(second), set(first)],
        }
        .check(expected);
    };
    check(("team", "more", 1), ("alpha", "more", 2), &["team-more"]);
    check(("team", "more", 2), ("alpha", "more", 1), &["alpha-more"]);
    check(("team", "more", 1), ("alpha", "more", 1), &["alpha-more"]);
    check(("team", "b", 1), ("team", "a", 1), &["team-a"]);
    // Manifests do not tell which is older.
    check(("team", "b", 0), ("team", "a", 0), &["team-a", "team-b"]);
    check(("team", "b", 0), ("team", "a", 1), &["team-a", "team-b"]);
    // What gives way itself is in nobody's way.
    let other = "port: 80, protocol: HTTP, hostname: web.example";
    let sets = [
        ("team", "a", 1, WEB),
        ("team", "b", 2, &*format!("{WEB}; {other}")),
        ("team", "c", 3, other),
    ];
    Case {
        own: WEB,
        sets: &sets,
    }
    .check(&["public", "team-b"]);
}
