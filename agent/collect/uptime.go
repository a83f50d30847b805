package collect

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// UptimeFile is where Linux tells how long the host has been up.
const UptimeFile = "/proc/uptime"

// Uptime reads how long the host has been up, in whole seconds, from a file such
// as /proc/uptime (proc_uptime(5)): its first word is seconds with a fraction.
func Uptime(file string) (uint64, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("reading the host's uptime: %w", err)
	}
	word, _, _ := strings.Cut(string(data), " ")
	whole, _, _ := strings.Cut(word, ".")
	seconds, err := strconv.ParseUint(whole, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading the host's uptime: %s begins with %.40q; it should begin with seconds", file, word)
	}
	return seconds, nil
}
