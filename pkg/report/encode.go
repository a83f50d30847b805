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
	fields := fieldsOf(r, nil, nil, (*padding)(&zeros))
	return appendFields(dst, fields[:], wire)
}

// AppendRecord appends r as the server stores it: what of it anybody may see, and the
// pod's UID.
func AppendRecord(dst []byte, r *Record) []byte {
	fields := fieldsOf(&r.Report, &r.LastUpdated, &r.Booted, nil)
	return appendFields(dst, fields[:], stored)
}

// AppendLife appends what the server stores of r apart from that, for servers alone: in
// which life the agent is, and what it tells on that life's clock.
func AppendLife(dst []byte, r *Record) []byte {
	fields := fieldsOf(&r.Report, &r.LastUpdated, &r.Booted, nil)
	return appendFields(dst, fields[:], hidden)
}

// AppendShown appends r as the API shows it to readers: the keys of the original
// server in its order, then netchecker's own where there is something to tell,
// and nothing of what is between agent and server alone.
func AppendShown(dst []byte, r *Record) []byte {
	fields := fieldsOf(&r.Report, &r.LastUpdated, &r.Booted, nil)
	return appendFields(dst, fields[:], shown)
}

// appendFields appends an object of the fields that a rendering has.
func appendFields(dst []byte, fields []field, as rendering) []byte {
	start := len(dst)
	for i := range fields {
		f := &fields[i]
		if f.in&as == 0 || f.in&optional != 0 && empty(f.at) {
			continue
		}
		dst = append(dst, ',', '"')
		dst = append(dst, f.key...)
		dst = append(dst, '"', ':')
		dst = appendValue(dst, f.at, as)
	}
	if len(dst) == start {
		dst = append(dst, ',')
	}
	dst[start] = '{' // in the place of the first comma
	return append(dst, '}')
}

// empty says whether what a field points to has nothing to tell.
func empty(of any) bool {
	switch of := of.(type) {
	case *string:
		return *of == ""
	case *[]string:
		return len(*of) == 0
	case *map[string]string:
		return len(*of) == 0
	case *time.Duration:
		return of.Milliseconds() == 0
	case *uint64:
		return *of == 0
	case *Delivery:
		return of.Lookup.Milliseconds() == 0 && of.LookupError == ""
	case **Disruption:
		return *of == nil
	case *maybeTime:
		return time.Time(*of).IsZero()
	case *openIntervals:
		return len(*of) == 0
	case *sealedIntervals:
		return len(*of) == 0
	case *[]Refusal:
		return len(*of) == 0
	case **Mesh:
		return *of == nil
	case *Sessions:
		return of.count == 0
	case *[]Heard:
		return len(*of) == 0
	case *[]Shared:
		return len(*of) == 0
	case *flag:
		return !bool(*of)
	}
	panic("report: a table has an optional field of a type that is never empty")
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
	case *maybeTime:
		return appendTime(dst, time.Time(*of))
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
	case **Disruption:
		return appendDisruption(dst, *of, as)
	case *openIntervals:
		return appendObjects(dst, *of, as, (*Interval).table)
	case *sealedIntervals:
		return appendObjects(dst, *of, as, (*Interval).table)
	case *[]Refusal:
		return appendObjects(dst, *of, as, (*Refusal).table)
	case **Mesh:
		return appendMesh(dst, *of, as)
	case *Sessions:
		return appendSessions(dst, *of)
	case *[]Heard:
		return appendObjects(dst, *of, as, (*Heard).table)
	case *[]Shared:
		return appendObjects(dst, *of, as, (*Shared).table)
	case *flag:
		return strconv.AppendUint(dst, number(bool(*of)), 10)
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
