package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

type spread struct {
	P50 int64 `json:"p50"`
	P99 int64 `json:"p99"`
}

type benchmark struct {
	// Over every repeat of every request.
	Overall spread `json:"overall"`
	// Over the repeats of one request, in the order of the requests.
	PerRequest []spread `json:"per_request"`
	Allowed    int      `json:"allowed"`
}

// bench times bare decisions on one core, in nanoseconds. The requests take turns, so that one that
// is asked often does not profit from its own cache lines.
func bench(current *cluster, line []byte) (any, error) {
	var request struct {
		Specs   []authorizationv1.SubjectAccessReviewSpec `json:"specs"`
		Repeats int                                       `json:"repeats"`
	}
	if err := json.Unmarshal(line, &request); err != nil {
		return nil, err
	}
	if len(request.Specs) == 0 || request.Repeats < 1 {
		return nil, errors.New("bench needs specs and repeats of at least 1")
	}
	attributes := make([]authorizer.AttributesRecord, len(request.Specs))
	result := benchmark{PerRequest: make([]spread, len(request.Specs))}
	for i := range request.Specs {
		var err error
		if attributes[i], err = attributesOf(&request.Specs[i]); err != nil {
			return nil, fmt.Errorf("spec %d: %w", i, err)
		}
		if current.decide(attributes[i], false).Allowed {
			result.Allowed++
		}
	}
	times := make([][]int64, len(attributes))
	for range request.Repeats {
		for i := range attributes {
			times[i] = append(times[i], current.measure(attributes[i], 1)...)
		}
	}
	for i := range times {
		result.PerRequest[i] = spreadOf(times[i])
	}
	result.Overall = spreadOf(slices.Concat(times...))
	return result, nil
}

func spreadOf(times []int64) spread {
	return spread{P50: quantile(times, 0.5), P99: quantile(times, 0.99)}
}

// quantile is the smallest value that at least this share of the values does not exceed.
func quantile(values []int64, share float64) int64 {
	sorted := slices.Sorted(slices.Values(values))
	at := int(math.Ceil(share*float64(len(sorted)))) - 1
	return sorted[max(at, 0)]
}
