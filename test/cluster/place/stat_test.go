package place

import "testing"

func TestStatOfAProcessIsReadWhateverItsName(t *testing.T) {
	const rest = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20"
	for _, row := range []struct {
		stat, state string
		start       uint64
		wrong       string
	}{
		{"7 (etcd)" + rest, "S", 4242, ""},
		{"7 (a) Z (b) c)" + rest, "S", 4242, ""},
		{"7 etcd S", "", 0, `"7 etcd S" is no process's status`},
		{"7 (etcd) S 1", "", 0, `"7 (etcd) S 1" is no process's status`},
	} {
		state, start, err := parseStat(row.stat)
		said := ""
		if err != nil {
			said = err.Error()
		}
		if state != row.state || start != row.start || said != row.wrong {
			t.Errorf("%q: got %q, %d, %v", row.stat, state, start, err)
		}
	}
}
