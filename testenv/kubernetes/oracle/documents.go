package main

import (
	"encoding/json"
	"errors"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

type document struct {
	Text string `json:"text"`
}

// yamlToJSON converts one document as kubectl does. The JSON is a string, because numbers in it may
// be longer than what most JSON readers keep.
func yamlToJSON(_ *cluster, line []byte) (any, error) {
	var question document
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	converted, err := yaml.YAMLToJSON([]byte(question.Text))
	if err != nil {
		return nil, err
	}
	return map[string]string{"json": string(converted)}, nil
}

// documents splits and converts a stream as kubectl does, up to the first error, where kubectl ends.
func documents(_ *cluster, line []byte) (any, error) {
	var question document
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(question.Text), 4096)
	var result struct {
		Documents []string `json:"documents"`
		Error     string   `json:"error,omitempty"`
	}
	result.Documents = []string{}
	for {
		raw := runtime.RawExtension{}
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return result, nil
		}
		if err != nil {
			result.Error = err.Error()
			return result, nil
		}
		result.Documents = append(result.Documents, string(raw.Raw))
	}
}

var strict = serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
var lenient = scheme.Codecs.UniversalDeserializer()

// decode reads a document into its Go type as the API server does with strict field validation.
func decode(_ *cluster, line []byte) (any, error) {
	var question document
	if err := json.Unmarshal(line, &question); err != nil {
		return nil, err
	}
	var result struct {
		Object runtime.Object `json:"object,omitempty"`
		Kind   string         `json:"kind,omitempty"`
		// What strict validation refuses and lenient reading drops.
		Strict []string `json:"strict"`
		Error  string   `json:"error,omitempty"`
	}
	result.Strict = []string{}
	object, kind, err := strict.Decode([]byte(question.Text), nil, nil)
	if found, ok := runtime.AsStrictDecodingError(err); ok {
		for _, problem := range found.Errors() {
			result.Strict = append(result.Strict, problem.Error())
		}
		object, kind, err = lenient.Decode([]byte(question.Text), nil, nil)
	}
	if kind != nil {
		result.Kind = kind.String()
	}
	if err != nil {
		result.Error = err.Error()
		return result, nil
	}
	result.Object = object
	return result, nil
}
