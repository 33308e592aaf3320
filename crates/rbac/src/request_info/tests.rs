use proptest::prelude::*;

use super::*;

/// `VERB [GROUP/]VERSION resource[/sub] ns=NAMESPACE name=NAME`, with what is empty left out; or `VERB PATH`.
fn show(request: &Request) -> String {
    match request {
        Request::NonResource(request) => format!("{} {}", request.verb, request.path),
        Request::Resource(request) => {
            let group = match request.group.as_str() {
                "" => String::new(),
                group => format!("{group}/"),
            };
            let mut text = format!(
                "{} {group}{} {}",
                request.verb,
                request.version,
                request.combined_resource()
            );
            for (key, value) in [("ns", &request.namespace), ("name", &request.name)] {
                if !value.is_empty() {
                    text.push_str(&format!(" {key}={value}"));
                }
            }
            text
        }
    }
}

fn check(request: &str, expected: &str) {
    let (method, url) = request.split_once(' ').unwrap();
    let read = request_info(method, url).map(|request| show(&request));
    assert_eq!(read.as_deref(), Ok(expected), "{request}");
}

fn refuse(method: &str, url: &str, expected: RequestInfoError) {
    assert_eq!(request_info(method, url), Err(expected), "{method} {url}");
}

#[test]
fn methods_become_verbs() {
    check(
        "GET /api/v1/namespaces/shop/pods/web",
        "get v1 pods ns=shop name=web",
    );
    check(
        "HEAD /api/v1/namespaces/shop/pods/web",
        "get v1 pods ns=shop name=web",
    );
    check(
        "PUT /api/v1/namespaces/shop/pods/web",
        "update v1 pods ns=shop name=web",
    );
    check(
        "PATCH /api/v1/namespaces/shop/pods/web",
        "patch v1 pods ns=shop name=web",
    );
    check(
        "DELETE /api/v1/namespaces/shop/pods/web",
        "delete v1 pods ns=shop name=web",
    );
    check(
        "DELETE /api/v1/namespaces/shop/pods",
        "deletecollection v1 pods ns=shop",
    );
    check(
        "POST /api/v1/namespaces/shop/pods",
        "create v1 pods ns=shop",
    );
    check("GET /api/v1/namespaces/shop/pods", "list v1 pods ns=shop");
    check("HEAD /api/v1/pods", "list v1 pods");
    check("OPTIONS /api/v1/pods", " v1 pods");
    check("get /api/v1/pods", " v1 pods");
    check(
        "GET /apis/apps/v1/deployments/web/scale",
        "get apps/v1 deployments/scale name=web",
    );
    check(
        "GET /api/v1/nodes/n1/proxy/exec/a/b/c",
        "get v1 nodes/proxy name=n1",
    );
}

#[test]
fn a_namespace_is_in_itself() {
    check("GET /api/v1/namespaces", "list v1 namespaces");
    check(
        "GET /api/v1/namespaces/shop",
        "get v1 namespaces ns=shop name=shop",
    );
    check(
        "PUT /api/v1/namespaces/shop/finalize",
        "update v1 namespaces/finalize ns=shop name=shop",
    );
    check(
        "GET /api/v1/namespaces/shop/status",
        "get v1 namespaces/status ns=shop name=shop",
    );
    check("GET /api/v1/namespaces/shop/other", "list v1 other ns=shop");
    check(
        "GET /api/v1/namespaces?fieldSelector=metadata.name%3Dshop",
        "list v1 namespaces name=shop",
    );
}

#[test]
fn verbs_in_the_path() {
    check("GET /api/v1/watch/pods", "watch v1 pods");
    check(
        "GET /api/v1/watch/namespaces/shop/pods/web",
        "watch v1 pods ns=shop name=web",
    );
    check(
        "GET /api/v1/watch/namespaces/shop",
        "watch v1 namespaces ns=shop name=shop",
    );
    check("DELETE /api/v1/watch/pods", "watch v1 pods");
    check(
        "GET /api/v1/watch/pods?fieldSelector=metadata.name=web",
        "watch v1 pods",
    );
    check("POST /api/v1/proxy/nodes/n1/logs", "proxy v1 nodes name=n1");
    check(
        "GET /apis/apps/v1/watch/deployments",
        "watch apps/v1 deployments",
    );
    refuse(
        "GET",
        "/api/v1/watch",
        RequestInfoError::NoResource("/api/v1/watch".into()),
    );
    refuse(
        "GET",
        "/apis/a/v1/proxy/",
        RequestInfoError::NoResource("/apis/a/v1/proxy/".into()),
    );
}

#[test]
fn paths_that_are_no_resource() {
    check("GET /", "get /");
    check("HEAD /healthz", "head /healthz");
    check("GET /healthz/?verbose", "get /healthz/");
    check("GET /api", "get /api");
    check("GET /api/v1", "get /api/v1");
    check("GET /api/v1/", "get /api/v1/");
    check("GET /apis/apps/v1", "get /apis/apps/v1");
    check("GET /apis/apps/v1/?x", "get /apis/apps/v1/");
    check("POST /version", "post /version");
    check("GET /API/v1/pods", "get /API/v1/pods");
    check("GET /swagger%2Fui", "get /swagger/ui");
}

#[test]
fn paths_are_not_cleaned_up() {
    check("GET //api/v1/pods//", "list v1 pods");
    check("GET /api//v1/pods", "get  v1 name=pods");
    check("GET /api/v1/namespaces//pods", "list v1 pods");
    check("GET /api/v1//pods", "get v1  name=pods");
    check("GET /api/v1/pods/../secrets", "get v1 pods/secrets name=..");
    check("GET /api/v1/namespaces/shop%2Fpods", "list v1 pods ns=shop");
    check(
        "GET /api/v1/namespaces/shop/services/https:web:8443/proxy",
        "get v1 services/proxy ns=shop name=https:web:8443",
    );
    check("GET /api/v1/pods/a+b%20c", "get v1 pods name=a+b c");
    check("GET /api/v1/pods#x", "list v1 pods#x");
}

