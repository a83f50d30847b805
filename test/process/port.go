package process

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports from 10000 to 29999 lie below the range (32768 and up) from which Linux
// gives out ports on its own. A port from there stays free while the process
// that has it is down, which one from :0 would not.
const firstPort, ports = 10000, 20000

// FreePort returns a TCP port of the loopback address on which nobody listens.
// Somebody else may take it before it is used, so that a failed start should be
// tried again with another port.
func FreePort() (int, error) {
	const tries = 100
	for range tries {
		port := firstPort + rand.IntN(ports)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return 0, fmt.Errorf("giving back the port that was tried: %w", err)
		}
		return port, nil
	}
	return 0, fmt.Errorf("no free port on 127.0.0.1 in %d tries between %d and %d", tries, firstPort, firstPort+ports-1)
}
