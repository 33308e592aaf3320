use crate::edges::testing::check;

const GATEWAY: &str = "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {namespace: edge, name: public, annotations: {}},
  spec: {gatewayClassName: envoy, listeners: [{name: web, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]}}";
const ROUTE: &str = "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {namespace: shop, name: web},
  spec: {parentRefs: [{namespace: edge, name: public}], rules: [{backendRefs: [{name: web, port: 80}]}]}}";
const SERVICE: &str = "{apiVersion: v1, kind: Service, metadata: {namespace: shop, name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}";
const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web, labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}";

/// Whether a route is in force, with these words of the Gateway and of itself replaced.
#[track_caller]
fn in_force(gateway: &[(&str, &str)], route: &[(&str, &str)], expected: bool) {
    let change = |text: &str, words: &[(&str, &str)]| {
        words.iter().fold(text.to_owned(), |text, (word, instead)| {
            assert!(text.contains(word), "{word}: {text}");
            text.replace(word, instead)
        })
    };
    let (gateway, route) = (change(GATEWAY, gateway), change(ROUTE, route));
    let kind = route
        .split("kind: ")
        .nth(1)
        .and_then(|rest| rest.split(',').next());
    let name = format!("{} shop/web", kind.unwrap());
    let routes: &[&str] = if expected { &[&name] } else { &[] };
    let text = format!(
        "---\n{gateway}\n{route}\n{{apiVersion: v1, kind: Namespace, metadata: {{name: shop, labels: {{open: really}}}}}}\n"
    );
    check("open-route", "anybody", &text, routes);
}

#[test]
fn a_route_means_a_listener() {
    let parent = |instead, expected| {
        let words = ("{namespace: edge, name: public}", instead);
        in_force(&[], &[words], expected);
    };
    parent("{namespace: edge, name: public}", true);
    parent("{namespace: edge, name: other}", false);
    // Without a namespace it is its own.
    parent("{name: public}", false);
    parent("{namespace: edge, name: public, sectionName: web}", true);
    parent("{namespace: edge, name: public, sectionName: other}", false);
    parent("{namespace: edge, name: public, port: 80}", true);
    parent("{namespace: edge, name: public, port: 443}", false);
    parent(
        "{namespace: edge, name: public, port: 443}, {namespace: edge, name: public}",
        true,
    );
    parent(
        "{namespace: edge, name: public, group: gateway.networking.k8s.io, kind: Gateway}",
        true,
    );
    parent(
        "{namespace: edge, name: public, group: '', kind: Service}",
        false,
    );
    parent("{namespace: edge, name: public, kind: ListenerSet}", false);
    parent(
        "{namespace: edge, name: public, group: '', kind: ListenerSet}",
        false,
    );
    parent("", false);
}

#[test]
fn a_listener_says_whose_routes_it_takes() {
    let from =
        |instead, expected| in_force(&[("{namespaces: {from: All}}", instead)], &[], expected);
    from("{}", false);
    from("{namespaces: {from: Same}}", false);
    from("{namespaces: {from: None}}", false);
    from("{namespaces: {from: Selector}}", false);
    from("{namespaces: {from: Selector, selector: {}}}", true);
    from(
        "{namespaces: {from: Selector, selector: {matchLabels: {open: really}}}}",
        true,
    );
    from(
        "{namespaces: {from: Selector, selector: {matchLabels: {open: other}}}}",
        false,
    );
    from(
        "{namespaces: {from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: shop}}}}",
        true,
    );
    from(
        "{namespaces: {from: Selector, selector: {matchExpressions: [{key: open, operator: DoesNotExist}]}}}",
        false,
    );
    from(
        "{namespaces: {from: All}, kinds: [{kind: HTTPRoute}]}",
        true,
    );
    from(
        "{namespaces: {from: All}, kinds: [{kind: GRPCRoute}]}",
        false,
    );
    from(
        "{namespaces: {from: All}, kinds: [{group: example.com, kind: HTTPRoute}]}",
        false,
    );
    // Of the Gateway's own namespace it takes those by default.
    in_force(
        &[
            ("{namespaces: {from: All}}", "{}"),
            ("namespace: edge", "namespace: shop"),
        ],
        &[("{namespace: edge, name: public}", "{name: public}")],
        true,
    );
}

