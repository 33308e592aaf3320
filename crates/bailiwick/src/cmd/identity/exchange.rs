use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use bailiwick_identity::exchange::{
    Aws, Azure, Credential, Gcp, OAuth, Request, Subject, TokenExchange,
};
use bailiwick_identity::{SpiffeId, UnixTime};
use bailiwick_spiffe::{Clock as _, SystemClock, pem, send};
use zeroize::Zeroizing;

use super::{SocketOptions, block_on};
use crate::console::Console;
use crate::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  bailiwick identity exchange --cloud aws --role-arn arn:aws:iam::123456789012:role/shop
  bailiwick identity exchange --cloud gcp --service-account shop@project.iam.gserviceaccount.com \\
      --provider projects/1234/locations/global/workloadIdentityPools/pool/providers/bailiwick
  bailiwick identity exchange --cloud azure --tenant TENANT --client-id APPLICATION
  bailiwick identity exchange --cloud azure --tenant TENANT --client-id APPLICATION --print   what would be sent

A token of any OAuth authorization server that takes JWT-SVIDs in place of client secrets
(draft-ietf-oauth-spiffe-client-auth), or its exchange for another one (RFC 8693):
  bailiwick identity exchange --token-endpoint https://as.example/token --audience https://as.example --scope read
  bailiwick identity exchange --token-endpoint https://as.example/token --audience https://as.example \\
      --grant token-exchange --subject-token-file user.token --for orders

In ~/.aws/config:   credential_process = bailiwick identity exchange --cloud aws --role-arn ARN
Google's libraries run a program by themselves: --executable prints the token of the workload as they want it.";

/// Which cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Cloud {
    /// A role of AWS; prints what `credential_process` wants.
    Aws,
    /// Google Cloud, by a workload identity pool.
    Gcp,
    /// Microsoft Entra, by a federated credential of an application.
    Azure,
}

/// Arguments of `bailiwick identity exchange`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ExchangeArgs {
    /// Which cloud to get a credential of
    #[arg(long, value_enum, required_unless_present = "token_endpoint")]
    cloud: Option<Cloud>,
    #[command(flatten)]
    oauth: OAuthOptions,
    #[command(flatten)]
    aws: AwsOptions,
    #[command(flatten)]
    gcp: GcpOptions,
    #[command(flatten)]
    azure: AzureOptions,
    /// What the access is for (gcp, azure, OAuth); with a cloud everything that may be managed where it is not given
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    /// Whom the token of the workload is for; what the cloud expects by default where it is not given. Of an OAuth server
    /// its issuer, letter by letter
    #[arg(long, value_name = "NAME")]
    audience: Option<String>,
    /// Issuer that the token has to name, letter by letter as the cloud was told
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Only this identity
    #[arg(long, value_name = "SPIFFE_ID")]
    id: Option<SpiffeId>,
    /// Ask here in place of the cloud; https, or http to this machine
    #[arg(long, value_name = "URL", conflicts_with = "token_endpoint")]
    endpoint: Option<String>,
    /// Authorities of the web (PEM) in place of the system's
    #[arg(long, value_name = "FILE")]
    web_roots: Option<PathBuf>,
    /// Print what would be sent, without the token, and end
    #[arg(long)]
    print: bool,
    #[command(flatten)]
    socket: SocketOptions,
}

/// How a token is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Grant {
    /// A token for the workload itself.
    ClientCredentials,
    /// Another token for the one of --subject-token-file, or for the JWT-SVID.
    TokenExchange,
}

#[derive(clap::Args, Debug)]
struct OAuthOptions {
    /// Token endpoint of an OAuth authorization server, in place of a cloud; https, or http to this machine
    #[arg(
        long,
        value_name = "URL",
        conflicts_with = "cloud",
        requires = "audience"
    )]
    token_endpoint: Option<String>,
    /// How the token is asked for (OAuth)
    #[arg(
        long,
        value_enum,
        default_value = "client-credentials",
        requires = "token_endpoint"
    )]
    grant: Grant,
    /// Address of what the new token is for (OAuth)
    #[arg(long, value_name = "URL", requires = "token_endpoint")]
    resource: Option<String>,
    /// File with the token to exchange, such as that of a user (token-exchange); `-` is standard input
    #[arg(long, value_name = "FILE", requires = "token_endpoint")]
    subject_token_file: Option<PathBuf>,
    /// Kind of that token; urn:ietf:params:oauth:token-type:access_token where it is not given
    #[arg(long, value_name = "TYPE", requires = "subject_token_file")]
    subject_token_type: Option<String>,
    /// Kind of token to get (token-exchange)
    #[arg(long, value_name = "TYPE", requires = "token_endpoint")]
    requested_token_type: Option<String>,
    /// Name of whom the new token is for (token-exchange)
    #[arg(long = "for", value_name = "NAME", requires = "token_endpoint")]
    target: Option<String>,
}

