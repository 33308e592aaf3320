package main

import (
	"context"
	"crypto"
	"fmt"

	"github.com/spiffe/go-spiffe/v2/exp/svid/witsvid"
)

// Fetches WIT-SVIDs and the keys that they are checked with, checks each, and looks whether the private key that came
// is that of the token.
func fetchWIT(ctx context.Context, _ *state, line []byte) (any, error) {
	api, err := client(ctx, line)
	if err != nil {
		return nil, err
	}
	defer api.Close()
	fetched, err := api.FetchWITSVIDs(ctx, "")
	if err != nil {
		return nil, err
	}
	bundles, err := api.FetchWITBundles(ctx)
	if err != nil {
		return nil, err
	}
	described := []any{}
	for _, svid := range fetched {
		checked, err := witsvid.ParseAndValidate(svid.Marshal(), bundles)
		if err != nil {
			return nil, err
		}
		signer, signs := svid.PrivateKey.(crypto.Signer)
		if !signs {
			return nil, fmt.Errorf("a private key of the type %T", svid.PrivateKey)
		}
		public, compares := checked.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
		if !compares || !public.Equal(signer.Public()) {
			return nil, fmt.Errorf("%s: the private key is not that of the token", checked.ID)
		}
		described = append(described, map[string]any{
			"spiffeId": checked.ID.String(),
			"hint":     svid.Hint,
			"keyId":    checked.KeyID,
			"expiry":   checked.Expiry.Unix(),
			"token":    svid.Marshal(),
		})
	}
	keys := map[string]any{}
	for _, bundle := range bundles.Bundles() {
		ids := []string{}
		for id := range bundle.WITAuthorities() {
			ids = append(ids, id)
		}
		keys[bundle.TrustDomain().Name()] = ids
	}
	return map[string]any{"svids": described, "keys": keys}, nil
}
