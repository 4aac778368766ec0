package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type result struct {
	Kind  string  `json:"kind"`
	Count int64   `json:"count"` // requests, bytes, events or frames
	Fails int64   `json:"fails"`
	Error string  `json:"error"` // the last one
	Proto string  `json:"proto"` // what was spoken with the proxy
	Wall  float64 `json:"seconds"`
	P50   float64 `json:"p50_us"`
	P99   float64 `json:"p99_us"`
}

// A drive is one run of the load. Its figures begin when its connections stand.
type drive struct {
	kind, target string
	count, fails atomic.Int64
	last         atomic.Value // the last error
	mutex        sync.Mutex
	latencies    []time.Duration
	left         atomic.Int64 // calls, where their number is given
	counted      bool
	end, began   time.Time
	each         time.Duration // between the calls of one worker, where they are paced
}

func (d *drive) failed(err error) {
	d.fails.Add(1)
	d.last.Store(err.Error())
}

// more says whether a worker has another call to make.
func (d *drive) more() bool {
	if d.counted {
		return d.left.Add(-1) >= 0
	}
	return time.Now().Before(d.end)
}

func load(kind, target string, conns int, span time.Duration) {
	d := &drive{kind: kind, target: target}
	calls, rate, streams := number("CALLS", 0), number("RATE", 0), number("STREAMS", 1)
	d.left.Store(int64(calls))
	d.counted = calls > 0
	if rate > 0 {
		d.each = time.Second * time.Duration(conns*streams) / time.Duration(rate)
	}
	input, closed := bufio.NewScanner(os.Stdin), make(chan struct{})
	begin := func() { // the caller reads the CPU time between these two
		fmt.Println("warm")
		input.Scan()
		d.began = time.Now()
		d.end = d.began.Add(span)
		go func() { // a further line asks what was done so far
			for input.Scan() {
				check(json.NewEncoder(os.Stdout).Encode(d.result()))
			}
			close(closed)
		}()
	}
	if strings.HasPrefix(kind, "frames-") {
		d.frames(conns, begin)
	} else {
		d.requests(conns, streams, begin)
	}
	out := d.result()
	if len(d.latencies) > 0 {
		slices.Sort(d.latencies)
		out.P50 = float64(d.latencies[len(d.latencies)/2]) / 1e3
		out.P99 = float64(d.latencies[len(d.latencies)*99/100]) / 1e3
	}
	check(json.NewEncoder(os.Stdout).Encode(out))
	<-closed // the connections stay until the caller has read the CPU time
}

// result is what was done until now, without latencies.
func (d *drive) result() result {
	out := result{Kind: d.kind, Count: d.count.Load(), Fails: d.fails.Load(), Proto: "HTTP/1.1", Wall: time.Since(d.began).Seconds()}
	if http2 {
		out.Proto = "HTTP/2.0"
	}
	out.Error, _ = d.last.Load().(string)
	return out
}

// frames reads floods all the while, so that what is under way in buffers is the same when the figures begin and when they end. Where
// their number is given, it reads nothing before and behind: buffers are full at both ends, and the proxy rests.
func (d *drive) frames(conns int, begin func()) {
	var seen atomic.Int64
	var stop, held atomic.Bool
	held.Store(d.counted)
	var standing sync.WaitGroup
	for range conns {
		standing.Add(1)
		go func() {
			once := sync.OnceFunc(standing.Done)
			if err := readFrames(d.kind, d.target, &seen, &stop, &held, once); err != nil {
				d.failed(err)
			}
			once()
		}()
	}
	standing.Wait()
	begin()
	before := seen.Load()
	held.Store(false)
	for d.fails.Load() == 0 && !(d.counted && seen.Load()-before >= d.left.Load()) && (d.counted || time.Now().Before(d.end)) {
		time.Sleep(time.Millisecond)
	}
	held.Store(d.counted)
	d.count.Store(seen.Load() - before)
}

func (d *drive) requests(conns, streams int, begin func()) {
	var warming, working sync.WaitGroup
	start := make(chan struct{})
	warm := number("WARM", 2)
	for connection := range conns {
		warming.Add(streams)
		working.Add(streams)
		client := &http.Client{Transport: transport()}
		go func() {
			// One call first: Go would dial once for each of several that find no connection.
			d.warmed(client, connection, 1)
			for stream := range streams {
				go func() {
					d.warmed(client, connection, warm)
					warming.Done()
					<-start
					d.work(client, connection, connection*streams+stream)
					working.Done()
				}()
			}
		}()
	}
	warming.Wait()
	if d.fails.Load() > 0 {
		log.Fatalf("the load cannot begin: %v", d.last.Load())
	}
	begin()
	close(start)
	working.Wait()
}

