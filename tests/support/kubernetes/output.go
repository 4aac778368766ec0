package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const longestLogLine = 16 << 10 // bytes; containerd's too: longer lines are written in parts

// output takes what one run of a container writes: to its log, line by line, and to whoever is attached, at once.
type output struct {
	mu       sync.Mutex
	log      *os.File
	rest     map[string][]byte // stream -> its unfinished line
	attached map[*viewer]bool
}

type viewer struct{ streams map[string]io.Writer }

func newOutput(path string) (*output, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &output{log: log, rest: map[string][]byte{}, attached: map[*viewer]bool{}}, nil
}

func (o *output) stream(name string) io.Writer { return stream{o, name} }

type stream struct {
	to   *output
	name string
}

func (s stream) Write(p []byte) (int, error) {
	s.to.mu.Lock()
	defer s.to.mu.Unlock()
	for viewer := range s.to.attached {
		if w := viewer.streams[s.name]; w != nil {
			if _, err := w.Write(p); err != nil {
				delete(s.to.attached, viewer)
			}
		}
	}
	rest := append(s.to.rest[s.name], p...)
	for {
		line, after, whole := bytes.Cut(rest, []byte{'\n'})
		if !whole && len(line) < longestLogLine {
			break
		}
		if len(line) > longestLogLine {
			line, after, whole = line[:longestLogLine], rest[longestLogLine:], false
		}
		s.to.write(s.name, line, whole)
		rest = after
	}
	s.to.rest[s.name] = bytes.Clone(rest)
	return len(p), nil
}

// write appends a line in the format of the container runtime interface.
func (o *output) write(stream string, line []byte, whole bool) {
	tag := "P"
	if whole {
		tag = "F"
	}
	fmt.Fprintf(o.log, "%s %s %s %s\n", time.Now().Format(time.RFC3339Nano), stream, tag, line)
}

func (o *output) join(out, err io.Writer) (leave func()) {
	v := &viewer{streams: map[string]io.Writer{}}
	if out != nil {
		v.streams["stdout"] = out
	}
	if err != nil {
		v.streams["stderr"] = err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.attached[v] = true
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.attached, v)
	}
}

func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for name, rest := range o.rest {
		if len(rest) > 0 {
			o.write(name, rest, false)
		}
	}
	_ = o.log.Close()
}
