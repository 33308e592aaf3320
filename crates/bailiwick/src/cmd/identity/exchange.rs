use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use bailiwick_identity::exchange::{Aws, Azure, Credential, Gcp, Request, Subject};
use bailiwick_identity::{SpiffeId, UnixTime};
use bailiwick_spiffe::{Clock as _, SystemClock, pem, send};

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
    #[arg(long, value_enum)]
    cloud: Cloud,
    #[command(flatten)]
    aws: AwsOptions,
    #[command(flatten)]
    gcp: GcpOptions,
    #[command(flatten)]
    azure: AzureOptions,
    /// What the access is for (gcp, azure); everything that may be managed where it is not given
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    /// Whom the token of the workload is for; what the cloud expects by default where it is not given
    #[arg(long, value_name = "NAME")]
    audience: Option<String>,
    /// Issuer that the token has to name, letter by letter as the cloud was told
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Only this identity
    #[arg(long, value_name = "SPIFFE_ID")]
    id: Option<SpiffeId>,
    /// Ask here in place of the cloud; https, or http to this machine
    #[arg(long, value_name = "URL")]
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
    /// Application with the federated credential (azure)
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
}

pub(super) fn run(args: &ExchangeArgs, console: &mut Console) -> Result<Exit> {
    let credential = match args.cloud {
        Cloud::Aws => args.of_aws(console)?,
        Cloud::Gcp => args.of_gcp(console)?,
        Cloud::Azure => args.of_azure(console)?,
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

    /// The token of the workload, from the Workload API.
    fn subject(&self, usual: String) -> Result<Subject> {
        let audience = self.audience.clone().unwrap_or(usual);
        let tokens = block_on(async {
            let mut client = self.socket.connect().await?;
            Ok(client
                .fetch_jwt(vec![audience.clone()], self.id.as_ref())
                .await?)
        })?;
        let mut tokens = tokens.into_iter();
        let (_, token) = tokens.next().context("the Workload API gave no token")?;
        if self.id.is_none() && tokens.next().is_some() {
            bail!("the Workload API gives several identities: choose one with --id");
        }
        Ok(Subject::new(token, &audience, self.issuer.as_deref())?)
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
