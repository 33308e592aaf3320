package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/authorization/union"
	"k8s.io/apiserver/pkg/endpoints/filters/impersonation"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/client-go/kubernetes/scheme"
)

// resolver is configured as kube-apiserver configures it.
var resolver = &request.RequestInfoFactory{
	APIPrefixes:          sets.NewString("api", "apis"),
	GrouplessAPIPrefixes: sets.NewString("api"),
}

type target struct {
	Method string `json:"method"`
	URL    string `json:"url"`
}

// parse makes the request of a target and what upstream reads in it.
func (t target) parse() (*http.Request, *request.RequestInfo, error) {
	if t.Method == "" || t.URL == "" {
		return nil, nil, errors.New("a request needs method and url")
	}
	req, err := http.NewRequest(t.Method, t.URL, http.NoBody)
	if err != nil {
		return nil, nil, err
	}
	req.RequestURI = t.URL
	info, err := resolver.NewRequestInfo(req)
	return req, info, err
}

func requestInfo(_ *cluster, line []byte) (any, error) {
	var question target
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	_, info, err := question.parse()
	if err != nil {
		return nil, err
	}
	return struct {
		Resource      bool   `json:"resource_request"`
		Path          string `json:"path"`
		Verb          string `json:"verb"`
		APIPrefix     string `json:"api_prefix"`
		APIGroup      string `json:"api_group"`
		APIVersion    string `json:"api_version"`
		Namespace     string `json:"namespace"`
		ResourceName  string `json:"resource"`
		Subresource   string `json:"subresource"`
		Name          string `json:"name"`
		FieldSelector string `json:"field_selector"`
		LabelSelector string `json:"label_selector"`
	}{
		info.IsResourceRequest, info.Path, info.Verb, info.APIPrefix, info.APIGroup, info.APIVersion,
		info.Namespace, info.Resource, info.Subresource, info.Name, info.FieldSelector, info.LabelSelector,
	}, nil
}

// check is one question that the impersonation filter asked of the authorizer.
type check struct {
	User       person                                 `json:"user"`
	Attributes *authorizationv1.ResourceAttributes    `json:"resourceAttributes,omitempty"`
	Path       *authorizationv1.NonResourceAttributes `json:"nonResourceAttributes,omitempty"`
	Allowed    bool                                   `json:"allowed"`
}

type impersonated struct {
	Allowed bool           `json:"allowed"`
	User    *person        `json:"user,omitempty"`
	Code    int            `json:"code"`
	Status  *metav1.Status `json:"status,omitempty"`
	Checks  []check        `json:"checks"`
}

// impersonate drives upstream's filter with the loaded cluster behind it, system:masters included.
func impersonate(current *cluster, line []byte) (any, error) {
	var question struct {
		User    person      `json:"user"`
		Headers http.Header `json:"headers"`
		Request target      `json:"request"`
		Legacy  bool        `json:"legacy"`
	}
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	req, info, err := question.Request.parse()
	if err != nil {
		return nil, err
	}
	for name, values := range question.Headers {
		for _, value := range values {
			req.Header.Add(name, value)
		}
	}
	ctx := request.WithRequestInfo(req.Context(), info)
	req = req.WithContext(request.WithUser(ctx, question.User.info()))

	result := impersonated{Checks: []check{}}
	next := http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		result.Allowed = true
		if found, ok := request.UserFrom(req.Context()); ok {
			who := personOf(found)
			result.User = &who
		}
	})
	chain, err := union.New(
		union.NamedAuthorizer{AuthorizerName: "superuser", Authorizer: authorizerfactory.NewPrivilegedGroups(user.SystemPrivilegedGroup)},
		union.NamedAuthorizer{AuthorizerName: "rbac", Authorizer: current.authorizer},
	)
	if err != nil {
		return nil, err
	}
	recording := recorder{chain, &result.Checks}
	filter := impersonation.WithConstrainedImpersonation
	if question.Legacy {
		filter = impersonation.WithImpersonation
	}
	response := httptest.NewRecorder()
	// A filter of its own per question: upstream's remembers earlier answers.
	filter(next, recording, scheme.Codecs).ServeHTTP(response, req)
	result.Code = response.Code
	if !result.Allowed {
		result.Status = &metav1.Status{}
		if err := json.Unmarshal(response.Body.Bytes(), result.Status); err != nil {
			return nil, err
		}
	}
	return result, nil
}

type recorder struct {
	delegate authorizer.UnconditionalAuthorizer
	checks   *[]check
}

func (r recorder) Authorize(ctx context.Context, attributes authorizer.Attributes) (authorizer.Decision, string, error) {
	verdict, reason, err := r.delegate.Authorize(ctx, attributes)
	asked := check{User: personOf(attributes.GetUser()), Allowed: verdict == authorizer.DecisionAllow}
	if attributes.IsResourceRequest() {
		asked.Attributes = &authorizationv1.ResourceAttributes{
			Namespace:   attributes.GetNamespace(),
			Verb:        attributes.GetVerb(),
			Group:       attributes.GetAPIGroup(),
			Version:     attributes.GetAPIVersion(),
			Resource:    attributes.GetResource(),
			Subresource: attributes.GetSubresource(),
			Name:        attributes.GetName(),
		}
	} else {
		asked.Path = &authorizationv1.NonResourceAttributes{Path: attributes.GetPath(), Verb: attributes.GetVerb()}
	}
	*r.checks = append(*r.checks, asked)
	return verdict, reason, err
}

func personOf(info user.Info) person {
	return person{Name: info.GetName(), UID: info.GetUID(), Groups: info.GetGroups(), Extra: info.GetExtra()}
}
