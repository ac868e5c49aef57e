// The actor rows with goroutines and channels. An actor is a goroutine that ranges over its
// mailbox, a buffered channel of one message type; a full channel blocks its senders, so nobody
// counts credit. `<program> <row> [--cores N]`, N as GOMAXPROCS.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	kindPut = iota
	kindGet
	kindAnswer
	kindFinish
)

// One of four kinds, 24 bytes: what every peer sends.
type message struct {
	kind  uint64
	id    uint64
	value uint64
}

type mailbox chan message

const mailboxSize = 1000

func cpuNanoseconds() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fail(err.Error())
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func fail(sentence string) {
	fmt.Fprintln(os.Stderr, sentence)
	os.Exit(1)
}

func print(row string, unit string, value float64, cpu float64, ops int) {
	fmt.Printf("{\"peer\":\"go\",\"row\":%q,\"cores\":%d,\"unit\":%q,"+
		"\"value\":%.3f,\"cpu_ns\":%.3f,\"ops\":%d}\n",
		row, runtime.GOMAXPROCS(0), unit, value, cpu, ops)
}

func timeOnce(ops int, work func(int)) (wall, cpu float64) {
	cpuBefore := cpuNanoseconds()
	before := time.Now()
	work(ops)
	wall = float64(time.Since(before).Nanoseconds())
	return wall, float64(cpuNanoseconds() - cpuBefore)
}

// measure grows ops until one run lasts about half a second; the runs before it are the warm-up.
// An op of work may stand for several: opsEach.
func measure(row string, ops int, opsEach int, work func(int)) {
	for {
		wall, cpu := timeOnce(ops, work)
		if wall >= 3e8 {
			done := ops * opsEach
			print(row, "ns", wall/float64(done), cpu/float64(done), done)
			return
		}
		growth := 5e8 / wall
		if growth > 10 {
			growth = 10
		}
		if growth < 1.5 {
			growth = 1.5
		}
		ops = int(float64(ops)*growth) + 1
	}
}

// answerAll answers each get and counts the puts.
func answerAll(own, client mailbox) {
	var seen uint64
	for received := range own {
		switch received.kind {
		case kindGet:
			client <- message{kindAnswer, received.id, received.value}
		case kindPut:
			seen++
		case kindFinish:
			client <- message{kindAnswer, received.id, seen}
			return
		}
	}
}

func pingPong(ops int) {
	server := make(mailbox, mailboxSize)
	client := make(mailbox, mailboxSize)
	go answerAll(server, client)
	done := make(chan struct{})
	go func() {
		for i := 0; i < ops; i++ {
			server <- message{kindGet, uint64(i), 0}
			<-client
		}
		close(done)
	}()
	<-done
	close(server)
}

func manyToOne(producers int) func(int) {
	return func(ops int) {
		sink := make(mailbox, mailboxSize)
		result := make(mailbox, 1)
		go answerAll(sink, result)
		var running sync.WaitGroup
		running.Add(producers)
		for p := 0; p < producers; p++ {
			go func() {
				for i := 0; i < ops/producers; i++ {
					sink <- message{kindPut, uint64(i), 0}
				}
				running.Done()
			}()
		}
		running.Wait()
		sink <- message{kindFinish, 0, 0}
		if seen := <-result; seen.value != uint64(ops/producers*producers) {
			fail("the sink lost messages")
		}
	}
}

func ringMember(own, next mailbox, done chan struct{}) {
	for received := range own {
		if received.value == 0 {
			close(done)
			return
		}
		next <- message{kindPut, received.id, received.value - 1}
	}
}

func ring(ops int) {
	const members = 1000
	boxes := make([]mailbox, members)
	for i := range boxes {
		boxes[i] = make(mailbox, 1)
	}
	done := make(chan struct{})
	for i := range boxes {
		go ringMember(boxes[i], boxes[(i+1)%members], done)
	}
	boxes[0] <- message{kindPut, 0, uint64(ops)}
	<-done
	for _, box := range boxes {
		close(box)
	}
}

type request struct {
	message
	reply mailbox
}