#[test]
fn a_listener_takes_what_fits_its_protocol() {
    let takes = |protocol, version: &str, kind: &str, expected| {
        let route = [("v1,", version), ("HTTPRoute", kind)];
        in_force(&[("protocol: HTTP", protocol)], &route, expected);
    };
    takes("protocol: HTTP", "v1beta1,", "HTTPRoute", true);
    takes("protocol: HTTP", "v1,", "GRPCRoute", true);
    takes("protocol: HTTPS", "v1,", "TLSRoute", false);
    takes(
        "protocol: TLS, tls: {mode: Passthrough}",
        "v1alpha3,",
        "TLSRoute",
        true,
    );
    takes(
        "protocol: TLS, tls: {mode: Passthrough}",
        "v1,",
        "TCPRoute",
        false,
    );
    takes(
        "protocol: TLS, tls: {mode: Terminate}",
        "v1,",
        "TCPRoute",
        true,
    );
    takes("protocol: TCP", "v1,", "TCPRoute", true);
    takes("protocol: TCP", "v1alpha2,", "TCPRoute", true);
    takes("protocol: TCP", "v1,", "UDPRoute", false);
    takes("protocol: UDP", "v1,", "UDPRoute", true);
}

#[test]
fn hosts_have_to_meet() {
    let meet = |own: &str, hosts: &str, expected| {
        let own = format!("port: 80, {own}");
        let hosts = format!("{{hostnames: [{hosts}], parentRefs");
        in_force(&[("port: 80,", &own)], &[("{parentRefs", &hosts)], expected);
    };
    meet("", "shop.example", true);
    meet("hostname: shop.example,", "", true);
    meet("hostname: shop.example,", "shop.example", true);
    meet("hostname: shop.example,", "web.example", false);
    meet("hostname: shop.example,", "web.example, shop.example", true);
    meet("hostname: '*.example',", "shop.example", true);
    meet("hostname: '*.example',", "example", false);
    meet("hostname: shop.example,", "'*.example'", true);
}

#[test]
fn gateways_that_are_open_and_those_that_are_not() {
    let class = |name, expected| in_force(&[("envoy", name)], &[], expected);
    class("gke-l7-global-external-managed", true);
    class("gke-l7-rilb", false);
    class("istio", true);
    class("istio-waypoint", false);
    let annotated = |text: &str, expected| {
        let own = format!("annotations: {{{text}}}");
        in_force(&[("annotations: {}", &own)], &[], expected);
        let made = format!("{{infrastructure: {{annotations: {{{text}}}}}, gatewayClassName");
        in_force(&[("{gatewayClassName", &made)], &[], expected);
    };
    annotated("networking.istio.io/service-type: ClusterIP", false);
    annotated("networking.istio.io/service-type: LoadBalancer", true);
    annotated(
        "service.beta.kubernetes.io/aws-load-balancer-scheme: internal",
        false,
    );
    // One that is open is enough.
    let two = format!(
        "{GATEWAY}\n{}",
        GATEWAY
            .replace("public", "inner")
            .replace("envoy", "gke-l7-rilb")
    );
    in_force(
        &[(GATEWAY, &two)],
        &[(
            "{namespace: edge, name: public}",
            "{namespace: edge, name: inner}, {namespace: edge, name: public}",
        )],
        true,
    );
}

/// Where a route leads, with these words of it replaced and these objects besides.
#[track_caller]
fn leads(word: &str, instead: &str, others: &str, expected: bool) {
    assert!(ROUTE.contains(word));
    let route = ROUTE.replace(word, instead);
    let text = format!("---\n{GATEWAY}\n{route}\n{SERVICE}\n{POD}\n{others}\n");
    let pods: &[&str] = if expected { &["Pod shop/web"] } else { &[] };
    check("application", "HTTPRoute shop/web", &text, pods);
}

