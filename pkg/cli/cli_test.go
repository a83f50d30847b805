package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"strings"
	"testing"
)

// try runs a program with one flag of its own.
func try(t *testing.T, start func(string) error, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var door string
	p := Program{
		Name:   "prog",
		About:  "prog opens a door.",
		Groups: []Group{{"Doors", []string{"door"}}},
		More:   "Environment:\n  KEY  the key\n",
		AddFlags: func(fs *flag.FlagSet) {
			fs.StringVar(&door, "door", "front", "the `door` to open")
		},
		Start: func(context.Context) error { return start(door) },
	}
	var out, err bytes.Buffer
	code = p.Run(t.Context(), args, &out, &err)
	return code, out.String(), err.String()
}

func TestExitCodesAndMessages(t *testing.T) {
	locked := func(string) error { return errors.New("-door is locked") }
	open := func(string) error { return nil }
	for _, row := range []struct {
		name   string
		start  func(string) error
		args   []string
		code   int
		stderr string
	}{
		{"it ended well", open, nil, ExitOK, ""},
		{"it failed", locked, nil, ExitError, "prog: -door is locked\n"},
		{"an unknown flag", open, []string{"-window"}, ExitUsage, "prog: flag provided but not defined: -window; see prog -help\n"},
		{"an argument", open, []string{"please"}, ExitUsage, "prog: unexpected argument \"please\"; see prog -help\n"},
		{"a flag without its value", open, []string{"-door"}, ExitUsage, "prog: flag needs an argument: -door; see prog -help\n"},
	} {
		code, _, stderr := try(t, row.start, row.args...)
		if code != row.code || stderr != row.stderr {
			t.Errorf("%s: exit %d, %q; want %d, %q", row.name, code, stderr, row.code, row.stderr)
		}
	}
}

func TestFlagsMayHaveOneDashOrTwo(t *testing.T) {
	for _, flag := range []string{"-door=back", "--door=back"} {
		_, _, _ = try(t, func(door string) error {
			if door != "back" {
				t.Errorf("%s opened %s", flag, door)
			}
			return nil
		}, flag)
	}
}

func TestHelpTellsFlagsInGroups(t *testing.T) {
	code, out, _ := try(t, nil, "-help")
	const head = "prog opens a door.\n\nUsage: prog [flags]\n\nDoors:\n  -door door  the door to open (default front)\n\nLogging (glog):\n  -logtostderr"
	if code != ExitOK || !strings.HasPrefix(out, head) {
		t.Errorf("exit %d, got\n%s\nwant it to begin with\n%s", code, out, head)
	}
	if !strings.Contains(out, "(default true)") || !strings.HasSuffix(out, "Environment:\n  KEY  the key\n") {
		t.Errorf("logtostderr's default or the end is missing:\n%s", out)
	}
}

func TestVersionIsPrinted(t *testing.T) {
	if code, out, _ := try(t, nil, "-version"); code != ExitOK || !strings.HasPrefix(out, "prog ") {
		t.Errorf("exit %d, %q", code, out)
	}
}
