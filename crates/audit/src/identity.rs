use std::fmt;

use bailiwick_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::decision::Door;

/// A document of an identity that was made: an X509-SVID, a certificate for a pod or a token.
///
/// There is no field for the document itself or for a key: they cannot get in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IssueRecord {
    /// The door through which it was asked for.
    pub door: Door,
    /// What kind of document it is.
    pub document: Document,
    /// Serial of the certificate, or `jti` of the token; 32 hexadecimal digits.
    pub number: String,
    /// Whose identity it says.
    pub id: String,
    /// Which rule gave it.
    pub rule: String,
    /// From when on it does not count.
    pub until: Timestamp,
    /// Whom a token is for; empty for certificates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audience: Vec<String>,
    /// Who got it, as far as it was proven.
    pub workload: WorkloadRef,
    /// What the workload proved itself with.
    #[serde(default, skip_serializing_if = "Proof::is_empty")]
    pub proof: Proof,
}

/// A request for an identity that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DenialRecord {
    /// The door through which it came.
    pub door: Door,
    /// Why nothing was given.
    pub why: String,
    /// Who asked, as far as it was proven.
    pub workload: WorkloadRef,
    /// What the workload came with.
    #[serde(default, skip_serializing_if = "Proof::is_empty")]
    pub proof: Proof,
    /// UID of the pod, where an agent names one that does not run on its node by the word of the Kubernetes API.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub claimed_pod: String,
    /// How often and when, where it was not one time at the time of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<Times>,
}

impl DenialRecord {
    /// One that was refused now.
    pub fn new(door: Door, why: String, workload: WorkloadRef, proof: Proof) -> Self {
        Self {
            door,
            why,
            workload,
            proof,
            claimed_pod: String::new(),
            times: None,
        }
    }

    /// How often.
    pub fn count(&self) -> u64 {
        self.times.as_ref().map_or(1, |times| times.count)
    }
}

/// How often something happened that has one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Times {
    /// So many times.
    pub count: u64,
    /// When it did first.
    pub first: Timestamp,
    /// When it did last.
    pub last: Timestamp,
}

/// A key of the authority that stands elsewhere than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationRecord {
    /// The trust domain.
    pub domain: String,
    /// Name of the key.
    pub key: String,
    /// What it signs.
    pub purpose: String,
    /// Where it stood; nothing for a key that this program had not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Where it stands; nothing for a key that is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The change of the state of the authority that did it, counted from 1.
    pub revision: u64,
}

/// A trust domain whose documents are checked by other keys than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FederationRecord {
    /// The trust domain.
    pub domain: String,
    /// The keys of before; nothing where none were known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<FederatedKeys>,
    /// The keys from now on; nothing where the domain is not believed any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<FederatedKeys>,
}

/// The keys of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FederatedKeys {
    /// Number of the bundle, where it says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// SHA-256 of each root certificate in DER, in hexadecimal digits; of many the first 32.
    pub roots: Vec<String>,
    /// How many roots there are.
    pub root_count: u64,
    /// How many keys for tokens there are.
    pub token_key_count: u64,
}

/// A workload or node that gets nothing more, or may get it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BanRecord {
    /// Who: `pod:UID`, `id:SPIFFE-ID` or `node:NAME`; or `serial:NUMBER`, a certificate.
    pub who: String,
    /// Whether the ban was lifted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lifted: bool,
    /// Why, in the words of who did it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// An agent of a node that came, went on or was sent away, or a token for one that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentRecord {
    /// Name of the node.
    pub node: String,
    /// What became of the agent.
    pub step: AgentStep,
    /// What it proved the node with; empty for what a person did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Names of what it came with.
    #[serde(default, skip_serializing_if = "Proof::is_empty")]
    pub proof: Proof,
}

/// What became of the agent of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum AgentStep {
    /// A join token for it was made.
    Invited,
    /// It proved which node it is on.
    Joined,
    /// Its certificates of before count no more.
    Evicted,
}

impl AgentStep {
    /// As a record spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Joined => "joined",
            Self::Evicted => "evicted",
        }
    }
}

/// Kinds of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Document {
    /// An X.509 certificate.
    X509,
    /// A JSON web token.
    Jwt,
    /// A workload identity token, which is bound to a key.
    Wit,
}

impl Document {
    /// As a record spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::X509 => "x509",
            Self::Jwt => "jwt",
            Self::Wit => "wit",
        }
    }
}

/// Who asked for an identity, as far as it was proven.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadRef {
    /// The process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessRef>,
    /// The pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodRef>,
    /// Name of the node.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node: String,
}

/// A process, by the word of the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessRef {
    /// Its number.
    pub pid: u32,
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
    /// The program that it runs, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
}

/// A pod, by the word of the Kubernetes API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its service account.
    pub service_account: String,
}

/// What somebody proved itself with. Names alone, never the thing itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// `authentication.kubernetes.io/credential-id` of a token of Kubernetes: its record in the log of the API server
    /// has the same.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub credential: String,
    /// UID of a PodCertificateRequest.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request: String,
    /// The agent of the node, by its SPIFFE ID.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub agent: String,
    /// The broker that asked for the workload, by its SPIFFE ID and the word of that agent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub broker: String,
}

impl Proof {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// On one line: `pod shop/web of service account web on node n1, process 7 of uid 0`.
impl fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut join = "";
        if let Some(pod) = &self.pod {
            let (namespace, name, account) = (&pod.namespace, &pod.name, &pod.service_account);
            write!(f, "pod {namespace}/{name} of service account {account}")?;
            join = " ";
        }
        if !self.node.is_empty() {
            write!(f, "{join}on node {}", self.node)?;
        }
        if !join.is_empty() || !self.node.is_empty() {
            join = ", ";
        }
        match &self.process {
            Some(ProcessRef {
                pid, uid, program, ..
            }) => {
                write!(f, "{join}process {pid} of uid {uid}")?;
                program
                    .iter()
                    .try_for_each(|program| write!(f, " running {program:?}"))
            }
            None if join.is_empty() => f.write_str("an unknown caller"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_on_one_line() {
        let check = |workload: WorkloadRef, expected: &str| {
            assert_eq!(workload.to_string(), expected);
        };
        let pod = PodRef {
            namespace: "shop".into(),
            name: "web".into(),
            uid: "u".into(),
            service_account: "cart".into(),
        };
        let process = ProcessRef {
            pid: 7,
            uid: 1000,
            gid: 1000,
            program: Some("/bin/\u{1b}x".into()),
        };
        check(WorkloadRef::default(), "an unknown caller");
        check(
            WorkloadRef {
                process: Some(process.clone()),
                ..WorkloadRef::default()
            },
            r#"process 7 of uid 1000 running "/bin/\u{1b}x""#,
        );
        check(
            WorkloadRef {
                node: "n1".into(),
                ..WorkloadRef::default()
            },
            "on node n1",
        );
        check(
            WorkloadRef {
                process: Some(process),
                pod: Some(pod),
                node: "n1".into(),
            },
            r#"pod shop/web of service account cart on node n1, process 7 of uid 1000 running "/bin/\u{1b}x""#,
        );
    }
}
