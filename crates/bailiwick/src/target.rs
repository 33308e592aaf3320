//! VERB RESOURCE, as the command line has them, into a request as the API server would see it.

use anyhow::{Context as _, Result, bail};
use bailiwick_core::{NonResourceRequest, Request, ResourceRequest};
use bailiwick_model::{ApiResource, ApiTable};

/// What narrows a request further.
#[derive(clap::Args, Debug, Clone, Default)]
pub(crate) struct TargetOptions {
    /// Subresource, such as `log`, `exec`, `scale` or `token`
    #[arg(long, value_name = "NAME")]
    pub(crate) subresource: Option<String>,
    /// Field selector of a list or watch; `metadata.name=NAME` names the object, as it does for the API server
    #[arg(long, value_name = "SELECTOR")]
    pub(crate) field_selector: Option<String>,
    /// Label selector of a list or watch; RBAC does not read it
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
}

/// Where a request happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    /// What `-n` says.
    pub(crate) given: Option<&'a str>,
    /// The namespace where `-n` says nothing.
    pub(crate) default: &'a str,
    /// Whether `-A` was given.
    pub(crate) all: bool,
}

/// A request and what is odd about it.
#[derive(Debug)]
pub(crate) struct Target {
    /// The request.
    pub(crate) request: Request,
    /// Whether a whole HTTP request was asked about, and not one question of the API server to its authorizer.
    pub(crate) is_http: bool,
    /// Hints for the person who asked.
    pub(crate) hints: Vec<String>,
}

/// Reads `VERB RESOURCE[.GROUP][/NAME]`, `VERB URL` or `METHOD URL`.
pub(crate) fn read(
    api: &ApiTable,
    verb: &str,
    target: &str,
    options: &TargetOptions,
    scope: Scope<'_>,
) -> Result<Target> {
    if verb.is_empty() {
        bail!("VERB is empty; write a verb such as get, list, create or `*`");
    }
    let hints = Vec::new();
    if target.starts_with('/') {
        if options.subresource.is_some()
            || options.field_selector.is_some()
            || options.selector.is_some()
        {
            bail!(
                "a URL has no --subresource, --field-selector or --selector; put them in the URL"
            );
        }
        return url(verb, target, hints);
    }
    resource(api, verb, target, options, scope, hints)
}

const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT",
];

fn url(verb: &str, target: &str, mut hints: Vec<String>) -> Result<Target> {
    if METHODS.contains(&verb) {
        let request = bailiwick_rbac::request_info(verb, target).with_context(|| {
            format!("`{verb} {target}` is not a request that the API server reads")
        })?;
        hints.push(format!(
            "the API server reads `{verb} {target}` as: {request}"
        ));
        return Ok(Target {
            request,
            is_http: true,
            hints,
        });
    }
    let path = target.split('?').next().unwrap_or(target);
    if let Ok(request @ Request::Resource(_)) = bailiwick_rbac::request_info("GET", path) {
        hints.push(format!(
            "`{path}` is a resource ({request}), which the authorizer never sees as a URL; \
             write the method in capitals (GET, POST, ...) to ask for the request"
        ));
    }
    let request = NonResourceRequest {
        verb: verb.to_owned(),
        path: target.to_owned(),
    };
    Ok(Target {
        request: request.into(),
        is_http: false,
        hints,
    })
}

fn resource(
    api: &ApiTable,
    verb: &str,
    target: &str,
    options: &TargetOptions,
    scope: Scope<'_>,
    mut hints: Vec<String>,
) -> Result<Target> {
    let (word, name) = target.split_once('/').unwrap_or((target, ""));
    if word.is_empty() {
        bail!("RESOURCE is empty; write RESOURCE, RESOURCE.GROUP or RESOURCE/NAME");
    }
    let mut request = ResourceRequest {
        verb: verb.to_owned(),
        name: name.to_owned(),
        subresource: options.subresource.clone().unwrap_or_default(),
        ..ResourceRequest::default()
    };
    let known = resource_type(api, word, &mut request, &mut hints);
    if let Some(known) = known {
        check_verb(known, &request, &mut hints);
    }
    if let Some(selector) = &options.field_selector {
        select_by_field(selector, &mut request, &mut hints)?;
    }
    if options.selector.is_some() {
        hints.push("RBAC does not read label selectors; the answer is the same without".to_owned());
    }
    request.namespace = namespace(known, &request, scope, &mut hints);
    Ok(Target {
        request: request.into(),
        is_http: false,
        hints,
    })
}

