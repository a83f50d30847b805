package probe

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
)

func TestAProbeLeavesNothingOfItsConnectionAtTheServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ended := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			ended <- err
			return
		}
		defer conn.Close()
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err == nil && r.Close {
			err = errors.New("the server is asked to close the connection, and would keep it in TIME_WAIT")
		}
		if err == nil {
			_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
		if err == nil {
			_, err = conn.Read(make([]byte, 1))
		}
		ended <- err
	}()
	if result, err := (HTTP{}).Probe(t.Context(), "http://"+l.Addr().String()+"/"); err != nil || result.HTTPCode != 200 {
		t.Errorf("%+v, %v", result, err)
	}
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ended by %v, want a reset", err)
	}
}
