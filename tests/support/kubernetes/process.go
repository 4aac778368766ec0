package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"github.com/creack/pty"
)

// process is a command that runs as the leader of its own process group, on pipes or on a terminal.
type process struct {
	command  *exec.Cmd
	terminal *os.File       // nil on pipes
	stdin    io.WriteCloser // nil when the command reads nothing
	outputs  sync.WaitGroup // done when every writer of the outputs has closed them
}

// task is what to run: with tty there is one output, stdout.
type task struct {
	argv           []string
	folder         string
	environment    []string
	tty, stdin     bool
	stdout, stderr io.Writer // nil is discarded
}

func (t task) start() (*process, error) {
	command := exec.Command(t.argv[0], t.argv[1:]...)
	command.Dir, command.Env = t.folder, t.environment
	p := &process{command: command}
	if t.tty {
		terminal, err := pty.StartWithAttrs(command, nil, &syscall.SysProcAttr{Setsid: true, Setctty: true})
		if err != nil {
			return nil, startError(err)
		}
		p.terminal = terminal
		if t.stdin {
			p.stdin = terminalInput{terminal}
		}
		p.copy(t.stdout, terminal)
		return p, nil
	}
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var theirs, ours []*os.File
	pipe := func() (*os.File, *os.File, error) {
		r, w, err := os.Pipe()
		if err == nil {
			theirs, ours = append(theirs, r, w), append(ours, r, w)
		}
		return r, w, err
	}
	fail := func(err error) (*process, error) {
		for _, file := range ours {
			_ = file.Close()
		}
		return nil, startError(err)
	}
	outR, outW, err := pipe()
	if err != nil {
		return fail(err)
	}
	errR, errW, err := pipe()
	if err != nil {
		return fail(err)
	}
	command.Stdout, command.Stderr = outW, errW
	theirs = []*os.File{outW, errW}
	if t.stdin {
		inR, inW, err := pipe()
		if err != nil {
			return fail(err)
		}
		command.Stdin, p.stdin = inR, inW
		theirs = []*os.File{outW, errW, inR}
	}
	if err := command.Start(); err != nil {
		return fail(err)
	}
	for _, file := range theirs {
		_ = file.Close()
	}
	p.copy(t.stdout, outR)
	p.copy(t.stderr, errR)
	return p, nil
}

// startError is worded as runc does it.
func startError(err error) error {
	return fmt.Errorf("OCI runtime exec failed: exec failed: unable to start container process: %w: unknown", err)
}

func (p *process) copy(to io.Writer, from *os.File) {
	if to == nil {
		to = io.Discard
	}
	p.outputs.Add(1)
	go func() {
		defer p.outputs.Done()
		if _, err := io.Copy(to, from); err != nil {
			_, _ = io.Copy(io.Discard, from) // the reader went away, the process need not notice
		}
		if from != p.terminal {
			_ = from.Close()
		}
	}()
}

// feed copies in to the process; the end of in is the end of its standard input, except on a terminal.
func (p *process) feed(in io.Reader) {
	_, _ = io.Copy(p.stdin, in)
	_ = p.stdin.Close()
	_, _ = io.Copy(io.Discard, in) // it reads no more: whoever shares the connection must not stall
}

func (p *process) resize(columns, rows uint16) {
	if p.terminal != nil {
		_ = pty.Setsize(p.terminal, &pty.Winsize{Cols: columns, Rows: rows})
	}
}

// reap waits for the process alone and returns its exit code, 128+N when signal N ended it.
func (p *process) reap() int {
	state, err := p.command.Process.Wait()
	if err != nil {
		return 255
	}
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// release waits until all output has been passed on: until the last process that inherited it has ended.
func (p *process) release() {
	p.outputs.Wait()
	if p.terminal != nil {
		_ = p.terminal.Close()
	}
	if p.stdin != nil {
		_ = p.stdin.Close()
	}
}

// signal reaches the whole process group.
func (p *process) signal(s syscall.Signal) {
	_ = syscall.Kill(-p.command.Process.Pid, s)
}

// terminalInput ends without hanging the terminal up: a terminal has no end of input, only a character for it.
type terminalInput struct{ *os.File }

func (terminalInput) Close() error { return nil }
