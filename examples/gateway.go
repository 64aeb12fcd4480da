// The gateway with Go, without any package: one captcha, repeated safely while the fleet is busy.
//
//	go run examples/gateway.go captcha.jpg
//
// TILEFLEET_GATEWAY: its address. TILEFLEET_KEY: an API key, where it asks for one.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	mathrand "math/rand"
	"net/http"
	"os"
	"strconv"
	"time"
)

const tries = 6

type answer struct {
	Words []struct {
		Label string `json:"label"`
	} `json:"words"`
	Picks      []int    `json:"picks"`
	Points     [][2]int `json:"points"`
	Confidence float64  `json:"confidence"`
}

// What the gateway says when it gives no answer (RFC 9457).
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func (p problem) Error() string { return fmt.Sprintf("%s: %s", p.Title, p.Detail) }

// Sends one captcha. All tries have the same key, so it is read once however many of them arrive.
func solve(gateway string, picture []byte) (answer, error) {
	name := make([]byte, 16)
	if _, err := rand.Read(name); err != nil {
		return answer{}, err
	}
	var last error
	for try := 0; try < tries; try++ {
		found, wait, err := once(gateway, hex.EncodeToString(name), picture)
		if err == nil || wait == 0 {
			return found, err
		}
		last = err
		// Not all at the same moment.
		time.Sleep(wait + time.Duration(mathrand.Int63n(int64(wait))))
	}
	return answer{}, last
}

// One try, and how long to wait before the next one; 0 where it would not help.
func once(gateway, name string, picture []byte) (found answer, wait time.Duration, err error) {
	request, err := http.NewRequest(http.MethodPost, gateway+"/v1/solve?timeout=10", bytes.NewReader(picture))
	if err != nil {
		return found, 0, err
	}
	request.Header.Set("Idempotency-Key", name)
	if key := os.Getenv("TILEFLEET_KEY"); key != "" {
		request.Header.Set("X-API-Key", key)
	}
	reply, err := (&http.Client{Timeout: 20 * time.Second}).Do(request)
	if err != nil {
		return found, 200 * time.Millisecond, err
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		return found, 200 * time.Millisecond, err
	}
	if reply.StatusCode == http.StatusOK {
		return found, 0, json.Unmarshal(body, &found)
	}
	said := problem{Title: reply.Status}
	_ = json.Unmarshal(body, &said)
	if seconds, err := strconv.Atoi(reply.Header.Get("Retry-After")); err == nil {
		wait = time.Duration(seconds) * time.Second
	}
	return found, wait, said
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("give a file")
	}
	gateway := os.Getenv("TILEFLEET_GATEWAY")
	if gateway == "" {
		gateway = "http://127.0.0.1:8000"
	}
	picture, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	found, err := solve(gateway, picture)
	if err != nil {
		log.Fatal(err)
	}
	for _, word := range found.Words {
		fmt.Print(word.Label, " ")
	}
	fmt.Println(found.Picks, found.Points)
}
