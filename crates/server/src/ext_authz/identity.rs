//! Who makes a request, as far as the gateway has verified it.

use bailiwick_model::{Map, Value};
use bailiwick_pdp::Entity;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Whose word counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identities {
    /// The key under which the gateway's `jwt_authn` filter keeps the claims of the token that it has verified
    /// (`payload_in_metadata`). What the gRPC form reads.
    pub jwt_metadata: Option<String>,
    /// The header in which the filter passes the same claims on (`forward_payload_header`), in small letters. What the
    /// HTTP form reads.
    pub jwt_header: Option<String>,
    /// The claim that names the subject.
    pub subject_claim: String,
    /// The claim that lists its groups.
    pub groups_claim: String,
    /// Whether the HTTP form reads the client's SPIFFE id from `x-forwarded-client-cert`. The gRPC form has it from the
    /// connection.
    pub client_certificate_header: bool,
    /// Whether requests of nobody are decided, as subject `anonymous`. Otherwise they are refused.
    pub anonymous: bool,
}

impl Default for Identities {
    /// The claims `sub` and `groups` of no source; SPIFFE ids of the gRPC form; nobody else.
    fn default() -> Self {
        Self {
            jwt_metadata: None,
            jwt_header: None,
            subject_claim: "sub".to_owned(),
            groups_claim: "groups".to_owned(),
            client_certificate_header: false,
            anonymous: false,
        }
    }
}

/// What the gateway says of the maker of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Claimed {
    /// Claims of a verified token.
    pub(super) claims: Option<Map>,
    /// The SPIFFE id of the client's certificate.
    pub(super) workload: Option<String>,
}

/// The subject of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Identity {
    pub(super) subject: Entity,
    pub(super) groups: Vec<String>,
    pub(super) credential: String,
}

/// Why nobody can be told to make a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unknown {
    #[error("nobody is known to make this request; come with a token or a certificate")]
    Nobody,
    #[error("the token says no usable `{0}`")]
    Claim(String),
    #[error("`{0}` is not as the gateway writes it")]
    Header(String),
}

/// Groups of one subject.
const MOST_GROUPS: usize = 512;

impl Identities {
    /// A person by a token, or else a workload by its certificate. Never both as one: what is granted to the workload
    /// is not granted to whoever sends a token through it.
    pub(super) fn identify(&self, claimed: Claimed) -> Result<Identity, Unknown> {
        let Claimed { claims, workload } = claimed;
        match (claims, workload) {
            (Some(claims), workload) => self.person(claims, workload),
            (None, Some(workload)) => Ok(Identity {
                credential: workload.clone(),
                subject: Entity::new("workload", &workload),
                groups: Vec::new(),
            }),
            (None, None) if self.anonymous => Ok(Identity {
                subject: Entity::new("anonymous", "anonymous"),
                ..Identity::default()
            }),
            (None, None) => Err(Unknown::Nobody),
        }
    }

    fn person(&self, claims: Map, workload: Option<String>) -> Result<Identity, Unknown> {
        let claim = |name: &str| Unknown::Claim(name.to_owned());
        let id = claims
            .get(&self.subject_claim)
            .and_then(Value::as_str)
            .filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| claim(&self.subject_claim))?.to_owned();
        let groups = match claims.get(&self.groups_claim) {
            None | Some(Value::Null) => Some(Vec::new()),
            Some(Value::String(one)) => Some(vec![one.clone()]),
            Some(Value::Array(list)) if list.len() <= MOST_GROUPS => list
                .iter()
                .map(|group| group.as_str().map(str::to_owned))
                .collect(),
            Some(_) => None,
        };
        let groups = groups.ok_or_else(|| claim(&self.groups_claim))?;
        let token = claims.get("jti").and_then(Value::as_str);
        let credential = token
            .map(|token| format!("JTI={token}"))
            .unwrap_or_default();
        let mut subject = Entity {
            kind: "user".to_owned(),
            id,
            properties: claims,
        };
        // A claim of this name would pass for a certificate.
        subject.properties.remove(WORKLOAD);
        if let Some(workload) = workload {
            subject
                .properties
                .insert(WORKLOAD.to_owned(), Value::String(workload));
        }
        Ok(Identity {
            subject,
            groups,
            credential,
        })
    }
}

/// The property of a person that names the workload through which the request came.
const WORKLOAD: &str = "workload";

/// Claims as `forward_payload_header` carries them: JSON in base64url.
pub(super) fn claims(header: &str) -> Option<Map> {
    let bytes = URL_SAFE_NO_PAD.decode(header.trim_end_matches('=')).ok()?;
    match serde_json::from_slice(&bytes).ok()? {
        Value::Object(claims) => Some(claims),
        _ => None,
    }
}

