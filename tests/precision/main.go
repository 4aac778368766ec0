// Command precision writes logs of Go's log/slog, as text and as JSON, and of log: precision MESSAGES BYTES.
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	size, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	messages := strings.Split(strings.TrimSpace(string(text)), "\n")
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	options := &slog.HandlerOptions{AddSource: true, Level: slog.LevelDebug}
	loggers := []*slog.Logger{slog.New(slog.NewTextHandler(out, options)), slog.New(slog.NewJSONHandler(out, options))}
	plain := log.New(out, "web: ", log.LstdFlags|log.Lmicroseconds|log.Lshortfile)
	for number, written := 0, 0; written < size; number++ {
		message := messages[number%len(messages)]
		digest := sha256.Sum256([]byte(message + strconv.Itoa(number)))
		fields := []slog.Attr{
			slog.String("pod", fmt.Sprintf("team-a/web-%x", digest[:5])), slog.String("image", fmt.Sprintf("web@sha256:%x", digest)),
			slog.Duration("took", time.Duration(number)*time.Microsecond), slog.Any("error", errors.New(message)),
			slog.Group("request", slog.Int("number", number), slog.String("etag", fmt.Sprintf("%x", digest[:16]))),
		}
		for _, logger := range loggers {
			logger.LogAttrs(context.Background(), slog.LevelInfo, message, fields...)
		}
		plain.Printf("%s: %v", message, digest[:4])
		written += 3*len(message) + 900
	}
}
