package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

const restartAfter = time.Second // a kubelet doubles ten seconds each time; tests are impatient

// machine runs containers as processes. A pod's containers share one folder, which is where they start.
type machine struct {
	folder, logs string
	changed      func(namespace, name string) // told when a container started or ended

	mu     sync.Mutex
	pods   map[types.UID]*podRun
	closed bool
}

type podRun struct {
	namespace, name string
	uid             types.UID
	folder          string
	restart         core.RestartPolicy
	containers      map[string]*containerRun
	executed        map[*process]bool // what exec started
	ending          chan struct{}     // closed when the pod is to end
	ended           bool
}

// containerRun is the newest run of a container; machine.mu guards it.
type containerRun struct {
	spec     core.Container
	log      string
	restarts int32
	process  *process // nil before the first start and when it could not start
	output   *output
	started  time.Time
	finished time.Time     // zero while it runs
	failure  string        // why it could not start
	code     int           // once finished
	waiting  bool          // for its next start
	done     chan struct{} // closed when it has finished
}

func newMachine(folder, logs string) *machine {
	return &machine{
		folder: folder, logs: logs, pods: map[types.UID]*podRun{}, changed: func(string, string) {},
	}
}

// ensure starts every container of the pod that was never started.
func (m *machine) ensure(pod *core.Pod) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return fmt.Errorf("the machine is going down")
	}
	run := m.pods[pod.UID]
	if run == nil {
		folder := filepath.Join(m.folder, pod.Namespace, pod.Name)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		run = &podRun{
			namespace: pod.Namespace, name: pod.Name, uid: pod.UID, folder: folder, restart: pod.Spec.RestartPolicy,
			containers: map[string]*containerRun{}, executed: map[*process]bool{}, ending: make(chan struct{}),
		}
		m.pods[pod.UID] = run
	}
	for _, spec := range pod.Spec.Containers {
		if run.containers[spec.Name] == nil {
			m.begin(run, &containerRun{spec: spec}, run.restart)
		}
	}
	for _, spec := range pod.Spec.EphemeralContainers {
		if run.containers[spec.Name] == nil {
			container := core.Container(spec.EphemeralContainerCommon)
			if len(container.Command)+len(container.Args) == 0 {
				container.Command = []string{"sh"}
			}
			m.begin(run, &containerRun{spec: container}, core.RestartPolicyNever)
		}
	}
	return nil
}

// begin starts a container and leaves a goroutine that sees to its end and to its next start.
func (m *machine) begin(pod *podRun, c *containerRun, restart core.RestartPolicy) {
	pod.containers[c.spec.Name] = c
	m.startLocked(pod, c)
	go func() {
		for {
			if c.process != nil {
				code := c.process.reap()
				c.process.signal(syscall.SIGKILL) // nothing outlives a container's first process
				c.process.release()
				c.output.close()
				m.mu.Lock()
				c.code, c.finished = code, time.Now()
			} else {
				m.mu.Lock()
			}
			close(c.done)
			again := restart == core.RestartPolicyAlways || restart == core.RestartPolicyOnFailure && c.code != 0
			c.waiting = again && !pod.isEnding()
			ended := c.log
			m.mu.Unlock()
			_ = os.Chtimes(ended, time.Time{}, time.Now()) // wakes its followers, who else look once a second
			m.changed(pod.namespace, pod.name)
			if !c.waiting {
				return
			}
			select {
			case <-time.After(restartAfter):
			case <-pod.ending:
			}
			m.mu.Lock()
			c.waiting = false
			if pod.isEnding() {
				m.mu.Unlock()
				m.changed(pod.namespace, pod.name)
				return
			}
			c.restarts++
			m.startLocked(pod, c)
			m.mu.Unlock()
			m.changed(pod.namespace, pod.name)
		}
	}()
}

// startLocked starts the next run of a container; a failure to start is a run that has finished.
func (m *machine) startLocked(pod *podRun, c *containerRun) {
	c.started, c.finished, c.failure, c.process = time.Now(), time.Time{}, "", nil
	c.done = make(chan struct{})
	c.log = m.logFile(pod, c.spec.Name, c.restarts)
	var err error
	if c.output, err = newOutput(c.log); err == nil {
		what := task{
			argv:        entrypoint(c.spec),
			folder:      pod.folder,
			environment: environment(pod, c.spec, c.spec.TTY),
			tty:         c.spec.TTY,
			stdin:       true, // held open, so that an unread input does not end a default container
			stdout:      c.output.stream("stdout"),
			stderr:      c.output.stream("stderr"),
		}
		c.process, err = what.start()
	}
	if err != nil {
		c.failure, c.code, c.finished = err.Error(), 128, time.Now()
	}
}

// entrypoint is the container's command; an image has none here, so there is one that stays and echoes.
func entrypoint(spec core.Container) []string {
	if argv := append(append([]string{}, spec.Command...), spec.Args...); len(argv) > 0 {
		return argv
	}
	if spec.Stdin && spec.TTY {
		return []string{"sh"}
	}
	return []string{"sh", "-c", `echo "$0 is up"; exec cat`, spec.Name}
}

