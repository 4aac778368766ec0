// Runs every case of h2spec against one TLS server and prints one JSON object a case; exits 0 however they went.
//
// h2spec's own command has neither a client certificate nor a header for its requests, so a server that wants to know who asks
// would answer each with 401; its packages can present a certificate.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	"github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"
)

type result struct {
	Case     string   `json:"case"` // for example http2/5.1.2/1
	Title    string   `json:"title"`
	Outcome  string   `json:"outcome"` // passed, failed, skipped
	Expected []string `json:"expected,omitempty"`
	Actual   string   `json:"actual,omitempty"`
	Seconds  float64  `json:"seconds"`
}

func main() {
	given := config.Config{Host: "127.0.0.1", TLS: true, Insecure: true, Strict: true, MaxHeaderLen: 4000}
	flag.IntVar(&given.Port, "port", 0, "of the server")
	flag.StringVar(&given.Path, "path", "/", "what is asked for")
	flag.StringVar(&given.CertFile, "certificate", "", "of the client, PEM")
	flag.StringVar(&given.CertKeyFile, "key", "", "of the client, PEM")
	flag.DurationVar(&given.Timeout, "timeout", 2*time.Second, "for each answer")
	flag.Parse()
	given.Sections = flag.Args()
	if err := speaks(&given); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}

	results := os.Stdout
	os.Stdout = os.Stderr // h2spec's own progress
	encoder := json.NewEncoder(results)
	for _, group := range []*spec.TestGroup{generic.Spec(), http2.Spec(), hpack.Spec()} {
		group.Test(&given)
		if err := tell(encoder, group); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// speaks says what is wrong where the server does not choose h2: h2spec itself would go on, and time out case by case.
func speaks(given *config.Config) error {
	ours, err := given.TLSConfig()
	if err != nil {
		return err
	}
	conn, err := tls.Dial("tcp", given.Addr(), ours)
	if err != nil {
		return err
	}
	defer conn.Close()
	if chosen := conn.ConnectionState().NegotiatedProtocol; chosen != "h2" {
		return fmt.Errorf("the server chose %q by ALPN, not h2", chosen)
	}
	return nil
}

func tell(encoder *json.Encoder, group *spec.TestGroup) error {
	for number, test := range append(group.Tests, group.StrictTests...) {
		if test.Result == nil {
			continue
		}
		found := result{
			Case:    fmt.Sprintf("%s/%d", group.ID(), number+1),
			Title:   test.Desc,
			Outcome: "passed",
			Seconds: test.Result.Duration.Seconds(),
		}
		if test.Result.Skipped {
			found.Outcome = "skipped"
		} else if test.Result.Failed {
			found.Outcome, found.Actual = "failed", test.Result.Error.Error()
			if err, ok := test.Result.Error.(*spec.TestError); ok {
				found.Expected, found.Actual = err.Expected, err.Actual
			}
		}
		if err := encoder.Encode(found); err != nil {
			return err
		}
	}
	for _, inner := range group.Groups {
		if err := tell(encoder, inner); err != nil {
			return err
		}
	}
	return nil
}
