package report_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

func fullMesh() report.Mesh {
	return report.Mesh{
		AsOf: 90 * time.Second, Mute: "port 8083 is taken", Starved: 70 * time.Millisecond, Conntrack: 812, ConntrackMax: 262144,
		Sessions: report.SessionsOf(fullSession(), report.Session{ID: 5, Peer: 7, Host: true, Began: 60_000, Sent: 30, RoundTrips: 9000, Shortest: 200, Longest: 900}),
		Ended:    report.SessionsOf(report.Session{ID: 3, Peer: report.MaxID, Sent: 2, Refused: 2}),
		Summed:   report.SessionsOf(report.Session{Host: true, Six: true, Sent: 4000, Back: 5}),
		Heard: []report.Heard{
			{Peer: 8, ID: 11, Six: true, Received: 40, Silent: 3500, Unanswered: 4},
			{ID: 12},
		},
		Shared: []report.Shared{
			{Kind: report.DNSServer, Target: "10.244.0.3:53", Asked: 20, Lost: 4, Refused: 3, Wrong: 2, Suspect: 1, Run: 3, RoundTrips: 8000, Message: "NXDOMAIN"},
			{Kind: report.KubeAPI, Asked: 1, RoundTrips: 700},
		},
	}
}

// fullSession has another number in each column, as far as that makes sense.
func fullSession() report.Session {
	return report.Session{
		ID: 4, Peer: 8, Host: true, Six: true, Began: 30_000,
		Sent: 60, Open: 6, Forward: 7, Back: 8, Refused: 9, Suspect: 10, Silent: 11,
		RoundTrips: 12, Shortest: 13, Longest: 14, Forbidden: 15, Stuck: 16, Flows: report.FlowsSome,
		Dialed: 100, DialRefused: 19, DialLost: 20, DialMute: 21, DialRun: 22, Dials: 23,
		MTU: 1500, Sized: 25, Resized: 26, There: 1400, Here: 1300, Hole: report.HoleBoth,
	}
}

// mesh is what fullMesh is written as.
const mesh = `"mesh":{"as_of_ms":90000,"mute":"port 8083 is taken","starved_ms":70,"conntrack":812,"conntrack_max":262144,` +
	`"sessions":[[4,8,1,1,30000,60,6,7,8,9,10,11,12,13,14,15,16,2,100,19,20,21,22,23,1500,25,26,100,200,3],` +
	`[5,7,1,0,60000,30,0,0,0,0,0,0,9000,200,900]],` +
	`"ended":[[3,281474976710655,0,0,0,2,0,0,0,2]],"summed":[[0,0,1,1,0,4000,0,0,5]],` +
	`"heard":[{"peer":8,"id":11,"six":1,"received":40,"silent_ms":3500,"unanswered":4},{"peer":0,"id":12,"received":0}],` +
	`"shared":[{"kind":"dns-server","target":"10.244.0.3:53","asked":20,"lost":4,"refused":3,"wrong":2,"suspect":1,"run":3,"round_trips_us":8000,"message":"NXDOMAIN"},` +
	`{"kind":"kube-api","asked":1,"round_trips_us":700}]}`

func TestAMeshIsReadBackAsItWasWritten(t *testing.T) {
	full := fullMesh()
	want := strings.TrimPrefix(mesh, `"mesh":`)
	written := report.AppendMesh(nil, &full)
	if string(written) != want {
		t.Errorf("got  %s\nwant %s", written, want)
	}
	if back, err := report.DecodeMesh(written); err != nil || !reflect.DeepEqual(back, full) {
		t.Errorf("read %#v, %v\nwant %#v", back, err, full)
	}
	empty := report.Mesh{}
	if got := string(report.AppendMesh(nil, &empty)); got != `{"as_of_ms":0}` {
		t.Errorf("an empty one is written as %s", got)
	}
}

func TestSessionsArePackedInOrder(t *testing.T) {
	want := []report.Session{fullSession(), {ID: 1, Peer: 2}, {}, {ID: report.MaxID, Dials: 1<<63 - 1}}
	packed := report.SessionsOf(want...)
	if got := slices.Collect(packed.All()); !reflect.DeepEqual(got, want) || packed.Len() != len(want) {
		t.Errorf("%d rows: %+v\nwant %+v", packed.Len(), got, want)
	}
	for first := range packed.All() {
		if first != want[0] {
			t.Errorf("the first is %+v", first)
		}
		break
	}
	if empty := (report.Sessions{}); empty.Len() != 0 || empty.Size() != 0 || slices.Collect(empty.All()) != nil {
		t.Errorf("the zero value has %d", empty.Len())
	}
}