#[test]
fn a_route_leads_to_pods() {
    let backend = |instead, expected| leads("{name: web, port: 80}", instead, "", expected);
    backend("{name: web, port: 80}", true);
    backend("{name: web, port: 81}", false);
    backend("{name: other, port: 80}", false);
    backend("{name: web, port: 80, weight: 0}", false);
    backend("{name: web, port: 80, weight: 1}", true);
    backend(
        "{name: web, port: 80, group: example.com, kind: Function}",
        false,
    );
    let policy = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {namespace: shop, name: p}, spec: {podSelector: {}}}";
    leads("web", "web", policy, false);
    // A route that is attached to nothing leads nowhere.
    leads("name: public", "name: other", "", false);
    let mirror = "filters: [{type: RequestMirror, requestMirror: {backendRef: {name: web, port: 80}}}], backendRefs: [{name: other";
    leads("backendRefs: [{name: web", mirror, "", true);
}

#[test]
fn a_service_of_another_namespace_takes_a_grant() {
    let grant = |place: &str, from: &str, to: &str, expected| {
        let grant = format!(
            "{{apiVersion: gateway.networking.k8s.io/v1beta1, kind: ReferenceGrant, metadata: {{namespace: {place}, name: g}}, spec: {{from: [{from}], to: [{to}]}}}}
             {{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {{namespace: away, name: web}},
              spec: {{parentRefs: [{{namespace: edge, name: public}}], rules: [{{backendRefs: [{{namespace: shop, name: web, port: 80}}]}}]}}}}"
        );
        let text = format!("---\n{GATEWAY}\n{SERVICE}\n{POD}\n{grant}\n");
        let pods: &[&str] = if expected { &["Pod shop/web"] } else { &[] };
        check("application", "HTTPRoute away/web", &text, pods);
    };
    let route = "{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: away}";
    let service = "{group: '', kind: Service}";
    grant("shop", route, service, true);
    grant("shop", route, "{group: '', kind: Service, name: web}", true);
    grant(
        "shop",
        route,
        "{group: '', kind: Service, name: other}",
        false,
    );
    grant("shop", route, "{group: '', kind: Secret}", false);
    grant("away", route, service, false);
    grant(
        "shop",
        "{group: gateway.networking.k8s.io, kind: GRPCRoute, namespace: away}",
        service,
        false,
    );
    grant(
        "shop",
        "{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: edge}",
        service,
        false,
    );
    grant(
        "shop",
        "{group: '', kind: HTTPRoute, namespace: away}",
        service,
        false,
    );
}

const SET: &str = "{apiVersion: gateway.networking.k8s.io/v1, kind: ListenerSet, metadata: {namespace: team, name: more},
  spec: {parentRef: {namespace: edge, name: public}, listeners: [{name: more, port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]}}";

/// Whether a route is in force by a ListenerSet, with these words of the Gateway, the set and the route replaced.
#[track_caller]
fn by_set(allowed: &str, set: (&str, &str), parent: &str, expected: bool) {
    assert!(SET.contains(set.0), "{}", set.0);
    let allowed = format!("gatewayClassName: envoy, {allowed}");
    let gateway = GATEWAY
        .replace("gatewayClassName: envoy,", &allowed)
        .replace("from: All}}}]", "from: None}}}]");
    let route = ROUTE.replace("{namespace: edge, name: public}", parent);
    let routes: &[&str] = if expected {
        &["HTTPRoute shop/web"]
    } else {
        &[]
    };
    let text = format!(
        "---\n{gateway}\n{}\n{route}\n{{apiVersion: v1, kind: Namespace, metadata: {{name: team, labels: {{open: really}}}}}}\n",
        SET.replace(set.0, set.1)
    );
    check("open-route", "anybody", &text, routes);
}

