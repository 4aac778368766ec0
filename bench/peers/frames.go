package main

import (
	"bufio"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// packedBytes of frames are in one write where they are packed. Otherwise each frame is a write, and so a TLS record, of its own.
const packedBytes = 16 << 10

// execFlood answers a WebSocket exec with stdout messages until the client leaves. The command says how: SIZE of the payload in bytes,
// and `packed` or `each`.
func execFlood(w http.ResponseWriter, r *http.Request) {
	command := r.URL.Query()["command"]
	if len(command) != 2 {
		http.Error(w, "the command is SIZE packed|each", http.StatusBadRequest)
		return
	}
	size, err := strconv.Atoi(command[0])
	if err != nil || size < 1 {
		http.Error(w, "no size", http.StatusBadRequest)
		return
	}
	conn, buf, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	accept := acceptKey(r.Header.Get("Sec-Websocket-Key"))
	fmt.Fprintf(buf, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n", accept)
	buf.Flush()
	frame := outputFrame(size)
	written := frame
	for command[1] == "packed" && len(written)+len(frame) <= packedBytes {
		written = append(written, frame...)
	}
	go func() {
		io.Copy(io.Discard, conn)
		conn.Close() // as kube-apiserver's ends with its client: else the flood goes on into what closes, and takes this core from the next cell
	}()
	for {
		if _, err := conn.Write(written); err != nil {
			return
		}
	}
}

// outputFrame is one message of stdout, channel byte and `size` bytes of text, whose last is a line's end.
func outputFrame(size int) []byte {
	text := strings.Repeat("a line of output, which is text. ", size/33+1)[:size-1] + "\n"
	head := []byte{0x82, byte(size + 1), 1}
	if size+1 > 125 {
		head = []byte{0x82, 126, byte((size + 1) >> 8), byte(size + 1), 1}
	}
	return append(head, text...)
}

// readFrames counts the messages of one exec until `stop`, from the first one on. `standing` is called when the first has come. While
// `held` it reads nothing, so that what is between it and the upstream fills up and stands still.
func readFrames(kind, target string, count *atomic.Int64, stop, held *atomic.Bool, standing func()) error {
	where, err := url.Parse(target)
	check(err)
	conn, err := tls.Dial("tcp", where.Host, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		return err
	}
	defer conn.Close()
	if held.Load() {
		conn.NetConn().(*net.TCPConn).SetReadBuffer(64 << 10) // little is to fill up
	}
	key := make([]byte, 16)
	rand.Read(key)
	// A kind is frames-SIZE-packed or frames-SIZE-each.
	part := strings.Split(kind, "-")
	request, _ := http.NewRequest("GET", target+"/api/v1/namespaces/default/pods/web-0/exec?command="+part[1]+"&command="+part[2]+"&stdout=true", nil)
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
		return fmt.Errorf("no exec: %v %v", response, err)
	}
	wanted, _ := strconv.Atoi(part[1])
	for first := true; !stop.Load(); first = false {
		length, err := frameLength(reader)
		if err != nil {
			return err
		}
		if length != wanted+1 {
			return fmt.Errorf("a message of %d bytes", length)
		}
		if _, err := reader.Discard(length); err != nil {
			return err
		}
		count.Add(1)
		if first {
			standing()
		}
		for held.Load() && !stop.Load() {
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

func frameLength(reader *bufio.Reader) (int, error) {
	head, err := reader.Peek(2)
	if err != nil {
		return 0, err
	}
	length := int(head[1] & 127)
	reader.Discard(2)
	if length == 126 {
		wide, err := reader.Peek(2)
		if err != nil {
			return 0, err
		}
		length = int(binary.BigEndian.Uint16(wide))
		reader.Discard(2)
	}
	return length, nil
}

// acceptKey answers a Sec-WebSocket-Key (RFC 6455 section 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
