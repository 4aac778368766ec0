// Go's net/http with one request a line of stdin; a line of stdout says what came of it, and how many connections it took.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

type asked struct {
	Path    string      `json:"path"`
	Headers [][2]string `json:"headers"` // one character a byte
}

type came struct {
	Status int    `json:"status"`
	Error  string `json:"error"`
	HTTP   string `json:"http"`
	Dials  int64  `json:"dials"`
}

func main() {
	url, authority, version := os.Args[1], os.Args[2], os.Args[3]
	pem, err := os.ReadFile(authority)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one asked
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			panic(err)
		}
		answer, _ := json.Marshal(ask(url, roots, version == "2", one))
		fmt.Println(string(answer))
	}
}

func ask(url string, roots *x509.CertPool, http2 bool, one asked) came {
	var dials atomic.Int64
	dialer := &net.Dialer{}
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots},
		ForceAttemptHTTP2: http2,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			dials.Add(1)
			return dialer.DialContext(ctx, network, address)
		},
	}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", url+one.Path, nil)
	if err != nil {
		return came{Error: err.Error()}
	}
	for _, pair := range one.Headers {
		request.Header.Add(pair[0], bytesOf(pair[1]))
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return came{Error: err.Error(), Dials: dials.Load()}
	}
	defer response.Body.Close()
	return came{Status: response.StatusCode, HTTP: response.Proto, Dials: dials.Load()}
}

func bytesOf(text string) string {
	found := make([]byte, 0, len(text))
	for _, character := range text {
		found = append(found, byte(character))
	}
	return string(found)
}
