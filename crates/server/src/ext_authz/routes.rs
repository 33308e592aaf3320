//! What methods and paths mean to an application.

use std::collections::BTreeMap;

use bailiwick_model::{Map, Value};
use bailiwick_pdp::Entity;

/// The type of a resource for which no route says otherwise.
const ROUTE: &str = "route";

/// Requests that are one resource of the application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    host: Option<String>,
    segments: Vec<Segment>,
    /// Whether more segments may follow.
    deeper: bool,
    path: String,
    kind: String,
    actions: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Parameter(String),
}

/// Why a route is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// A path that no request can have.
    #[error("the path `{path}` of a route can never be asked for: {why}")]
    Path {
        /// The path as written.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A parameter that has no name, or one that is taken.
    #[error(
        "the path `{path}` of a route has the parameter `{name}`; give each parameter a name of its own, and \
             neither `host` nor `path` nor `port` nor `scheme`"
    )]
    Parameter {
        /// The path as written.
        path: String,
        /// The parameter.
        name: String,
    },
    /// A host in which a port, a capital or a dot at the end never matches.
    #[error("`{0}` is no host of a route; write a name in small letters, without a port")]
    Host(String),
}

impl Route {
    /// The requests to a path, such as `/users/{user}` or, with all that lies below, `/files/**`; of one host or of all.
    /// `kind` is the type of the resource (`route` where there is none), `actions` names methods otherwise.
    ///
    /// # Errors
    /// When no request can match.
    pub fn new(
        host: Option<String>,
        path: &str,
        kind: Option<String>,
        actions: BTreeMap<String, String>,
    ) -> Result<Self, RouteError> {
        if let Some(host) = host.as_deref().filter(|host| !is_host(host)) {
            return Err(RouteError::Host(host.to_owned()));
        }
        let (fixed, deeper) = match path.strip_suffix("/**") {
            Some(fixed) => (fixed, true),
            None => (path, false),
        };
        let segments: Result<Vec<Segment>, RouteError> = fixed
            .split('/')
            .skip(1)
            .map(|text| segment(path, text))
            .collect();
        let segments = segments?;
        let plain: String = segments.iter().map(Segment::example).collect();
        let plain = if plain.is_empty() && (deeper || path == "/") {
            "/".to_owned()
        } else {
            plain
        };
        if !path.starts_with('/') || super::path::canonical(&plain).as_deref() != Ok(plain.as_str())
        {
            let why = super::path::canonical(&plain).err();
            return Err(RouteError::Path {
                path: path.to_owned(),
                why: why.map_or_else(
                    || "write it as it arrives".to_owned(),
                    |why| why.to_string(),
                ),
            });
        }
        let mut names: Vec<&str> = segments.iter().filter_map(Segment::name).collect();
        names.extend(TAKEN);
        names.sort_unstable();
        let twice = names
            .array_windows()
            .find(|[a, b]| a == b)
            .map(|[name, _]| (*name).to_owned());
        if let Some(name) = twice {
            let path = path.to_owned();
            return Err(RouteError::Parameter { path, name });
        }
        Ok(Self {
            host,
            segments,
            deeper,
            path: path.to_owned(),
            kind: kind.unwrap_or_else(|| ROUTE.to_owned()),
            actions,
        })
    }

    /// The parameters of a path, if it is one of this route.
    fn parameters<'a>(&'a self, host: &str, path: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
        if self.host.as_deref().is_some_and(|wanted| wanted != host) {
            return None;
        }
        let mut found = Vec::new();
        let mut rest = path.split('/').skip(1);
        for segment in &self.segments {
            let text = rest.next()?;
            match segment {
                Segment::Literal(literal) if literal == text => {}
                Segment::Parameter(name) if !text.is_empty() => found.push((name.as_str(), text)),
                _ => return None,
            }
        }
        (self.deeper || rest.next().is_none()).then_some(found)
    }
}

/// Properties that every resource has.
const TAKEN: [&str; 4] = ["host", "path", "port", "scheme"];

fn segment(path: &str, text: &str) -> Result<Segment, RouteError> {
    let Some(inner) = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
    else {
        if text == "**" {
            return Err(RouteError::Path {
                path: path.to_owned(),
                why: "`**` stands for all that follows, so nothing follows it".to_owned(),
            });
        }
        return Ok(Segment::Literal(text.to_owned()));
    };
    let word = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    if inner.is_empty() || !inner.chars().all(word) {
        return Err(RouteError::Parameter {
            path: path.to_owned(),
            name: inner.to_owned(),
        });
    }
    Ok(Segment::Parameter(inner.to_owned()))
}

