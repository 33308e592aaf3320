package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// Opens the Workload API at the address that the line names under "socket".
func client(ctx context.Context, line []byte) (*workloadapi.Client, error) {
	var question struct{ Socket string }
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	return workloadapi.New(ctx, workloadapi.WithAddr(question.Socket))
}

func fetchX509(ctx context.Context, _ *state, line []byte) (any, error) {
	api, err := client(ctx, line)
	if err != nil {
		return nil, err
	}
	defer api.Close()
	fetched, err := api.FetchX509Context(ctx)
	if err != nil {
		return nil, err
	}
	return describeX509(fetched), nil
}

func fetchJWT(ctx context.Context, _ *state, line []byte) (any, error) {
	var question struct {
		Audience []string
		SpiffeID string
	}
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	if len(question.Audience) == 0 {
		return nil, errors.New("no audience")
	}
	parameters := jwtsvid.Params{
		Audience:       question.Audience[0],
		ExtraAudiences: question.Audience[1:],
	}
	if question.SpiffeID != "" {
		id, err := spiffeid.FromString(question.SpiffeID)
		if err != nil {
			return nil, err
		}
		parameters.Subject = id
	}
	api, err := client(ctx, line)
	if err != nil {
		return nil, err
	}
	defer api.Close()
	fetched, err := api.FetchJWTSVIDs(ctx, parameters)
	if err != nil {
		return nil, err
	}
	described := []any{}
	for _, svid := range fetched {
		described = append(described, describeJWT(svid))
	}
	return described, nil
}

func fetchJWTBundles(ctx context.Context, _ *state, line []byte) (any, error) {
	api, err := client(ctx, line)
	if err != nil {
		return nil, err
	}
	defer api.Close()
	fetched, err := api.FetchJWTBundles(ctx)
	if err != nil {
		return nil, err
	}
	described := map[string]any{}
	for _, bundle := range fetched.Bundles() {
		described[bundle.TrustDomain().Name()] = keyIDs(bundle)
	}
	return described, nil
}

func validateJWT(ctx context.Context, _ *state, line []byte) (any, error) {
	var question struct{ Token, Audience string }
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	api, err := client(ctx, line)
	if err != nil {
		return nil, err
	}
	defer api.Close()
	svid, err := api.ValidateJWTSVID(ctx, question.Token, question.Audience)
	if err != nil {
		return nil, err
	}
	return describeJWT(svid), nil
}

// What has come of a stream so far.
type watch struct {
	lock    sync.Mutex
	changed chan struct{}
	count   int
	last    any
	failed  []string
}

func (w *watch) OnX509ContextUpdate(update *workloadapi.X509Context) {
	w.note(func() {
		w.count++
		w.last = describeX509(update)
	})
}

func (w *watch) OnX509ContextWatchError(err error) {
	w.note(func() { w.failed = append(w.failed, err.Error()) })
}

func (w *watch) note(change func()) {
	w.lock.Lock()
	defer w.lock.Unlock()
	change()
	close(w.changed)
	w.changed = make(chan struct{})
}

// Opens a stream that lasts as long as the program does.
func watchX509(_ context.Context, state *state, line []byte) (any, error) {
	var question struct{ Socket string }
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	if err := workloadapi.ValidateAddress(question.Socket); err != nil {
		return nil, err
	}
	opened := &watch{changed: make(chan struct{})}
	state.watches = append(state.watches, opened)
	go func() {
		err := workloadapi.WatchX509Context(context.Background(), opened, workloadapi.WithAddr(question.Socket))
		opened.note(func() { opened.failed = append(opened.failed, fmt.Sprint("ended: ", err)) })
	}()
	return map[string]int{"watch": len(state.watches) - 1}, nil
}

// Waits until a stream has had more than so many updates, or for the time given.
func updates(_ context.Context, state *state, line []byte) (any, error) {
	var question struct {
		Watch, After int
		Millis       int64
	}
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	if question.Watch < 0 || question.Watch >= len(state.watches) {
		return nil, fmt.Errorf("there is no watch %d", question.Watch)
	}
	watched := state.watches[question.Watch]
	timeout := time.After(time.Duration(question.Millis) * time.Millisecond)
	for {
		watched.lock.Lock()
		changed := watched.changed
		described := map[string]any{
			"count":  watched.count,
			"last":   watched.last,
			"failed": append([]string{}, watched.failed...),
		}
		enough := watched.count > question.After
		watched.lock.Unlock()
		if enough {
			return described, nil
		}
		select {
		case <-changed:
		case <-timeout:
			return described, nil
		}
	}
}

func describeX509(fetched *workloadapi.X509Context) any {
	svids := []any{}
	for _, svid := range fetched.SVIDs {
		svids = append(svids, describeSVID(svid))
	}
	bundles := map[string]any{}
	for _, bundle := range fetched.Bundles.Bundles() {
		bundles[bundle.TrustDomain().Name()] = raw(bundle.X509Authorities())
	}
	return map[string]any{"svids": svids, "bundles": bundles}
}

func describeSVID(svid *x509svid.SVID) any {
	leaf := svid.Certificates[0]
	return map[string]any{
		"spiffeId":  svid.ID.String(),
		"hint":      svid.Hint,
		"chain":     raw(svid.Certificates),
		"notBefore": leaf.NotBefore.Unix(),
		"notAfter":  leaf.NotAfter.Unix(),
		"dnsNames":  append([]string{}, leaf.DNSNames...),
	}
}
