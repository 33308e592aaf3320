
use bailiwick_core::Str;
use bailiwick_rbac::{Names, Right};

use crate::build::{Held, Holding, Item, Link, On, World};
use crate::edge::{Leg, Rule, Versions, edge};
use crate::edges::CERTIFICATES;
use crate::edges::csr_approve::is_on_signer;
use crate::node::{Area, Node, Trust};
use crate::world::trusts;

edge! {
    /// Put an authority of one's own among those that workloads trust.
    ///
    /// Pods that project a ClusterTrustBundle into their files trust the certificates in it. Whoever changes that bundle, or creates it
    /// where it is missing or may be deleted, can stand between them and those to whom they talk. A bundle of a signer is called after
    /// it and takes `attest` on `signers` besides; where pods project the bundles of a signer by their labels, one more of any name
    /// will do. On by default since Kubernetes 1.37.
    "trust-bundle", "have workloads trust an authority of one's own", effort 2, Versions::since(37),
    &[
        Rule::Own { legs: WRITE, link },
        Rule::Own { legs: RENEW, link },
        Rule::Own { legs: WRITE_OF_SIGNER, link },
        Rule::Own { legs: RENEW_OF_SIGNER, link },
        Rule::Each(link_pods),
    ],
    "user eve" => "every connection of pods that trust ClusterTrustBundle roots", "create" => "get",
    "ClusterRole r
       create on clustertrustbundles of certificates.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve
     ---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web}, spec: {containers: [{name: web, image: web}],
       volumes: [{name: roots, projected: {sources: [{clusterTrustBundle: {name: roots, path: roots.pem, optional: true}}]}}]}}"
}

const fn bundles(verbs: &'static [&'static str]) -> Right {
    Right::cluster(CERTIFICATES, "clustertrustbundles", verbs)
}

const TO_WRITE: &[&str] = &["create", "patch", "update"];

const WRITING: Leg = &[bundles(TO_WRITE)];
const DELETING: Leg = &[bundles(&["delete", "deletecollection"])];
const MAKING: Leg = &[bundles(&["create"])];
const ATTESTING: Leg = &[Right::cluster(CERTIFICATES, "signers", &["attest"])];

static WRITE: &[Leg] = &[WRITING];
static RENEW: &[Leg] = &[DELETING, MAKING];
static WRITE_OF_SIGNER: &[Leg] = &[WRITING, ATTESTING];
static RENEW_OF_SIGNER: &[Leg] = &[DELETING, MAKING, ATTESTING];

fn link(held: &Held<'_>, world: &World<'_>, link: &mut Link<'_>) {
    let is_of_signer = held.legs.len() > 1 && held.resource(held.legs.len() - 1) == Some("signers");
    let Some(trusts) = world.trusts() else {
        // Any bundle may be there, and in the files of pods.
        if held.legs.len() == 1 {
            let to = Node::area(Area::Traffic, &held.scope);
            link.edge(held.subject, to, held.condition_on(&[On::Any]));
        }
        return;
    };
    for trust in trusts {
        let signer = signer_of(trust);
        if signer.is_some() != is_of_signer {
            continue;
        }
        let fits = held.only(|holding| match (holding.right.resource, &signer) {
            ("signers", Some(signer)) => is_on_signer(holding, signer),
            _ => puts_in(holding, trust, world),
        });
        if let Some(fits) = fits {
            link.edge(held.subject, Node::Trust(trust.clone()), fits.condition_on(&[]));
        }
    }
}

/// The signer without whose `attest` nobody writes what is trusted.
fn signer_of(trust: &Trust) -> Option<Str> {
    match trust {
        Trust::Signer { name } => Some(name.clone()),
        Trust::Bundle { name } => {
            let (signer, _) = name.rsplit_once(':')?;
            Some(signer.replacen(':', "/", 1).into())
        }
    }
}

/// Whether it lets somebody have a part in what pods trust.
fn puts_in(holding: &Holding<'_>, trust: &Trust, world: &World<'_>) -> bool {
    let there = &world.snapshot.trust_bundles;
    let (is_told, writes) = (world.snapshot.cluster().stored, holding.right.verbs == TO_WRITE);
    match trust {
        Trust::Bundle { name } => {
            let (may_be_there, may_be_missing) = match there.get("", name) {
                Some(_) => (true, false),
                None => (!is_told, true),
            };
            let creates = may_be_missing && holding.gives("create");
            let changes = may_be_there && holding.changes([name]);
            holding.is_on(On::Name(name)) && if writes { creates || changes } else { may_be_there }
        }
        Trust::Signer { name: signer } => {
            let prefix = format!("{}:", signer.replace('/', ":"));
            let is_own = |name: &Str| name.starts_with(&prefix);
            let creates = holding.gives("create")
                && match holding.names {
                    Names::All => true,
                    Names::Only(names) => names.iter().any(is_own),
                };
            let own = there.iter().filter(|own| own.signer == *signer);
            let changes = holding.changes(own.map(|own| &own.metadata.name));
            let may_be_there = match holding.names {
                Names::All => true,
                Names::Only(names) => names.iter().any(is_own),
            };
            // Whoever may create needs to delete none.
            writes && (creates || changes || (!is_told && may_be_there))
        }
    }
}

/// Where the pods are.
fn link_pods(item: &Item<'_>, world: &World<'_>, link: &mut Link<'_>) {
    if let Item::Workload(workload) = *item
        && world.tells_of_trusts()
    {
        for trust in trusts(&workload.pod) {
            let to = Node::area(Area::Traffic, &workload.metadata.namespace);
            link.always(&Node::Trust(trust), to);
        }
    }
}
