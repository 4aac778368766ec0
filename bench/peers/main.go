// Command peers is the Go program of the bench: the upstream, the load, and the plain proxy that l7gw is compared with.
//
//	peers upstream CERT KEY            serves on a free loopback port, prints it
//	peers proxy CERT KEY UPSTREAM      httputil.ReverseProxy on a free loopback port, prints it
//	peers load KIND URL CONNS SECONDS  drives and prints one JSON line
//
// Certificates are not checked here. The bench only measures; l7gw's tests check.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const bulkBytes = 100 << 20
const frameBytes = 64

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

// ---- upstream

func upstream() http.Handler {
	small := []byte(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-0","namespace":"default"},"x":"` + strings.Repeat("y", 900) + `"}`)
	chunk := make([]byte, 64<<10)
	for i := range chunk {
		chunk[i] = "the quick brown fox jumps over the lazy dog\n"[(i*7+i/97)%44]
	}
	list := podList(1 << 20)
	var packed bytes.Buffer
	packer, _ := gzip.NewWriterLevel(&packed, 1) // as kube-apiserver (AS handlers/responsewriters/writers.go)
	packer.Write(list)
	packer.Close()
	var calls atomic.Uint64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// As in kube-apiserver, this differs in every answer, so that a cache of whole heads does not help.
		w.Header().Set("Audit-Id", fmt.Sprintf("%08x-0000-4000-8000-%012x", calls.Load(), calls.Add(1)))
		switch {
		case strings.HasSuffix(r.URL.Path, "/exec"):
			execFlood(w, r)
		case strings.HasSuffix(r.URL.Path, "/secrets"):
			w.Header().Set("Content-Type", "application/json")
			for n := range watchedSecrets {
				io.WriteString(w, secretEvent(n))
				if n%50 == 49 {
					w.(http.Flusher).Flush()
				}
			}
		case strings.HasSuffix(r.URL.Path, "/pods"):
			w.Header().Set("Content-Type", "application/json")
			if r.Header.Get("Accept-Encoding") == "gzip" {
				w.Header().Set("Content-Encoding", "gzip")
				w.Write(packed.Bytes())
			} else {
				w.Write(list)
			}
		case r.URL.Query().Get("watch") != "":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"type":"ADDED","object":%s}`+"\n", small)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case strings.HasSuffix(r.URL.Path, "/log"):
			w.Header().Set("Content-Type", "text/plain")
			for sent := 0; sent < bulkBytes; sent += len(chunk) {
				w.Write(chunk)
			}
		default:
			w.Header().Set("Content-Type", "application/json")
			w.Write(small)
		}
	})
}

// podList is a list of pods in JSON as kube-apiserver writes it, of about `size` bytes. Nothing in it is a secret.
func podList(size int) []byte {
	var list bytes.Buffer
	list.WriteString(`{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"51234"},"items":[`)
	for n := 0; list.Len() < size; n++ {
		if n > 0 {
			list.WriteByte(',')
		}
		name := fmt.Sprintf("web-%d", n)
		fmt.Fprintf(&list, `{"metadata":{"name":%q,"namespace":"default","uid":"5d0c9d4e-6a3a-4a55-9d3e-%012x","resourceVersion":"%d","creationTimestamp":"2026-11-01T09:00:00Z","labels":{"app":"web","pod-template-hash":"6b7f6db8c"},"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-6b7f6db8c","uid":"0c8f1d3a-2b41-4b0e-8f65-7f2f7d3d4a55","controller":true,"blockOwnerDeletion":true}],"managedFields":[{"manager":"kubelet","operation":"Update","apiVersion":"v1","time":"2026-11-01T09:00:07Z","fieldsType":"FieldsV1","fieldsV1":{"f:status":{"f:conditions":{"k:{\"type\":\"Ready\"}":{".":{},"f:status":{},"f:type":{}}},"f:containerStatuses":{},"f:phase":{},"f:podIP":{}}},"subresource":"status"}]},`, name, n, 40000+n)
		fmt.Fprintf(&list, `"spec":{"volumes":[{"name":"kube-api-access-7xk2p","projected":{"sources":[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},{"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}}],"defaultMode":420}}],"containers":[{"name":"web","image":"registry.example.com/web@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","ports":[{"containerPort":8080,"protocol":"TCP"}],"env":[{"name":"POD_NAME","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.name"}}},{"name":"LOG_LEVEL","value":"info"},{"name":"DB_HOST","value":"db.default.svc"}],"resources":{"requests":{"cpu":"100m","memory":"128Mi"}},"volumeMounts":[{"name":"kube-api-access-7xk2p","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}],"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAccountName":"default","nodeName":"node-%d","schedulerName":"default-scheduler"},`, n%7)
		fmt.Fprintf(&list, `"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-11-01T09:00:07Z"}],"hostIP":"10.0.0.%d","podIP":"10.1.%d.%d","startTime":"2026-11-01T09:00:00Z","containerStatuses":[{"name":"web","state":{"running":{"startedAt":"2026-11-01T09:00:06Z"}},"ready":true,"restartCount":0,"image":"registry.example.com/web:1.4.2","containerID":"containerd://%064x"}],"qosClass":"Burstable"}}`, n%7, n/250, n%250, n)
	}
	list.WriteString("]}\n")
	return list.Bytes()
}

const watchedSecrets = 1000

// secretEvent is the n-th event of a watch of Secrets.
func secretEvent(n int) string {
	value := base64.StdEncoding.EncodeToString([]byte(fmt.Sprintf("a password of its own, number %d", n)))
	return fmt.Sprintf(`{"type":"ADDED","object":{"kind":"Secret","apiVersion":"v1","metadata":{"name":"db-%d","namespace":"default","uid":"5d0c9d4e-6a3a-4a55-9d3e-%012x","resourceVersion":"%d","creationTimestamp":"2026-11-01T09:00:00Z"},"data":{"password":%q,"username":"YWRtaW4="},"type":"Opaque"}}`+"\n", n, n, 40000+n, value)
}

// execFlood answers a WebSocket exec with stdout messages of frameBytes, several in one write, until the client leaves.
func execFlood(w http.ResponseWriter, r *http.Request) {
	conn, buf, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	accept := acceptKey(r.Header.Get("Sec-Websocket-Key"))
	fmt.Fprintf(buf, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n", accept)
	buf.Flush()
	frame := append([]byte{0x82, frameBytes + 1, 1}, strings.Repeat("a line of output, which is text. ", 4)[:frameBytes-1]...)
	frame = append(frame, '\n')
	var packed []byte
	for len(packed) < 16<<10 {
		packed = append(packed, frame...)
	}
	go io.Copy(io.Discard, conn)
	for {
		if _, err := conn.Write(packed); err != nil {
			return
		}
	}
}

// ---- load

type result struct {
	Kind  string  `json:"kind"`
	Count int64   `json:"count"` // requests, bytes or frames
	Fails int64   `json:"fails"`
	P50   float64 `json:"p50_us"`
	P99   float64 `json:"p99_us"`
}

func load(kind, target string, conns int, span time.Duration) {
	var count, fails atomic.Int64
	var mutex sync.Mutex
	var latencies []time.Duration
	end := time.Now().Add(span)
	var group sync.WaitGroup
	streams := 1 // calls at once on each connection
	if n, err := strconv.Atoi(os.Getenv("STREAMS")); err == nil {
		streams = n
	}
	var client *http.Client
	for i := 0; i < conns*streams; i++ {
		if i%streams == 0 {
			client = &http.Client{Transport: transport()}
		}
		client := client
		group.Add(1)
		go func() {
			defer group.Done()
			if kind == "frames" {
				readFrames(target, end, &count, &fails)
				return
			}
			var mine []time.Duration
			for n := 0; time.Now().Before(end); n++ {
				began := time.Now()
				size, err := get(client, path(kind, target, n), kind == "list-gzip", i/streams)
				if err != nil {
					fails.Add(1)
					continue
				}
				switch kind {
				case "bulk":
					count.Add(size)
				case "secrets":
					count.Add(watchedSecrets)
				default:
					count.Add(1)
				}
				mine = append(mine, time.Since(began))
			}
			mutex.Lock()
			latencies = append(latencies, mine...)
			mutex.Unlock()
		}()
	}
	group.Wait()
	out := result{Kind: kind, Count: count.Load(), Fails: fails.Load()}
	if len(latencies) > 0 {
		slices.Sort(latencies)
		out.P50 = float64(latencies[len(latencies)/2]) / 1e3
		out.P99 = float64(latencies[len(latencies)*99/100]) / 1e3
	}
	check(json.NewEncoder(os.Stdout).Encode(out))
}

func path(kind, target string, n int) string {
	switch kind {
	case "bulk":
		return target + "/api/v1/namespaces/default/pods/web-0/log"
	case "list", "list-gzip":
		return target + "/api/v1/namespaces/default/pods"
	case "secrets":
		return target + "/api/v1/namespaces/default/secrets?watch=true"
	case "varied": // 4,096 different objects, so that no cache of heads helps
		return target + "/api/v1/namespaces/default/pods/web-" + strconv.Itoa(n%4096)
	default:
		return target + "/api/v1/namespaces/default/pods/web-0"
	}
}

func get(client *http.Client, where string, packed bool, connection int) (int64, error) {
	request, err := http.NewRequest("GET", where, nil)
	if err != nil {
		return 0, err
	}
	authorize(request.Header, connection)
	request.Header.Set("Accept-Encoding", "identity")
	if packed {
		request.Header.Set("Accept-Encoding", "gzip") // set by hand, it is not unpacked by net/http
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	if err == nil && response.StatusCode != 200 {
		err = fmt.Errorf("status %d", response.StatusCode)
	}
	if http2 && response.ProtoMajor != 2 {
		log.Fatalf("asked for HTTP/2, got %s", response.Proto)
	}
	return n, err
}

// watches opens `count` watches of a target and prints how many were answered and brought their first event. Then, for each line of
// its input, it prints how many brought another event within ten seconds.
func watches(target string, count int) {
	client := &http.Client{Transport: transport()}
	var opened, lines atomic.Int64
	var group sync.WaitGroup
	opening := make(chan struct{}, 50) // Go dials for each call that finds no free stream at once, and would dial thousands of times
	for i := 0; i < count; i++ {
		group.Add(1)
		opening <- struct{}{}
		go func() {
			request, err := http.NewRequest("GET", target, nil)
			check(err)
			authorize(request.Header, 0)
			response, err := client.Do(request)
			<-opening
			if err != nil || response.StatusCode != 200 || (http2 && response.ProtoMajor != 2) {
				log.Print("a watch that failed: ", err, response)
				group.Done()
				return
			}
			opened.Add(1)
			reader := bufio.NewReader(response.Body)
			for first := true; ; first = false {
				_, err := reader.ReadString('\n')
				if err == nil {
					lines.Add(1)
				}
				if first {
					group.Done()
				}
				if err != nil {
					return
				}
			}
		}()
	}
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(60 * time.Second):
	}
	fmt.Printf("%d %d\n", opened.Load(), lines.Load())
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		before := lines.Load()
		for waited := 0; waited < 200 && lines.Load() < before+int64(count); waited++ {
			time.Sleep(50 * time.Millisecond)
		}
		fmt.Println(lines.Load() - before)
	}
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

// readFrames counts the stdout messages of one exec.
func readFrames(target string, end time.Time, count, fails *atomic.Int64) {
	where, err := url.Parse(target)
	check(err)
	conn, err := tls.Dial("tcp", where.Host, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		fails.Add(1)
		return
	}
	defer conn.Close()
	conn.SetDeadline(end.Add(2 * time.Second))
	key := make([]byte, 16)
	rand.Read(key)
	request, _ := http.NewRequest("GET", target+"/api/v1/namespaces/default/pods/web-0/exec?command=yes&stdout=true", nil)
	authorize(request.Header, 0)
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", "websocket")
	request.Header.Set("Sec-WebSocket-Version", "13")
	request.Header.Set("Sec-WebSocket-Key", base64.StdEncoding.EncodeToString(key))
	request.Header.Set("Sec-WebSocket-Protocol", "v5.channel.k8s.io")
	check(request.Write(conn))
	reader := bufio.NewReaderSize(conn, 256<<10)
	response, err := http.ReadResponse(reader, request)
	if err != nil || response.StatusCode != 101 {
		fails.Add(1)
		return
	}
	head := make([]byte, 4)
	for n := int64(0); ; n++ {
		if n%1024 == 0 {
			count.Add(min(n, 1024))
			if time.Now().After(end) {
				return
			}
		}
		if _, err := io.ReadFull(reader, head[:2]); err != nil {
			fails.Add(1)
			return
		}
		length := int(head[1] & 127)
		if length == 126 {
			io.ReadFull(reader, head[:2])
			length = int(binary.BigEndian.Uint16(head))
		}
		if _, err := reader.Discard(length); err != nil {
			fails.Add(1)
			return
		}
	}
}

// acceptKey answers a Sec-WebSocket-Key (RFC 6455 section 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
