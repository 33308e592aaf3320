//! Every door in one table: what is answered, what is documented, and who may come in.

use http::Method;

use crate::callers::Scope;
use crate::server::Server;
use crate::{authzen, explain, ext_authz, openapi, review};

/// Where a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Review,
    Evaluation,
    Evaluations,
    SearchSubject,
    SearchResource,
    SearchAction,
    Discovery,
    Check,
    CheckHttp,
    Explain,
    OpenApi,
}

/// How a door is found.
pub(crate) struct Entry {
    pub(crate) door: Door,
    /// Its path; that of a door for everything below ends with a slash.
    pub(crate) path: &'static str,
    /// `None` where any method is a question.
    pub(crate) method: Option<Method>,
}

const fn post(door: Door, path: &'static str) -> Entry {
    Entry {
        door,
        path,
        method: Some(Method::POST),
    }
}

const fn get(door: Door, path: &'static str) -> Entry {
    Entry {
        door,
        path,
        method: Some(Method::GET),
    }
}

/// All doors.
pub(crate) static TABLE: [Entry; 11] = [
    post(Door::Review, review::PATH),
    post(Door::Evaluation, authzen::EVALUATION),
    post(Door::Evaluations, authzen::EVALUATIONS),
    post(Door::SearchSubject, authzen::SEARCH_SUBJECT),
    post(Door::SearchResource, authzen::SEARCH_RESOURCE),
    post(Door::SearchAction, authzen::SEARCH_ACTION),
    get(Door::Discovery, authzen::DISCOVERY),
    post(Door::Check, ext_authz::CHECK),
    Entry {
        door: Door::CheckHttp,
        path: ext_authz::BELOW,
        method: None,
    },
    get(Door::Explain, explain::BELOW),
    get(Door::OpenApi, openapi::PATH),
];

impl Entry {
    /// The entry of a path, where its door is open at all.
    pub(crate) fn at(path: &str, server: &Server) -> Option<&'static Self> {
        TABLE
            .iter()
            .find(|entry| entry.is_for(path) && entry.door.is_open(server))
    }

    fn is_for(&self, path: &str) -> bool {
        match self.is_below() {
            true => path.starts_with(self.path),
            false => path == self.path,
        }
    }

    pub(crate) fn is_below(&self) -> bool {
        self.path.ends_with('/')
    }
}

impl Door {
    /// Whether the configuration opens it to anybody.
    pub(crate) fn is_open(self, server: &Server) -> bool {
        match self {
            Self::Review => server.review.is_some(),
            Self::Check | Self::CheckHttp => server.ext_authz.is_some(),
            Self::Explain => server.records.is_some(),
            Self::OpenApi => true,
            _ => server.authzen.is_some(),
        }
    }

    /// Whether a caller of this scope may come in.
    pub(crate) fn is_open_to(self, scope: &Scope) -> bool {
        match self {
            Self::Review => scope.access_review,
            Self::Evaluation | Self::Evaluations => scope.evaluation,
            Self::SearchSubject | Self::SearchResource | Self::SearchAction => scope.search,
            Self::Discovery => scope.evaluation || scope.search,
            Self::Check | Self::CheckHttp => scope.ext_authz,
            Self::Explain => scope.explain,
            // It says how to ask, and nothing about anybody.
            Self::OpenApi => true,
        }
    }

    /// Whether an answer may take as long as many others together.
    pub(crate) fn takes_long(self) -> bool {
        match self {
            Self::Evaluations | Self::SearchSubject | Self::SearchResource | Self::SearchAction => {
                true
            }
            Self::Review | Self::Evaluation | Self::Check | Self::CheckHttp => false,
            Self::Discovery | Self::Explain | Self::OpenApi => false,
        }
    }

    /// Bytes of a body.
    pub(crate) fn most_bytes(self) -> usize {
        match self {
            Self::Evaluations | Self::Check => 1 << 20,
            _ => 64 << 10,
        }
    }
}
