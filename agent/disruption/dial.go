package disruption

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/netchecker/netchecker/pkg/backend"
)

// mostAddresses is how many of a host's addresses are tried, so that each has a part of
// the time that is worth having.
const mostAddresses = 4

// dial connects to what address leads to, unless no agent may be aimed there. It ends
// with the attempt that it is for: http.Transport alone would let it go on after that.
func (a *asker) dial(ctx context.Context, _, address string) (net.Conn, error) {
	at := ctx.Value(attemptKey{}).(*attempt)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses, err := a.lookup(at, host)
	if err != nil {
		return nil, err
	}
	for _, ip := range addresses {
		if why := backend.Forbidden(ip, a.place.AllowLoopback); why != "" {
			return nil, &forbiddenError{ip.String(), why}
		}
	}
	at.enter(connecting)
	conn, err := connect(at, addresses[:min(len(addresses), mostAddresses)], port)
	if err != nil {
		return nil, err
	}
	// Ended by a reset, it leaves nothing at the backend, nor for long in the connection
	// tracking between here and there.
	if err := conn.SetLinger(0); err != nil {
		return nil, errors.Join(fmt.Errorf("having the connection end by a reset: %w", err), conn.Close())
	}
	return conn, nil
}

func (a *asker) lookup(at *attempt, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	at.enter(lookingUp)
	return a.place.Names.Addresses(at.ctx, host)
}

// connect tries the addresses one after the other, each with its share of the time. The
// error is that of the first.
func connect(at *attempt, addresses []netip.Addr, port string) (*net.TCPConn, error) {
	deadline := time.Now().Add(at.most)
	var first error
	for i, ip := range addresses {
		dialer := net.Dialer{Timeout: time.Until(deadline) / time.Duration(len(addresses)-i), KeepAlive: -1}
		conn, err := dialer.DialContext(at.ctx, "tcp", net.JoinHostPort(ip.String(), port))
		if err == nil {
			return conn.(*net.TCPConn), nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// dialTLS is dial with a handshake, by the authorities as the file has them now.
func (a *asker) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	at := ctx.Value(attemptKey{}).(*attempt)
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	authorities, err := a.authorities()
	if err != nil {
		return nil, err
	}
	raw, err := a.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	at.enter(securing)
	conn := tls.Client(raw, &tls.Config{ServerName: host, RootCAs: authorities})
	if err := conn.HandshakeContext(at.ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return conn, nil
}

// authorities is nil for the system's.
func (a *asker) authorities() (*x509.CertPool, error) {
	if a.backend.CA == "" {
		return nil, nil
	}
	data, err := a.place.Read(a.backend.CA)
	if err != nil {
		return nil, &ownError{"reading the CA", err}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, &ownError{"reading the CA", fmt.Errorf("%s: %w", a.backend.CA, errNoAuthority)}
	}
	return pool, nil
}
