package report

import (
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Append appends r as an agent posts it. padding is the number of zeros in
// zero_extender, which takes 2*padding+1 bytes (2 for none): it makes a report
// larger than the MTU, so that a path that drops large packets is seen.
func Append(dst []byte, r *Report, padding int) []byte {
	dst = appendHead(dst, r)
	dst = append(dst, `,"nslookup":`...)
	dst = appendMap(dst, r.NSLookup)
	dst = append(dst, `,"ips":`...)
	dst = appendMap(dst, r.IPs)
	dst = append(dst, `,"network_probes":`...)
	dst = appendProbes(dst, r.NetworkProbes)
	dst = appendTail(dst, r)
	dst = append(dst, `,"zero_extender":[`...)
	for i := range padding {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '0')
	}
	return append(dst, `]}`...)
}

// AppendRecord appends r as the server stores it and gives it back: the keys of
// the original server in its order, then netchecker's own where they are known.
func AppendRecord(dst []byte, r *Record) []byte {
	dst = appendHead(dst, &r.Report)
	dst = append(dst, `,"last_updated":`...)
	dst = appendTime(dst, r.LastUpdated)
	dst = append(dst, `,"nslookup":`...)
	dst = appendMap(dst, r.NSLookup)
	dst = append(dst, `,"network_probes":`...)
	dst = appendProbes(dst, r.NetworkProbes)
	dst = append(dst, `,"ips":`...)
	dst = appendMap(dst, r.IPs)
	dst = appendTail(dst, &r.Report)
	return append(dst, '}')
}

func appendHead(dst []byte, r *Report) []byte {
	dst = append(dst, `{"report_interval":`...)
	dst = strconv.AppendInt(dst, r.ReportInterval, 10)
	dst = append(dst, `,"nodename":`...)
	dst = AppendString(dst, r.NodeName)
	dst = append(dst, `,"podname":`...)
	dst = AppendString(dst, r.PodName)
	dst = append(dst, `,"hostdate":`...)
	dst = appendTime(dst, r.HostDate)
	dst = append(dst, `,"uptime":`...)
	return strconv.AppendUint(dst, r.Uptime, 10)
}

// appendTail appends the keys that the original agents do not know, where set.
func appendTail(dst []byte, r *Report) []byte {
	if r.Namespace != "" {
		dst = append(dst, `,"namespace":`...)
		dst = AppendString(dst, r.Namespace)
	}
	if r.Network != Unknown {
		dst = append(dst, `,"network":`...)
		dst = AppendString(dst, string(r.Network))
	}
	if len(r.Addresses) > 0 {
		dst = append(dst, `,"addresses":`...)
		dst = appendStrings(dst, r.Addresses)
	}
	return dst
}

func appendTime(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	dst = t.AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

// appendMap appends m with its keys in order, null where it is nil.
func appendMap(dst []byte, m map[string][]string) []byte {
	if m == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '{')
	var buf [8]string // keeps the keys of most maps off the heap
	keys := buf[:0]
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for i, key := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, key)
		dst = append(dst, ':')
		dst = appendStrings(dst, m[key])
	}
	return append(dst, '}')
}

func appendStrings(dst []byte, list []string) []byte {
	if list == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, v)
	}
	return append(dst, ']')
}

func appendProbes(dst []byte, list []ProbeResult) []byte {
	if list == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '[')
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		p := &list[i]
		dst = append(dst, `{"URL":`...)
		dst = AppendString(dst, p.URL)
		for _, f := range [...]struct {
			key   string
			value int64
		}{
			{`,"ConnectionResult":`, p.ConnectionResult},
			{`,"HTTPCode":`, p.HTTPCode},
			{`,"Total":`, p.Total},
			{`,"ContentTransfer":`, p.ContentTransfer},
			{`,"TCPConnection":`, p.TCPConnection},
			{`,"DNSLookup":`, p.DNSLookup},
			{`,"Connect":`, p.Connect},
			{`,"ServerProcessing":`, p.ServerProcessing},
		} {
			dst = append(dst, f.key...)
			dst = strconv.AppendInt(dst, f.value, 10)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// AppendString appends s as a JSON string (RFC 8259, section 7). Bytes that are
// no UTF-8 become U+FFFD.
func AppendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, s[start:i]...)
			dst = append(dst, "\uFFFD"...)
			i++
			start = i
			continue
		}
		i += size
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
