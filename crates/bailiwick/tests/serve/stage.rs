//! The real Envoy before a sample application, with the decision point beside it.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bailiwick_testkit::envoy::Envoy;
use rcgen::ExtendedKeyUsagePurpose;
use serde_json::json;

use crate::program::{Home, Program};
use crate::token;

/// What the application behind the gateway was asked: the heads of requests.
#[derive(Clone, Default)]
pub(crate) struct App {
    seen: Arc<Mutex<Vec<String>>>,
}

impl App {
    /// Answers 200 to everything, and repeats what it was asked.
    fn start() -> (Self, SocketAddr) {
        let app = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = app.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = seen.clone();
                std::thread::spawn(move || seen.answer(stream));
            }
        });
        (app, address)
    }

    fn answer(&self, mut stream: TcpStream) -> Option<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let length = head.len();
        self.seen.lock().unwrap().push(head.clone());
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{head}"
        )
        .ok()
    }

    /// First lines of the requests so far; they are forgotten.
    pub(crate) fn lines(&self) -> Vec<String> {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        seen.iter()
            .map(|head| head.lines().next().unwrap_or_default().to_owned())
            .collect()
    }
}

/// Everything together.
pub(crate) struct Stage {
    pub(crate) home: Home,
    pub(crate) program: Program,
    pub(crate) envoy: Envoy,
    pub(crate) app: App,
}

pub(crate) const FORMS: [&str; 2] = ["grpc", "http"];

/// Whoever has a token may do everything but what lies below `/admin`, which is for the group `admins`; workloads may
/// read `/orders`. The weakest kind of policy: it allows what it does not name.
const POLICY: &str = r#"
permit (principal is app::Subject, action, resource is app::Resource) when {
  principal.application == "shop" && principal.type == "user"
};
forbid (principal is app::Subject, action, resource is app::Resource) when {
  resource.id like "/admin*" && !(principal in app::Group::"admins")
};
forbid (principal is app::Subject, action, resource is app::Resource) when {
  resource.hasTag("host") && resource.getTag("host").contains("closed.example.org")
};
forbid (principal is app::Subject, action, resource is app::Resource) when {
  context.about.hasTag("header.x-tenant") && context.about.getTag("header.x-tenant").contains("other")
};
permit (principal is app::Subject, action, resource is app::Resource) when {
  principal.type == "workload" && principal.id == "spiffe://example.org/web" &&
  context.action == "GET" && resource.id == "/orders"
};
"#;

pub(crate) const DOOR: &str = "\
extAuthz:
  jwt: {metadata: claims, header: x-claims}
  clientCertificateHeader: true
  headers: [x-tenant]
policies: [policies]
";

fn prepare() -> Home {
    let home = Home::new(&[
        "edge",
        "stranger",
        "spiffe://example.org/web",
        "spiffe://example.org/other",
    ]);
    home.issue("envoy", ExtendedKeyUsagePurpose::ServerAuth);
    home.write(
        "manifests.yaml",
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}",
    );
    std::fs::create_dir(home.path("policies")).unwrap();
    let document = json!({
        "apiVersion": "bailiwick.dev/v1alpha1", "kind": "ClusterPolicy",
        "metadata": {"name": "shop"}, "spec": {"cedar": POLICY},
    });
    home.write("policies/shop.json", &document.to_string());
    home.configure("127.0.0.1:0", DOOR);
    home
}

/// Nothing where Envoy cannot be had.
pub(crate) fn stage(connection: &str) -> Option<Stage> {
    stage_of(connection, "edge")
}

pub(crate) fn stage_of(connection: &str, edge: &str) -> Option<Stage> {
    let home = prepare();
    let program = home.serve();
    let (app, address) = App::start();
    let bootstrap = bootstrap(&home, &program.address, address, connection, edge);
    let envoy = Envoy::start(&bootstrap, &[]).unwrap()?;
    Some(Stage {
        home,
        program,
        envoy,
        app,
    })
}