// The rows of an agent that has probed both agents of 8 peers for a week, and the other
// one of its own node, are kept in a kilobyte.
func TestTheRunningSessionsOfAnAgentTakeAKilobyte(t *testing.T) {
	var list []report.Session
	for i := range uint64(17) {
		s := report.Session{
			ID: 10_000 + i, Peer: report.MaxID - i, Host: i%2 == 0, Began: 600_000_000, Sent: 30, Open: 1,
			RoundTrips: 30 * 1500, Shortest: 400, Longest: 9000, Dialed: 6, Dials: 6 * 1500, MTU: 1500, Sized: 3, There: 1500, Here: 1500,
		}
		if i < 3 { // the lasting ones
			s.Sent, s.RoundTrips, s.Dialed, s.Dials, s.Sized = 600_000, 600_000*1500, 120_000, 120_000*1500, 60_000
		}
		list = append(list, s)
	}
	if size := report.SessionsOf(list...).Size(); size > 1024 {
		t.Errorf("%d rows take %d bytes", len(list), size)
	} else {
		t.Logf("%d rows take %d bytes", len(list), size)
	}
}

func TestPacketsAreNeverLargerThanTheMTU(t *testing.T) {
	begin := `{"as_of_ms":0,"sessions":[[1,2` + strings.Repeat(",0", 22) + ",1500,0,0,"
	for _, row := range []struct {
		there, want uint64
		columns     string
	}{{1500, 1500, "0,1500"}, {1600, 1500, "0,1500"}, {1400, 1400, "100,1500"}} {
		list := report.SessionsOf(report.Session{ID: 1, Peer: 2, MTU: 1500, There: row.there})
		written := string(report.AppendMesh(nil, &report.Mesh{Sessions: list}))
		if want := begin + row.columns + "]]}"; written != want {
			t.Errorf("%d is written as %s, want %s", row.there, written, want)
		}
		for s := range list.All() {
			if s.There != row.want || s.Here != 0 {
				t.Errorf("%d is kept as %d, and 0 as %d", row.there, s.There, s.Here)
			}
		}
	}
	m, err := report.DecodeMesh([]byte(begin + "1501,1500]]}"))
	if err != nil {
		t.Fatal(err)
	}
	for s := range m.Sessions.All() {
		if s.There != 0 || s.Here != 0 {
			t.Errorf("read as %d and %d", s.There, s.Here)
		}
	}
}

func TestAnsweredIsWhatIsLeftOfWhatWasSent(t *testing.T) {
	s := fullSession()
	if got := s.Answered(); got != 20 {
		t.Errorf("%d of %d were answered, want 20", got, s.Sent)
	}
	s.Open = 100
	if got := s.Answered(); got != 0 {
		t.Errorf("%d were answered of a row that makes no sense", got)
	}
}

// A newer agent may ask what this release knows nothing of. Whoever reads it, from the wire
// or from the store, has the rest alone.
func TestWhatAllShareOfAKindThatIsNotKnownYetIsSkipped(t *testing.T) {
	const ntp = `{"kind":"ntp","target":"10.0.0.1:123","asked":3,"drift_us":[1,2]}`
	want := fullMesh()
	for written, shared := range map[string][]report.Shared{
		strings.Replace(mesh, `"shared":[`, `"shared":[`+ntp+`,`, 1):         want.Shared,
		mesh[:strings.Index(mesh, `"shared":[`)] + `"shared":[` + ntp + `]}`: nil,
	} {
		want.Shared = shared
		m, err := report.DecodeMesh([]byte(strings.TrimPrefix(written, `"mesh":`)))
		if err != nil || !reflect.DeepEqual(m, want) {
			t.Errorf("an update is read as %#v, %v\nwant %#v", m.Shared, err, shared)
		}
		r, err := report.Decode([]byte("{" + written + "}"))
		if err != nil || !reflect.DeepEqual(r.Mesh, &want) {
			t.Errorf("a report is read as %#v, %v\nwant %#v", r.Mesh, err, shared)
		}
		kept, err := report.DecodeLife([]byte("{" + written + "}"))
		if err != nil || !reflect.DeepEqual(kept.Mesh, &want) {
			t.Errorf("a life is read as %#v, %v\nwant %#v", kept.Mesh, err, shared)
		}
	}
}

