//! What leads traffic to pods, and what keeps it from them.

use core::net::IpAddr;

use bailiwick_core::Str;
use serde::{Deserialize, Serialize};

use crate::meta::ObjectMeta;
use crate::rbac::LabelSelector;

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`; empty means `ClusterIP`.
    #[serde(rename = "type", skip_serializing_if = "str::is_empty")]
    pub service_type: Str,
    /// The labels of its pods, sorted; empty where somebody else writes its endpoints.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub selector: Box<[(Str, Str)]>,
    /// Its ports.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub ports: Box<[ServicePort]>,
    /// Addresses outside of the cluster whose traffic it takes.
    #[serde(rename = "externalIPs", skip_serializing_if = "<[_]>::is_empty")]
    pub external_ips: Box<[Str]>,
    /// The addresses that its load balancer lets in; empty is all.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub source_ranges: Box<[Cidr]>,
}

/// A port of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServicePort {
    /// Its name; empty where the Service has one port.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub name: Str,
    /// Its number.
    pub port: u16,
    /// The port of the pods.
    pub target: PortRef,
    /// How it talks.
    #[serde(skip_serializing_if = "Protocol::is_tcp")]
    pub protocol: Protocol,
}

/// An EndpointSlice: where connections to a Service end. Those that Kubernetes derives from the Service's selector say
/// nothing that the selector does not, and are empty here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointSlice {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// Names of the pods of its namespace that it leads to, sorted, each once. Addresses without a pod are not kept.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub pods: Box<[Str]>,
    /// The ports of those pods. Their names are those of the Service's ports.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub ports: Box<[ContainerPort]>,
}

impl EndpointSlice {
    /// The label that names the Service.
    pub const SERVICE: &str = "kubernetes.io/service-name";
    /// The label that names who writes it.
    pub const WRITER: &str = "endpointslice.kubernetes.io/managed-by";
    /// The writer that derives slices from selectors.
    pub const BY_SELECTOR: &str = "endpointslice-controller.k8s.io";
}

/// What a connection is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "each variant is the protocol of the same name")]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
    Sctp,
}

/// A port by number or by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PortRef {
    /// Its number.
    Number(u16),
    /// Its name.
    Name(Str),
}

/// An Ingress.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ingress {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// The Services that it leads to, each with its port, each once.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub backends: Box<[(Str, PortRef)]>,
}

/// A NetworkPolicy, as far as it is about traffic to pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkPolicy {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// The pods that it is about.
    pub pods: LabelSelector,
    /// What it lets in, and nothing else; `None` where it is about traffic from pods alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Box<[IngressRule]>>,
}

/// What a NetworkPolicy lets in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressRule {
    /// From whom; empty is everybody.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub from: Box<[Peer]>,
    /// To which ports; empty is all.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub ports: Box<[PolicyPort]>,
}

/// Somebody whose traffic a NetworkPolicy lets in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Peer {
    /// Addresses, without those among them that are excepted.
    Addresses {
        /// All.
        cidr: Cidr,
        /// Those that are not let in.
        #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
        except: Box<[Cidr]>,
    },
    /// Pods.
    Pods {
        /// Of which namespaces; `None` is the policy's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespaces: Option<LabelSelector>,
        /// Which of them; `None` is all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pods: Option<LabelSelector>,
    },
}

/// Ports to which a NetworkPolicy lets traffic in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyPort {
    /// The port, or the first of a range; `None` is every port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<PortRef>,
    /// The last port of a range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<u16>,
    /// How it talks.
    #[serde(skip_serializing_if = "Protocol::is_tcp")]
    pub protocol: Protocol,
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cidr {
    /// An address of it.
    pub address: IpAddr,
    /// How many leading bits its addresses share.
    pub bits: u8,
}

/// A port that a container of a pod says that it listens on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerPort {
    /// Its name; empty for none.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub name: Str,
    /// Its number.
    pub port: u16,
    /// The port of the node that leads to it; 0 for none.
    #[serde(skip_serializing_if = "is_zero")]
    pub host_port: u16,
    /// How it talks.
    #[serde(skip_serializing_if = "Protocol::is_tcp")]
    pub protocol: Protocol,
}

impl Default for PortRef {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl Protocol {
    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    fn is_tcp(&self) -> bool {
        *self == Self::Tcp
    }
}

impl Cidr {
    /// Reads `ADDRESS/BITS`; `None` where it is no range of addresses.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let is_plain = bits.bytes().all(|byte| byte.is_ascii_digit())
            && (bits == "0" || !bits.starts_with('0'));
        let range = Self {
            address: address.parse().ok()?,
            bits: bits.parse().ok().filter(|_| is_plain)?,
        };
        (range.bits <= range.width()).then_some(range)
    }

    /// Whether this holds every address of its family.
    pub fn is_everything(self) -> bool {
        self.bits == 0
    }

    /// Whether every address of `other` is one of this.
    pub fn contains(self, other: Self) -> bool {
        let same_family = self.address.is_ipv4() == other.address.is_ipv4();
        same_family && self.bits <= other.bits && self.head(self.bits) == other.head(self.bits)
    }

    fn width(self) -> u8 {
        if self.address.is_ipv4() { 32 } else { 128 }
    }

    /// The leading bits of the address.
    fn head(self, bits: u8) -> u128 {
        let address = match self.address {
            IpAddr::V4(address) => u128::from(u32::from(address)),
            IpAddr::V6(address) => u128::from(address),
        };
        address
            .checked_shr(u32::from(self.width().saturating_sub(bits)))
            .unwrap_or(0)
    }
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &u16) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_ranges() {
        let check = |outer: &str, inner: &str, expected: bool| {
            let [outer, inner] = [outer, inner].map(|text| Cidr::parse(text).unwrap());
            assert_eq!(outer.contains(inner), expected, "{outer:?} {inner:?}");
        };
        check("0.0.0.0/0", "10.0.0.0/8", true);
        check("10.0.0.0/8", "10.1.0.0/16", true);
        check("10.1.0.0/16", "10.0.0.0/8", false);
        check("10.0.0.0/8", "11.0.0.0/8", false);
        check("0.0.0.0/0", "::/0", false);
        check("::/0", "2001:db8::/32", true);
        check("10.0.0.1/32", "10.0.0.1/32", true);
    }

    #[test]
    fn what_is_no_range_is_none() {
        for text in [
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "a/8",
            "10.0.0.0/08",
            "10.0.0.0/+8",
        ] {
            assert_eq!(Cidr::parse(text), None, "{text}");
        }
    }
}