fn bootstrap(home: &Home, pdp: &str, app: SocketAddr, connection: &str, edge: &str) -> String {
    let pdp: SocketAddr = pdp.parse().unwrap();
    let path = |name: &str| home.path(name).display().to_string();
    let mut text = "static_resources:\n  listeners:\n".to_owned();
    for form in FORMS {
        for secure in [false, true] {
            text += &listener(form, secure, connection, &path);
        }
    }
    let tls = format!(
        r#"    transport_socket:
      name: tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: localhost
        common_tls_context:
          tls_certificates: [{{certificate_chain: {{filename: "{}"}}, private_key: {{filename: "{}"}}}}]
          validation_context:
            trusted_ca: {{filename: "{}"}}
            match_typed_subject_alt_names: [{{san_type: DNS, matcher: {{exact: localhost}}}}]
"#,
        path(&format!("{edge}.crt")),
        path(&format!("{edge}.key")),
        path("ca.crt"),
    );
    let h2 = r#"    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
"#;
    text += "  clusters:\n";
    for (name, address, rest) in [
        ("app", app, String::new()),
        ("pdp-http", pdp, tls.clone()),
        ("pdp-grpc", pdp, format!("{h2}{tls}")),
    ] {
        let (ip, port) = (address.ip(), address.port());
        let _ = write!(
            text,
            "  - name: {name}\n    load_assignment: {{cluster_name: {name}, endpoints: [{{lb_endpoints: \
             [{{endpoint: {{address: {{socket_address: {{address: {ip}, port_value: {port}}}}}}}}}]}}]}}\n{rest}"
        );
    }
    text
}

/// A listener called after its form; `connection` is more of its connection manager. With `secure` it takes clients'
/// certificates and tells the application of them.
fn listener(form: &str, secure: bool, connection: &str, path: &dyn Fn(&str) -> String) -> String {
    let asks = match form {
        "grpc" => "metadata_context_namespaces: [envoy.filters.http.jwt_authn]
            encode_raw_headers: true
            grpc_service: {envoy_grpc: {cluster_name: pdp-grpc}, timeout: 2s}",
        _ => "allowed_headers: {patterns: [{exact: x-claims}, {exact: x-tenant}, {exact: x-forwarded-client-cert}]}
            http_service:
              server_uri: {uri: 'https://pdp', cluster: pdp-http, timeout: 2s}
              path_prefix: /ext_authz
              authorization_response:
                allowed_upstream_headers: {patterns: [{exact: x-bailiwick-decision-id}]}",
    };
    let name = if secure {
        format!("{form}-tls")
    } else {
        form.to_owned()
    };
    let (tls, forward) = match secure {
        false => (String::new(), ""),
        true => (
            format!(
                r#"
      transport_socket:
        name: tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            tls_certificates: [{{certificate_chain: {{filename: "{}"}}, private_key: {{filename: "{}"}}}}]
            validation_context: {{trusted_ca: {{filename: "{}"}}}}"#,
                path("envoy.crt"),
                path("envoy.key"),
                path("ca.crt")
            ),
            "forward_client_cert_details: SANITIZE_SET, set_current_client_cert_details: {uri: true}, ",
        ),
    };
    let keys = token::keys();
    format!(
        r#"  - name: {name}
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: {form}
          {connection}
          http_filters:
          - name: envoy.filters.http.jwt_authn
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
              providers:
                people: {{issuer: people, local_jwks: {{inline_string: '{keys}'}}, payload_in_metadata: claims, forward_payload_header: x-claims}}
              rules:
              - match: {{prefix: /}}
                requires: {{requires_any: {{requirements: [{{provider_name: people}}, {{allow_missing: {{}}}}]}}}}
          - name: envoy.filters.http.ext_authz
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
              transport_api_version: V3
              failure_mode_allow: false
              ASKS
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
          route_config:
            virtual_hosts: [{{name: all, domains: ["*"], routes: [{{match: {{prefix: /}}, route: {{cluster: app}}}}]}}]{tls}
"#
    )
    .replace("ASKS", &asks.replace("\n            ", "\n              "))
    .replace("stat_prefix:", &format!("{}stat_prefix:", forward.replace(", ", "\n          ")))
}

/// An answer of the gateway.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next()?;
        let pairs = head.lines().filter_map(|line| line.split_once(": "));
        pairs
            .clone()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// Sends a head as it is, since clients would tidy up its path. Status 0 where there is no answer.
pub(crate) fn send(address: SocketAddr, head: &str) -> Answer {
    let answer = || {
        let mut stream = TcpStream::connect(address).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .ok()?;
        stream.write_all(head.as_bytes()).ok()?;
        let mut bytes = Vec::new();
        // A reset behind the answer does not take it away.
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let status = text.split(' ').nth(1)?.parse().ok()?;
        Some(Answer { status, text })
    };
    answer().unwrap_or(Answer {
        status: 0,
        text: String::new(),
    })
}

impl Stage {
    pub(crate) fn get(&self, form: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(form, "GET", path, "shop.example.org", headers)
    }

    pub(crate) fn ask(
        &self,
        form: &str,
        method: &str,
        path: &str,
        host: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        send(self.envoy.listener(form).unwrap(), &(head + "\r\n"))
    }
}
