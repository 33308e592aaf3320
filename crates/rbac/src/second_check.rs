use bailiwick_core::Request;

/// The first minor version whose handlers of exec, attach and port-forward ask for `create` themselves.
const CREATE_SINCE: u16 = 35;

/// What the API server asks its authorizers once more after they have allowed `request`, which a
/// SubjectAccessReview does not tell.
///
/// From 1.35 on the handlers of `exec`, `attach` and `portforward` of a pod ask for `create`, too, so that `get`
/// alone opens none of them by a WebSocket (`pkg/registry/core/pod/rest/subresources.go`; the feature gate is
/// `AuthorizePodWebsocketUpgradeCreatePermission` and may be off). `minor` is that of the server; without one it is
/// taken to be recent.
///
/// A PUT or apply of an object that does not exist is asked for `create` with its name, too. Whether it exists no
/// request tells.
pub fn second_check(request: &Request, minor: Option<u16>) -> Option<Request> {
    let Request::Resource(request) = request else {
        return None;
    };
    let streams = matches!(&*request.subresource, "exec" | "attach" | "portforward");
    let of_pod = request.group.is_empty() && request.resource == "pods";
    let asks = of_pod && streams && request.verb == "get";
    let recent = minor.is_none_or(|minor| minor >= CREATE_SINCE);
    (asks && recent).then(|| {
        let mut create = request.clone();
        "create".clone_into(&mut create.verb);
        create.into()
    })
}

#[cfg(test)]
mod tests {
    use bailiwick_testkit::notation::request;

    use super::*;

    fn check(asked: &str, minor: Option<u16>, expected: Option<&str>) {
        assert_eq!(
            second_check(&request(asked), minor),
            expected.map(request),
            "{asked} {minor:?}"
        );
    }

    #[test]
    fn streams_by_get_need_create() {
        for sub in ["exec", "attach", "portforward"] {
            let [get, create] =
                ["get", "create"].map(|verb| format!("{verb} pods/{sub} web -n shop"));
            check(&get, Some(35), Some(&create));
            check(&get, None, Some(&create));
            check(&get, Some(34), None);
            check(&create, Some(37), None);
        }
        check("get pods/log web -n shop", Some(37), None);
        check("get pods web -n shop", Some(37), None);
        check("get pods.example.com/exec web -n shop", Some(37), None);
        check("get nodes/proxy n1", Some(37), None);
        check("get /exec", Some(37), None);
    }
}
