use std::collections::BTreeSet;

use bailiwick_model::MappedIdentity;

use crate::build::{Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::node::{Area, Node};
use crate::world::mapped::{Allowed, PLACEHOLDERS, is_node, node_of, setting};

edge! {
    /// Take a session of a role of AWS whose name makes another user of it.
    ///
    /// In the ConfigMap `aws-auth` a user's or group's name may hold placeholders. `{{SessionName}}` and `{{SessionNameRaw}}` are what whoever
    /// assumes the role calls his session, 2 to 64 letters, digits and signs of `_+=,.@-` of his choice; the first of them
    /// writes `@` as `-`. `{{EC2PrivateDNSName}}` is the name of the machine whose id the session's name is, `{{AccessKeyID}}` the key's. So
    /// one who may assume the role is every user and in every group whose name the template can become, and with the usual mapping
    /// of the role of nodes, `system:node:{{EC2PrivateDNSName}}` in `system:nodes`, every node.
    ///
    /// The machines themselves cannot choose: their sessions are called by the id of the machine, and that is the node that they are anyway. Nor can
    /// who logs in through a provider that sets the name. Whether somebody else may assume the role is written in its trust policy, at
    /// AWS: the usual role of nodes trusts the service EC2 alone. So this step is hard.
    "cloud-session", "choose the name of a session of the role", effort 4, Versions::ALL, &[Rule::Objects(link)],
    "cloud identity arn:aws:iam::1:role/dev" => "user dev-amy", "'dev-{{SessionName}}'" => "'ops-{{SessionName}}'",
    "Role shop/r
       get on pods of ''
     RoleBinding shop/r gives Role/r to user:dev-amy
     ---
     {apiVersion: v1, kind: ConfigMap, metadata: {namespace: kube-system, name: aws-auth},
      data: {mapRoles: \"[{rolearn: 'arn:aws:iam::1:role/dev', username: 'dev-{{SessionName}}'}]\"}}"
}

fn link(world: &World<'_>, link: &mut Link<'_>) {
    let Some(map) = world.identity_map() else { return };
    for identity in &map.identities {
        link_users(identity, world, link);
        for (at, group) in identity.groups.iter().enumerate() {
            let Some(template) = Template::of(group, identity) else { continue };
            for subject in world.subjects() {
                if let Node::Group { name } = &subject
                    && template.can_become(name)
                {
                    let of_group = setting(&format!("{}/groups/{at}", identity.pointer()));
                    link.by(&node_of(identity), subject, [setting(&identity.pointer()), of_group]);
                }
            }
        }
    }
}

fn link_users(identity: &MappedIdentity, world: &World<'_>, link: &mut Link<'_>) {
    let Some(template) = Template::of(&identity.username, identity) else { return };
    let (from, mapping) = (node_of(identity), setting(&identity.pointer()));
    if is_node(&identity.username, identity) {
        let every = Node::area(Area::NodeUsers, &Default::default());
        return link.by(&from, every, [mapping]);
    }
    for subject in world.subjects() {
        if let Node::User { name } = &subject
            && template.can_become(name)
        {
            link.by(&from, world.user_by_name(name), [mapping.clone()]);
        }
    }
}

/// A name with placeholders: what stands before the first, and what each can become with what stands behind it.
struct Template {
    head: String,
    parts: Vec<(Allowed, String)>,
}

impl Template {
    /// The name as a template; `None` where it is the same in every session.
    fn of(name: &str, identity: &MappedIdentity) -> Option<Self> {
        let name = name.replace("{{AccountID}}", identity.account());
        let (head, mut rest) = next(&name)?;
        let mut template = Self { head: head.to_owned(), parts: Vec::new() };
        while let Some((allowed, behind)) = rest {
            let (text, after) = next(behind).unwrap_or((behind, None));
            template.parts.push((allowed, text.to_owned()));
            rest = after;
        }
        Some(template)
    }

    fn can_become(&self, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(&self.head) else { return false };
        let mut left: BTreeSet<&str> = BTreeSet::from([rest]);
        for (allowed, text) in &self.parts {
            let ends = left.into_iter().flat_map(|rest| {
                let filled = rest.char_indices().take_while(|&(_, c)| allowed(c));
                let ends = filled.map(|(at, c)| at + c.len_utf8()).skip(SHORTEST - 1);
                ends.filter_map(move |end| rest.get(end..)?.strip_prefix(text.as_str()))
            });
            left = ends.collect();
        }
        left.contains("")
    }
}

/// Shortest name of a session.
const SHORTEST: usize = 2;

/// What stands before the first placeholder, and what that can become with all that stands behind it.
fn next(text: &str) -> Option<(&str, Option<(Allowed, &str)>)> {
    let found = PLACEHOLDERS.iter().filter_map(|(name, allowed)| {
        let (head, rest) = text.split_once(name)?;
        Some((head, Some((*allowed, rest))))
    });
    found.min_by_key(|(head, _)| head.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates() {
        let check = |template: &str, name: &str, expected: bool| {
            let identity = MappedIdentity { arn: "arn:aws:iam::12:role/a".into(), ..Default::default() };
            let found = Template::of(template, &identity);
            let found = found.is_some_and(|template| template.can_become(name));
            assert_eq!(found, expected, "{template} as {name}");
        };
        check("{{SessionName}}", "amy", true);
        check("{{SessionName}}", "amy-example.org", true);
        check("{{SessionName}}", "amy@example.org", false);
        check("{{SessionNameRaw}}", "amy@example.org", true);
        check("{{SessionName}}", "system:admin", false);
        check("system:{{SessionName}}", "system:admin", true);
        check("a:{{AccountID}}:{{SessionName}}", "a:12:amy", true);
        check("a:{{AccountID}}:{{SessionName}}", "a:13:amy", false);
        check("{{SessionName}}-{{AccessKeyID}}", "a-b-c-AKIA12", true);
        check("{{SessionName}}-{{AccessKeyID}}", "a-b-c-akia12", false);
        check("{{SessionName}}", "a", false);
        check("{{AccountID}}", "12", false);
        check("{{Other}}", "other", false);
    }
}