func TestAMeshThatMakesNoSenseIsRefusedByField(t *testing.T) {
	for want, change := range map[string]func(*report.Mesh){
		`sessions: has too many elements; it should have at most 144`:                               func(m *report.Mesh) { m.Sessions = report.SessionsOf(make([]report.Session, 145)...) },
		`ended: has too many elements; it should have at most 64`:                                   func(m *report.Mesh) { m.Ended = rows(65) },
		`summed: has too many elements; it should have at most 8`:                                   func(m *report.Mesh) { m.Summed = report.SessionsOf(make([]report.Session, 9)...) },
		`heard: has too many elements; it should have at most 64`:                                   func(m *report.Mesh) { m.Heard = make([]report.Heard, 65) },
		`shared: has too many elements; it should have at most 24`:                                  func(m *report.Mesh) { m.Shared = make([]report.Shared, 25) },
		`as_of_ms: is 3153600000001; it should be a whole number from 0 to 3153600000000`:           func(m *report.Mesh) { m.AsOf = report.MaxDuration + time.Millisecond },
		`starved_ms: is -1; it should be a whole number from 0 to 3153600000000`:                    func(m *report.Mesh) { m.Starved = -time.Millisecond },
		`mute: has 257 bytes; it should have at most 256`:                                           func(m *report.Mesh) { m.Mute = strings.Repeat("m", 257) },
		`sessions[0][0]: is 0; it should be the session's number, from 1, or 0 for a sum`:           func(m *report.Mesh) { m.Sessions = changed(func(s *report.Session) { s.ID = 0 }) },
		`sessions[0][1]: is 0; it should be a peer's id, from 1 to 281474976710655, or 0 for a sum`: func(m *report.Mesh) { m.Sessions = changed(func(s *report.Session) { s.Peer = 0 }) },
		`ended[0][1]: is 281474976710656; it should be a peer's id, from 1 to 281474976710655, or 0 for a sum`: func(m *report.Mesh) {
			m.Ended = changed(func(s *report.Session) { s.Peer = report.MaxID + 1 })
		},
		`summed[0][0]: is 4; it should be the session's number, from 1, or 0 for a sum`: func(m *report.Mesh) { m.Summed = report.SessionsOf(fullSession()) },
		`sessions[0][5]: is 39; it should be at least the sum of the five after it`:     func(m *report.Mesh) { m.Sessions = changed(func(s *report.Session) { s.Sent = 39 }) },
		`sessions[0][17]: is 3; it should be at most 2`:                                 func(m *report.Mesh) { m.Sessions = changed(func(s *report.Session) { s.Flows = 3 }) },
		`sessions[0][18]: is 59; it should be at least the sum of the three after it`:   func(m *report.Mesh) { m.Sessions = changed(func(s *report.Session) { s.Dialed = 59 }) },
		`sessions[0][29]: is 4; it should be at most 3`:                                 func(m *report.Mesh) { m.Sessions = changed(func(s *report.Session) { s.Hole = 4 }) },
		`sessions[0][23]: is 9223372036854775808; it should be a whole number from 0 to 9223372036854775807`: func(m *report.Mesh) {
			m.Sessions = changed(func(s *report.Session) { s.Dials = 1 << 63 })
		},
		`heard[1].peer: is 281474976710656; it should be at most 281474976710655`: func(m *report.Mesh) { m.Heard[1].Peer = report.MaxID + 1 },
		`shared[1].kind: is ""; it should be "dns", "dns-server", "service-name", "service-address", "node-port" or "kube-api"`: func(m *report.Mesh) {
			m.Shared[1].Kind = ""
		},
		`shared[0].asked: is 9; it should be at least lost, refused, wrong and suspect together`: func(m *report.Mesh) { m.Shared[0].Asked = 9 },
		`shared[0].target: has 257 bytes; it should have at most 256`:                            func(m *report.Mesh) { m.Shared[0].Target = strings.Repeat("t", 257) },
		`shared[1].message: has 257 bytes; it should have at most 256`:                           func(m *report.Mesh) { m.Shared[1].Message = strings.Repeat("m", 257) },
	} {
		m := fullMesh()
		change(&m)
		if _, err := report.DecodeMesh(report.AppendMesh(nil, &m)); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// changed is a list of fullSession, changed.
func changed(change func(*report.Session)) report.Sessions {
	s := fullSession()
	change(&s)
	return report.SessionsOf(s)
}

func rows(n int) report.Sessions {
	list := make([]report.Session, n)
	for i := range list {
		list[i] = report.Session{ID: uint64(i + 1), Peer: 1}
	}
	return report.SessionsOf(list...)
}

// A sum that overflows is no way around the bounds.
func TestTheColumnsOfARowMayNotOverflow(t *testing.T) {
	s := fullSession()
	s.Sent, s.Open, s.Forward = 10, 1<<63-1, 1<<63-1
	m := report.Mesh{Sessions: report.SessionsOf(s)}
	want := `sessions[0][5]: is 10; it should be at least the sum of the five after it`
	if _, err := report.DecodeMesh(report.AppendMesh(nil, &m)); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestRowsAreReadAsFarAsTheyAreKnown(t *testing.T) {
	const more = `{"as_of_ms":1,"sessions":[[1,2,0,0,7%s]]}`
	for add, want := range map[string]string{
		"":                                  "[{1 2 7}]",
		strings.Repeat(",0", 25):            "[{1 2 7}]",
		strings.Repeat(",0", 25) + ",99,98": "[{1 2 7}]",
		strings.Repeat(",0", 60):            "sessions[0][64]: has too many elements; it should have at most 64",
		",-1":                               "sessions[0][5]: is -1; it should be a whole number from 0 to 9223372036854775807",
		`,"a"`:                              "sessions[0][5]: found a string at byte 37, where a number should be",
	} {
		m, err := report.DecodeMesh(fmt.Appendf(nil, more, add))
		got := fmt.Sprint(err)
		if err == nil {
			var list []any
			for s := range m.Sessions.All() {
				list = append(list, struct{ id, peer, began uint64 }{s.ID, s.Peer, s.Began})
			}
			got = fmt.Sprint(list)
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", add, got, want)
		}
	}
	for body, want := range map[string]string{
		`{"sessions":[1]}`:         "sessions[0]: found a number at byte 13, where an array should be",
		`{"sessions":[[1,1,2]]}`:   "sessions[0][2]: is 2; it should be a whole number from 0 to 1",
		`{"ended":[[1,1,0,9]]}`:    "ended[0][3]: is 9; it should be a whole number from 0 to 1",
		`{"heard":[{"six":2}]}`:    "heard[0].six: is 2; it should be a whole number from 0 to 1",
		`{"as_of_ms":1,"summed":7`: "summed: found a number at byte 23, where an array should be",
	} {
		if _, err := report.DecodeMesh([]byte(body)); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", body, err, want)
		}
	}
}

func TestAMeshInAReportIsHeldAgainstTheReport(t *testing.T) {
	for want, change := range map[string]func(*report.Report){
		`<nil>`: func(*report.Report) {},
		`boot_id: is missing; it should be what the agent drew as it started`:    func(r *report.Report) { r.BootID, r.Disruption = "", nil },
		`mesh.as_of_ms: is 90006; it should be at most clock_ms, which is 90005`: func(r *report.Report) { r.Mesh.AsOf = r.Clock + time.Millisecond },
		`mesh.sessions[0][29]: is 4; it should be at most 3`:                     func(r *report.Report) { r.Mesh.Sessions = changed(func(s *report.Session) { s.Hole = 4 }) },
	} {
		r := tellingRecord().Report
		change(&r)
		if err := r.Validate(); fmt.Sprint(err) != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestTheLargestUpdateOfSixteenPeersFitsIntoABody(t *testing.T) {
	m := report.Mesh{AsOf: 24 * 7 * time.Hour, Mute: strings.Repeat("m", 100)}
	var list []report.Session
	for i := range uint64(2 * 2 * 17) { // both agents of 16 and of the own node, over two families
		s := fullSession()
		s.ID, s.Peer, s.Began, s.Sent, s.RoundTrips, s.Dials = 100_000+i, report.MaxID-i, 600_000_000, 600_000, 1e9, 1e9
		list = append(list, s)
	}
	m.Sessions = report.SessionsOf(list...)
	for i := range uint64(17) {
		m.Heard = append(m.Heard, report.Heard{Peer: report.MaxID - i, ID: 100_000, Six: true, Received: 600_000, Silent: 100_000, Unanswered: 9})
	}
	if size := len(report.AppendMesh(nil, &m)); size > report.MaxBody {
		t.Errorf("it takes %d bytes, want at most %d", size, report.MaxBody)
	} else {
		t.Logf("it takes %d bytes", size)
	}
}
