// Visitor runs in pods of the test cluster and goes where it is asked to go, so
// that a test learns what a pod can reach:
//
//	GET /                         its pod's name
//	GET /visit?url=URL&bytes=N    what URL answers to a request with N bytes of body
//	GET /lookup?name=NAME         the addresses that DNS has for a name
//	GET /version                  what the API server says to the pod's own account
//	GET /tell?to=ADDRESS&text=T   sends a datagram
//	GET /heard                    the last datagram that arrived
//
// Where it gets no answer within two seconds, it says 502 and why.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const patience = 2 * time.Second

func main() {
	var heard atomic.Value
	heard.Store("")
	go listen(&heard)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /heard", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, heard.Load()) })
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		// All of a body counts: a part of it may never arrive.
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			fmt.Fprint(w, os.Getenv("POD_NAME"))
		}
	})
	for path, ask := range map[string]func(context.Context, *http.Request) (string, error){
		"/visit": visit, "/lookup": lookup, "/version": version, "/tell": tell,
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), patience)
			defer cancel()
			answer, err := ask(ctx, r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			fmt.Fprint(w, answer)
		})
	}
	server := http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: patience}
	log.Fatal(server.ListenAndServe())
}

func visit(ctx context.Context, r *http.Request) (string, error) {
	size, _ := strconv.Atoi(r.FormValue("bytes"))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.FormValue("url"), bytes.NewReader(make([]byte, size)))
	if err != nil {
		return "", err
	}
	// A connection of its own: one that was made before a fault would tell less.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, text)
	}
	return string(text), err
}

// listen keeps what arrives, until the program ends.
func listen(heard *atomic.Value) {
	conn, err := net.ListenPacket("udp", ":8080")
	if err != nil {
		log.Fatal(err)
	}
	text := make([]byte, 1500)
	for {
		n, _, err := conn.ReadFrom(text)
		if err != nil {
			log.Fatal(err)
		}
		heard.Store(string(text[:n]))
	}
}

// tell takes no answer: it needs one direction of a path alone.
func tell(ctx context.Context, r *http.Request) (string, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "udp", r.FormValue("to"))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_, err = io.WriteString(conn, r.FormValue("text"))
	return "", err
}

func lookup(ctx context.Context, r *http.Request) (string, error) {
	found, err := net.DefaultResolver.LookupHost(ctx, r.FormValue("name"))
	return strings.Join(found, " "), err
}

// version asks by the name in the API server's certificate that pods know best.
func version(ctx context.Context, _ *http.Request) (string, error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return "", err
	}
	config.Host, config.Timeout = "https://kubernetes.default.svc.cluster.local", patience
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return "", err
	}
	said, err := api.Discovery().RESTClient().Get().AbsPath("/api").DoRaw(ctx)
	return string(said), err
}
