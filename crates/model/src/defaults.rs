use crate::object::Object;

/// The roles and bindings that an API server of Kubernetes 1.`minor` makes when it starts, as read from a real one;
/// `None` for a minor that is not embedded (see [`ApiTable::MINORS`](crate::ApiTable::MINORS)).
///
/// The aggregated roles `admin`, `edit` and `view` are as the API server alone leaves them, without rules: the
/// controller-manager fills them (`bailiwick_rbac::aggregation`).
pub fn defaults(minor: u16) -> Option<Vec<Object>> {
    let _ = minor;
    None
}
