package system_test

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/joshdk/go-junit"

	"github.com/netchecker/netchecker/test/eventually"
)

// The JUnit report by its schema, as CI systems read it: what is not listed here is not
// in the schema.
type (
	suites struct {
		XMLName  xml.Name   `xml:"testsuites"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Errors   int        `xml:"errors,attr"`
		Suites   []suite    `xml:"testsuite"`
		More     []xml.Attr `xml:",any,attr"`
		Others   []other    `xml:",any"`
	}
	suite struct {
		Name       string     `xml:"name,attr"`
		Hostname   string     `xml:"hostname,attr"`
		Timestamp  string     `xml:"timestamp,attr"`
		Time       float64    `xml:"time,attr"`
		Tests      int        `xml:"tests,attr"`
		Failures   int        `xml:"failures,attr"`
		Errors     int        `xml:"errors,attr"`
		Skipped    int        `xml:"skipped,attr"`
		Properties []property `xml:"properties>property"`
		Cases      []testcase `xml:"testcase"`
		More       []xml.Attr `xml:",any,attr"`
		Others     []other    `xml:",any"`
	}
	property struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	testcase struct {
		Name      string     `xml:"name,attr"`
		Classname string     `xml:"classname,attr"`
		Time      float64    `xml:"time,attr"`
		Failure   *problem   `xml:"failure"`
		Error     *problem   `xml:"error"`
		Output    string     `xml:"system-out"`
		More      []xml.Attr `xml:",any,attr"`
		Others    []other    `xml:",any"`
	}
	problem struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
	}
	other struct{ XMLName xml.Name }
)

// readJUnit reads a report, and holds its sums against its cases.
func readJUnit(t *testing.T, path string) suite {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all suites
	if err := xml.Unmarshal(text, &all); err != nil || len(all.Suites) != 1 {
		t.Fatalf("%s: %v", text, err)
	}
	s := all.Suites[0]
	failures, errors := 0, 0
	// Read once more by who knows nothing of netchecker.
	others, err := junit.Ingest(text)
	if err != nil || len(others) != 1 || others[0].Name != s.Name {
		t.Fatalf("to others the report is %+v, %v", others, err)
	}
	if o := others[0].Totals; o.Tests != s.Tests || o.Failed != s.Failures || o.Error != s.Errors || o.Skipped != s.Skipped {
		t.Errorf("others count %+v in %s", o, text)
	}
	for _, c := range s.Cases {
		if c.Failure != nil {
			failures++
		}
		if c.Error != nil {
			errors++
		}
		if c.Name == "" || c.Classname == "" || len(c.More)+len(c.Others) > 0 {
			t.Errorf("a case is %+v", c)
		}
	}
	sums := [3]int{len(s.Cases), failures, errors}
	if [3]int{s.Tests, s.Failures, s.Errors} != sums || [3]int{all.Tests, all.Failures, all.Errors} != sums {
		t.Errorf("the sums of %s are not %v", text, sums)
	}
	if _, err := time.Parse("2006-01-02T15:04:05", s.Timestamp); err != nil || s.Name == "" || s.Hostname == "" || len(all.More)+len(all.Others)+len(s.More)+len(s.Others) > 0 {
		t.Errorf("the report is %s", text)
	}
	return s
}

func TestTheVerdictOverAnUpgradeIsAJUnitReportAndAnExitCode(t *testing.T) {
	sideBySide(t)
	a := newSampler(agent{name: "a", interval: 60})
	a.began = a.began.Add(-2 * time.Minute)
	s := serve(t, ownEtcd(t), expecting(t, a.agent)).ready()
	// Sampled for two minutes; broken for 5 s, a minute ago; and goes on.
	one := fold(1, "Info", 1000, 60_000) + "," + fold(2, "Error", 60_000, 65_000)
	all := one + "," + strings.ReplaceAll(strings.ReplaceAll(fold(3, "Info", 1000, 100_000), `"new"`, `"reused"`), `"id":3`, `"id":9`)
	s.takes(a.message(1, disruption(100_000, fold(4, "Info", 65_000, 0), all)))
	at := func(ms int64) string {
		return a.began.Add(time.Duration(ms) * time.Millisecond).UTC().Format(time.RFC3339Nano)
	}
	eventually.Nil(t, func() error { return names(s.get("/api/v1/intervals"), `"Error"`) })

	const throughout = "[netchecker] disruption/x connection/new should be available throughout"
	for _, row := range []struct {
		name     string
		from, to int64
		exit     int
		result   func(testcase) bool
	}{
		{"before the outage", 5_000, 55_000, 0, func(c testcase) bool { return c.Failure == nil && c.Error == nil }},
		{"after it", 70_000, 95_000, 0, func(c testcase) bool { return c.Failure == nil && c.Error == nil }},
		{"with it", 5_000, 95_000, 1, func(c testcase) bool {
			return c.Failure != nil && strings.HasPrefix(c.Failure.Message, "disrupted for 5s, where 0s is allowed; seen by 1 of 1 samplers")
		}},
		{"from before the first sample on", -60_000, 55_000, 3, func(c testcase) bool {
			return c.Error != nil && strings.HasPrefix(c.Error.Message, "not sampled from the pod network from ")
		}},
		{"that nobody sampled", -60_000, -30_000, 3, func(c testcase) bool { return c.Error != nil }},
	} {
		file := filepath.Join(t.TempDir(), "junit.xml")
		o := runToEnd(t, serverProgram, "-synthetic-tests", s.url, "-from", at(row.from), "-to", at(row.to), "-junit", file, "-check-within=0")
		if o.exit != row.exit {
			t.Errorf("%s: exit %d, want %d: %s%s", row.name, o.exit, row.exit, o.stdout, o.stderr)
		}
		report := readJUnit(t, file)
		if report.Time != float64(row.to-row.from)/1000 {
			t.Errorf("%s: it took %v s, want those of the stretch", row.name, report.Time)
		}
		found := false
		for _, c := range report.Cases {
			if found = found || c.Name == throughout || len(report.Cases) == 1; (c.Name == throughout || len(report.Cases) == 1) && !row.result(c) {
				t.Errorf("%s: %s is %s", row.name, c.Name, fmt.Sprint(c.Failure, c.Error))
			}
		}
		if !found {
			t.Errorf("%s: there is no test %q", row.name, throughout)
		}
	}
	if o := runToEnd(t, serverProgram, "-synthetic-tests", s.url, "-from", "yesterday"); o.exit != 2 || !strings.Contains(o.stderr, `from: is "yesterday"`) {
		t.Errorf("a bad question: exit %d, %s", o.exit, o.stderr)
	}
}