func (d *drive) warmed(client *http.Client, connection, calls int) {
	for range calls {
		if _, err := get(client, d.kind, d.target, connection, true); err != nil {
			d.failed(err)
		}
	}
}

// work makes calls until none is left. `place` is the worker's among all: paced ones begin one after another, not at once.
func (d *drive) work(client *http.Client, connection, place int) {
	var mine []time.Duration
	workers := time.Duration(1)
	if d.each > 0 {
		workers = max(1, d.each*time.Duration(number("RATE", 0))/time.Second)
	}
	for n := 0; d.more(); n++ {
		if d.each > 0 {
			time.Sleep(time.Until(d.began.Add(d.each*time.Duration(n) + d.each*time.Duration(place)/workers)))
		}
		if d.kind == "new" {
			client = &http.Client{Transport: transport()}
		}
		began := time.Now()
		size, err := get(client, d.kind, d.target, connection, false)
		if d.kind == "new" {
			client.CloseIdleConnections()
		}
		if err != nil {
			d.failed(err)
			continue
		}
		d.count.Add(size)
		mine = append(mine, time.Since(began))
	}
	d.mutex.Lock()
	d.latencies = append(d.latencies, mine...)
	d.mutex.Unlock()
}

var (
	cold    atomic.Uint64 // how many names were given
	coldRun = rand.Uint32()
)

const pods = "/api/v1/namespaces/default/pods"

// call is the method, the path and the body of a call of a kind.
func call(kind string, warming bool) (method, path, body string) {
	switch kind {
	case "bulk":
		return "GET", pods + "/web-0/log?limitBytes=" + strconv.Itoa(logBytes(warming)), ""
	case "list", "list-gzip":
		return "GET", pods, ""
	case "chunked":
		return "GET", pods + "?limit=17", ""
	case "secrets":
		return "GET", "/api/v1/namespaces/default/secrets?watch=true", ""
	case "post":
		return "POST", "/api/v1/namespaces/default/configmaps", `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"settings","namespace":"default"},"data":{"colour":"blue"}}`
	case "cold": // a name that was never asked for: not by this connection, not by another, not in an earlier run
		return "GET", fmt.Sprintf("%s/web-%08x-%08x", pods, coldRun, cold.Add(1)), ""
	default:
		return "GET", pods + "/web-0", ""
	}
}

func logBytes(warming bool) int {
	if warming {
		return 64 << 10
	}
	return number("LOG_BYTES", 100<<20)
}

// get makes one call, and says how much work it was.
func get(client *http.Client, kind, target string, connection int, warming bool) (int64, error) {
	method, path, body := call(kind, warming)
	request, err := http.NewRequest(method, target+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	authorize(request.Header, connection)
	request.Header.Set("Accept-Encoding", "identity")
	if kind == "list-gzip" {
		request.Header.Set("Accept-Encoding", "gzip") // set by hand, it is not unpacked by net/http
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	if err == nil && response.StatusCode/100 != 2 {
		err = fmt.Errorf("status %d", response.StatusCode)
	}
	if http2 != (response.ProtoMajor == 2) {
		log.Fatalf("H2 is %t, and %s was spoken", http2, response.Proto)
	}
	return work(kind, n, response, warming), err
}

// work is what a call counts for. An answer that is not of its kind ends the load: it would measure something else.
func work(kind string, size int64, response *http.Response, warming bool) int64 {
	packed := response.Header.Get("Content-Encoding") == "gzip"
	switch {
	case kind == "bulk" && size != int64(logBytes(warming)),
		kind == "list" && (packed || size < 1<<20),
		kind == "list-gzip" && (!packed || size > 1<<19),
		kind == "chunked" && size < 30_000:
		log.Fatalf("%s: an answer of %d bytes, length said %d, packed %t", kind, size, response.ContentLength, packed)
	case kind == "bulk":
		return size
	case kind == "secrets":
		return watchedSecrets
	}
	return 1
}
