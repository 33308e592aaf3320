//! Identities of AWS that are somebody in the cluster.

use bailiwick_core::{Kind, ObjectRef, Str, Subject, names};
use bailiwick_model::{IdentityMap, MappedIdentity};

use super::index::{Index, Woken};
use super::{Unit, World};
use crate::condition::Atom;
use crate::node::Node;

/// Which characters a placeholder can become.
pub(crate) type Allowed = fn(char) -> bool;

/// What stands in a name for something that differs from session to session.
pub(crate) const PLACEHOLDERS: [(&str, Allowed); 4] = [
    ("{{SessionName}}", |c| {
        c.is_ascii_alphanumeric() || "_+=,.-".contains(c)
    }),
    ("{{SessionNameRaw}}", |c| {
        c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
    }),
    ("{{EC2PrivateDNSName}}", |c| {
        c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c)
    }),
    ("{{AccessKeyID}}", |c| {
        c.is_ascii_uppercase() || c.is_ascii_digit()
    }),
];

impl Index {
    pub(super) fn map(&mut self, map: &IdentityMap, woken: &mut Woken) {
        for (position, identity) in map.identities.iter().enumerate() {
            let node = node_of(identity);
            woken.units.push(Unit::Holder(node.clone()));
            self.mapped.insert(node, position);
            let groups = groups(identity).map(|(_, name)| Node::Group { name });
            for node in user(identity).into_iter().chain(groups) {
                self.mapped_to.insert(node.clone());
                self.check_inherited(&node);
            }
        }
    }

    pub(super) fn unmap(&mut self, woken: &mut Woken) {
        for node in std::mem::take(&mut self.mapped_to) {
            self.check_inherited(&node);
        }
        let gone = std::mem::take(&mut self.mapped).into_keys();
        woken.units.extend(gone.map(Unit::Holder));
    }
}

impl<'a> World<'a> {
    /// The map of identities of AWS, where there is one.
    pub(crate) fn identity_map(&self) -> Option<&'a IdentityMap> {
        let (namespace, name) = Kind::ConfigMap.only()?;
        self.snapshot.identity_maps.get(namespace, name)
    }

    fn mapped(&self, node: &Node) -> Option<&'a MappedIdentity> {
        if !matches!(node, Node::Cloud { .. }) {
            return None;
        }
        let identities = &self.identity_map()?.identities;
        identities.get(*self.index.mapped.get(node)?)
    }

    /// The user that an identity of AWS is, where the map says which.
    pub(crate) fn user_of_identity(&self, node: &Node) -> Option<Node> {
        let identity = self.mapped(node)?;
        let found = user(identity)?;
        match &found {
            // With the group it is a node in full.
            Node::User { name } if !is_node(name, identity) => Some(self.user_by_name(name)),
            _ => Some(found),
        }
    }

    /// The groups that an identity of AWS is in, as far as the map says which.
    pub(super) fn groups_of_identity(&self, node: &Node) -> Vec<Str> {
        let Some(identity) = self.mapped(node) else {
            return Vec::new();
        };
        let groups = groups(identity).map(|(_, name)| name);
        groups.chain([names::AUTHENTICATED.into()]).collect()
    }

    /// The settings by which an identity of AWS is this user or in this group.
    pub(crate) fn mapping(&self, identity: &Node, to: &Node) -> Vec<Atom> {
        let Some(identity) = self.mapped(identity) else {
            return Vec::new();
        };
        let mut settings = vec![setting(&identity.pointer())];
        if let Node::Group { name } = to {
            let place = groups(identity).find(|(_, group)| group == name);
            settings.extend(place.map(|(at, _)| group_setting(identity, at)));
        }
        settings
    }
}

/// The node of an identity.
pub(crate) fn node_of(identity: &MappedIdentity) -> Node {
    Node::Cloud {
        name: identity.arn.clone(),
    }
}

/// The groups whose names are told, each with its place.
pub(crate) fn groups(identity: &MappedIdentity) -> impl Iterator<Item = (usize, Str)> {
    let groups = identity.groups.iter().enumerate();
    groups.filter_map(|(at, name)| Some((at, told(name, identity)?)))
}

/// Whether somebody of this name is a node, by the groups that come with it.
pub(crate) fn is_node(name: &str, identity: &MappedIdentity) -> bool {
    name.starts_with(names::NODE_USER_PREFIX)
        && identity.groups.iter().any(|group| **group == *names::NODES)
}

/// A setting of the map.
pub(crate) fn setting(pointer: &str) -> Atom {
    let (namespace, name) = Kind::ConfigMap.only().unwrap_or_default();
    Atom::Field {
        object: ObjectRef::new(Kind::ConfigMap, namespace, name),
        pointer: pointer.to_owned(),
    }
}

/// That an identity is in the group at this place.
pub(crate) fn group_setting(identity: &MappedIdentity, at: usize) -> Atom {
    setting(&format!("{}/groups/{at}", identity.pointer()))
}

fn user(identity: &MappedIdentity) -> Option<Node> {
    let name = told(&identity.username, identity)?.to_string();
    Some(Node::of(&Subject::User { name }))
}

/// A name that is the same in every session; `None` for none.
fn told(name: &Str, identity: &MappedIdentity) -> Option<Str> {
    let name = name.replace("{{AccountID}}", identity.account());
    let differs = PLACEHOLDERS.iter().any(|(word, _)| name.contains(word));
    (!name.is_empty() && !differs).then(|| name.into())
}