#[derive(clap::Args, Debug)]
struct AwsOptions {
    /// Role to take (aws)
    #[arg(long, value_name = "ARN")]
    role_arn: Option<String>,
    /// Name of the session in CloudTrail (aws); made of the SPIFFE ID where it is not given
    #[arg(long, value_name = "NAME")]
    session_name: Option<String>,
    /// How long the credential lives, in seconds (aws)
    #[arg(long, value_name = "SECONDS")]
    duration: Option<u32>,
    /// Region whose endpoint is asked (aws)
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
}

#[derive(clap::Args, Debug)]
struct GcpOptions {
    /// Provider of the pool (gcp): projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Service account to become (gcp)
    #[arg(long, value_name = "EMAIL")]
    service_account: Option<String>,
    /// Ask here for the service account, in place of the cloud (gcp)
    #[arg(long, value_name = "URL", requires = "service_account")]
    impersonation_endpoint: Option<String>,
    /// Ask nobody, and print the token as Google's libraries want it of a program that they run (gcp)
    #[arg(long, conflicts_with_all = ["print", "endpoint", "service_account"])]
    executable: bool,
}

#[derive(clap::Args, Debug)]
struct AzureOptions {
    /// Tenant, by its id or a domain (azure)
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// Application with the federated credential (azure); `client_id` where the server wants one (OAuth)
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
}

impl OAuthOptions {
    /// What is to be exchanged, where anything is.
    fn exchange(&self, console: &mut Console) -> Result<Option<TokenExchange>> {
        if self.grant == Grant::ClientCredentials {
            let stray = [
                ("--subject-token-file", self.subject_token_file.is_some()),
                (
                    "--requested-token-type",
                    self.requested_token_type.is_some(),
                ),
                ("--for", self.target.is_some()),
            ];
            if let Some((name, _)) = stray.into_iter().find(|(_, given)| *given) {
                bail!("{name} is for --grant token-exchange");
            }
            return Ok(None);
        }
        let subject = match &self.subject_token_file {
            None => None,
            Some(file) => {
                let text = Zeroizing::new(console.read(file)?);
                let text = std::str::from_utf8(&text).ok().map(str::trim);
                let text = text.with_context(|| format!("`{}` is no text", file.display()))?;
                Some(Zeroizing::new(text.to_owned()))
            }
        };
        Ok(Some(TokenExchange {
            subject,
            subject_type: self.subject_token_type.clone(),
            requested_type: self.requested_token_type.clone(),
            audience: self.target.clone(),
        }))
    }
}

pub(super) fn run(args: &ExchangeArgs, console: &mut Console) -> Result<Exit> {
    let credential = match (&args.oauth.token_endpoint, args.cloud) {
        (Some(url), _) => args.of_oauth(url, console)?,
        (None, Some(Cloud::Aws)) => args.of_aws(console)?,
        (None, Some(Cloud::Gcp)) => args.of_gcp(console)?,
        (None, Some(Cloud::Azure)) => args.of_azure(console)?,
        (None, None) => bail!("name whom to ask: --cloud or --token-endpoint"),
    };
    if let Some(credential) = credential {
        console.answer(credential.expose())?;
    }
    Ok(Exit::Yes)
}

impl ExchangeArgs {
    fn of_aws(&self, console: &mut Console) -> Result<Option<Credential>> {
        let aws = Aws {
            role: self
                .aws
                .role_arn
                .clone()
                .context("--cloud aws needs --role-arn")?,
            session: self.aws.session_name.clone(),
            seconds: self.aws.duration,
            region: self.aws.region.clone(),
        };
        let subject = self.subject(aws.audience())?;
        let request = aws.request(self.endpoint_or(aws.endpoint()), &subject)?;
        if self.printed(&[&request], console)? {
            return Ok(None);
        }
        let (status, answer) = self.send(request, console)?;
        Ok(Some(aws.read(status, answer.as_ref())?))
    }