/// The SPIFFE id of `x-forwarded-client-cert`, of which the gateway has to have written all: one element, one URI.
pub(super) fn forwarded(header: &str) -> Option<String> {
    let (mut uris, mut quoted, mut start) = (Vec::new(), false, 0);
    let mut pair = |text: &str| {
        if let Some((name, value)) = text.split_once('=')
            && name.trim().eq_ignore_ascii_case("uri")
        {
            uris.push(value.trim_matches('"').to_owned());
        }
    };
    for (at, letter) in header.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            // An escape is there only in quotes, and no SPIFFE id needs one.
            '\\' => return None,
            ',' if !quoted => return None,
            ';' if !quoted => {
                pair(header.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    pair(header.get(start..)?);
    match uris.as_slice() {
        [uri] if !quoted => spiffe(uri),
        _ => None,
    }
}

/// A principal, where it is a SPIFFE id; Envoy gives other names of certificates too.
pub(super) fn spiffe(principal: &str) -> Option<String> {
    let rest = principal.strip_prefix("spiffe://")?;
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte);
    (principal.len() <= 2_048 && !rest.starts_with('/') && rest.bytes().all(fine))
        .then(|| principal.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(json: &str) -> Map {
        match serde_json::from_str(json).unwrap() {
            Value::Object(map) => map,
            _ => panic!("{json}"),
        }
    }

    fn identify(claims: Option<&str>, workload: Option<&str>) -> String {
        let claimed = Claimed {
            claims: claims.map(map),
            workload: workload.map(str::to_owned),
        };
        match Identities::default().identify(claimed) {
            Ok(Identity {
                subject,
                groups,
                credential,
            }) => {
                let through = subject
                    .property("workload")
                    .and_then(Value::as_str)
                    .unwrap_or("-");
                format!(
                    "{}:{} {groups:?} {credential:?} {through}",
                    subject.kind, subject.id
                )
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_token_then_a_certificate_then_nobody() {
        let check =
            |claims, workload, expected: &str| assert_eq!(identify(claims, workload), expected);
        check(Some(r#"{"sub":"anna"}"#), None, r#"user:anna [] "" -"#);
        check(
            Some(
                r#"{"sub":"anna","groups":["dev","ops"],"jti":"7","workload":"spiffe://td/admin"}"#,
            ),
            Some("spiffe://td/web"),
            r#"user:anna ["dev", "ops"] "JTI=7" spiffe://td/web"#,
        );
        check(
            Some(r#"{"sub":"anna","workload":"spiffe://td/admin"}"#),
            None,
            r#"user:anna [] "" -"#,
        );
        check(
            Some(r#"{"sub":"anna","groups":"dev"}"#),
            None,
            r#"user:anna ["dev"] "" -"#,
        );
        check(
            None,
            Some("spiffe://td/web"),
            r#"workload:spiffe://td/web [] "spiffe://td/web" -"#,
        );
        check(
            None,
            None,
            "nobody is known to make this request; come with a token or a certificate",
        );
        for claims in ["{}", r#"{"sub":""}"#, r#"{"sub":7}"#] {
            check(Some(claims), None, "the token says no usable `sub`");
        }
        for claims in [r#"{"sub":"a","groups":[7]}"#, r#"{"sub":"a","groups":{}}"#] {
            check(Some(claims), None, "the token says no usable `groups`");
        }
    }

    #[test]
    fn headers_of_the_gateway() {
        let check = |header: &str, expected: Option<&str>| {
            assert_eq!(forwarded(header).as_deref(), expected, "{header}");
        };
        let hash = "Hash=468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688";
        check(
            &format!("{hash};URI=spiffe://td/web"),
            Some("spiffe://td/web"),
        );
        check(
            &format!(
                "By=spiffe://td/gw;{hash};Subject=\"CN=a,O=b;URI=spiffe://td/x\";URI=spiffe://td/web"
            ),
            Some("spiffe://td/web"),
        );
        check(
            &format!("{hash};URI=spiffe://td/admin,{hash};URI=spiffe://td/web"),
            None,
        );
        check(&format!("{hash};URI=spiffe://td/a;URI=spiffe://td/b"), None);
        check(&format!("{hash};URI=https://td/a"), None);
        check(&format!("{hash};Subject=\"CN=a;URI=spiffe://td/web"), None);
        check(
            &format!("{hash};Subject=\"CN=\\\";URI=spiffe://td/x\""),
            None,
        );
        check(hash, None);
        check("", None);
        assert_eq!(claims("eyJzdWIiOiJhIn0"), Some(map(r#"{"sub":"a"}"#)));
        assert_eq!(claims("eyJzdWIiOiJhIn0="), Some(map(r#"{"sub":"a"}"#)));
        // Two headers as one, and what is no JSON object.
        for wrong in ["eyJzdWIiOiJhIn0,eyJzdWIiOiJiIn0", "", "e30.e30", "W10", "!"] {
            assert_eq!(claims(wrong), None, "{wrong}");
        }
        assert_eq!(spiffe("CN=web"), None);
        assert_eq!(spiffe("spiffe:///web"), None);
        assert_eq!(spiffe("spiffe://td/a b"), None);
    }
}
