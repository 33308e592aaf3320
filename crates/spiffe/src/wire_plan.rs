//! Plans, as a server tells them to its agents.

use bailiwick_identity::rules::{Plan, RuleName};
use bailiwick_identity::x509::DnsName;
use bailiwick_identity::{KeyType, SpiffeId, TrustDomain};

use crate::wire::issuer::Identity;

impl From<&Plan> for Identity {
    fn from(plan: &Plan) -> Self {
        let names = plan.dns_names.iter();
        let domains = plan.federates_with.iter();
        Self {
            rule: plan.rule.to_string(),
            spiffe_id: plan.id.to_string(),
            dns_names: names.map(|name| name.as_str().to_owned()).collect(),
            lifetime: plan.lifetime,
            jwt_lifetime: plan.jwt_lifetime,
            hint: plan.hint.clone().unwrap_or_default(),
            claims: plan.claims.clone(),
            key_type: plan.key_type.to_string(),
            federates_with: domains.map(ToString::to_string).collect(),
        }
    }
}

/// Reads a plan; `None` where a part of it is none.
pub(crate) fn plan(identity: Identity) -> Option<Plan> {
    let rule = match identity.rule.split_once('/') {
        Some((namespace, name)) => RuleName {
            namespace: Some(namespace.into()),
            name: name.into(),
        },
        None => RuleName {
            namespace: None,
            name: identity.rule.into(),
        },
    };
    let names = identity.dns_names.iter();
    let domains = identity.federates_with.iter();
    let kinds = [
        KeyType::EcP256,
        KeyType::EcP384,
        KeyType::Rsa2048,
        KeyType::Rsa4096,
    ];
    let mut kinds = kinds.into_iter();
    Some(Plan {
        rule,
        id: SpiffeId::parse(&identity.spiffe_id).ok()?,
        dns_names: names
            .map(|name| DnsName::parse(name).ok())
            .collect::<Option<_>>()?,
        lifetime: identity.lifetime,
        jwt_lifetime: identity.jwt_lifetime,
        hint: (!identity.hint.is_empty()).then_some(identity.hint),
        claims: identity.claims,
        key_type: kinds.find(|kind| kind.as_str() == identity.key_type)?,
        federates_with: domains
            .map(|domain| TrustDomain::parse(domain).ok())
            .collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_arrives_as_it_left() {
        let full = Plan {
            rule: RuleName {
                namespace: Some("shop".into()),
                name: "web".into(),
            },
            id: SpiffeId::parse("spiffe://td/ns/shop/sa/web").unwrap(),
            dns_names: vec![DnsName::parse("web.example").unwrap()],
            lifetime: 3600,
            jwt_lifetime: 300,
            hint: Some("main".into()),
            claims: [("team".to_owned(), "shop".to_owned())].into(),
            key_type: KeyType::EcP384,
            federates_with: vec![TrustDomain::parse("partner").unwrap()],
        };
        assert_eq!(plan(Identity::from(&full)), Some(full.clone()));
        let plain = Plan {
            rule: RuleName {
                namespace: None,
                name: "web".into(),
            },
            hint: None,
            ..full.clone()
        };
        assert_eq!(plan(Identity::from(&plain)), Some(plain));
        let check = |change: fn(&mut Identity)| {
            let mut identity = Identity::from(&full);
            change(&mut identity);
            assert_eq!(plan(identity), None);
        };
        check(|identity| identity.spiffe_id = "td/a".into());
        check(|identity| identity.dns_names.push("a b".into()));
        check(|identity| identity.key_type = "none".into());
        check(|identity| identity.federates_with.push("A B".into()));
    }
}
