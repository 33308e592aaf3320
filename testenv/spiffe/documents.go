package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

func parseID(_ context.Context, _ *state, line []byte) (any, error) {
	var question struct{ Text string }
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	id, err := spiffeid.FromString(question.Text)
	if err != nil {
		return nil, err
	}
	return map[string]string{"trustDomain": id.TrustDomain().Name(), "path": id.Path()}, nil
}

func verifyX509(_ context.Context, _ *state, line []byte) (any, error) {
	var question struct {
		Chain   [][]byte          // DER, the leaf first.
		Bundles map[string]string // By trust domain.
		At      int64             // Seconds since 1970; 0 is now.
	}
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	bundles, err := parseBundles(question.Bundles)
	if err != nil {
		return nil, err
	}
	var options []x509svid.VerifyOption
	if question.At != 0 {
		options = append(options, x509svid.WithTime(time.Unix(question.At, 0)))
	}
	id, chains, err := x509svid.ParseAndVerify(question.Chain, bundles, options...)
	if err != nil {
		return nil, err
	}
	return map[string]any{"spiffeId": id.String(), "chains": len(chains)}, nil
}

func verifyJWT(_ context.Context, _ *state, line []byte) (any, error) {
	var question struct {
		Token    string
		Audience []string
		Bundles  map[string]string
	}
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	bundles, err := parseBundles(question.Bundles)
	if err != nil {
		return nil, err
	}
	svid, err := jwtsvid.ParseAndValidate(question.Token, bundles, question.Audience)
	if err != nil {
		return nil, err
	}
	return describeJWT(svid), nil
}

func readBundle(_ context.Context, _ *state, line []byte) (any, error) {
	var question struct{ TrustDomain, Text string }
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	domain, err := spiffeid.TrustDomainFromString(question.TrustDomain)
	if err != nil {
		return nil, err
	}
	bundle, err := spiffebundle.Parse(domain, []byte(question.Text))
	if err != nil {
		return nil, err
	}
	return describeBundle(bundle), nil
}

func parseBundles(texts map[string]string) (*spiffebundle.Set, error) {
	bundles := spiffebundle.NewSet()
	for name, text := range texts {
		domain, err := spiffeid.TrustDomainFromString(name)
		if err != nil {
			return nil, err
		}
		bundle, err := spiffebundle.Parse(domain, []byte(text))
		if err != nil {
			return nil, err
		}
		bundles.Add(bundle)
	}
	return bundles, nil
}

func describeJWT(svid *jwtsvid.SVID) any {
	return map[string]any{
		"spiffeId": svid.ID.String(),
		"audience": svid.Audience,
		"expires":  svid.Expiry.Unix(),
		"claims":   svid.Claims,
		"hint":     svid.Hint,
		"token":    svid.Marshal(),
	}
}

func describeBundle(bundle *spiffebundle.Bundle) any {
	described := map[string]any{
		"trustDomain": bundle.TrustDomain().Name(),
		"x509":        raw(bundle.X509Authorities()),
		"jwt":         keyIDs(bundle.JWTBundle()),
	}
	if sequence, ok := bundle.SequenceNumber(); ok {
		described["sequence"] = sequence
	}
	if hint, ok := bundle.RefreshHint(); ok {
		described["refreshHint"] = int64(hint.Seconds())
	}
	return described
}

func keyIDs(bundle *jwtbundle.Bundle) []string {
	ids := []string{}
	for id := range bundle.JWTAuthorities() {
		ids = append(ids, id)
	}
	return ids
}

func raw(certificates []*x509.Certificate) [][]byte {
	der := [][]byte{}
	for _, certificate := range certificates {
		der = append(der, certificate.Raw)
	}
	return der
}
