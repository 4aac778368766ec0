// What Go says of certificates, and what it makes of a handshake: kube-apiserver and kubectl are written in it.
//
//	tls verify          a question a line on stdin, an answer a line on stdout: "" is yes
//	tls dial ADDRESS CA  the handshake that Go makes by itself
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"time"
)

type question struct {
	Roots, Leaf, Sent, Usage string
	At                       int64
}

func main() {
	var err error
	if len(os.Args) == 4 && os.Args[1] == "dial" {
		err = dial(os.Args[2], os.Args[3])
	} else {
		err = answer()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func answer() error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			return err
		}
		said := ""
		if err := verify(asked); err != nil {
			said = err.Error()
		}
		if err := answers.Encode(said); err != nil {
			return err
		}
	}
	return lines.Err()
}

// As kube-apiserver's x509 authenticator does, and crypto/tls for a server.
func verify(asked question) error {
	block, _ := pem.Decode([]byte(asked.Leaf))
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	options := x509.VerifyOptions{
		Roots:         x509.NewCertPool(),
		Intermediates: x509.NewCertPool(),
		CurrentTime:   time.Unix(asked.At, 0),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if asked.Usage == "server" {
		options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	options.Roots.AppendCertsFromPEM([]byte(asked.Roots))
	options.Intermediates.AppendCertsFromPEM([]byte(asked.Sent))
	_, err = leaf.Verify(options)
	return err
}

func dial(address, authority string) error {
	roots := x509.NewCertPool()
	text, err := os.ReadFile(authority)
	if err != nil {
		return err
	}
	roots.AppendCertsFromPEM(text)
	connection, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		return err
	}
	defer connection.Close()
	state := connection.ConnectionState()
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"retried": state.HelloRetryRequest, "group": state.CurveID.String(), "version": tls.VersionName(state.Version),
	})
}
