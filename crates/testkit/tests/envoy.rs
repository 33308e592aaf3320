//! Envoy starts, says where it listens, refuses nonsense with its own words, and leaves nothing.

use bailiwick_testkit::envoy::{Envoy, EnvoyError};

const DIRECT: &str = r#"
static_resources:
  listeners:
  - name: direct
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: direct
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{match: {prefix: /}, direct_response: {status: 200, body: {filename: "{dir}/answer"}}}]
"#;

#[test]
fn a_listener_answers_and_the_directory_goes_with_envoy() {
    let Some(envoy) = Envoy::start(DIRECT, &[("answer", "from a file")]).unwrap() else {
        return;
    };
    let address = envoy.listener("direct").unwrap();
    let mut reply = ureq::get(format!("http://{address}/")).call().unwrap();
    assert_eq!(reply.body_mut().read_to_string().unwrap(), "from a file");
    assert!(
        matches!(envoy.listener("other"), Err(EnvoyError::NoListener(name)) if name == "other")
    );
    let dir = envoy.dir().to_owned();
    drop(envoy);
    assert!(!dir.exists() && ureq::get(format!("http://{address}/")).call().is_err());
}

#[test]
fn a_wrong_configuration_is_told_in_envoys_words() {
    match Envoy::start("static_resources: {nonsense: 1}", &[]) {
        Ok(None) => {}
        Ok(Some(_)) => panic!("Envoy took nonsense"),
        Err(error) => assert!(error.to_string().contains("nonsense"), "{error}"),
    }
}
