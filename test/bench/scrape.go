package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// scrapeEvery is the time between two scrapes, which is a common setting of
// Prometheus.
const scrapeEvery = 15 * time.Second

// newScraper is a client that goes to the server directly.
func newScraper() *http.Client { return &http.Client{Transport: &http.Transport{}} }

// scrapeOnce reads the metrics that are served at addr, over a connection of its own.
func scrapeOnce(ctx context.Context, addr string) ([]byte, error) {
	client := newScraper()
	defer client.CloseIdleConnections()
	return scrape(ctx, client, addr, "identity")
}

// scrape reads the metrics that are served at addr as they come over the wire.
func scrape(ctx context.Context, client *http.Client, addr, encoding string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, scrapeEvery)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	// Set by hand, it is not undone by the client either.
	request.Header.Set("Accept-Encoding", encoding)
	request.Header.Set("Accept", "text/plain;version=0.0.4")
	answer, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("scraping the metrics: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.300s", answer.Status, body)
	}
	if err != nil {
		return nil, fmt.Errorf("scraping the metrics: %w", err)
	}
	return body, nil
}

// gauge reads a metric without labels, in what a scrape returned.
func gauge(metrics []byte, name string) (float64, error) {
	for line := range bytes.Lines(metrics) {
		if value, ok := bytes.CutPrefix(line, []byte(name+" ")); ok {
			return strconv.ParseFloat(string(bytes.TrimSpace(value)), 64)
		}
	}
	return 0, fmt.Errorf("the metrics have no %s", name)
}

// sum adds up the series of a metric that have the label, as in: route="report".
func sum(metrics []byte, name, label string) (total float64, err error) {
	for line := range bytes.Lines(metrics) {
		rest, ok := bytes.CutPrefix(line, []byte(name+"{"))
		if !ok {
			continue
		}
		labels, text, _ := bytes.Cut(rest, []byte("} "))
		if !slices.Contains(strings.Split(string(labels), ","), label) {
			continue
		}
		value, err := strconv.ParseFloat(string(bytes.TrimSpace(text)), 64)
		if err != nil {
			return 0, fmt.Errorf("reading %s: %w", name, err)
		}
		total += value
	}
	return total, nil
}

// scrapes is what a scraper has seen.
type scrapes struct {
	count, bytes int
	slowest      time.Duration
}

// keepScraping scrapes as Prometheus does, until ctx ends.
func keepScraping(ctx context.Context, srv *server) (scrapes, error) {
	client := newScraper()
	defer client.CloseIdleConnections()
	var seen scrapes
	for due := time.Now(); sleepUntil(ctx, due); due = due.Add(scrapeEvery) {
		began := time.Now()
		body, err := scrape(ctx, client, srv.addr, "gzip")
		switch {
		case ctx.Err() != nil:
			return seen, nil // the last one was cut short
		case err != nil:
			return seen, err
		}
		seen.count++
		seen.bytes = len(body)
		seen.slowest = max(seen.slowest, time.Since(began))
	}
	return seen, nil
}
