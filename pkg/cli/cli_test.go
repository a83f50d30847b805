package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
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
		{"it failed in a way of its own", func(string) error { return fmt.Errorf("going in: %w", &Exit{7, errors.New("-door is a wall")}) }, nil, 7, "prog: going in: -door is a wall\n"},
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

// painter is a program with a command, which takes an argument.
func painter(t *testing.T, args ...string) (code int, stdout, stderr, painted string) {
	t.Helper()
	var colour, thing string
	p := Program{
		Name: "prog", About: "prog does nothing.", AddFlags: func(*flag.FlagSet) {}, Start: func(context.Context) error { return nil },
		Commands: map[string]Program{"paint": {
			Name: "prog paint", About: "prog paint paints.", Groups: []Group{{"Paint", []string{"colour"}}},
			Argument: "THING", Take: func(s string) { thing = s },
			AddFlags: func(fs *flag.FlagSet) { fs.StringVar(&colour, "colour", "red", "the `colour`") },
			Start: func(context.Context) error {
				switch painted = colour + " " + thing; colour {
				case "none":
					return &Exit{Code: 3}
				case "odd":
					return &Exit{ExitUsage, errors.New("-colour is odd")}
				}
				return nil
			},
		}},
	}
	var out, err bytes.Buffer
	code = p.Run(t.Context(), args, &out, &err)
	return code, out.String(), err.String(), painted
}

func TestACommandTakesItsArgumentBetweenFlags(t *testing.T) {
	for _, row := range []struct {
		args, painted string
		code          int
		stderr        string
	}{
		{"paint door", "red door", ExitOK, ""},
		{"paint -colour blue door", "blue door", ExitOK, ""},
		{"paint door --colour=blue", "blue door", ExitOK, ""},
		{"paint", "", ExitUsage, "prog paint: THING is missing; see prog paint -help\n"},
		{"paint door wall", "", ExitUsage, "prog paint: unexpected argument \"wall\"; see prog paint -help\n"},
		{"paint door -size 1", "", ExitUsage, "prog paint: flag provided but not defined: -size; see prog paint -help\n"},
		{"paint -colour none door", "none door", 3, ""},
		{"paint -colour odd door", "odd door", ExitUsage, "prog paint: -colour is odd\n"},
		{"door", "", ExitUsage, "prog: unexpected argument \"door\"; see prog -help\n"},
		{"paint -version", "", ExitOK, ""},
	} {
		code, _, stderr, painted := painter(t, strings.Fields(row.args)...)
		if code != row.code || stderr != row.stderr || painted != row.painted {
			t.Errorf("%s: exit %d, %q, painted %q; want %d, %q, %q", row.args, code, stderr, painted, row.code, row.stderr, row.painted)
		}
	}
	if _, out, _, _ := painter(t, "paint", "-h"); !strings.HasPrefix(out, "prog paint paints.\n\nUsage: prog paint [flags] THING\n\nPaint:\n  -colour colour  the colour (default red)\n") {
		t.Errorf("the help is\n%s", out)
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
