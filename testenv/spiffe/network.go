package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/federation"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// Whom a peer has to be: "any", "id:SPIFFE-ID" or "member:TRUST-DOMAIN".
func accept(text string) (tlsconfig.Authorizer, error) {
	kind, value, _ := strings.Cut(text, ":")
	switch kind {
	case "any":
		return tlsconfig.AuthorizeAny(), nil
	case "id":
		id, err := spiffeid.FromString(value)
		if err != nil {
			return nil, err
		}
		return tlsconfig.AuthorizeID(id), nil
	case "member":
		domain, err := spiffeid.TrustDomainFromString(value)
		if err != nil {
			return nil, err
		}
		return tlsconfig.AuthorizeMemberOf(domain), nil
	}
	return nil, fmt.Errorf("%q names no peer", text)
}

// Listens with mTLS as long as the program lasts, and answers a line with the peer's id and that line.
func listen(ctx context.Context, _ *state, line []byte) (any, error) {
	var question struct{ Socket, Accept string }
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	peer, err := accept(question.Accept)
	if err != nil {
		return nil, err
	}
	source, err := open(ctx, question.Socket)
	if err != nil {
		return nil, err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", tlsconfig.MTLSServerConfig(source, source, peer))
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go echo(connection.(*tls.Conn))
		}
	}()
	return map[string]string{"address": listener.Addr().String()}, nil
}

func echo(connection *tls.Conn) {
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(limit))
	text, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return
	}
	fmt.Fprintf(connection, "%s %s", peerID(connection), text)
}

// Sends a line over mTLS and gives the peer's id and what came back.
func dial(ctx context.Context, _ *state, line []byte) (any, error) {
	var question struct{ Socket, Accept, Address, Message string }
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	peer, err := accept(question.Accept)
	if err != nil {
		return nil, err
	}
	source, err := open(ctx, question.Socket)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	dialer := tls.Dialer{
		NetDialer: &net.Dialer{Timeout: limit},
		Config:    tlsconfig.MTLSClientConfig(source, source, peer),
	}
	opened, err := dialer.DialContext(ctx, "tcp", question.Address)
	if err != nil {
		return nil, err
	}
	connection := opened.(*tls.Conn)
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(limit))
	if _, err := fmt.Fprintf(connection, "%s\n", question.Message); err != nil {
		return nil, err
	}
	reply, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return nil, err
	}
	return map[string]string{"peer": peerID(connection), "reply": strings.TrimSuffix(reply, "\n")}, nil
}

func open(ctx context.Context, socket string) (*workloadapi.X509Source, error) {
	return workloadapi.NewX509Source(ctx, workloadapi.WithClientOptions(workloadapi.WithAddr(socket)))
}

func peerID(connection *tls.Conn) string {
	chain := connection.ConnectionState().PeerCertificates
	if len(chain) == 0 || len(chain[0].URIs) == 0 {
		return ""
	}
	return chain[0].URIs[0].String()
}

// Reads a bundle endpoint: "https_web" when roots are given, "https_spiffe" when an id is.
func fetchBundle(ctx context.Context, _ *state, line []byte) (any, error) {
	var question struct {
		TrustDomain, URL string
		Roots            string   // PEM.
		EndpointID       string   // A SPIFFE id ...
		EndpointX509     [][]byte // ... and the authorities of its trust domain, DER.
	}
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	domain, err := spiffeid.TrustDomainFromString(question.TrustDomain)
	if err != nil {
		return nil, err
	}
	var options []federation.FetchOption
	if question.Roots != "" {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(question.Roots)) {
			return nil, errors.New("no certificate in the roots")
		}
		options = append(options, federation.WithWebPKIRoots(roots))
	}
	if question.EndpointID != "" {
		id, err := spiffeid.FromString(question.EndpointID)
		if err != nil {
			return nil, err
		}
		bundle := x509bundle.New(id.TrustDomain())
		for _, der := range question.EndpointX509 {
			certificate, err := x509.ParseCertificate(der)
			if err != nil {
				return nil, err
			}
			bundle.AddX509Authority(certificate)
		}
		options = append(options, federation.WithSPIFFEAuth(bundle, id))
	}
	bundle, err := federation.FetchBundle(ctx, domain, question.URL, options...)
	if err != nil {
		return nil, err
	}
	return describeBundle(bundle), nil
}
