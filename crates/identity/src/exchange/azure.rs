use serde_json::json;

use super::{Body, Credential, ExchangeError, Request, Subject, Value, accepted, argument, text};
use crate::UnixTime;

/// Who the tokens are for in the public cloud.
pub(super) const AUDIENCE: &str = "api://AzureADTokenExchange";

/// An application of Microsoft Entra with a federated credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Azure {
    /// The tenant: its id or one of its domains.
    pub tenant: String,
    /// The application.
    pub client: String,
    /// What the access is for.
    pub scope: String,
}

impl Azure {
    /// The management of resources.
    pub const SCOPE: &str = "https://management.azure.com/.default";
    /// Receivers of tokens that take RSA alone, in the public cloud and those of states.
    pub const AUDIENCES: [&str; 3] = [
        AUDIENCE,
        "api://AzureADTokenExchangeUSGov",
        "api://AzureADTokenExchangeChina",
    ];

    /// Who the token has to be for.
    pub fn audience(&self) -> String {
        AUDIENCE.to_owned()
    }

    /// Where the cloud is.
    pub fn endpoint(&self) -> String {
        format!(
            "https://login.microsoftonline.com/{}/oauth2/v2.0/token",
            self.tenant
        )
    }

    /// The request.
    ///
    /// # Errors
    /// When Entra would refuse an argument or the token.
    pub fn request(&self, url: String, subject: &Subject) -> Result<Request, ExchangeError> {
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        for (what, value) in [
            ("the tenant", &self.tenant),
            ("the application", &self.client),
        ] {
            if value.is_empty() || !value.bytes().all(of_name) {
                return Err(argument(
                    what,
                    value,
                    "is no id: letters, digits, `-` and `.`",
                ));
            }
        }
        let algorithm = subject.algorithm();
        if !algorithm.starts_with("RS") && !algorithm.starts_with("PS") {
            return Err(ExchangeError::Algorithm(algorithm.to_owned()));
        }
        let form = vec![
            ("grant_type", Value::plain("client_credentials")),
            ("client_id", Value::plain(&self.client)),
            ("scope", Value::plain(&self.scope)),
            (
                "client_assertion_type",
                Value::plain("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ),
            ("client_assertion", Value::secret(subject.token())),
        ];
        Ok(Request {
            url,
            bearer: None,
            body: Body::Form(form),
        })
    }

    /// The answer at the time `now`, with the names of `az account get-access-token`.
    ///
    /// # Errors
    /// When Entra refuses, or answers something else.
    pub fn read(
        &self,
        status: u16,
        body: &[u8],
        now: UnixTime,
    ) -> Result<Credential, ExchangeError> {
        let answer = accepted(status, body)?;
        let seconds = answer.get("expires_in").and_then(serde_json::Value::as_u64);
        let Some((token, seconds)) = text(&answer, "access_token").zip(seconds) else {
            let problem = "it holds no access_token with expires_in";
            return Err(ExchangeError::Answer { status, problem });
        };
        Ok(Credential::json(&json!({
            "accessToken": token,
            "expires_on": now.plus(seconds).seconds(),
            "tenant": self.tenant,
            "tokenType": "Bearer",
        })))
    }
}
