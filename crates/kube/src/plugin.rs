//! Credential plugins (`users[].user.exec` of a kubeconfig), run as kubectl runs them:
//! <https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>.

use std::io::IsTerminal;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::config::{AuthInfo, ExecAuthCluster, ExecConfig, ExecInteractiveMode};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use crate::error::PluginError;

/// The most that a plugin may answer, in bytes: a token or a chain of certificates is a few kilobytes.
const ANSWER_LIMIT: u64 = 1 << 20;

/// How much of what a plugin writes to standard error is kept, in bytes.
const STDERR_KEPT: usize = 2048;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExecInfo<'a> {
    api_version: &'a str,
    kind: &'static str,
    spec: ExecSpec<'a>,
}

#[derive(Serialize)]
struct ExecSpec<'a> {
    interactive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a ExecAuthCluster>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    api_version: Option<String>,
    status: Option<ExecStatus>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ExecStatus {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

/// Runs a plugin and puts the credentials that it gives into the user entry.
///
/// # Errors
/// When it cannot be started, fails, takes longer than `limit`, or answers anything else than credentials.
pub(crate) async fn run(
    plugin: &ExecConfig,
    stdin_in_use: bool,
    limit: Duration,
    auth: &mut AuthInfo,
) -> Result<(), PluginError> {
    let command = plugin.command.clone().unwrap_or_default();
    let version = version(plugin, &command)?;
    let interactive = is_interactive(plugin, stdin_in_use, &command)?;
    let info = serde_json::to_string(&ExecInfo {
        api_version: version,
        kind: "ExecCredential",
        spec: ExecSpec {
            interactive,
            cluster: plugin.cluster.as_ref(),
        },
    });
    let info = info.map_err(|error| answer(&command, error.to_string()))?;
    let output = output(plugin, &command, &info, interactive, limit).await?;
    if !output.status.success() {
        let status = match output.status.code() {
            Some(code) => format!("exit code {code}"),
            None => output.status.to_string(),
        };
        return Err(PluginError::Failed {
            command,
            status,
            stderr: output.stderr,
        });
    }
    take(&output.stdout, version, &command, auth)
}

fn version<'a>(plugin: &'a ExecConfig, command: &str) -> Result<&'a str, PluginError> {
    match plugin.api_version.as_deref() {
        Some(version) if version.ends_with("/v1") || version.ends_with("/v1beta1") => Ok(version),
        other => Err(answer(
            command,
            format!(
                "the kubeconfig asks for apiVersion `{}`; write client.authentication.k8s.io/v1",
                other.unwrap_or_default()
            ),
        )),
    }
}

/// Whether the plugin may ask the user (`exec.go`, `isInteractive`).
fn is_interactive(
    plugin: &ExecConfig,
    stdin_in_use: bool,
    command: &str,
) -> Result<bool, PluginError> {
    let is_terminal = std::io::stdin().is_terminal();
    match plugin.interactive_mode {
        Some(ExecInteractiveMode::Never) => Ok(false),
        None | Some(ExecInteractiveMode::IfAvailable) => Ok(is_terminal && !stdin_in_use),
        Some(ExecInteractiveMode::Always) => {
            let reason = match (is_terminal, stdin_in_use) {
                (_, true) => "standard input is the input",
                (false, false) => "standard input is not a terminal",
                (true, false) => return Ok(true),
            };
            Err(PluginError::NoTerminal {
                command: command.to_owned(),
                reason,
            })
        }
    }
}

struct Output {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: String,
}

