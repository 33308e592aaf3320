use std::collections::HashMap;

use bailiwick_core::Str;
use cedar_policy_core::ast::{self, EntityUID, PolicyID, SlotId};
use cedar_policy_core::parser::{Loc, parse_policyset};

use super::check::{Checker, PolicyProblem, parse_problems};

/// Policies as their author wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyDocument {
    /// The namespace whose tier they belong to; empty for the cluster's.
    pub namespace: Str,
    /// Name of the document, unique in its tier.
    pub name: Str,
    /// Policies and templates in Cedar's language.
    pub cedar: String,
    /// Policies made of the templates.
    pub links: Vec<TemplateLink>,
}

/// A policy made of a template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateLink {
    /// Its name, unique in the document.
    pub name: String,
    /// Id of the template: its `@id`, or its place in the document counted from 1.
    pub template: String,
    /// What stands for `?principal`, such as `k8s::User::"anna"`.
    pub principal: Option<String>,
    /// What stands for `?resource`.
    pub resource: Option<String>,
}

/// A document may be this long, in bytes.
const LONGEST: usize = 256 * 1024;
/// A document may hold this many policies, and this many links.
const MOST: usize = 10_000;

impl PolicyDocument {
    /// Parses and checks. Gives each policy with its id, or everything that is wrong.
    pub(crate) fn compile(
        &self,
        checker: &Checker,
    ) -> Result<Vec<(Str, ast::Policy)>, Vec<PolicyProblem>> {
        if self.cedar.len() > LONGEST || self.links.len() > MOST {
            return Err(vec![problem(
                "",
                format!(
                    "a document holds at most {LONGEST} bytes and {MOST} links: cut it into several"
                ),
            )]);
        }
        let set = parse_policyset(&self.cedar).map_err(|errors| parse_problems(&errors))?;
        let mut templates: Vec<&ast::Template> = set.all_templates().collect();
        templates.sort_by_key(|template| template.loc().map(Loc::start));
        let mut compiled = Vec::new();
        let mut problems = Vec::new();
        let mut by_id = HashMap::new();
        let alone = templates.len() == 1 && self.links.is_empty();
        for (place, template) in templates.into_iter().enumerate() {
            let own = own_id(template).unwrap_or_else(|| (place + 1).to_string());
            let id = if alone {
                self.name.to_string()
            } else {
                format!("{}/{own}", self.name)
            };
            let template = template.new_id(PolicyID::from_string(&id));
            let found = check(checker, &template, &id);
            let good = found.is_empty();
            problems.extend(found);
            if by_id.contains_key(&own) {
                problems.push(problem(
                    &id,
                    format!("a policy before has the id `{own}` too"),
                ));
            } else if good && template.is_static() {
                let policy = ast::StaticPolicy::try_from(template.clone()).map(ast::Policy::from);
                match policy {
                    Ok(policy) => compiled.push((Str::from(id), policy)),
                    Err(error) => problems.push(problem(&id, error.to_string())),
                }
            }
            by_id.insert(own, template);
        }
        for link in &self.links {
            match self.link(link, &by_id, checker) {
                Ok(policy) => compiled.push(policy),
                Err(found) => problems.extend(found),
            }
        }
        self.repeated(&compiled, &mut problems);
        if problems.is_empty() {
            Ok(compiled)
        } else {
            Err(problems)
        }
    }

    fn link(
        &self,
        link: &TemplateLink,
        templates: &HashMap<String, ast::Template>,
        checker: &Checker,
    ) -> Result<(Str, ast::Policy), Vec<PolicyProblem>> {
        let id = format!("{}/{}", self.name, link.name);
        let wrong = |message: String| vec![problem(&id, message)];
        let template = templates
            .get(&link.template)
            .ok_or_else(|| wrong(format!("no template has the id `{}`", link.template)))?;
        let mut values = HashMap::new();
        let slots = [
            (SlotId::principal(), &link.principal),
            (SlotId::resource(), &link.resource),
        ];
        for (slot, text) in slots {
            if let Some(text) = text {
                let uid: EntityUID = text.parse().map_err(|_| {
                    wrong(format!(
                        "`{text}` names no entity: write it as in `k8s::User::\"anna\"`"
                    ))
                })?;
                values.insert(slot, uid);
            }
        }
        let mut set = ast::PolicySet::new();
        let added = set.add_template(template.clone());
        added.map_err(|error| wrong(error.to_string()))?;
        let (template, new) = (template.id().clone(), PolicyID::from_string(&id));
        let linked = set.link(template, new, values);
        let policy = linked.map_err(|error| wrong(error.to_string()))?.clone();
        let found = checker.problems(&set, &id);
        if found.is_empty() {
            Ok((id.into(), policy))
        } else {
            Err(found)
        }
    }

    fn repeated(&self, compiled: &[(Str, ast::Policy)], problems: &mut Vec<PolicyProblem>) {
        let mut seen = HashMap::new();
        for (id, _) in compiled {
            if seen.insert(id, ()).is_some() {
                problems.push(problem(
                    id,
                    "another policy of the document has this id".to_owned(),
                ));
            }
        }
        if compiled.len() > MOST {
            problems.push(problem(
                "",
                format!("a document holds at most {MOST} policies: cut it into several"),
            ));
        }
    }
}

fn check(checker: &Checker, template: &ast::Template, id: &str) -> Vec<PolicyProblem> {
    let mut set = ast::PolicySet::new();
    let added = if template.is_static() {
        ast::StaticPolicy::try_from(template.clone())
            .map_err(|error| error.to_string())
            .and_then(|policy| set.add_static(policy).map_err(|error| error.to_string()))
    } else {
        set.add_template(template.clone())
            .map_err(|error| error.to_string())
    };
    match added {
        Ok(()) => checker.problems(&set, id),
        Err(error) => vec![problem(id, error)],
    }
}

fn own_id(template: &ast::Template) -> Option<String> {
    let name = "id".parse().ok()?;
    Some(template.annotation(&name)?.val.to_string())
}

fn problem(id: &str, message: String) -> PolicyProblem {
    PolicyProblem {
        id: id.to_owned(),
        message,
        span: None,
    }
}