// ask waits for each reply under a context with a deadline, as Go's services do.
func ask(ops int) {
	server := make(chan request, mailboxSize)
	go func() {
		for received := range server {
			received.reply <- message{kindAnswer, received.id, received.value}
		}
	}()
	done := make(chan struct{})
	go func() {
		reply := make(mailbox, 1)
		for i := 0; i < ops; i++ {
			deadline, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			server <- request{message{kindGet, uint64(i), 0}, reply}
			select {
			case <-reply:
			case <-deadline.Done():
				fail("a request timed out")
			}
			cancel()
		}
		close(done)
	}()
	<-done
	close(server)
}

const spawnBatch = 10000

// spawn starts batches of goroutines; each gets one message and exits.
func spawn(batches int) {
	var running sync.WaitGroup
	for ; batches > 0; batches-- {
		running.Add(spawnBatch)
		for i := 0; i < spawnBatch; i++ {
			box := make(mailbox, 1)
			go func() {
				<-box
				running.Done()
			}()
			box <- message{kindPut, uint64(i), 0}
		}
		running.Wait()
	}
}

func skynetNode(parent mailbox, first, size uint64) {
	if size == 1 {
		parent <- message{kindAnswer, 0, first}
		return
	}
	own := make(mailbox, 10)
	for i := uint64(0); i < 10; i++ {
		go skynetNode(own, first+i*size/10, size/10)
	}
	var sum uint64
	for i := 0; i < 10; i++ {
		sum += (<-own).value
	}
	parent <- message{kindAnswer, 0, sum}
}

func skynet(leaves int) {
	root := make(mailbox, 1)
	go skynetNode(root, 0, uint64(leaves))
	if sum := (<-root).value; sum != uint64(leaves)*uint64(leaves-1)/2 {
		fail("skynet added up wrongly")
	}
}

func residentBytes() float64 {
	file, err := os.Open("/proc/self/statm")
	if err != nil {
		fail(err.Error())
	}
	defer file.Close()
	line, err := bufio.NewReader(file).ReadString('\n')
	if err != nil {
		fail(err.Error())
	}
	pages, err := strconv.Atoi(strings.Fields(line)[1])
	if err != nil {
		fail(err.Error())
	}
	return float64(pages * os.Getpagesize())
}

func idleMemory() {
	const actors = 1000000
	boxes := make([]mailbox, actors)
	for i := range boxes {
		boxes[i] = nil // touches the pages, which are not the actors' memory
	}
	runtime.GC()
	before := residentBytes()
	_, cpu := timeOnce(actors, func(int) {
		var started sync.WaitGroup
		started.Add(actors)
		for i := range boxes {
			box := make(mailbox, 1)
			boxes[i] = box
			go func() {
				started.Done()
				for range box {
				}
			}()
		}
		started.Wait()
	})
	print("idle_memory", "bytes", (residentBytes()-before)/actors, cpu/actors, actors)
	runtime.KeepAlive(boxes)
}

func main() {
	cores := 1
	var err error
	if len(os.Args) == 4 && os.Args[2] == "--cores" {
		cores, err = strconv.Atoi(os.Args[3])
	}
	if (len(os.Args) != 2 && len(os.Args) != 4) || err != nil || cores < 1 {
		fmt.Fprintln(os.Stderr, "usage: "+os.Args[0]+" <row> [--cores N]")
		os.Exit(2)
	}
	runtime.GOMAXPROCS(cores)
	switch row := os.Args[1]; row {
	case "ping_pong":
		measure(row, 10000, 1, pingPong)
	case "pipelined":
		measure(row, 100000, 1, manyToOne(1))
	case "fan_in":
		measure(row, 100000, 1, manyToOne(100))
	case "ring":
		measure(row, 100000, 1, ring)
	case "ask":
		measure(row, 10000, 1, ask)
	case "spawn":
		measure(row, 1, spawnBatch, spawn)
	case "skynet":
		skynet(10000)
		wall, cpu := timeOnce(1000000, skynet)
		const actors = 1111111
		print(row, "ns", wall/actors, cpu/actors, actors)
	case "idle_memory":
		idleMemory()
	default:
		fmt.Fprintln(os.Stderr, "no such row: "+row)
		os.Exit(2)
	}
}