func environment(pod *podRun, spec core.Container, tty bool) []string {
	variables := []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + pod.folder,
		"HOSTNAME=" + pod.name,
		"KUBERNETES_SERVICE_HOST=" + serviceAddress,
	}
	if tty {
		variables = append(variables, "TERM=xterm")
	}
	for _, one := range spec.Env {
		if one.ValueFrom == nil {
			variables = append(variables, one.Name+"="+one.Value)
		}
	}
	return variables
}

func (m *machine) logFile(pod *podRun, container string, restarts int32) string {
	return filepath.Join(m.logs, string(pod.uid), container, fmt.Sprintf("%d.log", restarts))
}

func (p *podRun) isEnding() bool {
	select {
	case <-p.ending:
		return true
	default:
		return false
	}
}

// end tells the pod's processes to end and kills what is left after grace.
func (m *machine) end(uid types.UID, grace time.Duration) {
	m.mu.Lock()
	pod := m.pods[uid]
	if pod == nil || pod.isEnding() {
		m.mu.Unlock()
		return
	}
	close(pod.ending)
	m.signalLocked(pod, syscall.SIGTERM)
	m.mu.Unlock()
	if grace > 0 {
		time.AfterFunc(grace, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.signalLocked(pod, syscall.SIGKILL)
		})
	}
	m.changed(pod.namespace, pod.name)
}

func (m *machine) signalLocked(pod *podRun, signal syscall.Signal) {
	for _, c := range pod.containers {
		if c.process != nil && c.finished.IsZero() {
			c.process.signal(signal)
		}
	}
	if signal == syscall.SIGKILL {
		for process := range pod.executed {
			process.signal(signal)
		}
	}
}

// ended says whether no container of the pod runs any more.
func (m *machine) ended(uid types.UID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	pod := m.pods[uid]
	if pod == nil {
		return true
	}
	for _, c := range pod.containers {
		if c.finished.IsZero() {
			return false
		}
	}
	return true
}

// removeAllBut kills and forgets every pod of this name except the one with that UID, files included.
func (m *machine) removeAllBut(namespace, name string, uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, pod := range m.pods {
		if pod.namespace == namespace && pod.name == name && pod.uid != uid {
			if !pod.isEnding() {
				close(pod.ending)
			}
			m.signalLocked(pod, syscall.SIGKILL)
			delete(m.pods, pod.uid)
			_ = os.RemoveAll(pod.folder)
			_ = os.RemoveAll(filepath.Join(m.logs, string(pod.uid)))
		}
	}
}

// close kills everything; nothing starts afterwards.
func (m *machine) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	for _, pod := range m.pods {
		if !pod.isEnding() {
			close(pod.ending)
		}
		m.signalLocked(pod, syscall.SIGKILL)
	}
}

// find returns a pod and, where one is named, its running container.
func (m *machine) find(namespace, name, container string) (*podRun, *containerRun, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, pod := range m.pods {
		if pod.namespace != namespace || pod.name != name {
			continue
		}
		if container == "" {
			return pod, nil, nil
		}
		if c := pod.containers[container]; c != nil && c.process != nil && c.finished.IsZero() {
			return pod, c, nil
		}
		return nil, nil, fmt.Errorf("container not found (%q)", container)
	}
	return nil, nil, fmt.Errorf("pod does not exist")
}

// execute runs a command beside a container until it has ended and its output is passed on, or until ctx ends: then the
// command is told to hang up, and killed. (A container runtime would let it run on; a test must not leave it behind.)
func (m *machine) execute(
	ctx context.Context, pod *podRun, c *containerRun, what task, in io.Reader, resize <-chan remotecommand.TerminalSize,
) (int, error) {
	what.folder, what.environment = pod.folder, environment(pod, c.spec, what.tty)
	m.mu.Lock()
	if m.closed || pod.isEnding() {
		m.mu.Unlock()
		return 0, fmt.Errorf("container is not running")
	}
	p, err := what.start()
	if err == nil {
		pod.executed[p] = true
	}
	m.mu.Unlock()
	if err != nil {
		return 0, fmt.Errorf("failed to exec in container: failed to start exec: %w", err)
	}
	if in != nil {
		go p.feed(in)
	}
	go follow(p, resize)
	done := make(chan struct{})
	go func() {
		select {
		case <-done:
			return
		case <-ctx.Done():
			p.signal(syscall.SIGHUP)
		}
		select {
		case <-done:
		case <-time.After(restartAfter):
			p.signal(syscall.SIGKILL)
		}
	}()
	code := p.reap()
	p.release()
	close(done)
	m.mu.Lock()
	delete(pod.executed, p)
	m.mu.Unlock()
	return code, nil
}

// attach joins a container's streams from now on, until it ends or ctx does.
func (m *machine) attach(
	ctx context.Context, c *containerRun, in io.Reader, out, err io.Writer, resize <-chan remotecommand.TerminalSize,
) {
	m.mu.Lock()
	p, output, done := c.process, c.output, c.done
	m.mu.Unlock()
	leave := output.join(out, err)
	defer leave()
	if in != nil && c.spec.Stdin {
		go func() {
			_, _ = io.Copy(p.stdin, in)
			if c.spec.StdinOnce {
				_ = p.stdin.Close()
			}
		}()
	}
	go follow(p, resize)
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func follow(p *process, resize <-chan remotecommand.TerminalSize) {
	for size := range resize {
		p.resize(size.Width, size.Height)
	}
}