impl Segment {
    /// The segment in a path that it matches.
    fn example(&self) -> String {
        match self {
            Self::Literal(text) => format!("/{text}"),
            Self::Parameter(_) => "/x".to_owned(),
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Parameter(name) => Some(name),
        }
    }
}

/// Whether this is a host as it is decided on: small letters, no port, no dot at the end.
pub(super) fn is_host(host: &str) -> bool {
    let letter = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-._[]:".contains(letter)
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    !host.is_empty()
        && !host.ends_with('.')
        && host.chars().all(letter)
        && (bracketed || !host.contains([':', '[', ']']))
}

/// What is asked of the application: the action and the resource.
pub(super) fn asked(routes: &[Route], method: &str, host: &str, path: &str) -> (String, Entity) {
    let found = routes
        .iter()
        .find_map(|route| Some((route, route.parameters(host, path)?)));
    let Some((route, parameters)) = found else {
        return (method.to_owned(), Entity::new(ROUTE, path));
    };
    let mut resource = Entity::new(&route.kind, &route.path);
    for (name, value) in parameters {
        resource
            .properties
            .insert(name.to_owned(), Value::String(value.to_owned()));
    }
    let action = route.actions.get(method).map_or(method, String::as_str);
    (action.to_owned(), resource)
}

/// Says of a resource where it was asked for.
pub(super) fn describe(properties: &mut Map, facts: [(&str, &str); 4]) {
    for (name, value) in facts {
        properties.insert(name.to_owned(), Value::String(value.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(host: Option<&str>, path: &str) -> Result<Route, RouteError> {
        let actions = BTreeMap::from([("GET".to_owned(), "read".to_owned())]);
        Route::new(host.map(str::to_owned), path, None, actions)
    }

    #[test]
    fn the_first_route_that_matches() {
        let routes = [
            route(None, "/users/{user}").unwrap(),
            route(Some("files.example.org"), "/{tenant}/**").unwrap(),
            route(None, "/").unwrap(),
            route(None, "/todos").unwrap(),
        ];
        let check = |method: &str, host: &str, path: &str, expected: &str| {
            let (action, resource) = asked(&routes, method, host, path);
            let found: String = resource
                .properties
                .iter()
                .map(|(name, value)| format!(" {name}={}", value.as_str().unwrap()))
                .collect();
            assert_eq!(
                format!("{action} {}:{}{found}", resource.kind, resource.id),
                expected
            );
        };
        check(
            "GET",
            "x",
            "/users/anna",
            "read route:/users/{user} user=anna",
        );
        check(
            "PUT",
            "x",
            "/users/anna",
            "PUT route:/users/{user} user=anna",
        );
        check("GET", "x", "/users/", "GET route:/users/");
        check("GET", "x", "/users/anna/", "GET route:/users/anna/");
        check("GET", "x", "/users/anna/x", "GET route:/users/anna/x");
        check("GET", "x", "/Users/anna", "GET route:/Users/anna");
        check("GET", "x", "/", "read route:/");
        check("GET", "x", "/todos", "read route:/todos");
        check("GET", "x", "/todos/", "GET route:/todos/");
        check("GET", "x", "/t1/a/b", "GET route:/t1/a/b");
        check(
            "GET",
            "files.example.org",
            "/t1/a/b",
            "read route:/{tenant}/** tenant=t1",
        );
        check(
            "GET",
            "files.example.org",
            "/t1",
            "read route:/{tenant}/** tenant=t1",
        );
        check(
            "GET",
            "files.example.org",
            "/t1/",
            "read route:/{tenant}/** tenant=t1",
        );
    }

    #[test]
    fn routes_that_never_match_are_refused() {
        let check = |host: Option<&str>, path: &str, expected: &str| {
            let error = route(host, path).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(None, "users", "`users` of a route can never");
        check(None, "/a//b", "holds `//`");
        check(None, "/a/../b", "`.` or `..`");
        check(None, "/a/%2f", "`%2F`");
        check(None, "/a/%c3%a9", "write it as it arrives");
        check(None, "/a/{}", "the parameter ``");
        check(None, "/{a}/{a}", "the parameter `a`");
        check(None, "/{host}", "the parameter `host`");
        check(None, "/a{b}", "holds `{`");
        check(None, "/**/a", "nothing follows it");
        for host in ["Shop.example.org", "shop:80", "shop.", "", "a b"] {
            check(Some(host), "/", "is no host of a route");
        }
        assert!(route(Some("[::1]"), "/**").is_ok());
    }
}
