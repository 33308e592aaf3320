use serde_json::json;

use super::{Body, Credential, ExchangeError, Request, Subject, Value, argument, quoted};

/// Who the tokens are for where nothing else is asked for.
const AUDIENCE: &str = "sts.amazonaws.com";

/// A role of AWS, taken with AssumeRoleWithWebIdentity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aws {
    /// Its ARN.
    pub role: String,
    /// How the session is called in CloudTrail; made of the SPIFFE ID where it is not given.
    pub session: Option<String>,
    /// How long the credentials live, in seconds, 900 to 43,200; as long as the role says where it is not given.
    pub seconds: Option<u32>,
    /// The region whose endpoint is asked; the global one where it is not given.
    pub region: Option<String>,
}

impl Aws {
    /// Who the token has to be for.
    pub fn audience(&self) -> String {
        AUDIENCE.to_owned()
    }

    /// Where the cloud is.
    pub fn endpoint(&self) -> String {
        match &self.region {
            Some(region) if region.starts_with("cn-") => {
                format!("https://sts.{region}.amazonaws.com.cn/")
            }
            Some(region) => format!("https://sts.{region}.amazonaws.com/"),
            None => "https://sts.amazonaws.com/".to_owned(),
        }
    }

    /// The request.
    ///
    /// # Errors
    /// When AWS would refuse an argument.
    pub fn request(&self, url: String, subject: &Subject) -> Result<Request, ExchangeError> {
        let role = &self.role;
        if !(20..=2048).contains(&role.len())
            || !role.starts_with("arn:")
            || !role.contains(":role/")
        {
            return Err(argument(
                "the role",
                role,
                "is no ARN of a role: write arn:aws:iam::ACCOUNT:role/NAME",
            ));
        }
        let region = self.region.as_deref().unwrap_or_default();
        if !region
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err(argument("the region", region, "is no name of a region"));
        }
        let session = match &self.session {
            Some(session) => session.clone(),
            None => session_of(subject.id()),
        };
        if !(2..=64).contains(&session.len()) || !session.chars().all(of_session) {
            return Err(argument(
                "the session",
                &session,
                "is no name of one: 2 to 64 letters, digits and _+=,.@-",
            ));
        }
        let mut form = vec![
            ("Action", Value::plain("AssumeRoleWithWebIdentity")),
            ("Version", Value::plain("2011-06-15")),
            ("RoleArn", Value::plain(role)),
            ("RoleSessionName", Value::Plain(session)),
            ("WebIdentityToken", Value::secret(subject.token())),
        ];
        if let Some(seconds) = self.seconds {
            if !(900..=43_200).contains(&seconds) {
                return Err(argument(
                    "the duration",
                    &seconds.to_string(),
                    "is not between 900 and 43200 seconds",
                ));
            }
            form.push(("DurationSeconds", Value::Plain(seconds.to_string())));
        }
        Ok(Request {
            url,
            bearer: None,
            body: Body::Form(form),
        })
    }

    /// The answer, as `credential_process` of the tools of AWS wants it.
    ///
    /// # Errors
    /// When AWS refuses, or answers something else.
    pub fn read(&self, status: u16, body: &[u8]) -> Result<Credential, ExchangeError> {
        let text = String::from_utf8_lossy(body);
        let missing = |problem| ExchangeError::Answer { status, problem };
        if status != 200 {
            let part = |name| element(&text, name).map(|value| quoted(&value));
            return Err(match (part("Code"), part("Message")) {
                (Some(code), message) => ExchangeError::Refused {
                    status,
                    code,
                    message: message.unwrap_or_default(),
                },
                _ => missing("it is no error as AWS has them"),
            });
        }
        let credentials = element(&text, "Credentials");
        let credentials = credentials.ok_or_else(|| missing("it holds no Credentials"))?;
        let part = |name| element(&credentials, name).filter(|value| !value.is_empty());
        let (Some(key), Some(secret), Some(session), Some(expires)) = (
            part("AccessKeyId"),
            part("SecretAccessKey"),
            part("SessionToken"),
            part("Expiration"),
        ) else {
            return Err(missing("its Credentials lack a part"));
        };
        Ok(Credential::json(&json!({
            "Version": 1,
            "AccessKeyId": key,
            "SecretAccessKey": secret,
            "SessionToken": session,
            "Expiration": expires,
        })))
    }
}

/// `spiffe://td/ns/a/sa/b` becomes `td-ns-a-sa-b`: the end says who it is, so it stays.
fn session_of(id: &str) -> String {
    let id = id.strip_prefix("spiffe://").unwrap_or(id);
    let letters = id
        .chars()
        .map(|letter| if of_session(letter) { letter } else { '-' });
    let letters: Vec<char> = letters.collect();
    let from = letters.len().saturating_sub(64);
    letters.into_iter().skip(from).collect()
}

fn of_session(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "_+=,.@-".contains(letter)
}

/// What stands in the first element of this name. The answers of STS have neither attributes nor comments there.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (inside, _) = rest.split_once(&format!("</{name}>"))?;
    if inside.contains('<') {
        return Some(inside.to_owned());
    }
    let plain = inside.replace("&lt;", "<").replace("&gt;", ">");
    let plain = plain.replace("&quot;", "\"").replace("&apos;", "'");
    Some(plain.replace("&amp;", "&").trim().to_owned())
}
