use bailiwick_core::names;
use bailiwick_model::{IdentityMap, account_of_arn};

use super::cloud_identity;
use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::node::Node;
use crate::world::mapped::{group_setting, groups, node_of, setting};

edge! {
    /// Log in as the user and the groups that an identity of AWS is.
    ///
    /// EKS and aws-iam-authenticator read in the ConfigMap `aws-auth` of `kube-system` which user and which groups a role or user of
    /// AWS is: `mapRoles`, `mapUsers`, and in `mapAccounts` the accounts all of whose identities are users of the name of their ARN.
    /// ARNs are compared without regard to case. AWS tells a role without its path, so that one with a path is nobody here, and of two
    /// mappings of one ARN one counts; a finding says so. Whoever has the identity gets both, the user without the groups of his login elsewhere,
    /// and the groups; some of each where a step needs several rights. Service accounts that an annotation makes a role of AWS
    /// go on from there.
    ///
    /// Names that differ from session to session are the step `cloud-session`. Who may use the identity at AWS is not in the
    /// cluster. Nor are access entries of EKS, which say the same beside this map or, in the mode `API`, instead of it; associations of
    /// EKS Pod Identity; and roles at Google and Azure, which those ask by themselves when RBAC refuses a request.
    "cloud-login", "log in as who the identity is in the cluster", effort 0, Versions::ALL,
    &[Rule::Objects(link), Rule::Each(link_account)],
    "cloud identity arn:aws:iam::1:role/dev" => "group dev", "groups: [dev]" => "groups: [ops]",
    "Role shop/r
       get on pods of ''
     RoleBinding shop/r gives Role/r to group:dev
     ---
     {apiVersion: v1, kind: ConfigMap, metadata: {namespace: kube-system, name: aws-auth},
      data: {mapRoles: \"[{rolearn: 'arn:aws:iam::1:role/dev', username: dev, groups: [dev]}]\"}}"
}

fn link(world: &World<'_>, link: &mut Link<'_>) {
    let Some(map) = world.identity_map() else { return };
    for identity in &map.identities {
        let (from, mapping) = (node_of(identity), setting(&identity.pointer()));
        if let Some(user) = world.user_of_identity(&from) {
            link.by(&from, user, [mapping.clone()]);
        }
        for (at, name) in groups(identity) {
            let in_group = group_setting(identity, at);
            link.by(&from, Node::Group { name }, [mapping.clone(), in_group]);
        }
        link.by(&from, Node::group(names::AUTHENTICATED), [mapping]);
    }
    link_accounts(map, world, link);
}

/// Users of the names of their ARNs.
fn link_accounts(map: &IdentityMap, world: &World<'_>, link: &mut Link<'_>) {
    for (position, account) in &map.accounts {
        let from = Node::Cloud { name: format!("of account {account}").into() };
        let mapping = setting(&format!("/data/mapAccounts/{position}"));
        for subject in world.subjects() {
            if let Node::User { name } = &subject
                && name.starts_with("arn:")
                && account_of_arn(name) == Some(account)
            {
                link.by(&from, subject, [mapping.clone()]);
            }
        }
        link.by(&from, Node::group(names::AUTHENTICATED), [mapping]);
    }
}

/// From the role that a service account is, as its annotation writes it, to the same as the map does.
fn link_account(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let Item::Account(namespace, name) = *item else { return };
    let Some(account) = world.snapshot.service_accounts.get(namespace, name) else { return };
    for (_, role) in cloud_identity::of(account) {
        let Node::Cloud { name } = &role else { continue };
        let Some(map) = world.identity_map() else { return };
        let arn = without_path(name);
        let mut mapped = map.identities.iter();
        if let Some(same) = mapped.find(|identity| identity.arn.eq_ignore_ascii_case(&arn)) {
            if same.arn != *name {
                link.by(&role, node_of(same), [setting(&same.pointer())]);
            }
            continue;
        }
        let own = account_of_arn(&arn);
        if let Some((position, _)) = map.accounts.iter().find(|(_, account)| own == Some(account)) {
            let mapping = setting(&format!("/data/mapAccounts/{position}"));
            link.by(&role, world.user_by_name(&arn.into()), [mapping]);
        }
    }
}

/// The ARN of a role as its sessions come.
fn without_path(arn: &str) -> String {
    match arn.split_once(":role/") {
        Some((account, path)) => {
            let name = path.rsplit('/').next().unwrap_or(path);
            format!("{account}:role/{name}")
        }
        None => arn.to_owned(),
    }
}
