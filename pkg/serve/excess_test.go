package serve

import (
	"errors"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"
)

func TestExcessConnectionsCanBeResetAtOnce(t *testing.T) {
	s := start(t, Config{Name: "API", Handler: ok, MaxConns: 2, ResetExcess: true})
	first, second := dial(t, s.Addr().String()), dial(t, s.Addr().String())
	for _, conn := range []net.Conn{first, second} {
		if got := ask(t, conn); got != "200 OK" {
			t.Errorf("within the limit: got %q", got)
		}
	}
	for range 3 {
		third, err := net.Dial("tcp", s.Addr().String())
		if err == nil {
			_, err = third.Read(make([]byte, 1))
			third.Close()
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("beyond the limit: got %v, want a reset", err)
		}
	}
	if got := ask(t, first); got != "200 OK" {
		t.Errorf("the first, after that: got %q", got)
	}
	second.Close()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if code, _, err := fetch(newClient(t), s.url()); err == nil && code == http.StatusOK {
			return
		}
		if time.Now().After(end) {
			t.Fatal("there is room again, and nobody gets in")
		}
	}
}
