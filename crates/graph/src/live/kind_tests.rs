//! Each kind of object by itself: as it comes and goes, the graph is what a rebuild makes of it, and is another.

use std::collections::{BTreeMap, BTreeSet};

use bailiwick_core::Kind;
use bailiwick_model::{Delta, Origin};

use super::tests::{assert_same, contents};
use crate::edges::EDGES;
use crate::edges::testing::cluster;
use crate::live::Live;

/// Clusters with objects that no example of an edge hangs on.
const OTHERS: &[&str] = &[
    "---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web, labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}
     {apiVersion: v1, kind: Service, metadata: {namespace: shop, name: web}, spec: {type: LoadBalancer, ports: [{port: 80}]}}
     {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
      metadata: {namespace: shop, name: own, labels: {kubernetes.io/service-name: web}},
      endpoints: [{addresses: [10.1.2.3], targetRef: {kind: Pod, name: web}}], ports: [{port: 8080}]}",
    "---
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web},
      spec: {nodeName: worker, containers: [{name: web, image: web, volumeMounts: [{name: v, mountPath: /v}]}],
       volumes: [{name: v, persistentVolumeClaim: {claimName: disk}}]}}
     {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {namespace: shop, name: disk},
      spec: {volumeName: root, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}
     {apiVersion: v1, kind: PersistentVolume, metadata: {name: root},
      spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /}}}",
    // What a policy keeps off, as long as it is there.
    "---
     {apiVersion: v1, kind: Service, metadata: {namespace: shop, name: web},
      spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80}]}}
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web, labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}
     {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {namespace: shop, name: web}, spec: {podSelector: {}}}",
    // Each kind of route, and a Service of another namespace.
    "---
     {apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {namespace: shop, name: public}, spec: {gatewayClassName: envoy, listeners: [{name: web, port: 80, protocol: HTTP}, {name: tls, port: 443, protocol: TLS}, {name: tcp, port: 5432, protocol: TCP}, {name: udp, port: 53, protocol: UDP}]}}
     {apiVersion: gateway.networking.k8s.io/v1, kind: GRPCRoute, metadata: {namespace: shop, name: web}, spec: {parentRefs: [{name: public}], rules: [{backendRefs: [{namespace: back, name: web, port: 80}]}]}}
     {apiVersion: gateway.networking.k8s.io/v1, kind: TLSRoute, metadata: {namespace: shop, name: web}, spec: {parentRefs: [{name: public}], rules: [{backendRefs: [{namespace: back, name: web, port: 80}]}]}}
     {apiVersion: gateway.networking.k8s.io/v1, kind: TCPRoute, metadata: {namespace: shop, name: web}, spec: {parentRefs: [{name: public}], rules: [{backendRefs: [{namespace: back, name: web, port: 80}]}]}}
     {apiVersion: gateway.networking.k8s.io/v1, kind: UDPRoute, metadata: {namespace: shop, name: web}, spec: {parentRefs: [{name: public}], rules: [{backendRefs: [{namespace: back, name: web, port: 80}]}]}}
     {apiVersion: gateway.networking.k8s.io/v1, kind: ReferenceGrant, metadata: {namespace: back, name: shop},
      spec: {from: [{group: gateway.networking.k8s.io, kind: TCPRoute, namespace: shop}], to: [{group: '', kind: Service}]}}
     {apiVersion: v1, kind: Service, metadata: {namespace: back, name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}
     {apiVersion: v1, kind: Pod, metadata: {namespace: back, name: web, labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}",
    // Listeners that are added to a Gateway.
    "---
     {apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {namespace: edge, name: public},
      spec: {gatewayClassName: envoy, allowedListeners: {namespaces: {from: All}}}}
     {apiVersion: gateway.networking.k8s.io/v1, kind: ListenerSet, metadata: {namespace: shop, name: more},
      spec: {parentRef: {namespace: edge, name: public}, listeners: [{name: web, port: 80, protocol: HTTP}]}}
     {apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {namespace: shop, name: web},
      spec: {parentRefs: [{name: more, kind: ListenerSet}], rules: [{backendRefs: [{name: web, port: 80}]}]}}
     {apiVersion: v1, kind: Service, metadata: {namespace: shop, name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web, labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}",
    // Templates count where there are no pods.
    "---
     {apiVersion: apps/v1, kind: ReplicaSet, metadata: {namespace: shop, name: a}, spec: {selector: {matchLabels: {a: b}},
      template: {metadata: {labels: {a: b}}, spec: {hostPID: true, containers: [{name: c, image: c, securityContext: {privileged: true}}]}}}}
     {apiVersion: apps/v1, kind: DaemonSet, metadata: {namespace: shop, name: b}, spec: {selector: {matchLabels: {a: b}},
      template: {metadata: {labels: {a: b}}, spec: {hostPID: true, containers: [{name: c, image: c, securityContext: {privileged: true}}]}}}}
     {apiVersion: v1, kind: ReplicationController, metadata: {namespace: shop, name: c}, spec: {selector: {a: b},
      template: {metadata: {labels: {a: b}}, spec: {hostPID: true, containers: [{name: c, image: c, securityContext: {privileged: true}}]}}}}
     {apiVersion: batch/v1, kind: Job, metadata: {namespace: shop, name: d}, spec: {template: {spec: {restartPolicy: Never,
       hostPID: true, containers: [{name: c, image: c, securityContext: {privileged: true}}]}}}}
     {apiVersion: batch/v1, kind: CronJob, metadata: {namespace: shop, name: e}, spec: {schedule: '0 0 * * *', jobTemplate: {spec: {template: {spec: {restartPolicy: Never,
       hostPID: true, containers: [{name: c, image: c, securityContext: {privileged: true}}]}}}}}}",
    "ClusterRole r
       delete on mutatingwebhookconfigurations of admissionregistration.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve
     ---
     {apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: guard},
      webhooks: [{name: pods.guard.example, sideEffects: None, admissionReviewVersions: [v1], clientConfig: {url: 'https://guard.example'},
       rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}]}",
    "Role shop/r
       patch on configmaps of '' named allowed
     RoleBinding shop/r gives Role/r to user:eve
     ---
     {apiVersion: admissionregistration.k8s.io/v1, kind: MutatingAdmissionPolicy, metadata: {name: guard},
      spec: {paramKind: {apiVersion: v1, kind: ConfigMap}, reinvocationPolicy: Never, failurePolicy: Fail,
       matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]},
       mutations: [{patchType: ApplyConfiguration, applyConfiguration: {expression: 'Object{}'}}]}}
     {apiVersion: admissionregistration.k8s.io/v1, kind: MutatingAdmissionPolicyBinding, metadata: {name: guard},
      spec: {policyName: guard, paramRef: {name: allowed, namespace: shop, parameterNotFoundAction: Deny}}}",
    // That of the core group, with which all are known; others are asked for by their names.
    "ClusterRole r
       patch on apiservices of apiregistration.k8s.io named v1.batch,v1.apps
       create on apiservices of apiregistration.k8s.io
     ClusterRoleBinding r gives ClusterRole/r to user:eve
     ---
     {apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: v1.batch}, spec: {group: batch, version: v1}}
     {apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: v1.}, spec: {group: '', version: v1}}",
    "ClusterRole r
       patch on clustertrustbundles of certificates.k8s.io
       attest on signers of certificates.k8s.io named shop.example/web
     ClusterRoleBinding r gives ClusterRole/r to user:eve
     ---
     {apiVersion: certificates.k8s.io/v1, kind: ClusterTrustBundle, metadata: {name: 'shop.example:web:a'}, spec: {signerName: shop.example/web, trustBundle: PEM}}
     {apiVersion: certificates.k8s.io/v1, kind: ClusterTrustBundle, metadata: {name: roots}, spec: {trustBundle: PEM}}
     {apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web}, spec: {containers: [{name: web, image: web}],
       volumes: [{name: v, projected: {sources: [{clusterTrustBundle: {name: roots, path: a}}, {clusterTrustBundle: {signerName: shop.example/web, labelSelector: {}, path: b}}]}}]}}
     {apiVersion: v1, kind: Pod, metadata: {namespace: pay, name: web}, spec: {containers: [{name: web, image: web}],
       volumes: [{name: v, projected: {sources: [{clusterTrustBundle: {name: roots, path: a}}]}}]}}",
];

#[test]
fn each_kind_of_object_changes_the_graph_as_it_comes_and_goes() {
    let examples = EDGES.iter().map(|kind| kind.example.cluster);
    let mut changing = BTreeSet::new();
    for text in examples.chain(OTHERS.iter().copied()) {
        let mut live = Live::new(cluster(text, 37), BTreeMap::new());
        let objects: Vec<_> = live.snapshot().objects().collect();
        for (object, _) in objects {
            let (reference, before) = (object.object_ref(), contents(live.graph()));
            live.apply(Delta::Remove(reference.clone()));
            assert_same(&live, &format!("without {reference}\n{text}"));
            let without = contents(live.graph());
            live.apply(Delta::Upsert(Box::new(object), Origin::Live));
            assert_same(&live, &format!("again with {reference}\n{text}"));
            assert!(contents(live.graph()) == before, "{reference}\n{text}");
            if before != without {
                changing.insert(reference.kind);
            }
        }
    }
    let all = Kind::ALL.iter().filter(|kind| !changing.contains(kind));
    assert_eq!(all.collect::<Vec<_>>(), [&Kind::Pod; 0]);
}
