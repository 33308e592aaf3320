use std::fmt;

use thiserror::Error;

use crate::facts::Facts;

/// A text with places for facts: `/ns/{namespace}/sa/{serviceAccount}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Fact(Fact),
}

/// What can stand between braces.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fact {
    Namespace,
    Pod,
    PodUid,
    ServiceAccount,
    Node,
    Label(String),
    Uid,
    Gid,
    Program,
}

/// Why a text is no template, or a template gives no text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A brace without its partner.
    #[error("`{0}` has a brace without its partner")]
    Brace(String),
    /// A name that stands for nothing.
    #[error(
        "`{{{0}}}` is no fact: namespace, pod, podUID, serviceAccount, node, label:KEY, uid, gid or program"
    )]
    UnknownFact(String),
    /// Two facts that could be told apart in two ways.
    #[error(
        "`{0}` has two facts in one segment, so that different workloads could get one identity: put a `/` between them"
    )]
    Ambiguous(String),
    /// The fact is not known of this workload.
    #[error("`{{{0}}}` is not known of it")]
    Missing(String),
    /// The fact would become more than a part of a segment.
    #[error("`{{{fact}}}` is `{value}`, which does not fit into a name")]
    Unfit {
        /// Which fact.
        fact: String,
        /// What it is.
        value: String,
    },
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// When a brace has no partner, a fact is unknown, or two stand in one segment of a path.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let brace = || TemplateError::Brace(text.to_owned());
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once('{') {
            let (fact, after) = after.split_once('}').ok_or_else(brace)?;
            parts.push(Part::Literal(literal.to_owned()));
            parts.push(Part::Fact(Fact::parse(fact)?));
            rest = after;
        }
        parts.push(Part::Literal(rest.to_owned()));
        let stray = |part: &Part| matches!(part, Part::Literal(text) if text.contains(['{', '}']));
        if parts.iter().any(stray) {
            return Err(brace());
        }
        Ok(Self {
            text: text.to_owned(),
            parts,
        })
    }

    /// Reads the template of a path, in which each segment may have one fact: `{a}-{b}` would give the same text for
    /// `x` and `y-z` as for `x-y` and `z`.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub fn path(text: &str) -> Result<Self, TemplateError> {
        let template = Self::parse(text)?;
        if let Some(segment) = text.split('/').find(|part| part.matches('{').count() > 1) {
            return Err(TemplateError::Ambiguous(segment.to_owned()));
        }
        Ok(template)
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text with the facts in place.
    ///
    /// # Errors
    /// When a fact is not known of this workload, or holds a letter (such as `/`) that would change the structure.
    pub fn render(&self, facts: &Facts) -> Result<String, TemplateError> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Fact(fact) => text.push_str(&fact.value(facts)?),
            }
        }
        Ok(text)
    }
}

impl Fact {
    fn parse(name: &str) -> Result<Self, TemplateError> {
        Ok(match name {
            "namespace" => Self::Namespace,
            "pod" => Self::Pod,
            "podUID" => Self::PodUid,
            "serviceAccount" => Self::ServiceAccount,
            "node" => Self::Node,
            "uid" => Self::Uid,
            "gid" => Self::Gid,
            "program" => Self::Program,
            _ => match name.strip_prefix("label:") {
                Some(key) if !key.is_empty() => Self::Label(key.to_owned()),
                _ => return Err(TemplateError::UnknownFact(name.chars().take(60).collect())),
            },
        })
    }

    fn value(&self, facts: &Facts) -> Result<String, TemplateError> {
        let (pod, process) = (facts.pod.as_ref(), facts.process.as_ref());
        let value = match self {
            Self::Namespace => pod.map(|pod| pod.meta.namespace.to_string()),
            Self::Pod => pod.map(|pod| pod.meta.name.to_string()),
            Self::PodUid => pod.map(|pod| pod.meta.uid.to_string()),
            Self::ServiceAccount => pod.map(|pod| pod.service_account.clone()),
            Self::Node => pod.map(|pod| pod.node.name.to_string()),
            Self::Label(key) => pod.and_then(|pod| pod.meta.label(key).map(str::to_owned)),
            Self::Uid => process.map(|process| process.uid.to_string()),
            Self::Gid => process.map(|process| process.gid.to_string()),
            Self::Program => process.and_then(|process| process.program().map(str::to_owned)),
        };
        let value = value.filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| TemplateError::Missing(self.to_string()))?;
        let fits =
            |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
        if !value.chars().all(fits) {
            return Err(TemplateError::Unfit {
                fact: self.to_string(),
                value: value.chars().take(80).collect(),
            });
        }
        Ok(value)
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace => f.write_str("namespace"),
            Self::Pod => f.write_str("pod"),
            Self::PodUid => f.write_str("podUID"),
            Self::ServiceAccount => f.write_str("serviceAccount"),
            Self::Node => f.write_str("node"),
            Self::Label(key) => write!(f, "label:{key}"),
            Self::Uid => f.write_str("uid"),
            Self::Gid => f.write_str("gid"),
            Self::Program => f.write_str("program"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Process;

    fn check(text: &str, path: &str, expected: Result<&str, &str>) {
        let process = Process {
            uid: 1000,
            gid: 100,
            path: Some(path.to_owned()),
            ..Process::default()
        };
        let facts = Facts {
            process: Some(process),
            pod: None,
        };
        let rendered = Template::path(text).and_then(|template| template.render(&facts));
        let rendered = rendered.map_err(|error| error.to_string());
        match (&rendered, expected) {
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            _ => assert_eq!(rendered, expected.map(str::to_owned).map_err(str::to_owned)),
        }
    }

    #[test]
    fn facts_take_their_places() {
        check("/uid/{uid}/{program}", "/bin/web", Ok("/uid/1000/web"));
        check("/a", "/bin/web", Ok("/a"));
        check("/g-{gid}", "/bin/web", Ok("/g-100"));
        check("", "/bin/web", Ok(""));
    }

    #[test]
    fn braces_and_names() {
        check("/{uid", "/x", Err("without its partner"));
        check("/uid}", "/x", Err("without its partner"));
        check("/{{uid}}", "/x", Err("is no fact"));
        check("/{}", "/x", Err("is no fact"));
        check("/{label:}", "/x", Err("is no fact"));
        check("/{UID}", "/x", Err("is no fact"));
    }

    #[test]
    fn different_workloads_never_get_one_text() {
        check("/{uid}{gid}", "/x", Err("two facts in one segment"));
        check("/{uid}-{gid}", "/x", Err("two facts in one segment"));
        check("/{uid}/{gid}", "/x", Ok("/1000/100"));
    }

    #[test]
    fn facts_that_do_not_fit() {
        check(
            "/{namespace}",
            "/x",
            Err("`{namespace}` is not known of it"),
        );
        check("/{program}", "/opt/my app", Err("does not fit into a name"));
        check("/{program}", "/opt/a%2fb", Err("does not fit into a name"));
        check("/{program}", "/opt/", Err("`{program}` is not known"));
    }
}
