// Command smuggling is Go's httputil.ReverseProxy as it comes, over TLS on both sides, for the smuggling corpus.
//
//	smuggling CERT KEY UPSTREAM...     a proxy on a free loopback port for each upstream; prints the ports
//
// It ends with its standard input. The upstream's certificate is not checked: both ends are the test's own.
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
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 4 {
		log.Fatal("usage: smuggling CERT KEY UPSTREAM...")
	}
	for _, upstream := range os.Args[3:] {
		target, err := url.Parse(upstream)
		check(err)
		proxy := httputil.NewSingleHostReverseProxy(target)
		proxy.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // HTTP/1.1 upstream
		proxy.ErrorLog = log.New(io.Discard, "", 0)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		check(err)
		fmt.Println(listener.Addr().(*net.TCPAddr).Port)
		server := &http.Server{Handler: proxy, ErrorLog: proxy.ErrorLog}
		go func() { check(server.ServeTLS(listener, os.Args[1], os.Args[2])) }()
	}
	io.Copy(io.Discard, os.Stdin)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