#[test]
fn a_gateway_takes_the_listener_sets_that_it_allows() {
    let parent = "{namespace: team, name: more, kind: ListenerSet}";
    let allowed = |allowed: &str, expected| by_set(allowed, ("", ""), parent, expected);
    allowed("", false);
    allowed("allowedListeners: {},", false);
    allowed("allowedListeners: {namespaces: {}},", false);
    allowed("allowedListeners: {namespaces: {from: None}},", false);
    allowed("allowedListeners: {namespaces: {from: Same}},", false);
    allowed("allowedListeners: {namespaces: {from: All}},", true);
    let selector = |labels: &str| {
        format!(
            "allowedListeners: {{namespaces: {{from: Selector, selector: {{matchLabels: {labels}}}}}}},"
        )
    };
    allowed(&selector("{open: really}"), true);
    allowed(&selector("{open: other}"), false);
    allowed("allowedListeners: {namespaces: {from: Selector}},", false);
    let same = "allowedListeners: {namespaces: {from: Same}},";
    let at_home = (
        "{namespace: team, name: more}",
        "{namespace: edge, name: more}",
    );
    let there = "{namespace: edge, name: more, kind: ListenerSet}";
    by_set(same, at_home, there, true);
}

#[test]
fn a_route_names_the_listener_set_whose_listeners_it_means() {
    let all = "allowedListeners: {namespaces: {from: All}},";
    let parent = |parent, expected| by_set(all, ("", ""), parent, expected);
    parent(
        "{namespace: team, name: more, kind: ListenerSet, sectionName: more}",
        true,
    );
    parent(
        "{namespace: team, name: more, kind: ListenerSet, sectionName: web}",
        false,
    );
    parent(
        "{namespace: team, name: more, kind: ListenerSet, port: 8080}",
        true,
    );
    parent(
        "{namespace: team, name: more, kind: ListenerSet, port: 80}",
        false,
    );
    parent("{namespace: team, name: other, kind: ListenerSet}", false);
    parent("{name: more, kind: ListenerSet}", false);
    // The Gateway's own listeners take nothing here, and those of its sets are not meant.
    parent("{namespace: edge, name: public}", false);
    let whole = "{namespace: team, name: more, kind: ListenerSet}";
    let set = |word, instead, expected| by_set(all, (word, instead), whole, expected);
    set("{namespaces: {from: All}}", "{}", false);
    set(
        "{namespaces: {from: All}}",
        "{kinds: [{kind: GRPCRoute}], namespaces: {from: All}}",
        false,
    );
    set(
        "{namespace: edge, name: public}",
        "{namespace: edge, name: other}",
        false,
    );
    set("{namespace: edge, name: public}", "{name: public}", false);
    set(
        "{namespace: edge, name: public}",
        "{namespace: edge, name: public, kind: Service, group: ''}",
        false,
    );
    // `Same` is the namespace of the ListenerSet.
    let same = ("{namespaces: {from: All}}", "{namespaces: {from: Same}}");
    by_set(all, same, whole, false);
    let gateway = GATEWAY.replace(
        "gatewayClassName: envoy,",
        &format!("gatewayClassName: envoy, {all}"),
    );
    let set = SET
        .replace("namespace: team", "namespace: shop")
        .replace(same.0, same.1);
    let route = ROUTE.replace(
        "{namespace: edge, name: public}",
        "{name: more, kind: ListenerSet}",
    );
    let text = format!("---\n{gateway}\n{set}\n{route}\n");
    check("open-route", "anybody", &text, &["HTTPRoute shop/web"]);
}

#[test]
fn a_default_gateway_takes_the_routes_that_ask_for_one() {
    let parents = "parentRefs: [{namespace: edge, name: public}]";
    let defaults = |scope: &str, asked: &str, expected| {
        let gateway = (
            "listeners: [",
            format!("defaultScope: {scope}, listeners: ["),
        );
        in_force(&[(gateway.0, &gateway.1)], &[(parents, asked)], expected);
    };
    defaults("All", "useDefaultGateways: All", true);
    defaults("All", "useDefaultGateways: None", false);
    defaults("All", "hostnames: [shop.example]", false);
    defaults("None", "useDefaultGateways: All", false);
    let more = "useDefaultGateways: All, parentRefs: [{namespace: edge, name: gone}]";
    defaults("All", more, true);
    let taken = [
        ("listeners: [", "defaultScope: All, listeners: ["),
        ("{from: All}", "{from: Same}"),
    ];
    in_force(&taken, &[(parents, "useDefaultGateways: All")], false);
}
