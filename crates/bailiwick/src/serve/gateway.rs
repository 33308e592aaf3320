//! What the configuration says of external authorization.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use bailiwick_audit::Durability;
use bailiwick_server::{ExtAuthzDoor, Identities, Route};
use serde::Deserialize;

use super::fields::time;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ExtAuthz {
    #[serde(default = "usual_budget", deserialize_with = "time")]
    budget: Duration,
    #[serde(default)]
    durability: Durability,
    #[serde(default)]
    jwt: Jwt,
    #[serde(default)]
    client_certificate_header: bool,
    #[serde(default)]
    anonymous: bool,
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default)]
    routes: Vec<RouteConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Jwt {
    metadata: Option<String>,
    header: Option<String>,
    subject: Option<String>,
    groups: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RouteConfig {
    host: Option<String>,
    path: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    actions: BTreeMap<String, String>,
}

/// Less than the 200 ms after which Envoy does not wait any more.
fn usual_budget() -> Duration {
    Duration::from_millis(150)
}

impl ExtAuthz {
    pub(crate) fn door(&self) -> Result<ExtAuthzDoor> {
        for name in self.headers.iter().chain(&self.jwt.header) {
            let token = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
            if name.is_empty() || !name.chars().all(token) {
                bail!("`{name}` in `extAuthz` is no name of a header");
            }
        }
        let routes: Result<Vec<Route>, _> = self
            .routes
            .iter()
            .map(|route| {
                let (kind, actions) = (route.kind.clone(), route.actions.clone());
                Route::new(route.host.clone(), &route.path, kind, actions)
            })
            .collect();
        let usual = Identities::default();
        Ok(ExtAuthzDoor {
            budget: self.budget,
            durability: self.durability,
            identities: Identities {
                jwt_metadata: self.jwt.metadata.clone(),
                jwt_header: self
                    .jwt
                    .header
                    .as_ref()
                    .map(|name| name.to_ascii_lowercase()),
                subject_claim: self.jwt.subject.clone().unwrap_or(usual.subject_claim),
                groups_claim: self.jwt.groups.clone().unwrap_or(usual.groups_claim),
                client_certificate_header: self.client_certificate_header,
                anonymous: self.anonymous,
            },
            headers: self
                .headers
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
            routes: routes?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ExtAuthzDoor> {
        crate::serve::fields::document::<ExtAuthz>("x.yaml", text.as_bytes())?.door()
    }

    #[test]
    fn every_field_is_read() {
        let text = "budget: 100ms\njwt: {metadata: claims, header: X-Claims, subject: email, groups: roles}\n\
                    clientCertificateHeader: true\nanonymous: true\nheaders: [X-Tenant]\n\
                    routes: [{host: shop, path: '/a/{b}', type: thing, actions: {GET: read}}]\n";
        let door = read(text).unwrap();
        let expected = Identities {
            jwt_metadata: Some("claims".into()),
            jwt_header: Some("x-claims".into()),
            subject_claim: "email".into(),
            groups_claim: "roles".into(),
            client_certificate_header: true,
            anonymous: true,
        };
        assert_eq!(door.identities, expected);
        assert_eq!((door.headers.len(), door.routes.len()), (1, 1));
        assert_eq!(door.budget, Duration::from_millis(100));
        assert_eq!(read("{}").unwrap().identities, Identities::default());
    }

    #[test]
    fn mistakes_are_told() {
        let check = |text: &str, expected: &str| {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.contains(expected), "{error}");
        };
        check("{headers: ['a b']}", "is no name of a header");
        check("{routes: [{path: a}]}", "can never be asked for");
        check("{routes: [{path: /, kind: a}]}", "unknown field `kind`");
        check(
            "{jwt: {claim: a}}",
            "x.yaml:1:15: `jwt.claim`: unknown field `claim`",
        );
    }
}
