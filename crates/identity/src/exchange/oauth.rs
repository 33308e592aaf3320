use serde_json::Value as Json;
use zeroize::Zeroizing;

use super::{
    Body, Credential, ExchangeError, Object, Request, Subject, Value, accepted, argument, text,
};

/// Kinds of tokens (RFC 8693 3).
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// Fields of an answer that are handed on: those of RFC 6749 5.1 and RFC 8693 2.2.1, but for tokens to come back with. A
/// workload comes back with a JWT-SVID.
const ANSWER: [&str; 5] = [
    "access_token",
    "issued_token_type",
    "token_type",
    "expires_in",
    "scope",
];

/// A client of an OAuth authorization server that shows a JWT-SVID in place of a secret.
///
/// Source: draft-ietf-oauth-spiffe-client-auth-02, `spiffe_jwt`, with the client credentials of RFC 6749 4.4 or the
/// token exchange of RFC 8693.
#[derive(Clone, Default)]
pub struct OAuth {
    /// `client_id`, where the server wants one. The assertion says it already: its subject is the client.
    pub client: Option<String>,
    /// What the access is for.
    pub scope: Option<String>,
    /// The address of what the token is for (RFC 8707).
    pub resource: Option<String>,
    /// What is exchanged; nothing for client credentials.
    pub exchange: Option<TokenExchange>,
}

/// An exchange of one token for another one.
#[derive(Clone, Default)]
pub struct TokenExchange {
    /// The token to exchange; the JWT-SVID itself where there is none.
    pub subject: Option<Zeroizing<String>>,
    /// Its kind; that of an access token, or of a JWT for the JWT-SVID, where none is said.
    pub subject_type: Option<String>,
    /// The kind of token to get.
    pub requested_type: Option<String>,
    /// The name of whom the new token is for.
    pub audience: Option<String>,
}

impl OAuth {
    /// How the client proves who it is.
    pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";

    /// The request.
    ///
    /// # Errors
    /// When the server would refuse an argument.
    pub fn request(&self, url: String, subject: &Subject) -> Result<Request, ExchangeError> {
        if let Some(client) = self.client.as_deref().filter(|one| *one != subject.id()) {
            let problem = "is not the id of the workload, which is who the client is";
            return Err(argument("the client", client, problem));
        }
        if let Some(resource) = &self.resource
            && (!resource.contains("://") || resource.contains('#'))
        {
            let problem = "is no absolute address without a fragment (RFC 8707)";
            return Err(argument("the resource", resource, problem));
        }
        let mut form = match &self.exchange {
            None => vec![("grant_type", Value::plain("client_credentials"))],
            Some(exchange) => exchange.form(subject)?,
        };
        let mut optional = |name, value: &Option<String>| {
            if let Some(value) = value {
                form.push((name, Value::plain(value)));
            }
        };
        optional("client_id", &self.client);
        optional("scope", &self.scope);
        optional("resource", &self.resource);
        let kind = Value::plain(Self::ASSERTION_TYPE);
        form.push(("client_assertion_type", kind));
        form.push(("client_assertion", Value::secret(subject.token())));
        Ok(Request {
            url,
            bearer: None,
            body: Body::Form(form),
        })
    }

    /// The answer, with the names of OAuth.
    ///
    /// # Errors
    /// When the server refuses, or answers something else.
    pub fn read(&self, status: u16, body: &[u8]) -> Result<Credential, ExchangeError> {
        let answer = accepted(status, body)?;
        let missing = |problem| ExchangeError::Answer { status, problem };
        if text(&answer, "access_token").is_none() || text(&answer, "token_type").is_none() {
            return Err(missing("it holds no access_token with a token_type"));
        }
        let kind = text(&answer, "issued_token_type");
        if self.exchange.is_some() && kind.is_none() {
            return Err(missing("it says no issued_token_type"));
        }
        let asked = self.exchange.as_ref();
        let asked = asked.and_then(|exchange| exchange.requested_type.as_deref());
        if asked.is_some() && asked != kind {
            return Err(missing(
                "its issued_token_type is another one than was asked for",
            ));
        }
        let known = ANSWER.into_iter();
        let known = known.filter_map(|name| Some((name.to_owned(), answer.get(name)?.clone())));
        Ok(Credential::json(&Json::Object(known.collect::<Object>())))
    }
}

impl TokenExchange {
    fn form(&self, own: &Subject) -> Result<Vec<(&'static str, Value)>, ExchangeError> {
        let (token, usual) = match &self.subject {
            Some(token) => (token.as_str(), ACCESS_TOKEN),
            None => (own.token(), JWT),
        };
        if token.is_empty() || token.bytes().any(|byte| !byte.is_ascii_graphic()) {
            let problem = "is no token: one line of letters without spaces";
            return Err(argument("what is to be exchanged", "", problem));
        }
        let kind = self.subject_type.as_deref().unwrap_or(usual);
        let grant = "urn:ietf:params:oauth:grant-type:token-exchange";
        let mut form = vec![
            ("grant_type", Value::plain(grant)),
            ("subject_token", Value::secret(token)),
            ("subject_token_type", Value::plain(kind)),
        ];
        let optional = [
            ("requested_token_type", &self.requested_type),
            ("audience", &self.audience),
        ];
        for (name, value) in optional {
            form.extend(value.as_deref().map(|value| (name, Value::plain(value))));
        }
        Ok(form)
    }
}
