package main

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/exp/proto/spiffe/broker"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
)

// Asks a Broker API on behalf of a pod that it names by its UID. A refusal is an answer: its code and its reason.
func askBroker(ctx context.Context, _ *state, line []byte) (any, error) {
	var question struct {
		Socket, Server, Chain, Key, Roots, UID string
		Audience                               []string
	}
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	own, err := x509svid.Parse([]byte(question.Chain), []byte(question.Key))
	if err != nil {
		return nil, err
	}
	roots, err := x509bundle.Parse(own.ID.TrustDomain(), []byte(question.Roots))
	if err != nil {
		return nil, err
	}
	server, err := spiffeid.FromString(question.Server)
	if err != nil {
		return nil, err
	}
	config := tlsconfig.MTLSClientConfig(own, roots, tlsconfig.AuthorizeID(server))
	connection, err := grpc.NewClient(question.Socket, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	pod, err := anypb.New(&broker.KubernetesObjectReference{
		Type: &broker.KubernetesObjectType{Plural: "pods", Group: "core"},
		Uid:  question.UID,
	})
	if err != nil {
		return nil, err
	}
	reference := &broker.WorkloadReference{Reference: pod}
	ctx = metadata.AppendToOutgoingContext(ctx, "broker.spiffe.io", "true")
	api := broker.NewAPIClient(connection)
	stream, err := api.SubscribeToX509SVID(ctx, &broker.SubscribeToX509SVIDRequest{Reference: reference})
	if err != nil {
		return nil, err
	}
	fetched, err := stream.Recv()
	if err != nil {
		return refusal(err), nil
	}
	ids := []string{}
	for _, svid := range fetched.Svids {
		parsed, err := x509svid.ParseRaw(svid.X509Svid, svid.X509SvidKey)
		if err != nil {
			return nil, err
		}
		if _, _, err := x509svid.Verify(parsed.Certificates, roots); err != nil {
			return nil, err
		}
		ids = append(ids, parsed.ID.String())
	}
	tokens, err := api.FetchJWTSVID(ctx, &broker.FetchJWTSVIDRequest{Reference: reference, Audience: question.Audience})
	if err != nil {
		return refusal(err), nil
	}
	for _, token := range tokens.Svids {
		if strings.Count(token.Svid, ".") == 2 {
			ids = append(ids, token.SpiffeId)
		}
	}
	return map[string]any{"ids": ids}, nil
}

func refusal(err error) any {
	said := status.Convert(err)
	described := map[string]any{"code": said.Code().String(), "message": said.Message()}
	for _, detail := range said.Details() {
		if info, is := detail.(*errdetails.ErrorInfo); is {
			described["reason"], described["domain"] = info.Reason, info.Domain
		}
	}
	return described
}
