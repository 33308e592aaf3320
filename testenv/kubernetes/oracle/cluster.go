package main

import (
	"encoding/json"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	rbaclisters "k8s.io/client-go/listers/rbac/v1"
	"k8s.io/client-go/tools/cache"
	rbacdefaults "k8s.io/kubernetes/pkg/apis/rbac/v1"
	"k8s.io/kubernetes/pkg/registry/rbac/validation"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac"
	kjson "sigs.k8s.io/json"
)

// cluster holds what kube-apiserver's informers would hold, behind the same listers, so that both
// the answers and the time they take are those of the server.
type cluster struct {
	authorizer *rbac.RBACAuthorizer
	resolver   validation.AuthorizationRuleResolver
	locator    *rbac.SubjectAccessEvaluator
	// Position of each rule in its role, for naming the rule that grants.
	rules map[*rbacv1.PolicyRule]int
}

func newCluster() *cluster {
	current := &cluster{}
	if err := current.replace(nil, nil, nil, nil); err != nil {
		panic(err)
	}
	return current
}

func load(current *cluster, line []byte) (any, error) {
	var request struct {
		Roles               []json.RawMessage `json:"roles"`
		ClusterRoles        []json.RawMessage `json:"clusterroles"`
		RoleBindings        []json.RawMessage `json:"rolebindings"`
		ClusterRoleBindings []json.RawMessage `json:"clusterrolebindings"`
	}
	if err := json.Unmarshal(line, &request); err != nil {
		return nil, err
	}
	roles, err := decodeAll[rbacv1.Role](request.Roles, nil)
	if err != nil {
		return nil, fmt.Errorf("roles: %w", err)
	}
	clusterRoles, err := decodeAll[rbacv1.ClusterRole](request.ClusterRoles, nil)
	if err != nil {
		return nil, fmt.Errorf("clusterroles: %w", err)
	}
	roleBindings, err := decodeAll(request.RoleBindings, rbacdefaults.SetObjectDefaults_RoleBinding)
	if err != nil {
		return nil, fmt.Errorf("rolebindings: %w", err)
	}
	clusterRoleBindings, err := decodeAll(request.ClusterRoleBindings, rbacdefaults.SetObjectDefaults_ClusterRoleBinding)
	if err != nil {
		return nil, fmt.Errorf("clusterrolebindings: %w", err)
	}
	if err := current.replace(roles, clusterRoles, roleBindings, clusterRoleBindings); err != nil {
		return nil, err
	}
	return map[string]int{
		"roles":               len(roles),
		"clusterroles":        len(clusterRoles),
		"rolebindings":        len(roleBindings),
		"clusterrolebindings": len(clusterRoleBindings),
	}, nil
}

// decodeAll reads objects as the API server reads JSON (case matters) and sets its defaults; roles have none.
func decodeAll[T any](raw []json.RawMessage, setDefaults func(*T)) ([]*T, error) {
	objects := make([]*T, 0, len(raw))
	for i, text := range raw {
		object := new(T)
		if err := kjson.UnmarshalCaseSensitivePreserveInts(text, object); err != nil {
			return nil, fmt.Errorf("object %d: %w", i, err)
		}
		if setDefaults != nil {
			setDefaults(object)
		}
		objects = append(objects, object)
	}
	return objects, nil
}

func (c *cluster) replace(roles []*rbacv1.Role, clusterRoles []*rbacv1.ClusterRole, roleBindings []*rbacv1.RoleBinding, clusterRoleBindings []*rbacv1.ClusterRoleBinding) error {
	roleIndex, err := indexed(roles)
	if err != nil {
		return err
	}
	clusterRoleIndex, err := indexed(clusterRoles)
	if err != nil {
		return err
	}
	roleBindingIndex, err := indexed(roleBindings)
	if err != nil {
		return err
	}
	clusterRoleBindingIndex, err := indexed(clusterRoleBindings)
	if err != nil {
		return err
	}
	roleGetter := &rbac.RoleGetter{Lister: rbaclisters.NewRoleLister(roleIndex)}
	roleBindingLister := &rbac.RoleBindingLister{Lister: rbaclisters.NewRoleBindingLister(roleBindingIndex)}
	clusterRoleGetter := &rbac.ClusterRoleGetter{Lister: rbaclisters.NewClusterRoleLister(clusterRoleIndex)}
	clusterRoleBindingLister := &rbac.ClusterRoleBindingLister{Lister: rbaclisters.NewClusterRoleBindingLister(clusterRoleBindingIndex)}
	c.authorizer = rbac.New(roleGetter, roleBindingLister, clusterRoleGetter, clusterRoleBindingLister)
	c.resolver = validation.NewDefaultRuleResolver(roleGetter, roleBindingLister, clusterRoleGetter, clusterRoleBindingLister)
	c.locator = rbac.NewSubjectAccessEvaluator(roleGetter, roleBindingLister, clusterRoleGetter, clusterRoleBindingLister, "")
	c.rules = map[*rbacv1.PolicyRule]int{}
	for _, role := range roles {
		c.number(role.Rules)
	}
	for _, role := range clusterRoles {
		c.number(role.Rules)
	}
	return nil
}

func (c *cluster) number(rules []rbacv1.PolicyRule) {
	for i := range rules {
		c.rules[&rules[i]] = i
	}
}

// indexed stores objects as an informer does: by namespace and name, the last of a name wins.
func indexed[T metav1.Object](objects []T) (cache.Indexer, error) {
	indexer := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	for _, object := range objects {
		if err := indexer.Add(object); err != nil {
			return nil, err
		}
	}
	return indexer, nil
}