#[test]
fn field_selectors_name_an_object() {
    let list = |query: &str, expected: &str| check(&format!("GET /api/v1/pods?{query}"), expected);
    list("fieldSelector=metadata.name%3Dweb", "list v1 pods name=web");
    list(
        "fieldSelector=metadata.name==web&watch=1",
        "watch v1 pods name=web",
    );
    list(
        "fieldSelector=spec.nodeName=n,metadata.name=web",
        "list v1 pods name=web",
    );
    list(
        "fieldSelector=metadata.name=b,metadata.name=a",
        "list v1 pods name=a",
    );
    list(
        "fieldSelector=metadata.name=a&fieldSelector=metadata.name=b",
        "list v1 pods name=a",
    );
    list(
        "fieldSelector=metadata.name=a%5C,b",
        "list v1 pods name=a,b",
    );
    list("fieldSelector=metadata.name!=web", "list v1 pods");
    list("fieldSelector=metadata.name=a/b", "list v1 pods");
    list("fieldSelector=metadata.name=..", "list v1 pods");
    list("fieldSelector=metadata.name=a%5Cb", "list v1 pods");
    list("fieldSelector=metadata.name", "list v1 pods");
    list("fieldSelector=metadata.name=web;", "list v1 pods");
    list("fieldSelector=metadata.name=web%", "list v1 pods");
    list("watch=1&fieldSelector=broken", "watch v1 pods");
    list("limit=x&fieldSelector=metadata.name=web", "list v1 pods");
    list(
        "timeoutSeconds=+5&fieldSelector=metadata.name=web",
        "list v1 pods",
    );
    list(
        "timeoutSeconds=%2B5&fieldSelector=metadata.name=web",
        "list v1 pods name=web",
    );
    list(
        "labelSelector=%3D&fieldSelector=metadata.name=web",
        "list v1 pods",
    );
    list(
        "labelSelector=a%20in%20(b,)&fieldSelector=metadata.name=web",
        "list v1 pods name=web",
    );
    check(
        "DELETE /api/v1/pods?fieldSelector=metadata.name=web",
        "deletecollection v1 pods",
    );
}

#[test]
fn what_counts_as_watch() {
    let list = |query: &str, expected: &str| check(&format!("GET /api/v1/pods?{query}"), expected);
    list("watch", "watch v1 pods");
    list("watch=true", "watch v1 pods");
    list("watch=no", "watch v1 pods");
    list("watch=0", "list v1 pods");
    list("watch=FALSE", "list v1 pods");
    list("watch=fal%C5%BFe", "list v1 pods");
    list("watch=fal%C5%BFe&limit=x", "watch v1 pods");
    list(&format!("watch=1{}", "&".repeat(9_999)), "watch v1 pods");
    list(&format!("watch=1{}", "&".repeat(10_000)), "list v1 pods");
    check("GET /api/v1/pods/web?watch=1", "get v1 pods name=web");
}

#[test]
fn refuses_what_no_server_reads() {
    refuse("GET", "", RequestInfoError::NotAPath(String::new()));
    refuse("GET", "api/v1", RequestInfoError::NotAPath("api/v1".into()));
    refuse(
        "GET",
        "https://h/api",
        RequestInfoError::NotAPath("https://h/api".into()),
    );
    refuse("GET", "/a%2", RequestInfoError::Escape("%2".into()));
    refuse("GET", "/a%zz/", RequestInfoError::Escape("%zz".into()));
    refuse("GET", "/a%ff", RequestInfoError::NotUtf8);
    refuse("GET", "/a\nb", RequestInfoError::ControlCharacter);
    refuse("", "/", RequestInfoError::Method(String::new()));
    refuse("G T", "/", RequestInfoError::Method("G T".into()));
}

#[test]
fn label_selectors() {
    let check =
        |text: &str, expected| assert_eq!(selector::is_label_selector(text), expected, "{text:?}");
    for text in [
        "",
        "a",
        "!a",
        "a=b",
        "a==b",
        "a!=b",
        "a=",
        "a in (b)",
        "a notin (b,c)",
        "a in ()",
        "a in (,)",
        "a,b",
        "x.io/a in(in)",
        "in in (in)",
        "in",
        "a>5",
        "a<05",
        " a = b ",
        "a=\0b",
        "a\0,\0b\0",
        "\0(",
        "a=,b",
    ] {
        check(text, true);
    }
    for text in [
        "=",
        ",",
        "a,",
        "a,,b",
        "a=b=c",
        "a in",
        "a in b",
        "a in (b",
        "a in (b c)",
        "a b",
        "!",
        "!!a",
        "!a=b",
        "-a",
        "a/b/c",
        "/a",
        "x_y/a",
        "a>b",
        "a>",
        "a>-5",
        "a=b/c",
        "a in (é)",
        "(",
        "a=(",
        "a in (b))",
        "a===b",
    ] {
        check(text, false);
    }
}

proptest! {
    /// Whatever comes from outside is read or refused.
    #[test]
    fn never_panics(method in any::<String>(), path in any::<String>(), query in any::<String>()) {
        let _ = request_info(&method, &path);
        let _ = request_info("GET", &format!("/{path}?{query}"));
        let _ = request_info("GET", &format!("/api/v1/pods?fieldSelector={query}&labelSelector={path}"));
        selector::is_label_selector(&path);
        let _ = selector::required_field(&query, "metadata.name");
    }
}
