package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	cri "k8s.io/cri-api/pkg/apis"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-client/pkg/logs"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	"k8s.io/utils/exec"
)

const idleTimeout = 4 * time.Hour // a kubelet's

// serveKubelet serves what kube-apiserver asks of a kubelet, to it alone, and returns the port.
func serveKubelet(m *machine, keys *keys) (int, error) {
	certificate, err := tls.LoadX509KeyPair(keys.kubelet.certificate, keys.kubelet.key)
	if err != nil {
		return 0, err
	}
	text, err := os.ReadFile(keys.authority.certificate)
	if err != nil {
		return 0, err
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(text)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	routes := http.NewServeMux()
	routes.HandleFunc("/exec/{namespace}/{pod}/{container}", m.serveExec)
	routes.HandleFunc("/attach/{namespace}/{pod}/{container}", m.serveAttach)
	routes.HandleFunc("/portForward/{namespace}/{pod}", m.servePortForward)
	routes.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", m.serveLogs)
	routes.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	server := &http.Server{
		Handler:           routes,
		ReadHeaderTimeout: 30 * time.Second,
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{certificate},
			ClientAuth:   tls.RequireAndVerifyClientCert,
			ClientCAs:    clients,
		},
	}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func (m *machine) serveExec(w http.ResponseWriter, r *http.Request) {
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	argv := r.URL.Query()["command"]
	pod, container, err := m.find(r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("container"))
	if err != nil || len(argv) == 0 {
		refuse(w, err, "you must specify a command")
		return
	}
	w, r, done := noticeEnd(w, r)
	defer done()
	remotecommand.ServeExec(w, r, executor{m, pod, container}, pod.name, string(pod.uid), container.spec.Name,
		argv, options, idleTimeout, remotecommand.DefaultStreamCreationTimeout, remotecommand.SupportedStreamingProtocols)
}

func (m *machine) serveAttach(w http.ResponseWriter, r *http.Request) {
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	pod, container, err := m.find(r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("container"))
	if err != nil {
		refuse(w, err, "")
		return
	}
	w, r, done := noticeEnd(w, r)
	defer done()
	remotecommand.ServeAttach(w, r, executor{m, pod, container}, pod.name, string(pod.uid), container.spec.Name,
		options, idleTimeout, remotecommand.DefaultStreamCreationTimeout, remotecommand.SupportedStreamingProtocols)
}

func (m *machine) servePortForward(w http.ResponseWriter, r *http.Request) {
	options, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	pod, _, err := m.find(r.PathValue("namespace"), r.PathValue("pod"), "")
	if err != nil {
		refuse(w, err, "")
		return
	}
	w, r, done := noticeEnd(w, r)
	defer done()
	portforward.ServePortForward(w, r, forwarder{r.Context()}, pod.name, "", options, idleTimeout,
		remotecommand.DefaultStreamCreationTimeout, portforward.SupportedProtocols)
}

func refuse(w http.ResponseWriter, err error, otherwise string) {
	if err == nil {
		http.Error(w, otherwise, http.StatusBadRequest)
	} else if strings.HasPrefix(err.Error(), "pod ") {
		http.Error(w, err.Error(), http.StatusNotFound)
	} else {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// executor serves one call, on one container. Like containerd it attaches the streams that were opened, whatever the query
// asked for: over SPDY the query is only where their number is known from (remotecommand/httpstream.go, waitForStreams).
type executor struct {
	machine   *machine
	pod       *podRun
	container *containerRun
}

func (e executor) ExecInContainer(
	ctx context.Context, _, _, _ string, argv []string, in io.Reader, out, err io.WriteCloser, tty bool,
	resize <-chan remotecommand.TerminalSize, _ time.Duration,
) error {
	what := task{argv: argv, tty: tty, stdin: in != nil, stdout: out, stderr: err}
	code, failure := e.machine.execute(ctx, e.pod, e.container, what, in, resize)
	if failure == nil && code != 0 {
		return exec.CodeExitError{Err: fmt.Errorf("exit status %d", code), Code: code}
	}
	return failure
}

func (e executor) AttachContainer(
	ctx context.Context, _, _, _ string, in io.Reader, out, err io.WriteCloser, _ bool,
	resize <-chan remotecommand.TerminalSize,
) error {
	e.machine.attach(ctx, e.container, in, out, err, resize)
	return nil
}

// forwarder connects to ports of this machine until ctx, the client's connection, ends.
type forwarder struct{ ctx context.Context }

// PortForward returns when the target has said its last byte: what the client still has to say cannot matter then, but
// what the target says after the client's last byte does.
func (f forwarder) PortForward(_ context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	target, err := net.Dial("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))))
	if err != nil {
		return fmt.Errorf("failed to execute portforward in network namespace %q: failed to connect to localhost:%d "+
			"inside namespace %q, IPv4: %w", "host", port, "host", err)
	}
	defer target.Close()
	defer context.AfterFunc(f.ctx, func() { _ = target.Close() })()
	go func() {
		_, _ = io.Copy(target, stream)
		_ = target.(*net.TCPConn).CloseWrite()
	}()
	_, err = io.Copy(stream, target)
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (m *machine) serveLogs(w http.ResponseWriter, r *http.Request) {
	options, previous, err := logOptions(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	file, instance, err := m.log(r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("container"), previous)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	to := flushed{w}
	err = logs.ReadLogs(r.Context(), file, instance.id, options, instance, to, to)
	if err != nil && r.Context().Err() == nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// log returns the log file of a container's newest run, or of the one before, and what tells whether that still runs.
func (m *machine) log(namespace, name, container string, previous bool) (string, *instance, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, pod := range m.pods {
		c := pod.containers[container]
		if pod.namespace != namespace || pod.name != name || c == nil {
			continue
		}
		if !previous {
			return c.log, &instance{id: container, done: c.done}, nil
		}
		if c.restarts == 0 {
			return "", nil, fmt.Errorf("previous terminated container %q in pod %q not found", container, name)
		}
		over := make(chan struct{})
		close(over)
		return m.logFile(pod, container, c.restarts-1), &instance{id: container, done: over}, nil
	}
	return "", nil, fmt.Errorf("container %q in pod %q is waiting to start: ContainerCreating", container, name)
}

// instance is as much of a container runtime as a reader of logs asks for.
type instance struct {
	cri.RuntimeService
	id   string
	done <-chan struct{}
}

func (i *instance) ContainerStatus(context.Context, string, bool) (*runtime.ContainerStatusResponse, error) {
	state := runtime.ContainerState_CONTAINER_RUNNING
	select {
	case <-i.done:
		state = runtime.ContainerState_CONTAINER_EXITED
	default:
	}
	return &runtime.ContainerStatusResponse{Status: &runtime.ContainerStatus{Id: i.id, State: state}}, nil
}

// logOptions returns what the query asks for, and whether it asks for the run before the newest.
func logOptions(query url.Values) (*logs.LogOptions, bool, error) {
	options := &logs.LogOptions{Follow: query.Get("follow") == "true", Timestamp: query.Get("timestamps") == "true"}
	var since *int64
	for name, place := range map[string]**int64{
		"sinceSeconds": &since, "tailLines": &options.TailLines, "limitBytes": &options.LimitBytes,
	} {
		if text := query.Get(name); text != "" {
			number, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return nil, false, fmt.Errorf("%s: %w", name, err)
			}
			*place = &number
		}
	}
	if since != nil {
		options.Since = time.Now().Add(-time.Duration(*since) * time.Second)
	}
	if text := query.Get("sinceTime"); text != "" {
		moment, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return nil, false, fmt.Errorf("sinceTime: %w", err)
		}
		options.Since = moment
	}
	return options, query.Get("previous") == "true", nil
}

// flushed sends every write on its way: a follower waits for lines, not for buffers.
type flushed struct{ http.ResponseWriter }

func (f flushed) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	_ = http.NewResponseController(f.ResponseWriter).Flush()
	return n, err
}

// noticeEnd ends the request's context when the client's connection ends, which net/http does not do once a connection
// has been taken over.
func noticeEnd(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request, func()) {
	ctx, cancel := context.WithCancel(r.Context())
	return &noticing{w, cancel}, r.WithContext(ctx), cancel
}

type noticing struct {
	http.ResponseWriter
	cancel context.CancelFunc
}

func (n *noticing) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(n.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	wrapped := &noticedConn{Conn: conn, read: conn.Read, cancel: n.cancel}
	if held := buffered.Reader.Buffered(); held > 0 {
		wrapped.read = io.MultiReader(io.LimitReader(buffered.Reader, int64(held)), conn).Read
	}
	return wrapped, bufio.NewReadWriter(bufio.NewReader(wrapped), bufio.NewWriter(wrapped)), nil
}

type noticedConn struct {
	net.Conn
	read   func([]byte) (int, error)
	cancel context.CancelFunc
	once   sync.Once
}

func (c *noticedConn) Read(p []byte) (int, error) {
	n, err := c.read(p)
	if err != nil {
		c.once.Do(c.cancel)
	}
	return n, err
}
