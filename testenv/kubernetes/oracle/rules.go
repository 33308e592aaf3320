package main

import (
	"context"
	"encoding/json"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"
	helpers "k8s.io/component-helpers/auth/rbac/validation"
	"k8s.io/kubernetes/pkg/registry/rbac/validation"
)

// person is somebody who asks, as the authenticator found them.
type person struct {
	Name   string              `json:"name"`
	UID    string              `json:"uid"`
	Groups []string            `json:"groups"`
	Extra  map[string][]string `json:"extra"`
}

func (p person) info() *user.DefaultInfo {
	return &user.DefaultInfo{Name: p.Name, UID: p.UID, Groups: p.Groups, Extra: p.Extra}
}

// rules lists what reaches a user in a namespace: the cluster-wide rules, then the namespace's.
func rules(current *cluster, line []byte) (any, error) {
	var question struct {
		User      person `json:"user"`
		Namespace string `json:"namespace"`
	}
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	found, err := current.resolver.RulesFor(context.Background(), question.User.info(), question.Namespace)
	return struct {
		Rules []rbacv1.PolicyRule `json:"rules"`
		Error string              `json:"error,omitempty"`
	}{orEmpty(found), text(err)}, nil
}

func covers(_ *cluster, line []byte) (any, error) {
	var question struct {
		Owner   []rbacv1.PolicyRule `json:"owner"`
		Servant []rbacv1.PolicyRule `json:"servant"`
	}
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	covered, missing := helpers.Covers(question.Owner, question.Servant)
	return struct {
		Covered   bool                `json:"covered"`
		Uncovered []rbacv1.PolicyRule `json:"uncovered"`
	}{covered, orEmpty(missing)}, nil
}

// escalation is the bare comparison with the user's rules; the exemptions (system:masters and the
// verb escalate) are made by the caller, as in upstream.
func escalation(current *cluster, line []byte) (any, error) {
	var question struct {
		User      person              `json:"user"`
		Namespace string              `json:"namespace"`
		Rules     []rbacv1.PolicyRule `json:"rules"`
	}
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	ctx := request.WithUser(context.Background(), question.User.info())
	ctx = request.WithNamespace(ctx, question.Namespace)
	err := validation.ConfirmNoEscalation(ctx, current.resolver, question.Rules)
	return struct {
		Allowed bool   `json:"allowed"`
		Message string `json:"message,omitempty"`
	}{err == nil, text(err)}, nil
}

// subjects is upstream's who-can: the user of the spec is not looked at.
func subjects(current *cluster, line []byte) (any, error) {
	var question struct {
		Spec authorizationv1.SubjectAccessReviewSpec `json:"spec"`
	}
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	attributes, err := attributesOf(&question.Spec)
	if err != nil {
		return nil, err
	}
	found, err := current.locator.AllowedSubjects(context.Background(), attributes)
	return struct {
		Subjects []rbacv1.Subject `json:"subjects"`
		Error    string           `json:"error,omitempty"`
	}{orEmpty(found), text(err)}, nil
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
