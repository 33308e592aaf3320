//! The words of made-up clusters: plain ones, and those that tools get wrong.

pub(super) const VERBS: &[&str] = &[
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
];

pub(super) const ODD_VERBS: &[&str] = &[
    "*",
    "bind",
    "escalate",
    "impersonate",
    "impersonate-on:user-info:list",
    "use",
    "approve",
    "sign",
    "GET",
    "Get",
    "ge",
    "get*",
    "",
];

pub(super) const GROUPS: &[&str] = &["", "apps", "batch", "rbac.authorization.k8s.io"];

pub(super) const ODD_GROUPS: &[&str] = &["*", "core", "v1", "App", "apps/v1", "shop.example"];

pub(super) const RESOURCES: &[&str] = &[
    "pods",
    "pods/log",
    "pods/exec",
    "pods/status",
    "secrets",
    "configmaps",
    "deployments",
    "deployments/scale",
    "jobs",
    "roles",
    "nodes",
    "nodes/proxy",
    "namespaces",
    "serviceaccounts/token",
];

pub(super) const ODD_RESOURCES: &[&str] = &[
    "*",
    "*/*",
    "pods/*",
    "*/scale",
    "*/status",
    "*/log",
    "pods/",
    "*/",
    "/log",
    "/",
    "pods/log/tail",
    "*/log/tail",
    "Pods",
    "pod",
    "po*",
    "",
];

pub(super) const SUBRESOURCES: &[&str] = &[
    "log", "exec", "status", "scale", "proxy", "token", "*", "tail", "log/tail", "Log",
];

pub(super) const NAMES: &[&str] = &["web", "db", "cache-0", "shop", "admin"];

pub(super) const ODD_NAMES: &[&str] = &["", "*", "we*", "Web", "https:web:443"];

pub(super) const URLS: &[&str] = &[
    "/healthz", "/metrics", "/api", "/version", "/logs/*", "/api/*",
];

pub(super) const ODD_URLS: &[&str] = &[
    "*",
    "**",
    "/",
    "/*",
    "/api*",
    "/apis/**",
    "/logs/*/web",
    "/healthz/",
    "healthz",
    "",
];
