// Command l7gw-test-authenticator is aws-iam-authenticator for tests, made of its own packages.
//
// `serve CONFIG` is its webhook server on a free port of loopback, with the mappings of CONFIG (JSON). It ends with its
// standard input. `verify` reads a JSON object a line, {"token", "cluster", "partition", "region"}, and answers each with
// a line: what its verifier says of the token. `canonical` reads an ARN a line, and answers with its canonical form.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"reflect"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/aws-iam-authenticator/pkg/arn"
	"sigs.k8s.io/aws-iam-authenticator/pkg/config"
	"sigs.k8s.io/aws-iam-authenticator/pkg/mapper"
	"sigs.k8s.io/aws-iam-authenticator/pkg/metrics"
	"sigs.k8s.io/aws-iam-authenticator/pkg/server"
	"sigs.k8s.io/aws-iam-authenticator/pkg/token"
)

const longestLine = 1 << 20

// mappings is what CONFIG holds.
type mappings struct {
	Cluster   string               `json:"cluster"`
	Partition string               `json:"partition"`
	State     string               `json:"state"` // folder for its key and certificate
	Roles     []config.RoleMapping `json:"roles"`
	Users     []config.UserMapping `json:"users"`
}

type question struct {
	Token     string `json:"token"`
	Cluster   string `json:"cluster"`
	Partition string `json:"partition"`
	Region    string `json:"region"`
}

// verdict is an answer to a question: an identity, or an error and whether it was one of STS.
type verdict struct {
	Identity *token.Identity `json:"identity"`
	Error    string          `json:"error"`
	AtSTS    bool            `json:"at_sts"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "l7gw-test-authenticator:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "serve":
		return serve(args[1])
	case len(args) == 1 && args[0] == "verify":
		return lines(verify)
	case len(args) == 1 && args[0] == "canonical":
		return lines(canonical)
	}
	return fmt.Errorf("usage: serve CONFIG | verify | canonical")
}

func serve(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var given mappings
	if err := json.Unmarshal(text, &given); err != nil {
		return err
	}
	metrics.InitMetrics(prometheus.DefaultRegisterer)
	stop := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return onLoopback(server.New(config.Config{
		ClusterID:              given.Cluster,
		PartitionID:            given.Partition,
		Address:                "127.0.0.1",
		Hostname:               "127.0.0.1",
		HostPort:               0,
		StateDir:               given.State,
		KubeconfigPregenerated: true,
		BackendMode:            []string{mapper.ModeMountedFile},
		RoleMappings:           given.Roles,
		UserMappings:           given.Users,
	}, stop))
}

// onLoopback serves at the listener that New made. Its own Run also opens a port on every address of the machine, for its health.
func onLoopback(made *server.Server) error {
	fields := reflect.ValueOf(made).Elem()
	listener := *(*net.Listener)(unsafe.Pointer(fields.FieldByName("listener").UnsafeAddr()))
	return (*http.Server)(unsafe.Pointer(fields.FieldByName("httpServer").UnsafeAddr())).Serve(listener)
}

func verify(line []byte) (any, error) {
	var asked question
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	identity, err := token.NewVerifier(asked.Cluster, asked.Partition, asked.Region).Verify(asked.Token)
	if err != nil {
		_, atSTS := err.(token.STSError)
		return verdict{Error: err.Error(), AtSTS: atSTS}, nil
	}
	return verdict{Identity: identity}, nil
}

func canonical(line []byte) (any, error) {
	kind, found, err := arn.Canonicalize(string(line))
	if err != nil {
		return map[string]any{"error": err.Error()}, nil
	}
	return map[string]any{"kind": kind, "arn": found}, nil
}

func lines(answer func([]byte) (any, error)) error {
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, longestLine)
	output := json.NewEncoder(os.Stdout)
	for input.Scan() {
		what, err := answer(input.Bytes())
		if err != nil {
			return err
		}
		if err := output.Encode(what); err != nil {
			return err
		}
	}
	return input.Err()
}
