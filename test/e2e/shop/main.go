// Shop is a plain web server that knows nothing of netchecker. It writes down each
// request that it answers, a line each, and closes for a while when it is asked to:
//
//	GET /                 ok
//	POST /close?for=8s    ends all connections, and takes none for so long
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"sync"
	"time"
)

func main() {
	for {
		if err := open(); err != nil {
			log.Fatal(err)
		}
	}
}

// open serves until somebody asks it to close, and returns when it may open again.
func open() error {
	closed := make(chan time.Duration, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		write("asked %s", r.Header.Get("X-Request-Id"))
		fmt.Fprint(w, "ok")
	})
	mux.HandleFunc("POST /close", func(w http.ResponseWriter, r *http.Request) {
		during, err := time.ParseDuration(r.FormValue("for"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		closed <- during
	})
	server := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	var closing sync.WaitGroup
	closing.Go(func() {
		during := <-closed
		time.Sleep(100 * time.Millisecond) // for the answer to whoever asked
		write("closed")
		_ = server.Close()
		time.Sleep(during)
		write("open")
	})
	err := server.ListenAndServe()
	if err == http.ErrServerClosed {
		closing.Wait()
		return nil
	}
	return err
}

// write begins a line with the time.
func write(format string, args ...any) {
	fmt.Fprintf(os.Stdout, "%s %s\n", time.Now().UTC().Format(time.RFC3339Nano), fmt.Sprintf(format, args...))
}
