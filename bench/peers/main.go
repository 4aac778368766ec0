// Command peers is the Go program of the bench: the upstream, the load, and the plain proxy that l7gw is compared with.
//
//	peers upstream CERT KEY            serves on a free loopback port, prints it
//	peers proxy CERT KEY UPSTREAM      httputil.ReverseProxy on a free loopback port, prints it
//	peers load KIND URL CONNS SECONDS  warms its connections, prints `warm`; at a line of its input it drives, and prints one JSON line;
//	                                   at each further line, one of the calls so far
//	peers watches URL COUNT            holds watches open, prints how many stand
//
// The environment says the rest. H2=1: each leg speaks HTTP/2, and fails where it cannot. TOKENS: of the people who call. STREAMS: calls
// at once on each connection. CALLS: so many calls (frames) instead of SECONDS. RATE: calls a second, of all connections. WARM: calls of
// each stream before `warm`.
//
// Certificates are not checked here. The bench only measures; l7gw's tests check.
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("usage: peers upstream|proxy|load|watches ...")
	}
	switch os.Args[1] {
	case "upstream":
		serve(os.Args[2], os.Args[3], upstream())
	case "proxy":
		target, err := url.Parse(os.Args[4])
		check(err)
		proxy := httputil.NewSingleHostReverseProxy(target)
		transport := transport()
		transport.MaxIdleConnsPerHost = 256
		proxy.Transport = transport
		proxy.FlushInterval = -1 // watches
		proxy.ErrorLog = log.New(io.Discard, "", 0)
		serve(os.Args[2], os.Args[3], proxy)
	case "load":
		conns, err := strconv.Atoi(os.Args[4])
		check(err)
		seconds, err := strconv.ParseFloat(os.Args[5], 64)
		check(err)
		load(os.Args[2], os.Args[3], conns, time.Duration(seconds*float64(time.Second)))
	case "watches":
		count, err := strconv.Atoi(os.Args[3])
		check(err)
		watches(os.Args[2], count)
	default:
		log.Fatalf("unknown part %q", os.Args[1])
	}
}

// http2 says whether H2=1 asks for HTTP/2 on every leg. A leg that cannot speak it fails and does not fall back.
var http2 = os.Getenv("H2") != ""

// number is a variable of the environment, or what stands for it where there is none.
func number(name string, otherwise int) int {
	value := os.Getenv(name)
	if value == "" {
		return otherwise
	}
	n, err := strconv.Atoi(value)
	check(err)
	return n
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func serve(cert, key string, handler http.Handler) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	check(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	protocols := []string{"http/1.1"}
	if http2 {
		protocols = []string{"h2", "http/1.1"}
	}
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: protocols}}
	go func() { io.Copy(io.Discard, os.Stdin); os.Exit(0) }() // end with the process that started this one
	check(server.ServeTLS(listener, "", ""))
}

func transport() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: http2}
}

// tokens are those of the people who call, with spaces between; each connection is one person's, in turn.
var tokens = strings.Fields(os.Getenv("TOKENS"))

func authorize(header http.Header, connection int) {
	header.Set("User-Agent", "kubectl/v1.33.1 (linux/amd64) kubernetes/8adc0f0")
	header.Set("Accept", "application/json")
	if len(tokens) > 0 {
		header.Set("Authorization", "Bearer "+tokens[connection%len(tokens)])
	}
}