async fn output(
    plugin: &ExecConfig,
    command: &str,
    info: &str,
    interactive: bool,
    limit: Duration,
) -> Result<Output, PluginError> {
    // Prompts such as "open this page and enter this code" come on standard error: they have to reach the user at
    // once. Where nobody looks, the text becomes part of the message instead.
    let watched = std::io::stderr().is_terminal();
    let environment = plugin.env.iter().flatten();
    let pairs = environment.filter_map(|pair| pair.get("name").zip(pair.get("value")));
    let mut child = Command::new(command)
        .args(plugin.args.iter().flatten())
        .envs(pairs)
        .env("KUBERNETES_EXEC_INFO", info)
        .stdin(if interactive {
            Stdio::inherit()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(if watched {
            Stdio::inherit()
        } else {
            Stdio::piped()
        })
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| PluginError::Start {
            command: command.to_owned(),
            reason: error.to_string(),
            hint: printable(
                plugin
                    .install_hint
                    .as_deref()
                    .unwrap_or_default()
                    .as_bytes(),
            ),
        })?;

    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut written = Vec::new();
    let work = async {
        let (stdout, ()) = tokio::join!(read_answer(stdout), read_end(stderr, &mut written));
        (stdout, child.wait().await)
    };
    let ended = tokio::time::timeout(limit, work).await;
    let stderr = printable(&written);
    match ended {
        Ok((stdout, Ok(status))) => Ok(Output {
            status,
            stdout,
            stderr,
        }),
        Ok((_, Err(error))) => Err(answer(command, error.to_string())),
        Err(_) => Err(PluginError::TimedOut {
            command: command.to_owned(),
            limit,
            stderr,
        }),
    }
}

async fn read_answer(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // A broken pipe leaves a short answer, which does not parse.
        let _ = stream.take(ANSWER_LIMIT).read_to_end(&mut bytes).await;
    }
    bytes
}

/// Reads everything and keeps the end.
async fn read_end(stream: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    let mut chunk = [0; 1024];
    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
        kept.extend_from_slice(chunk.get(..count).unwrap_or_default());
        let excess = kept.len().saturating_sub(STDERR_KEPT);
        kept.drain(..excess);
    }
}

/// Text of a stranger for the terminal: without control characters except line ends.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .collect()
}

/// Takes the credentials over. Messages name fields, never values.
fn take(
    stdout: &[u8],
    version: &str,
    command: &str,
    auth: &mut AuthInfo,
) -> Result<(), PluginError> {
    let wrong = |reason: &str| Err(answer(command, reason.to_owned()));
    let Ok(credential) = serde_json::from_slice::<ExecCredential>(stdout) else {
        return wrong("it is not an ExecCredential in JSON");
    };
    if credential.api_version.as_deref() != Some(version) {
        return wrong(&format!("it is not of apiVersion `{version}`"));
    }
    let status = credential.status.unwrap_or_default();
    match (
        status.client_certificate_data,
        status.client_key_data,
        &status.token,
    ) {
        (Some(certificate), Some(key), _) => {
            auth.client_certificate_data = Some(STANDARD.encode(certificate));
            auth.client_key_data = Some(STANDARD.encode(key).into());
        }
        (None, None, Some(_)) => {}
        (None, None, None) => {
            return wrong("it holds neither a token nor a certificate with its key");
        }
        _ => {
            return wrong(
                "it holds a certificate without its key, or a key without its certificate",
            );
        }
    }
    auth.token = status.token.map(Into::into);
    Ok(())
}

fn answer(command: &str, reason: String) -> PluginError {
    PluginError::Answer {
        command: command.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stdout: &str, expected: Result<(), &str>) {
        let mut auth = AuthInfo::default();
        let version = "client.authentication.k8s.io/v1";
        let taken = take(stdout.as_bytes(), version, "tool", &mut auth);
        let message = taken.map_err(|error| error.to_string());
        match (message, expected) {
            (Ok(()), Ok(())) => {}
            (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
            (message, expected) => panic!("{stdout}: {message:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn answers() {
        let of = |status: &str| {
            format!(
                r#"{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{status}}}"#
            )
        };
        check(&of(r#"{"token":"t"}"#), Ok(()));
        check(
            &of(r#"{"token":"t","expirationTimestamp":"2030-01-01T00:00:00Z"}"#),
            Ok(()),
        );
        check(
            &of(r#"{"clientCertificateData":"c","clientKeyData":"k"}"#),
            Ok(()),
        );
        check(
            &of(r#"{"clientCertificateData":"c"}"#),
            Err("without its key"),
        );
        check(
            &of(r#"{"clientKeyData":"k","token":"t"}"#),
            Err("without its certificate"),
        );
        check(&of("{}"), Err("neither a token nor a certificate"));
        check(&of("null"), Err("neither a token nor a certificate"));
        check(
            r#"{"apiVersion":"client.authentication.k8s.io/v1beta1","status":{"token":"t"}}"#,
            Err("not of apiVersion"),
        );
        check("", Err("not an ExecCredential"));
        check("eyJhbGciOi-planted", Err("not an ExecCredential"));
    }

    #[test]
    fn what_a_stranger_writes_cannot_steer_the_terminal() {
        assert_eq!(
            printable(b"\x1b[31mred\x07\nnext\xff"),
            "[31mred\nnext\u{fffd}"
        );
    }
}
