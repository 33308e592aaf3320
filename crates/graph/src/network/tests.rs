use crate::edges::testing::check;

const POD: &str =
    "{apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web, labels: {app: web}},
  spec: {containers: [{name: web, image: web, ports: [{containerPort: 8080, name: http}]}]}}";
const SERVICE: &str = "{apiVersion: v1, kind: Service, metadata: {namespace: shop, name: web},
  spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}}";
const INGRESS: &str =
    "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {namespace: shop, name: web},
  spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}}";

fn policy(spec: &str) -> String {
    format!(
        "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{namespace: shop, name: p}}, spec: {spec}}}"
    )
}

/// Whether connections to the Service, and to the Ingress, get to the pod past policies.
#[track_caller]
fn reached(policies: &[&str], by_service: bool, by_ingress: bool) {
    let mut text = format!("---\n{POD}\n{SERVICE}\n{INGRESS}\n");
    for (number, spec) in policies.iter().enumerate() {
        text += &policy(spec).replace("name: p", &format!("name: p{number}"));
        text += "\n";
    }
    text += "{apiVersion: v1, kind: Namespace, metadata: {name: entry, labels: {kind: edge}}}\n";
    for (from, expected) in [
        ("Service shop/web", by_service),
        ("Ingress shop/web", by_ingress),
    ] {
        let pods: &[&str] = if expected { &["Pod shop/web"] } else { &[] };
        check("application", from, &text, pods);
    }
}

#[test]
fn policies_keep_off_what_none_lets_in() {
    reached(&[], true, true);
    reached(&["{podSelector: {}}"], false, false);
    reached(&["{podSelector: {matchLabels: {app: other}}}"], true, true);
    reached(
        &["{podSelector: {matchExpressions: [{key: app, operator: Exists}]}}"],
        false,
        false,
    );
    reached(&["{podSelector: {}, policyTypes: [Egress]}"], true, true);
    reached(
        &["{podSelector: {}, policyTypes: [Ingress, Egress]}"],
        false,
        false,
    );
    reached(&["{podSelector: {}, egress: [{}]}"], false, false);
    reached(&["{podSelector: {}, ingress: [{}]}"], true, true);
    // Each policy adds what it lets in.
    reached(
        &["{podSelector: {}}", "{podSelector: {}, ingress: [{}]}"],
        true,
        true,
    );
}

#[test]
fn peers_are_outside_or_pods() {
    let from = |peer: &str| format!("{{podSelector: {{}}, ingress: [{{from: [{peer}]}}]}}");
    let check = |peer: &str, by_service: bool, by_ingress: bool| {
        reached(&[&from(peer)], by_service, by_ingress);
    };
    check(
        "{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}",
        true,
        true,
    );
    check("{ipBlock: {cidr: '::/0'}}", true, true);
    check("{ipBlock: {cidr: 203.0.113.0/24}}", false, false);
    check("{podSelector: {}}", false, false);
    check("{namespaceSelector: {}}", false, true);
    check(
        "{namespaceSelector: {matchLabels: {kind: edge}}}",
        false,
        true,
    );
    check(
        "{namespaceSelector: {matchLabels: {kind: other}}}",
        false,
        false,
    );
    check(
        "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: entry}}}",
        false,
        true,
    );
    check(
        "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: gone}}}",
        false,
        false,
    );
    // Of the pods of `shop` one is called so; nothing is known of those of `entry`.
    let pods = "podSelector: {matchLabels: {app: web}}";
    check(&format!("{{namespaceSelector: {{}}, {pods}}}"), false, true);
    let pods = "podSelector: {matchLabels: {app: other}}, namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}";
    check(&format!("{{{pods}}}"), false, false);
}

#[test]
fn ports_are_those_of_the_pod() {
    let check = |port: &str, expected: bool| {
        let spec = format!("{{podSelector: {{}}, ingress: [{{ports: [{port}]}}]}}");
        reached(&[&spec], expected, expected);
    };
    check("{port: 8080}", true);
    check("{port: 80}", false);
    check("{port: http}", true);
    check("{port: https}", false);
    check("{port: 8000, endPort: 8080}", true);
    check("{port: 8000, endPort: 8079}", false);
    check("{protocol: TCP}", true);
    check("{protocol: UDP}", false);
    check("{port: 8080, protocol: UDP}", false);
    check("{port: 80}, {port: 8080}", true);
}

#[test]
fn the_network_of_the_node_is_out_of_reach_of_policies() {
    let pod = POD.replace("spec: {", "spec: {hostNetwork: true, ");
    let text = format!("---\n{pod}\n{SERVICE}\n{}\n", policy("{podSelector: {}}"));
    check("application", "Service shop/web", &text, &["Pod shop/web"]);
    check("host-port", "anybody", &text, &["Pod shop/web"]);
}

