package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// repeats says whether an object in body has a key twice, in any case. Decode
// lets the last win as a whole; encoding/json mixes them.
func repeats(body []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var value func() bool
	value = func() bool {
		token, err := dec.Token()
		open, ok := token.(json.Delim)
		if err != nil || !ok {
			return false
		}
		var keys []string
		for dec.More() {
			if open == '{' {
				token, err := dec.Token()
				if err != nil {
					return false
				}
				key := token.(string)
				if slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, key) }) {
					return true
				}
				keys = append(keys, key)
			}
			if value() {
				return true
			}
		}
		_, err = dec.Token()
		return err != nil && !errors.Is(err, io.EOF)
	}
	return value()
}

func TestDecodeAgreesWithEncodingJSON(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	g := generator{rand.New(rand.NewSource(seed))}
	accepted, refused := 0, 0
	for range 2_000 {
		body := g.body()
		got, err := report.Decode(body)
		want, wantErr := decodePlainly[json.Number](body)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("Decode says %v, encoding/json %v, of\n%s", err, wantErr, body)
		}
		if err != nil {
			refused++
			continue
		}
		accepted++
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %#v\nwant %#v\nof %s", got, want, body)
		}
	}
	if accepted < 400 || refused < 80 {
		t.Errorf("%d bodies were accepted and %d refused: too few to tell much", accepted, refused)
	}
}

// generator makes bodies, most of them right in most of their fields. No key is
// repeated.
type generator struct{ *rand.Rand }

func (g generator) body() []byte {
	fields := map[string]func() string{
		"report_interval": g.integer, "uptime": g.integer, "hostdate": g.time,
		"nodename": g.text, "podname": g.text, "namespace": g.text, "network": g.text,
		"nslookup": g.textsByText, "ips": g.textsByText, "addresses": g.texts,
		"network_probes": func() string { return g.list(g.probe) },
		"zero_extender":  func() string { return g.list(g.integer) },
		"pod_uid":        g.text, "boot_id": g.text, "clock_ms": g.integer,
		"understands": g.versions, "delivery": g.delivery,
		"unknown": g.any, "last_updated": g.any,
	}
	body := []byte(g.object(fields))
	if g.Intn(10) == 0 {
		body[g.Intn(len(body))] = "{}[]\",:0x\\ \xff\n"[g.Intn(13)]
	}
	return body
}

func (g generator) object(fields map[string]func() string) string {
	var members []string
	for key, value := range fields {
		if g.Intn(3) > 0 {
			members = append(members, g.space()+g.key(key)+g.space()+":"+g.space()+g.nearly(value)+g.space())
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

// nearly is value, or now and then null, or something else.
func (g generator) nearly(value func() string) string {
	switch n := g.Intn(200); {
	case n < 10:
		return "null"
	case n == 10:
		return g.any()
	}
	return value()
}

func (g generator) key(key string) string {
	switch g.Intn(6) {
	case 0:
		key = strings.ToUpper(key)
	case 1:
		key = strings.ReplaceAll(strings.ReplaceAll(key, "s", "ſ"), "k", "K")
	case 2:
		key = fmt.Sprintf(`\u%04x`, key[0]) + key[1:]
	}
	return `"` + key + `"`
}

func (g generator) probe() string {
	fields := map[string]func() string{"URL": g.text, "unknown": g.any}
	for _, key := range []string{"ConnectionResult", "HTTPCode", "Total", "ContentTransfer", "TCPConnection", "DNSLookup", "Connect", "ServerProcessing"} {
		fields[key] = g.integer
	}
	return g.object(fields)
}

func (g generator) delivery() string {
	return g.object(map[string]func() string{"lookup_ms": g.integer, "lookup_error": g.text, "unknown": g.any})
}

func (g generator) versions() string {
	members := make([]string, g.Intn(4))
	for i := range members {
		members[i] = fmt.Sprintf(`"topic-%d":%s`, i, g.nearly(g.text))
	}
	return "{" + strings.Join(members, g.space()+",") + "}"
}

func (g generator) integer() string {
	return g.one("0", "-0", "1", "15", "9223372036854", "9223372036854775807", fmt.Sprint(g.Int63()), fmt.Sprint(g.Intn(1000)))
}

func (g generator) number() string {
	return g.one("-1", "1.5", "1e3", "-2.5E-7", "0.0", "18446744073709551615", "-9223372036854775808", "99999999999999999999")
}

func (g generator) time() string {
	at := time.Unix(g.Int63n(4e9), g.Int63n(1e9)).UTC()
	return `"` + g.one(at.Format(time.RFC3339), at.Format(time.RFC3339Nano), "2017-11-30T14:54:19+05:45", "0000-01-01T00:00:00-23:59", "9999-12-31T23:59:59.999999999Z") + `"`
}

func (g generator) text() string {
	return `"` + g.one("", "pod", "netchecker-agent-x", `\"\\\/\b\f\n\r\t`, `\u00e9\uD83D\ude00`, `\ud800`, `\ud800\u0041`, `\udc00\ud83d\ude00`, "\xff\xfe", "\xe2\x82\\n", "é😀", strings.Repeat("x", 2000)) +
		g.one("", "", "\xc3", `\u0000`, "\x7f") + `"`
}

func (g generator) texts() string { return g.list(g.text) }

func (g generator) textsByText() string {
	fields := map[string]func() string{}
	for range g.Intn(12) {
		fields[fmt.Sprintf("eth%d", g.Intn(100))] = g.texts
	}
	var members []string
	for key, value := range fields {
		members = append(members, `"`+key+`":`+g.nearly(value))
	}
	return "{" + strings.Join(members, g.space()+",") + "}"
}

func (g generator) list(element func() string) string {
	elements := make([]string, g.Intn(12))
	for i := range elements {
		elements[i] = g.space() + element() + g.space()
	}
	return "[" + strings.Join(elements, ",") + "]"
}

func (g generator) any() string {
	switch g.Intn(20) {
	case 0:
		return g.list(g.any)
	case 1:
		return g.object(map[string]func() string{"a": g.any, "b": g.any})
	case 2, 3, 4, 5:
		return g.text()
	case 6, 7, 8, 9:
		return g.number()
	}
	return g.one("true", "false", "null", "{}", "[]")
}

func (g generator) space() string { return g.one("", "", "", " ", "\n\t\r ") }

func (g generator) one(of ...string) string { return of[g.Intn(len(of))] }
