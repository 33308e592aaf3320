//! The description of all HTTP doors that are open, as OpenAPI 3.1: paths from the table of doors, schemas and examples
//! from `openapi.json`.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::doors::{Door, Entry, TABLE};
use crate::reply::{Reply, text, with};
use crate::server::Server;

/// Where it is served.
pub(crate) const PATH: &str = "/openapi.json";

const SCHEMAS: &str = include_str!("openapi.json");

/// Methods of questions whose method is part of the question.
const ANY: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// The description of the doors that are open.
pub(crate) fn answer(server: &Server) -> Reply {
    let open = TABLE.iter().filter(|entry| entry.door.is_open(server));
    match document(open) {
        Ok(document) => with(
            StatusCode::OK,
            "application/json",
            document.to_string().into_bytes(),
        ),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn document<'a>(open: impl Iterator<Item = &'a Entry>) -> Result<Value, serde_json::Error> {
    let schemas: Value = serde_json::from_str(SCHEMAS)?;
    let mut paths = Map::new();
    for entry in open {
        let Some(page) = Page::of(entry.door) else {
            continue;
        };
        let path = match entry.door {
            Door::CheckHttp => format!("{}{{path}}", entry.path),
            Door::Explain => format!("{}{{id}}", entry.path),
            _ => entry.path.to_owned(),
        };
        let methods: Vec<String> = match &entry.method {
            Some(method) => vec![method.as_str().to_ascii_lowercase()],
            None => ANY.iter().map(|method| (*method).to_owned()).collect(),
        };
        let operations = methods.into_iter().map(|method| {
            let operation = page.operation(entry, &method);
            (method, operation)
        });
        paths.insert(path, Value::Object(operations.collect()));
    }
    Ok(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bailiwick decision point",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Who may do what. Each door is open to callers that the configuration lists for it, by their \
                            certificate. Envoy's gRPC form of external authorization has no description here.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"certificate": {"type": "mutualTLS"}},
        },
        "security": [{"certificate": []}],
    }))
}

/// What is said of a door.
struct Page {
    summary: &'static str,
    asks: Option<&'static str>,
    answers: Option<&'static str>,
    /// Statuses beside those of every door.
    more: &'static [(u16, &'static str)],
}

const BROKEN: (u16, &str) = (400, "The question cannot be read.");
const NOT_NOW: (u16, &str) = (
    503,
    "Not ready, too many requests under way, or the decision cannot be recorded.",
);

impl Page {
    /// `None` for what is not asked over plain HTTP.
    fn of(door: Door) -> Option<Self> {
        let page = |summary, asks, answers, more| {
            Some(Self {
                summary,
                asks,
                answers,
                more,
            })
        };
        match door {
            Door::Review => page(
                "SubjectAccessReview webhook of a Kubernetes API server",
                Some("SubjectAccessReview"),
                Some("SubjectAccessReviewAnswer"),
                &[BROKEN, NOT_NOW],
            ),
            Door::Evaluation => page(
                "AuthZEN: one question",
                Some("Question"),
                Some("Decision"),
                &[BROKEN, NOT_NOW],
            ),
            Door::Evaluations => page(
                "AuthZEN: several questions",
                Some("Questions"),
                Some("Decisions"),
                &[BROKEN, NOT_NOW],
            ),
            Door::SearchSubject => page(
                "AuthZEN: who may",
                Some("SubjectSearch"),
                Some("Found"),
                &[BROKEN, NOT_NOW],
            ),
            Door::SearchResource => page(
                "AuthZEN: on what",
                Some("ResourceSearch"),
                Some("Found"),
                &[BROKEN, NOT_NOW],
            ),
            Door::SearchAction => page(
                "AuthZEN: what may be done",
                Some("ActionSearch"),
                Some("FoundActions"),
                &[BROKEN, NOT_NOW],
            ),
            Door::Discovery => page(
                "AuthZEN: where all this is",
                None,
                Some("Metadata"),
                &[NOT_NOW],
            ),
            Door::CheckHttp => page(
                "Envoy's external authorization: the request itself, without its body",
                None,
                None,
                &[BROKEN, NOT_NOW],
            ),
            Door::Explain => page(
                "A decision of the caller's application, as its record says it",
                None,
                Some("Explained"),
                &[
                    (400, "This is no id of a decision."),
                    (404, "No decision of this application has this id."),
                    (500, "The log cannot be read."),
                    (503, "Others are reading the log, or it is too long."),
                ],
            ),
            Door::OpenApi => page("This description", None, Some("Description"), &[]),
            Door::Check => None,
        }
    }

    fn operation(&self, entry: &Entry, method: &str) -> Value {
        let content = |schema: &str| json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}});
        let mut fine = described("Answered.");
        if let Some(schema) = self.answers {
            fine.insert("content".to_owned(), content(schema));
        }
        let others = EVERYWHERE.iter().chain(self.more);
        let others = others.map(|(status, text)| (status.to_string(), described(text).into()));
        let mut responses: Map<String, Value> = others.collect();
        responses.insert("200".to_owned(), fine.into());
        let mut operation = Map::new();
        let mut put = |key: &str, value: Value| operation.insert(key.to_owned(), value);
        put("summary", self.summary.into());
        put("operationId", format!("{method}{:?}", entry.door).into());
        if entry.is_below() {
            let (name, description) = match entry.door {
                Door::Explain => ("id", "Id of the decision, as its answer named it."),
                _ => (
                    "path",
                    "The path of the request, slashes and query included.",
                ),
            };
            let schema = json!({"type": "string"});
            let parameter = json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema});
            put("parameters", json!([parameter]));
        }
        if let Some(schema) = self.asks {
            put(
                "requestBody",
                json!({"required": true, "content": content(schema)}),
            );
        }
        put("responses", responses.into());
        operation.into()
    }
}

/// What every door may answer.
const EVERYWHERE: [(u16, &str); 3] = [
    (
        401,
        "No client certificate, or (external authorization) nobody is known to make the request.",
    ),
    (
        403,
        "The list of callers does not name this certificate for this door, or access is denied.",
    ),
    (429, "Refused too often."),
];

fn described(text: &str) -> Map<String, Value> {
    Map::from_iter([("description".to_owned(), text.into())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_door_but_that_of_grpc_is_described() {
        let document = document(TABLE.iter()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        for entry in TABLE.iter().filter(|entry| entry.door != Door::Check) {
            let found = paths.iter().find(|(path, _)| {
                path.starts_with(entry.path) && (entry.is_below() || *path == entry.path)
            });
            let (_, operations) = found.unwrap_or_else(|| panic!("{:?}", entry.door));
            let methods = operations.as_object().unwrap().len();
            assert_eq!(methods, if entry.method.is_some() { 1 } else { ANY.len() });
        }
        assert_eq!(paths.len(), TABLE.len() - 1);
    }

    /// A reference that leads nowhere, or a schema that nothing refers to.
    #[test]
    fn references_and_schemas_belong_together() {
        let document = document(TABLE.iter()).unwrap();
        let text = document.to_string();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let refer = |name: &str| {
            text.matches(&format!("\"#/components/schemas/{name}\""))
                .count()
        };
        for name in schemas.keys() {
            assert!(refer(name) > 0, "nothing refers to {name}");
        }
        let all: usize = schemas.keys().map(|name| refer(name)).sum();
        assert_eq!(
            text.matches("\"$ref\":").count(),
            all,
            "a reference leads nowhere"
        );
    }
}