    fn of_gcp(&self, console: &mut Console) -> Result<Option<Credential>> {
        let gcp = Gcp {
            provider: self
                .gcp
                .provider
                .clone()
                .context("--cloud gcp needs --provider")?,
            service_account: self.gcp.service_account.clone(),
            scope: self.scope.clone().unwrap_or_else(|| Gcp::SCOPE.to_owned()),
        };
        let subject = self.subject(gcp.audience())?;
        if self.gcp.executable {
            return Ok(Some(gcp.executable(&subject)?));
        }
        let request = gcp.request(self.endpoint_or(gcp.endpoint()), &subject)?;
        let account = gcp.impersonation_endpoint();
        let account = account.map(|usual| self.gcp.impersonation_endpoint.clone().unwrap_or(usual));
        if let Some(url) = &account {
            let second = gcp.impersonation(url.clone(), "");
            if self.printed(&[&request, &second], console)? {
                return Ok(None);
            }
        } else if self.printed(&[&request], console)? {
            return Ok(None);
        }
        let (status, answer) = self.send(request, console)?;
        let Some(url) = account else {
            return Ok(Some(gcp.read(status, answer.as_ref())?));
        };
        let second = gcp.impersonation(url, &gcp.pool_token(status, answer.as_ref())?);
        let (status, answer) = self.send(second, console)?;
        Ok(Some(gcp.read_impersonation(status, answer.as_ref())?))
    }

    fn of_azure(&self, console: &mut Console) -> Result<Option<Credential>> {
        let needs = "--cloud azure needs --tenant and --client-id";
        let azure = Azure {
            tenant: self.azure.tenant.clone().context(needs)?,
            client: self.azure.client_id.clone().context(needs)?,
            scope: self
                .scope
                .clone()
                .unwrap_or_else(|| Azure::SCOPE.to_owned()),
        };
        let subject = self.subject(azure.audience())?;
        let request = azure.request(self.endpoint_or(azure.endpoint()), &subject)?;
        if self.printed(&[&request], console)? {
            return Ok(None);
        }
        let (status, answer) = self.send(request, console)?;
        let now: UnixTime = SystemClock.now();
        Ok(Some(azure.read(status, answer.as_ref(), now)?))
    }

    fn of_oauth(&self, url: &str, console: &mut Console) -> Result<Option<Credential>> {
        let oauth = OAuth {
            client: self.azure.client_id.clone(),
            scope: self.scope.clone(),
            resource: self.oauth.resource.clone(),
            exchange: self.oauth.exchange(console)?,
        };
        let audience = self.audience.as_deref();
        let audience = audience.context("--token-endpoint needs --audience")?;
        if self.issuer.is_some() {
            bail!("--issuer is for clouds: the server finds the keys by the trust domain");
        }
        let subject = Subject::without_issuer(self.token(audience)?, audience)?;
        let request = oauth.request(url.to_owned(), &subject)?;
        if self.printed(&[&request], console)? {
            return Ok(None);
        }
        let (status, answer) = self.send(request, console)?;
        Ok(Some(oauth.read(status, answer.as_ref())?))
    }

    /// The token of the workload as clouds take it.
    fn subject(&self, usual: String) -> Result<Subject> {
        let audience = self.audience.clone().unwrap_or(usual);
        let token = self.token(&audience)?;
        Ok(Subject::new(token, &audience, self.issuer.as_deref())?)
    }

    /// The token of the workload, from the Workload API.
    fn token(&self, audience: &str) -> Result<Zeroizing<String>> {
        let tokens = block_on(async {
            let mut client = self.socket.connect().await?;
            Ok(client
                .fetch_jwt(vec![audience.to_owned()], self.id.as_ref())
                .await?)
        })?;
        let mut tokens = tokens.into_iter();
        let (_, token) = tokens.next().context("the Workload API gave no token")?;
        if self.id.is_none() && tokens.next().is_some() {
            bail!("the Workload API gives several identities: choose one with --id");
        }
        Ok(token)
    }

    fn endpoint_or(&self, usual: String) -> String {
        self.endpoint.clone().unwrap_or(usual)
    }

    /// Whether it was enough to show the requests.
    fn printed(&self, requests: &[&Request], console: &mut Console) -> Result<bool> {
        if self.print {
            for request in requests {
                console.answer(request.redacted())?;
            }
        }
        Ok(self.print)
    }

    fn send(
        &self,
        request: Request,
        console: &mut Console,
    ) -> Result<(u16, impl AsRef<[u8]> + use<>)> {
        let roots = match &self.web_roots {
            Some(file) => {
                let text = console.read(file)?;
                let ders = pem::decode("CERTIFICATE", &String::from_utf8_lossy(&text));
                ders.with_context(|| format!("`{}` holds no certificates in PEM", file.display()))?
            }
            None => Vec::new(),
        };
        block_on(async { Ok(send(request, &roots).await?) })
    }
}
