use crate::build::{Item, Link, World};
use crate::edge::{Rule, Versions, edge};
use crate::host::to_node;

edge! {
    /// Open the node's files by number with the capability `DAC_READ_SEARCH`.
    ///
    /// `open_by_handle_at` finds a file by its number on a file system, and `/etc/hosts` in every container lies on one of
    /// the node's. Guessing numbers gives the password file, the kubelet's key and the programs of the node, and what
    /// belongs to root can also be written. `ALL` holds `DAC_READ_SEARCH`. Other users than root have none of the added
    /// capabilities, and with `hostUsers: false` they count within the pod alone.
    "capability-dac-read-search", "open the node's files by number with CAP_DAC_READ_SEARCH", effort 2, Versions::ALL, &[Rule::Each(link)],
    "Pod shop/web" => "node n1", "DAC_READ_SEARCH" => "NET_RAW",
    "---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: n1, containers: [{name: web, image: web, securityContext: {capabilities: {add: [DAC_READ_SEARCH]}}}]}}"
}

fn link(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    to_node(item, world, link, |seen| {
        let capability = seen.capability("DAC_READ_SEARCH")?;
        Some(seen.by(&[&capability]).unless(seen.not_root()).unless(seen.kept_in()))
    });
}
