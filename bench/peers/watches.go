package main

import (
	"bufio"
	"fmt"
	"log"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

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
