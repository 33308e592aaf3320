// Command oracle answers questions about Kubernetes access with upstream's own code.
//
// It reads one JSON object per line on standard input and answers each with one line on standard
// output, in order: {"id": ..., "op": ..., ...} is answered by {"id": ..., "result": ...} or by
// {"id": ..., "error": "..."}. It ends when its input ends. docs/testing.md describes the operations.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/klog/v2"
)

// An operation decodes its own arguments from the whole line.
type operation func(cluster *cluster, line []byte) (any, error)

var operations = map[string]operation{
	"load":            load,
	"authorize":       authorizeOne,
	"authorize_batch": authorizeBatch,
	"bench":           bench,
	"rules":           rules,
	"covers":          covers,
	"escalation":      escalation,
	"subjects":        subjects,
	"requestinfo":     requestInfo,
	"impersonate":     impersonate,
	"aggregate":       aggregate,
	"yaml":            yamlToJSON,
	"documents":       documents,
	"decode":          decode,
}

type answer struct {
	ID     json.RawMessage `json:"id,omitempty"`
	Result any             `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

func main() {
	// Upstream logs what it could not resolve; here that is part of the answer.
	klog.SetLogger(klog.Logger{})
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

func serve(input io.Reader, output io.Writer) error {
	reader := bufio.NewReaderSize(input, 1<<20)
	writer := bufio.NewWriterSize(output, 1<<20)
	encoder := json.NewEncoder(writer)
	encoder.SetEscapeHTML(false)
	current := newCluster()
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 0 {
			if err := encoder.Encode(respond(current, line)); err != nil {
				return err
			}
			// Answers of a batch that is already here leave together.
			if reader.Buffered() == 0 {
				if err := writer.Flush(); err != nil {
					return err
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return writer.Flush()
		}
		if err != nil {
			return err
		}
	}
}

func respond(current *cluster, line []byte) (reply answer) {
	var head struct {
		ID json.RawMessage `json:"id"`
		Op string          `json:"op"`
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return answer{Error: fmt.Sprintf("not a JSON object: %v", err)}
	}
	reply.ID = head.ID
	run, known := operations[head.Op]
	if !known {
		reply.Error = fmt.Sprintf("unknown op %q", head.Op)
		return reply
	}
	// A panic in upstream's code is an answer too: it must not take the other questions with it.
	defer func() {
		if reason := recover(); reason != nil {
			reply = answer{ID: head.ID, Error: fmt.Sprintf("panic: %v", reason)}
		}
	}()
	result, err := run(current, line)
	if err != nil {
		reply.Error = err.Error()
		return reply
	}
	reply.Result = result
	return reply
}
