//! The checks, one a file.

use crate::check::Check;

mod admission_write;
mod bind_grant;
mod csr_approve;
mod escalate_grant;
mod full_control;
mod impersonate_grant;
mod namespace_takeover;
mod namespace_write;
mod nodes_proxy;
mod persistent_volume_create;
mod pod_exec;
mod secrets_echo;
mod secrets_read;
mod token_create;
mod wildcard_groups;
mod wildcard_resources;
mod wildcard_verbs;
mod workload_create;

/// Every check, in the order of the index of the documentation.
pub const CHECKS: &[Check] = &[
    full_control::CHECK,
    wildcard_resources::CHECK,
    wildcard_verbs::CHECK,
    wildcard_groups::CHECK,
    escalate_grant::CHECK,
    bind_grant::CHECK,
    impersonate_grant::CHECK,
    token_create::CHECK,
    csr_approve::CHECK,
    nodes_proxy::CHECK,
    namespace_takeover::CHECK,
    secrets_read::CHECK,
    secrets_echo::CHECK,
    pod_exec::CHECK,
    workload_create::CHECK,
    admission_write::CHECK,
    persistent_volume_create::CHECK,
    namespace_write::CHECK,
];
