package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	authorizationapi "k8s.io/kubernetes/pkg/apis/authorization"
	authorizationconversion "k8s.io/kubernetes/pkg/apis/authorization/v1"
	authorizationutil "k8s.io/kubernetes/pkg/registry/authorization/util"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac"
)

// decision is the RBAC authorizer's answer to one request.
type decision struct {
	Allowed bool   `json:"allowed"`
	Reason  string `json:"reason,omitempty"`
	Error   string `json:"error,omitempty"`
	// Every binding and rule that grants; upstream names the first that it happens to meet.
	Grants []grant `json:"grants,omitempty"`
	// Median time of the decision.
	Nanos int64 `json:"nanos,omitempty"`
}

type grant struct {
	Binding reference `json:"binding"`
	Role    reference `json:"role"`
	Subject reference `json:"subject"`
	Rule    int       `json:"rule"`
}

type reference struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

func authorizeOne(current *cluster, line []byte) (any, error) {
	var request struct {
		Spec   authorizationv1.SubjectAccessReviewSpec `json:"spec"`
		Grants bool                                    `json:"grants"`
		Repeat int                                     `json:"repeat"`
	}
	if err := json.Unmarshal(line, &request); err != nil {
		return nil, err
	}
	attributes, err := attributesOf(&request.Spec)
	if err != nil {
		return nil, err
	}
	result := current.decide(attributes, request.Grants)
	if request.Repeat > 0 {
		result.Nanos = quantile(current.measure(attributes, request.Repeat), 0.5)
	}
	return result, nil
}

func authorizeBatch(current *cluster, line []byte) (any, error) {
	var request struct {
		Specs  []authorizationv1.SubjectAccessReviewSpec `json:"specs"`
		Grants bool                                      `json:"grants"`
	}
	if err := json.Unmarshal(line, &request); err != nil {
		return nil, err
	}
	results := make([]decision, len(request.Specs))
	failures := make([]error, len(request.Specs))
	var group sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for worker := range workers {
		group.Go(func() {
			for i := worker; i < len(results); i += workers {
				attributes, err := attributesOf(&request.Specs[i])
				if err != nil {
					failures[i] = fmt.Errorf("spec %d: %w", i, err)
					continue
				}
				results[i] = current.decide(attributes, request.Grants)
			}
		})
	}
	group.Wait()
	return results, errors.Join(failures...)
}

// attributesOf reads a review as the API server's review endpoint does.
func attributesOf(spec *authorizationv1.SubjectAccessReviewSpec) (authorizer.AttributesRecord, error) {
	if (spec.ResourceAttributes == nil) == (spec.NonResourceAttributes == nil) {
		return authorizer.AttributesRecord{}, errors.New("a spec has either resourceAttributes or nonResourceAttributes")
	}
	internal := authorizationapi.SubjectAccessReviewSpec{}
	if err := authorizationconversion.Convert_v1_SubjectAccessReviewSpec_To_authorization_SubjectAccessReviewSpec(spec, &internal, nil); err != nil {
		return authorizer.AttributesRecord{}, err
	}
	return authorizationutil.AuthorizationAttributesFrom(internal), nil
}

func (c *cluster) decide(attributes authorizer.AttributesRecord, withGrants bool) decision {
	verdict, reason, err := c.authorizer.Authorize(context.Background(), attributes)
	result := decision{Allowed: verdict == authorizer.DecisionAllow, Reason: reason}
	if err != nil {
		result.Error = err.Error()
	}
	if withGrants && result.Allowed {
		result.Grants = c.grants(attributes)
	}
	return result
}

// grants walks on where the authorizer stops.
func (c *cluster) grants(attributes authorizer.AttributesRecord) []grant {
	var grants []grant
	visit := func(source fmt.Stringer, rule *rbacv1.PolicyRule, _ error) bool {
		if rule != nil && rbac.RuleAllows(attributes, rule) {
			found := parseSource(source.String())
			found.Rule = c.rules[rule]
			grants = append(grants, found)
		}
		return true
	}
	c.resolver.VisitRulesFor(context.Background(), attributes.GetUser(), attributes.GetNamespace(), visit)
	return grants
}

const quoted = `("(?:[^"\\]|\\.)*")`

var sourcePattern = regexp.MustCompile(`^(ClusterRoleBinding|RoleBinding) ` + quoted + ` of (\w+) ` + quoted + ` to (\w+) ` + quoted + `$`)

// parseSource reads upstream's description of a grant, the only form in which it names one.
func parseSource(text string) grant {
	parts := sourcePattern.FindStringSubmatch(text)
	if parts == nil {
		panic("cannot read the source " + strconv.Quote(text))
	}
	found := grant{
		Binding: reference{Kind: parts[1], Name: unquote(parts[2])},
		Role:    reference{Kind: parts[3], Name: unquote(parts[4])},
		Subject: reference{Kind: parts[5], Name: unquote(parts[6])},
	}
	if found.Binding.Kind == "RoleBinding" {
		found.Binding.Name, found.Binding.Namespace = splitLast(found.Binding.Name)
	}
	if found.Role.Kind == "Role" {
		found.Role.Namespace = found.Binding.Namespace
	}
	if found.Subject.Kind == rbacv1.ServiceAccountKind {
		found.Subject.Name, found.Subject.Namespace = splitLast(found.Subject.Name)
	}
	return found
}

func unquote(text string) string {
	plain, err := strconv.Unquote(text)
	if err != nil {
		panic(err)
	}
	return plain
}

func splitLast(text string) (string, string) {
	at := strings.LastIndexByte(text, '/')
	return text[:at], text[at+1:]
}

// measure times the bare decision, without parsing or grants.
func (c *cluster) measure(attributes authorizer.AttributesRecord, repeats int) []int64 {
	times := make([]int64, repeats)
	for i := range times {
		start := time.Now()
		_, _, err := c.authorizer.Authorize(context.Background(), attributes)
		times[i] = time.Since(start).Nanoseconds()
		if err != nil {
			panic(err)
		}
	}
	return times
}
