use serde_json::json;
use zeroize::Zeroizing;

use super::{Body, Credential, ExchangeError, Request, Subject, Value, accepted, argument, text};

/// `google.subject` has at most so many bytes.
const MAX_SUBJECT: usize = 127;

/// Access to Google Cloud by a workload identity pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gcp {
    /// `projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER`.
    pub provider: String,
    /// The service account to become.
    pub service_account: Option<String>,
    /// What the access is for.
    pub scope: String,
}

impl Gcp {
    /// Everything that the roles allow.
    pub const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

    /// Who the token has to be for: the provider's default.
    pub fn audience(&self) -> String {
        format!("https:{}", self.resource())
    }

    /// Where the cloud is.
    pub fn endpoint(&self) -> String {
        "https://sts.googleapis.com/v1/token".to_owned()
    }

    /// Where a service account is asked for.
    pub fn impersonation_endpoint(&self) -> Option<String> {
        let account = self.service_account.as_ref()?;
        Some(format!(
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{account}:generateAccessToken"
        ))
    }

    fn resource(&self) -> String {
        format!("//iam.googleapis.com/{}", self.provider)
    }

    fn check(&self, subject: &Subject) -> Result<(), ExchangeError> {
        let parts: Vec<&str> = self.provider.split('/').collect();
        let named = matches!(
            parts.as_slice(),
            [
                "projects",
                _,
                "locations",
                "global",
                "workloadIdentityPools",
                _,
                "providers",
                _
            ]
        );
        if !named || parts.iter().any(|part| part.is_empty()) {
            return Err(argument(
                "the provider",
                &self.provider,
                "is no name of one: write projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER",
            ));
        }
        let account = self.service_account.as_deref().unwrap_or("a@b");
        let of_address = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
        if !account.contains('@') || !account.bytes().all(of_address) {
            return Err(argument(
                "the service account",
                account,
                "is no address of one",
            ));
        }
        if subject.id().len() > MAX_SUBJECT {
            return Err(ExchangeError::SubjectTooLong(subject.id().to_owned()));
        }
        Ok(())
    }

    /// The request for a token of the pool.
    ///
    /// # Errors
    /// When Google would refuse an argument.
    pub fn request(&self, url: String, subject: &Subject) -> Result<Request, ExchangeError> {
        self.check(subject)?;
        let form = vec![
            (
                "grant_type",
                Value::plain("urn:ietf:params:oauth:grant-type:token-exchange"),
            ),
            ("audience", Value::Plain(self.resource())),
            ("scope", Value::plain(&self.scope)),
            (
                "requested_token_type",
                Value::plain("urn:ietf:params:oauth:token-type:access_token"),
            ),
            (
                "subject_token_type",
                Value::plain("urn:ietf:params:oauth:token-type:jwt"),
            ),
            ("subject_token", Value::secret(subject.token())),
        ];
        Ok(Request {
            url,
            bearer: None,
            body: Body::Form(form),
        })
    }

    /// The request for a token of the service account, with that of the pool.
    pub fn impersonation(&self, url: String, bearer: &str) -> Request {
        Request {
            url,
            bearer: Some(Zeroizing::new(bearer.to_owned())),
            body: Body::Json(json!({"scope": [self.scope], "lifetime": "3600s"})),
        }
    }

    /// The token of the pool, for the next request.
    ///
    /// # Errors
    /// When Google refuses, or answers something else.
    pub fn pool_token(&self, status: u16, body: &[u8]) -> Result<Zeroizing<String>, ExchangeError> {
        let answer = accepted(status, body)?;
        let problem = "it holds no access_token of the type Bearer";
        let missing = ExchangeError::Answer { status, problem };
        let bearer =
            text(&answer, "token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
        let token = text(&answer, "access_token").filter(|_| bearer);
        token
            .map(|token| Zeroizing::new(token.to_owned()))
            .ok_or(missing)
    }

    /// The token of the pool, as OAuth has it.
    ///
    /// # Errors
    /// When Google refuses, or answers something else.
    pub fn read(&self, status: u16, body: &[u8]) -> Result<Credential, ExchangeError> {
        let token = self.pool_token(status, body)?;
        let answer = accepted(status, body)?;
        Ok(Credential::json(&json!({
            "access_token": token.as_str(),
            "token_type": "Bearer",
            "expires_in": answer.get("expires_in"),
        })))
    }

    /// The token of the service account.
    ///
    /// # Errors
    /// When Google refuses, or answers something else.
    pub fn read_impersonation(
        &self,
        status: u16,
        body: &[u8],
    ) -> Result<Credential, ExchangeError> {
        let answer = accepted(status, body)?;
        let part = |name: &str| text(&answer, name).map(str::to_owned);
        let Some((token, until)) = part("accessToken").zip(part("expireTime")) else {
            let problem = "it holds no accessToken with an expireTime";
            return Err(ExchangeError::Answer { status, problem });
        };
        Ok(Credential::json(&json!({
            "access_token": token,
            "token_type": "Bearer",
            "expire_time": until,
        })))
    }

    /// The token of the workload as Google's libraries want it of a program that they run (executable-sourced
    /// credentials); they exchange it themselves.
    ///
    /// # Errors
    /// When Google would refuse an argument.
    pub fn executable(&self, subject: &Subject) -> Result<Credential, ExchangeError> {
        self.check(subject)?;
        Ok(Credential::json(&json!({
            "version": 1,
            "success": true,
            "token_type": "urn:ietf:params:oauth:token-type:jwt",
            "id_token": subject.token(),
            "expiration_time": subject.expires_at().seconds(),
        })))
    }
}
