package sender

import (
	"net/http"
	"strconv"
	"time"
)

// pauseAfter is how long to wait after so many failures in a row (1 for the first):
// first, doubled with each further one, at most longest, and of that, by noise
// from [0, 1), between a half and the whole. A server that asks for a pause gets no
// less, up to longest, and of those whom it told the same not all come at once.
//
//	first 1 s, longest 30 s   failure 1     2       3       4       5        6
//	the server asks nothing   0.5 to 1 s    1 to 2  2 to 4  4 to 8  8 to 16  15 to 30
//	the server asks for 2 s   2 to 3 s      2 to 3  2 to 4  4 to 8  8 to 16  15 to 30
func pauseAfter(failures int, first, longest, asked time.Duration, noise float64) time.Duration {
	most := first
	for range failures - 1 {
		if most >= longest {
			break
		}
		most *= 2
	}
	least := most / 2
	if asked > 0 {
		most, least = max(most, asked+first), max(least, asked)
	}
	if most > longest {
		most, least = longest, min(max(longest/2, asked), longest)
	}
	return least + time.Duration(noise*float64(most-least))
}

// retryAfter reads the header of that name, seconds or a date (RFC 9110, section
// 10.2.3); 0 stands for none.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}
