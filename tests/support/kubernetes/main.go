// Command l7gw-test-cluster is the Kubernetes that the tests run against: etcd, kube-apiserver and a stand-in for the
// kubelet in one process, on loopback addresses only. Its pods are processes of this machine: nothing isolates them.
//
// It ends when it is told to (SIGTERM, SIGINT), when its standard input ends, and when its parent dies, so that a test
// run that is killed leaves nothing behind.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// ready is what DIR/ready.json holds.
type ready struct {
	Server             string `json:"server"`
	CA                 string `json:"ca"`
	CAKey              string `json:"ca_key"`
	AdminCertificate   string `json:"admin_certificate"`
	AdminKey           string `json:"admin_key"`
	GatewayCertificate string `json:"gateway_certificate"`
	GatewayKey         string `json:"gateway_key"`
	AuditLog           string `json:"audit_log"`
	Pods               string `json:"pods"`
	Node               string `json:"node"`
	PID                int    `json:"pid"`
}

func main() {
	dir := flag.String("dir", "", "folder for keys, data, pods' files and ready.json; it belongs to one run")
	webhook := flag.String("token-webhook", "", "kubeconfig of a webhook that is asked about tokens; \"\" for none")
	flag.Parse()
	if *dir == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*dir, *webhook); err != nil {
		fmt.Fprintln(os.Stderr, "l7gw-test-cluster:", err)
		os.Exit(1)
	}
}

func run(dir, webhook string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	pods := filepath.Join(dir, "pods")
	if err := os.MkdirAll(pods, 0o700); err != nil {
		return err
	}
	machine := newMachine(pods, filepath.Join(dir, "logs"))
	ctx, stop := context.WithCancelCause(context.Background())
	go watchForTheEnd(stop)
	go func() { // from the first step on: an unfinished start ends as quickly
		<-ctx.Done()
		machine.close()
		if cause := context.Cause(ctx); !errors.Is(cause, errTold) {
			fmt.Fprintln(os.Stderr, "l7gw-test-cluster:", cause)
			os.Exit(1)
		}
		os.Exit(0) // etcd's data is as short-lived as DIR
	}()

	keys, err := newKeys(dir)
	if err != nil {
		return fmt.Errorf("making keys: %w", err)
	}
	storage, err := startStorage(filepath.Join(dir, "etcd"))
	if err != nil {
		return fmt.Errorf("starting etcd: %w", err)
	}
	auditLog := filepath.Join(dir, "audit.log")
	server, err := startAPIServer(ctx, stop, keys, storage, dir, auditLog, webhook)
	if err != nil {
		return fmt.Errorf("starting kube-apiserver: %w", err)
	}
	client, err := waitForAPI(ctx, server, keys)
	if err != nil {
		return fmt.Errorf("waiting for kube-apiserver: %w", err)
	}
	port, err := serveKubelet(machine, keys)
	if err != nil {
		return fmt.Errorf("serving the kubelet's API: %w", err)
	}
	if err := runNode(ctx, client, machine, port); err != nil {
		return fmt.Errorf("registering the node: %w", err)
	}
	if err := runControllers(ctx, server, keys); err != nil {
		return fmt.Errorf("starting the controllers: %w", err)
	}
	if err := allowGateway(ctx, client); err != nil {
		return fmt.Errorf("writing the gateway's RBAC: %w", err)
	}
	err = writeReady(filepath.Join(dir, "ready.json"), ready{
		Server:             server,
		CA:                 keys.authority.certificate,
		CAKey:              keys.authority.key,
		AdminCertificate:   keys.admin.certificate,
		AdminKey:           keys.admin.key,
		GatewayCertificate: keys.gateway.certificate,
		GatewayKey:         keys.gateway.key,
		AuditLog:           auditLog,
		Pods:               pods,
		Node:               nodeName,
		PID:                os.Getpid(),
	})
	if err != nil {
		return err
	}
	fmt.Println("l7gw-test-cluster: ready on", server)
	select {} // the end is watchForTheEnd's
}

var errTold = errors.New("told to end")

func watchForTheEnd(stop context.CancelCauseFunc) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	input := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(input)
	}()
	parent := os.Getppid()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-signals:
		case <-input:
		case <-tick.C:
			if os.Getppid() == parent {
				continue
			}
		}
		stop(errTold)
		return
	}
}

// writeReady never shows half a file.
func writeReady(path string, what ready) error {
	text, err := json.MarshalIndent(what, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
