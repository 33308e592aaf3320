// Command spiffe answers questions about SPIFFE with go-spiffe: what an id, an SVID or a bundle is to it, and what it
// sees as a client of a Workload API, of a workload or of a bundle endpoint.
//
// It reads one JSON object per line on standard input and answers each with one line on standard output, in order:
// {"id": ..., "op": ..., ...} is answered by {"id": ..., "result": ...} or by {"id": ..., "error": "..."}. It ends when
// its input ends. docs/testing.md describes the operations.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// The longest that any operation may take, unless it says so itself.
const limit = 20 * time.Second

// An operation decodes its own arguments from the whole line.
type operation func(ctx context.Context, state *state, line []byte) (any, error)

var operations = map[string]operation{
	"spiffeid":          parseID,
	"x509":              verifyX509,
	"jwt":               verifyJWT,
	"bundle":            readBundle,
	"fetch_x509":        fetchX509,
	"fetch_jwt":         fetchJWT,
	"fetch_jwt_bundles": fetchJWTBundles,
	"validate_jwt":      validateJWT,
	"fetch_wit":         fetchWIT,
	"watch_x509":        watchX509,
	"updates":           updates,
	"listen":            listen,
	"dial":              dial,
	"fetch_bundle":      fetchBundle,
	"broker":            askBroker,
}

// What outlives an operation.
type state struct {
	watches []*watch
}

type answer struct {
	ID     json.RawMessage `json:"id,omitempty"`
	Result any             `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

func main() {
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "spiffe:", err)
		os.Exit(1)
	}
}

func serve(input io.Reader, output io.Writer) error {
	reader := bufio.NewReaderSize(input, 1<<20)
	encoder := json.NewEncoder(output)
	encoder.SetEscapeHTML(false)
	state := &state{}
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 0 {
			if err := encoder.Encode(respond(state, line)); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func respond(state *state, line []byte) answer {
	var question struct {
		ID json.RawMessage `json:"id"`
		Op string          `json:"op"`
	}
	if err := json.Unmarshal(line, &question); err != nil {
		return answer{Error: "not a JSON object: " + err.Error()}
	}
	run, known := operations[question.Op]
	if !known {
		return answer{ID: question.ID, Error: fmt.Sprintf("unknown op %q", question.Op)}
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	result, err := run(ctx, state, line)
	if err != nil {
		return answer{ID: question.ID, Error: err.Error()}
	}
	return answer{ID: question.ID, Result: result}
}