#[test]
fn a_policy_keeps_off_a_port_of_the_node() {
    let pod = POD.replace("containerPort: 8080", "containerPort: 8080, hostPort: 80");
    let with = |policy: &str| format!("---\n{pod}\n{policy}\n");
    check("host-port", "anybody", &with(""), &["Pod shop/web"]);
    check(
        "host-port",
        "anybody",
        &with(&policy("{podSelector: {}}")),
        &[],
    );
    let open = policy("{podSelector: {}, ingress: [{ports: [{port: 8080}]}]}");
    check("host-port", "anybody", &with(&open), &["Pod shop/web"]);
}

#[test]
fn services_that_are_open_and_those_that_are_not() {
    let service = |metadata: &str, spec: &str| {
        format!(
            "---\n{{apiVersion: v1, kind: Service, metadata: {{namespace: shop, name: web, annotations: {{{metadata}}}}},
  spec: {{selector: {{app: web}}, ports: [{{port: 80}}], {spec}}}}}\n"
        )
    };
    let open = |metadata: &str, spec: &str, expected: bool| {
        let services: &[&str] = if expected { &["Service shop/web"] } else { &[] };
        check(
            "open-service",
            "anybody",
            &service(metadata, spec),
            services,
        );
    };
    open("", "type: LoadBalancer", true);
    open("", "type: ClusterIP", false);
    open("", "type: NodePort", false);
    open("", "type: ClusterIP, externalIPs: [203.0.113.7]", true);
    open(
        "",
        "type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8]",
        false,
    );
    open(
        "",
        "type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8, 0.0.0.0/0]",
        true,
    );
    let internal = [
        "service.beta.kubernetes.io/aws-load-balancer-internal: 'true'",
        "service.beta.kubernetes.io/aws-load-balancer-scheme: internal",
        "service.beta.kubernetes.io/azure-load-balancer-internal: 'True'",
        "networking.gke.io/load-balancer-type: Internal",
    ];
    for annotation in internal {
        open(annotation, "type: LoadBalancer", false);
    }
    let facing = "service.beta.kubernetes.io/aws-load-balancer-scheme: internet-facing";
    open(facing, "type: LoadBalancer", true);
}

#[test]
fn ports_of_services_lead_to_ports_of_pods() {
    let ends = |service: &str, ingress: &str, expected: bool| {
        let service = SERVICE.replace("port: 80, targetPort: 8080", service);
        let ingress = INGRESS.replace("number: 80", ingress);
        let text = format!("---\n{POD}\n{service}\n{ingress}\n");
        let pods: &[&str] = if expected { &["Pod shop/web"] } else { &[] };
        check("application", "Ingress shop/web", &text, pods);
    };
    ends("port: 80, targetPort: http", "number: 80", true);
    ends("port: 80, targetPort: https", "number: 80", false);
    ends(
        "port: 80, targetPort: http, protocol: UDP",
        "number: 80",
        false,
    );
    ends("port: 80, targetPort: http", "number: 81", false);
    ends("port: 80, name: main, targetPort: http", "name: main", true);
    ends(
        "port: 80, name: main, targetPort: http",
        "name: other",
        false,
    );
}

#[test]
fn templates_stand_for_their_pods() {
    let text = format!(
        "---\n{SERVICE}\n{{apiVersion: apps/v1, kind: Deployment, metadata: {{namespace: shop, name: web}},
  spec: {{selector: {{matchLabels: {{app: web}}}}, template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: web, image: web}}]}}}}}}}}\n"
    );
    check(
        "application",
        "Service shop/web",
        &text,
        &["Deployment shop/web"],
    );
}

#[test]
fn slices_lead_where_a_service_selects_nothing() {
    let check_slice = |service: &str, slice: &str, expected: bool| {
        let text = format!(
            "---
             {POD}
             {{apiVersion: v1, kind: Service, metadata: {{namespace: shop, name: web}},
              spec: {{type: LoadBalancer, {service} ports: [{{port: 80}}]}}}}
             {{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, {slice}}}"
        );
        let pods: &[&str] = if expected { &["Pod shop/web"] } else { &[] };
        check("application", "Service shop/web", &text, pods);
    };
    let slice = "metadata: {namespace: shop, name: own, labels: {kubernetes.io/service-name: web}},
              endpoints: [{addresses: [10.1.2.3], targetRef: {kind: Pod, name: web}}], ports: [{port: 8080}]";
    check_slice("", slice, true);
    check_slice(
        "",
        &slice.replace("service-name: web", "service-name: api"),
        false,
    );
    check_slice("", &slice.replace("kind: Pod", "kind: Node"), false);
    check_slice("", &slice.replace("name: web}}]", "name: gone}}]"), false);
    check_slice(
        "",
        &slice.replace("{port: 8080}", "{port: 8080, name: api}"),
        false,
    );
    check_slice(
        "",
        &slice.replace("{port: 8080}", "{port: 8080, protocol: UDP}"),
        false,
    );
    // The selector says it, and nobody writes slices beside it that count here.
    check_slice("selector: {app: other},", slice, false);
}
