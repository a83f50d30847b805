package report

import (
	"slices"
	"strconv"
	"time"
)

// Append appends r as an agent posts it. zeros is the number of zeros in
// zero_extender, which takes 2*zeros+1 bytes (2 for none): it makes a report
// larger than the MTU, so that a path that drops large packets is seen.
func Append(dst []byte, r *Report, zeros int) []byte {
	fields := fieldsOf(r, nil, (*padding)(&zeros))
	return appendFields(dst, fields[:], wire)
}

// AppendRecord appends r as the server stores it: all that it knows.
func AppendRecord(dst []byte, r *Record) []byte {
	fields := fieldsOf(&r.Report, &r.LastUpdated, nil)
	return appendFields(dst, fields[:], stored)
}

// AppendShown appends r as the API shows it to readers: the keys of the original
// server in its order, then netchecker's own where there is something to tell,
// and nothing of what is between agent and server alone.
func AppendShown(dst []byte, r *Record) []byte {
	fields := fieldsOf(&r.Report, &r.LastUpdated, nil)
	return appendFields(dst, fields[:], shown)
}

// appendFields appends an object of the fields that a rendering has.
func appendFields(dst []byte, fields []field, as rendering) []byte {
	start := len(dst)
	for i := range fields {
		f := &fields[i]
		if f.in&as == 0 {
			continue
		}
		before := len(dst)
		dst = append(dst, ',', '"')
		dst = append(dst, f.key...)
		dst = append(dst, '"', ':')
		value := len(dst)
		dst = appendValue(dst, f.at, as)
		if f.in&optional != 0 && empty(dst[value:]) {
			dst = dst[:before]
		}
	}
	if len(dst) == start {
		dst = append(dst, ',')
	}
	dst[start] = '{' // in the place of the first comma
	return append(dst, '}')
}

// empty says whether a value has nothing to tell.
func empty(value []byte) bool {
	switch string(value) {
	case "0", `""`, "[]", "{}", "null":
		return true
	}
	return false
}

// appendValue appends what a field points to.
func appendValue(dst []byte, of any, as rendering) []byte {
	switch of := of.(type) {
	case *int64:
		return strconv.AppendInt(dst, *of, 10)
	case *uint64:
		return strconv.AppendUint(dst, *of, 10)
	case *string:
		return AppendString(dst, *of)
	case *time.Time:
		return appendTime(dst, *of)
	case *time.Duration:
		return strconv.AppendInt(dst, of.Milliseconds(), 10)
	case *[]string:
		return appendStrings(dst, *of)
	case *map[string][]string:
		return appendMap(dst, *of, appendStrings)
	case *map[string]string:
		return appendMap(dst, *of, AppendString)
	case *[]ProbeResult:
		return appendProbes(dst, *of, as)
	case *Delivery:
		fields := of.fields()
		return appendFields(dst, fields[:], as)
	case *[]News:
		return appendNews(dst, *of)
	case *rawObject:
		return appendRaw(dst, *of)
	case *rawValue:
		return appendRaw(dst, *of)
	case *padding:
		return appendPadding(dst, *of)
	}
	panic("report: a table has a field of a type that cannot be written")
}

func appendTime(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	dst = t.AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

// appendMap appends m with its keys in order, null where it is nil.
func appendMap[V any](dst []byte, m map[string]V, value func([]byte, V) []byte) []byte {
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
		dst = value(dst, m[key])
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

func appendProbes(dst []byte, list []ProbeResult, as rendering) []byte {
	if list == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '[')
	var p ProbeResult
	fields := p.fields() // one table for all of them
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		p = list[i]
		dst = appendFields(dst, fields[:], as)
	}
	return append(dst, ']')
}

func appendNews(dst []byte, list []News) []byte {
	dst = append(dst, '{')
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, list[i].Topic)
		dst = append(dst, ':')
		fields := list[i].fields()
		dst = appendFields(dst, fields[:], wire)
	}
	return append(dst, '}')
}

// appendRaw appends JSON as it is, null for none.
func appendRaw(dst, raw []byte) []byte {
	if raw == nil {
		return append(dst, "null"...)
	}
	return append(dst, raw...)
}

func appendPadding(dst []byte, count padding) []byte {
	dst = append(dst, '[')
	for rest := 2*int(count) - 1; rest > 0; rest -= len(zeros) {
		dst = append(dst, zeros[:min(rest, len(zeros))]...)
	}
	return append(dst, ']')
}
