use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use bailiwick_core::{Str, Subject, UserInfo};
use bailiwick_model::Value;

use crate::console::Console;

/// Who is in which group, from `--groups-file`. Kubernetes keeps no such list: groups come with each login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Members {
    /// Members by group.
    groups: BTreeMap<String, Vec<Subject>>,
}

impl Members {
    /// Reads a YAML or JSON mapping of group names to lists of members:
    ///
    /// ```yaml
    /// developers: [alice, bob]
    /// ci: ["sa:ci/runner"]
    /// ```
    pub(crate) fn read(path: &Path, console: &mut Console) -> Result<Self> {
        let bytes = console.read(path)?;
        Self::from_bytes(bytes)
            .with_context(|| format!("the groups file `{}` is not usable", path.display()))
    }

    fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        let (documents, findings) = bailiwick_input::documents("groups", bytes);
        if let Some(finding) = findings.first() {
            let place = finding.places.first().and_then(|place| place.span.as_ref());
            let line = place
                .map(|span| format!("line {}: ", span.start.line))
                .unwrap_or_default();
            bail!("{line}{}", finding.message);
        }
        match documents.as_slice() {
            [document] => Self::from_value(&document.value),
            [] => bail!("it is empty; write `GROUP: [MEMBER, ...]`"),
            _ => bail!("it holds several documents; put all groups into one"),
        }
    }

    fn from_value(value: &Value) -> Result<Self> {
        let Some(groups) = value.as_object() else {
            bail!(
                "it holds {}, not a mapping of group names to lists of members",
                value.kind()
            );
        };
        let mut read = BTreeMap::new();
        for (group, members) in groups.iter() {
            let Some(members) = members.as_array() else {
                bail!(
                    "group `{group}` has {}, not a list of members",
                    members.kind()
                );
            };
            let subjects = members.iter().map(|member| {
                let Some(text) = member.as_str() else {
                    bail!("group `{group}` lists {}, not a name; put it in quotes", member.kind());
                };
                let subject: Subject =
                    text.parse().with_context(|| format!("group `{group}` lists `{text}`"))?;
                if matches!(subject, Subject::Group { .. }) {
                    bail!("group `{group}` lists the group `{text}`; Kubernetes has no groups in groups");
                }
                Ok(subject)
            });
            read.insert(group.to_owned(), subjects.collect::<Result<_>>()?);
        }
        Ok(Self { groups: read })
    }

    /// The groups that `subject` is in.
    pub(crate) fn groups_of(&self, subject: &Subject) -> Vec<String> {
        let named = self
            .groups
            .iter()
            .filter(|(_, members)| members.contains(subject));
        named.map(|(group, _)| group.clone()).collect()
    }

    /// The members of `group`.
    pub(crate) fn of(&self, group: &str) -> &[Subject] {
        self.groups.get(group).map_or(&[], Vec::as_slice)
    }

    /// Groups by user name.
    pub(crate) fn by_user(&self) -> BTreeMap<Str, Vec<Str>> {
        let mut users: BTreeMap<Str, Vec<Str>> = BTreeMap::new();
        for (group, members) in &self.groups {
            for user in members.iter().filter_map(Subject::user_name) {
                users
                    .entry(user.into())
                    .or_default()
                    .push(group.as_str().into());
            }
        }
        users
    }

    /// The identity that requests of `subject` arrive with, memberships and `--group` included.
    pub(crate) fn identity(&self, subject: &Subject, more: &[String]) -> UserInfo {
        let mut groups = more.to_vec();
        groups.extend(self.groups_of(subject));
        UserInfo::of(subject, &groups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<Members> {
        Members::from_bytes(yaml.as_bytes().to_vec())
    }

    #[test]
    fn memberships_count_for_users_and_service_accounts() {
        let members = read("dev: [alice, bob]\nci: ['sa:ci/runner', alice]\n").unwrap();
        let identity = |subject: &str| members.identity(&subject.parse().unwrap(), &[]).groups;
        assert_eq!(identity("alice"), ["ci", "dev", "system:authenticated"]);
        assert_eq!(identity("carol"), ["system:authenticated"]);
        assert!(identity("system:serviceaccount:ci:runner").contains(&"ci".to_owned()));
        assert_eq!(members.of("dev").len(), 2);
    }

    #[test]
    fn says_what_is_wrong() {
        let check = |yaml: &str, expected: &str| {
            let error = format!("{:#}", read(yaml).unwrap_err());
            assert!(error.contains(expected), "{error}");
        };
        check("[alice]", "not a mapping");
        check("dev: alice", "group `dev` has a text, not a list");
        check("dev: [7]", "group `dev` lists a number");
        check("dev: ['sa:x']", "write `sa:NAMESPACE/NAME`");
        check("dev: ['group:x']", "no groups in groups");
        check("", "it is empty");
        check("a: []\n---\nb: []\n", "several documents");
        check("a: [x]\na: [y]\n", "twice");
        check("a: [x\n", "line ");
    }
}
