package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// answerWithin bounds a request; the server itself answers within 3 s.
const answerWithin = 10 * time.Second

// conn is an HTTP/1.1 client of one connection, which costs the machine little
// next to the server that it measures: requests are sent as they were encoded
// ahead, and of an answer it reads no more than it must. One goroutine uses it at
// a time.
type conn struct {
	addr string
	// from is the address to connect from; nil: the system's choice.
	from *net.TCPAddr
	// reset says that no connection is kept after its answer: it ends by RST.
	reset bool
	tcp   *net.TCPConn // nil while there is no connection
	in    *bufio.Reader
	body  []byte
	// retryAfter is how long the last answer asks to wait; 0 where it does not.
	retryAfter time.Duration
}

func newConn(addr string) *conn {
	// An answer to a report has less than 200 bytes.
	return &conn{addr: addr, in: bufio.NewReaderSize(nil, 1<<10)}
}

// close ends the connection, if there is one.
func (c *conn) close() {
	if c.tcp != nil {
		_ = c.tcp.Close() // nothing is under way
		c.tcp = nil
	}
}

// do sends request and returns the answer's status and its body, which is valid
// until the next call. The server may have closed an idle connection; the request
// then goes over a new one.
func (c *conn) do(request []byte) (status int, body []byte, err error) {
	reused := c.tcp != nil
	status, body, err = c.try(request)
	if reused && errors.Is(err, errUnanswered) {
		status, body, err = c.try(request)
	}
	return status, body, err
}

// errUnanswered is a connection that ended before an answer began.
var errUnanswered = errors.New("no answer")

func (c *conn) try(request []byte) (status int, body []byte, err error) {
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if c.tcp == nil {
		if err := c.open(); err != nil {
			return 0, nil, err
		}
	}
	if err := c.tcp.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return 0, nil, err
	}
	if _, err := c.tcp.Write(request); err != nil {
		return 0, nil, fmt.Errorf("%w: %w", errUnanswered, err)
	}
	if _, err := c.in.Peek(1); err != nil {
		return 0, nil, fmt.Errorf("%w: %w", errUnanswered, err)
	}
	return c.answer()
}

func (c *conn) open() error {
	dialer := net.Dialer{Timeout: answerWithin}
	if c.from != nil { // not as a nil of its type
		dialer.LocalAddr = c.from
	}
	made, err := dialer.Dial("tcp", c.addr)
	if err != nil {
		return err
	}
	c.tcp = made.(*net.TCPConn)
	c.in.Reset(c.tcp)
	if c.reset {
		return c.tcp.SetLinger(0)
	}
	return nil
}

func (c *conn) answer() (status int, body []byte, err error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, nil, fmt.Errorf("reading the status line: %w", err)
	}
	if status, err = statusOf(line); err != nil {
		return 0, nil, err
	}
	length, last, err := c.header()
	if err != nil {
		return 0, nil, err
	}
	if cap(c.body) < length {
		c.body = make([]byte, length)
	}
	c.body = c.body[:length]
	if _, err := io.ReadFull(c.in, c.body); err != nil {
		return 0, nil, fmt.Errorf("reading the body: %w", err)
	}
	if last || c.reset {
		c.close()
	}
	return status, c.body, nil
}

// statusOf reads "HTTP/1.1 200 OK".
func statusOf(line []byte) (int, error) {
	rest, ok := bytes.CutPrefix(line, []byte("HTTP/1.1 "))
	if ok && len(rest) >= 3 {
		if status, err := strconv.Atoi(string(rest[:3])); err == nil {
			return status, nil
		}
	}
	return 0, fmt.Errorf("%q is no status line", line)
}

// header reads the header lines: how long the body is, and whether it is the last
// one on this connection.
func (c *conn) header() (length int, last bool, err error) {
	length, c.retryAfter = -1, 0
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, false, fmt.Errorf("reading the header: %w", err)
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch string(name) {
		case "Content-Length":
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, false, fmt.Errorf("%q: %w", line, err)
			}
		case "Retry-After":
			c.retryAfter, err = time.ParseDuration(string(value) + "s")
			if err != nil {
				return 0, false, fmt.Errorf("%q: %w", line, err)
			}
		case "Connection":
			last = string(value) == "close"
		}
	}
	if length < 0 {
		return 0, false, errors.New("an answer without Content-Length, which this client does not read")
	}
	return length, last, nil
}

// get is a request for path, encoded.
func get(addr, path string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: " + addr + "\r\nUser-Agent: bench\r\n\r\n")
}
