package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	rbacv1apply "k8s.io/client-go/applyconfigurations/rbac/v1"
	rbacinformers "k8s.io/client-go/informers/rbac/v1"
	rbacclient "k8s.io/client-go/kubernetes/typed/rbac/v1"
	rbaclisters "k8s.io/client-go/listers/rbac/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
)

// Aggregates that feed each other may never settle.
const maxRounds = 1000

// aggregate runs upstream's controller until it changes nothing more.
func aggregate(_ *cluster, line []byte) (any, error) {
	var question struct {
		ClusterRoles []json.RawMessage `json:"clusterroles"`
	}
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	roles, err := decodeAll[rbacv1.ClusterRole](question.ClusterRoles, nil)
	if err != nil {
		return nil, err
	}
	for _, role := range roles {
		// The controller would take the part before the slash for a namespace and never look further.
		if strings.Contains(role.Name, "/") {
			return nil, fmt.Errorf("%q is not the name of a ClusterRole", role.Name)
		}
	}
	state, err := newAggregation(roles)
	if err != nil {
		return nil, err
	}
	for range maxRounds {
		if !state.round() {
			return map[string]any{"clusterroles": state.sorted()}, nil
		}
	}
	return nil, fmt.Errorf("the roles still change after %d rounds", maxRounds)
}

// aggregation stands in for the API server and the informer of upstream's controller: what the
// controller applies is in the store at once.
type aggregation struct {
	store cache.Indexer
	// The roles whose rules the controller has written.
	owned map[string]bool

	mutex   sync.Mutex
	visited map[string]bool
	applied bool
}

func newAggregation(roles []*rbacv1.ClusterRole) (*aggregation, error) {
	store, err := indexed(roles)
	return &aggregation{store: store, owned: map[string]bool{}}, err
}

// round lets a fresh controller look at every aggregated role once, and tells whether one changed.
//
// The controller queues all of them on any event. It asks the lister for a role when it begins with
// it, and it ends after the one at hand; so a round is over when all have been asked for.
func (a *aggregation) round() bool {
	a.applied, a.visited = false, map[string]bool{}
	aggregated := 0
	for _, role := range a.sorted() {
		if role.AggregationRule != nil {
			aggregated++
		}
	}
	if aggregated == 0 {
		return false
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	all := make(chan struct{})
	lister := watchedLister{rbaclisters.NewClusterRoleLister(a.store), func(name string) {
		a.mutex.Lock()
		defer a.mutex.Unlock()
		if !a.visited[name] {
			a.visited[name] = true
			if len(a.visited) == aggregated {
				close(all)
			}
		}
	}}
	informer := &stubInformer{lister: lister}
	controller := clusterroleaggregation.NewClusterRoleAggregation(informer, a)
	informer.handler.OnAdd(nil, true)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		controller.Run(ctx, 1)
	}()
	<-all
	cancel()
	<-ended
	return a.applied
}

func (a *aggregation) sorted() []*rbacv1.ClusterRole {
	roles := []*rbacv1.ClusterRole{}
	for _, key := range slices.Sorted(slices.Values(a.store.ListKeys())) {
		if object, exists, err := a.store.GetByKey(key); err == nil && exists {
			roles = append(roles, object.(*rbacv1.ClusterRole))
		}
	}
	return roles
}

// ClusterRoles is the client that the controller writes with.
func (a *aggregation) ClusterRoles() rbacclient.ClusterRoleInterface {
	return applyClient{state: a}
}

type applyClient struct {
	rbacclient.ClusterRoleInterface
	state *aggregation
}

// Apply replaces the rules as a whole: for the API server they are one atomic list. An apply that
// holds no rules takes away the ones that this manager applied before and leaves anybody else's.
func (c applyClient) Apply(_ context.Context, change *rbacv1apply.ClusterRoleApplyConfiguration, _ metav1.ApplyOptions) (*rbacv1.ClusterRole, error) {
	object, exists, err := c.state.store.GetByKey(*change.Name)
	if err != nil || !exists {
		return nil, errors.Join(err, fmt.Errorf("no ClusterRole %q", *change.Name))
	}
	if len(change.Rules) == 0 && !c.state.owned[*change.Name] {
		return object.(*rbacv1.ClusterRole), nil
	}
	c.state.owned[*change.Name] = len(change.Rules) > 0
	role := object.(*rbacv1.ClusterRole).DeepCopy()
	role.Rules = make([]rbacv1.PolicyRule, 0, len(change.Rules))
	for _, rule := range change.Rules {
		role.Rules = append(role.Rules, rbacv1.PolicyRule{
			Verbs:           rule.Verbs,
			APIGroups:       rule.APIGroups,
			Resources:       rule.Resources,
			ResourceNames:   rule.ResourceNames,
			NonResourceURLs: rule.NonResourceURLs,
		})
	}
	c.state.mutex.Lock()
	c.state.applied = true
	c.state.mutex.Unlock()
	return role, c.state.store.Update(role)
}

type watchedLister struct {
	rbaclisters.ClusterRoleLister
	asked func(name string)
}

func (l watchedLister) Get(name string) (*rbacv1.ClusterRole, error) {
	defer l.asked(name)
	return l.ClusterRoleLister.Get(name)
}

// stubInformer is always in sync and hands the controller's handler out.
type stubInformer struct {
	cache.SharedIndexInformer
	lister  rbaclisters.ClusterRoleLister
	handler cache.ResourceEventHandler
}

var _ rbacinformers.ClusterRoleInformer = &stubInformer{}

func (i *stubInformer) Informer() cache.SharedIndexInformer   { return i }
func (i *stubInformer) Lister() rbaclisters.ClusterRoleLister { return i.lister }
func (i *stubInformer) HasSynced() bool                       { return true }

func (i *stubInformer) AddEventHandler(handler cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	i.handler = handler
	return nil, nil
}
