// Package version tells which build of netchecker this is.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Version, Commit and Date are set at build time with
// -ldflags "-X github.com/netchecker/netchecker/pkg/version.Version=…".
var (
	Version = "dev"
	Commit  = ""
	Date    = ""
)

// Info describes a build.
type Info struct {
	Version, Commit, Date, GoVersion, Platform string
}

// Get returns the running build's Info. Where the linker was told no commit,
// the one that the Go tool recorded is used.
func Get() Info {
	i := Info{
		Version:   Version,
		Commit:    Commit,
		Date:      Date,
		GoVersion: runtime.Version(),
		Platform:  runtime.GOOS + "/" + runtime.GOARCH,
	}
	if bi, ok := debug.ReadBuildInfo(); ok {
		for _, s := range bi.Settings {
			switch {
			case s.Key == "vcs.revision" && i.Commit == "":
				i.Commit = s.Value
			case s.Key == "vcs.time" && i.Date == "":
				i.Date = s.Value
			}
		}
	}
	if i.Commit == "" {
		i.Commit = "unknown"
	}
	if i.Date == "" {
		i.Date = "unknown"
	}
	return i
}

// String is the line that -version prints after the program's name.
func (i Info) String() string {
	return fmt.Sprintf("%s (commit %s, built %s, %s, %s)", i.Version, i.Commit, i.Date, i.GoVersion, i.Platform)
}
