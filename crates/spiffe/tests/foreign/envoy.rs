use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bailiwick_testkit::envoy::Envoy;

use crate::house::{House, rules};

/// An Envoy that answers over TLS, to those alone whose id is `caller`.
fn back(house: &House, caller: &str) -> Option<Envoy> {
    let tls = tls(house, "back", caller, "DownstreamTlsContext").replace(
        "common_tls_context:",
        "require_client_certificate: true\n          common_tls_context:",
    );
    let listener = format!(
        r#"
  listeners:
  - name: entry
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains:
    - transport_socket:
{tls}
      filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: entry
          http_filters:
          - name: router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{prefix: "/"}}
                direct_response:
                  status: 200
                  body: {{inline_string: "hello from the back"}}
"#
    );
    start(house, &listener, "")
}

/// An Envoy that passes plain requests on over TLS, to one alone whose id is `callee`.
fn front(house: &House, to: SocketAddr, callee: &str) -> Option<Envoy> {
    let tls = tls(house, "front", callee, "UpstreamTlsContext");
    let listener = r#"
  listeners:
  - name: entry
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: entry
          http_filters:
          - name: router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{match: {prefix: "/"}, route: {cluster: back}}]
"#;
    let cluster = format!(
        r#"
  - name: back
    load_assignment:
      cluster_name: back
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}
    transport_socket:
{tls}
"#,
        port = to.port()
    );
    start(house, listener, &cluster)
}

fn tls(house: &House, own: &str, peer: &str, context: &str) -> String {
    let domain = house.authority.trust_domain();
    let source = "sds_config: {resource_api_version: V3, api_config_source: {api_type: GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: agent}}]}}";
    format!(
        r#"      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{context}
        common_tls_context:
          tls_certificate_sds_secret_configs: [{{name: "spiffe://{domain}/{own}", {source}}}]
          combined_validation_context:
            default_validation_context:
              match_typed_subject_alt_names: [{{san_type: URI, matcher: {{exact: "{peer}"}}}}]
            validation_context_sds_secret_config: {{name: "spiffe://{domain}", {source}}}
"#
    )
    .lines()
    .map(|line| format!("  {line}\n"))
    .collect()
}

fn start(house: &House, listeners: &str, clusters: &str) -> Option<Envoy> {
    let socket = house.socket.display();
    let bootstrap = format!(
        r#"
node: {{id: test, cluster: test}}
static_resources:
{listeners}
  clusters:
  - name: agent
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{http2_protocol_options: {{}}}}
    load_assignment:
      cluster_name: agent
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{pipe: {{path: "{socket}"}}}}}}}}]}}]
{clusters}
"#
    );
    Envoy::start(&bootstrap, &[]).unwrap()
}

/// Status and body of a plain request.
fn get(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: back\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

const FRONT: &str = "spiffe://td.example/front";
const BACK: &str = "spiffe://td.example/back";

#[test]
fn two_envoys_speak_mutual_tls_with_what_they_are_given() {
    let house = House::new(&["/front", "/back"]);
    let Some(callee) = back(&house, FRONT) else {
        return;
    };
    let entry = callee.listener("entry").unwrap();
    let caller = front(&house, entry, BACK).unwrap();
    let answer = get(caller.listener("entry").unwrap());
    assert!(
        answer.starts_with("HTTP/1.1 200"),
        "{answer}\n{}",
        caller.log_end()
    );
    assert!(answer.ends_with("hello from the back"), "{answer}");

    // Certificates that change are taken over without a restart.
    house
        .rules
        .send_replace(rules(&["/front", "/back", "/third"]));
    for _ in 0..20 {
        let answer = get(caller.listener("entry").unwrap());
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    // A callee that the caller does not want.
    let wary = front(&house, entry, "spiffe://td.example/somebody-else").unwrap();
    let answer = get(wary.listener("entry").unwrap());
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    // A caller that the callee does not want.
    let choosy = back(&house, "spiffe://td.example/somebody-else").unwrap();
    let turned_away = front(&house, choosy.listener("entry").unwrap(), BACK).unwrap();
    let answer = get(turned_away.listener("entry").unwrap());
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
}