/// Sets group and resource. Gives the resource where the table knows it.
fn resource_type<'a>(
    api: &'a ApiTable,
    word: &str,
    request: &mut ResourceRequest,
    hints: &mut Vec<String>,
) -> Option<&'a ApiResource> {
    // As kubectl: the star stands for itself. It is only matched by rules that have a star there too.
    if let Some(group) = word.strip_prefix('*') {
        "*".clone_into(&mut request.resource);
        group
            .strip_prefix('.')
            .unwrap_or_default()
            .clone_into(&mut request.group);
        if group.is_empty() {
            hints.push(
                "`*` asks for every resource of the core group; for every group too write `*.*`"
                    .to_owned(),
            );
        }
        return None;
    }
    match api.resolve(word) {
        Ok(resolved) => {
            let resource = resolved.resource;
            (*resource.resource).clone_into(&mut request.resource);
            (*resource.group).clone_into(&mut request.group);
            if let Some(other) = resolved.others.first() {
                hints.push(format!(
                    "`{word}` is read as {}; write {} for the other",
                    qualified(resource),
                    qualified(other)
                ));
            }
            Some(resource)
        }
        Err(unknown) => {
            let (resource, group) = word.split_once('.').unwrap_or((word, ""));
            resource.clone_into(&mut request.resource);
            group.clone_into(&mut request.group);
            // The API server knows these without serving them.
            let impersonation = request.verb.starts_with("impersonate")
                && matches!(resource, "users" | "groups" | "uids" | "userextras");
            if !impersonation {
                let meant = match unknown.suggestions.as_slice() {
                    [] => String::new(),
                    names => format!("; did you mean {}?", names.join(", ")),
                };
                hints.push(format!("no API is known that serves `{word}`{meant}"));
            }
            None
        }
    }
}

fn qualified(resource: &ApiResource) -> String {
    match &*resource.group {
        "" => resource.resource.to_string(),
        group => format!("{}.{group}", resource.resource),
    }
}

fn check_verb(known: &ApiResource, request: &ResourceRequest, hints: &mut Vec<String>) {
    let subresource = |name: &str| known.subresources.iter().find(|sub| *sub.name == *name);
    if request.subresource.is_empty() {
        if subresource(&request.name).is_some() {
            hints.push(format!(
                "`{0}/{1}` is the object named `{1}`; for the subresource write {0} --subresource {1}",
                request.resource, request.name
            ));
        }
    } else if subresource(&request.subresource).is_none() && request.subresource != "*" {
        let names: Vec<&str> = known.subresources.iter().map(|sub| &*sub.name).collect();
        hints.push(match names.as_slice() {
            [] => format!("{} has no subresources", request.resource),
            names => format!(
                "{} has no subresource `{}`; it has {}",
                request.resource,
                request.subresource,
                names.join(", ")
            ),
        });
    }
    if request.verb != request.verb.to_lowercase() {
        hints.push(format!(
            "verbs are compared letter by letter and `{}` is none that the API server asks for; write `{}`",
            request.verb,
            request.verb.to_lowercase()
        ));
    }
}

/// `metadata.name=X` in the selector of a list or watch names the object for the authorizer.
fn select_by_field(
    selector: &str,
    request: &mut ResourceRequest,
    hints: &mut Vec<String>,
) -> Result<()> {
    if !request.name.is_empty() {
        bail!("an object name and a --field-selector cannot go together");
    }
    let named = selector.split(',').find_map(|requirement| {
        let (field, value) = requirement.split_once('=')?;
        let value = value.strip_prefix('=').unwrap_or(value);
        (field == "metadata.name" && !value.is_empty()).then_some(value)
    });
    match (named, request.verb.as_str()) {
        (Some(name), "list" | "watch") => name.clone_into(&mut request.name),
        (Some(_), verb) => hints.push(format!(
            "the API server reads metadata.name from the selector of a list or watch only, not of `{verb}`"
        )),
        (None, _) => hints.push("RBAC does not read field selectors other than metadata.name=NAME".to_owned()),
    }
    Ok(())
}

/// The namespace that the request has for the authorizer.
fn namespace(
    known: Option<&ApiResource>,
    request: &ResourceRequest,
    scope: Scope<'_>,
    hints: &mut Vec<String>,
) -> String {
    let is_namespace = request.group.is_empty() && request.resource == "namespaces";
    if is_namespace
        && !request.name.is_empty()
        && !matches!(request.verb.as_str(), "create" | "list")
    {
        // `/api/v1/namespaces/X` has X as its namespace and as its name, so RoleBindings in X count.
        return request.name.clone();
    }
    match known {
        Some(resource) if !resource.namespaced => {
            let Some(given) = scope.given else {
                return String::new();
            };
            if !served(resource, &request.verb) {
                // Made-up verbs are asked in a namespace, whatever the resource: `bind clusterroles` for a
                // RoleBinding, `use` for a pod.
                hints.push(format!(
                    "`{}` is asked in namespace `{given}`",
                    request.verb
                ));
                return given.to_owned();
            }
            hints.push(format!(
                "{} is not in any namespace: requests on it are decided by ClusterRoleBindings alone, -n changes nothing",
                qualified(resource)
            ));
            String::new()
        }
        _ if scope.all => String::new(),
        _ => scope.given.unwrap_or(scope.default).to_owned(),
    }
}

fn served(resource: &ApiResource, verb: &str) -> bool {
    const STANDARD: [&str; 9] = [
        "*",
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch",
    ];
    STANDARD.contains(&verb) || resource.verbs.iter().any(|served| **served == *verb)
}

#[cfg(test)]
mod tests;
