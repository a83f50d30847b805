package etcdtest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/netchecker/netchecker/test/certtest"
)

// Option is something about an etcd that is not as usual.
type Option func(*config) error

type config struct {
	// tool is the program's name in test/tools.
	tool   string
	args   []string
	certs  *certtest.Authority
	mutual bool
}

func newConfig(opts []Option) (*config, error) {
	c := &config{tool: "etcd"}
	for _, o := range opts {
		if err := o(c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Quota is how large the database may become, in bytes (etcd's own default is
// 2 GiB); beyond it etcd takes no more writes until space is made and the alarm
// is disarmed.
func Quota(bytes int64) Option {
	return args("--quota-backend-bytes", strconv.FormatInt(bytes, 10))
}

// UnsafeNoFsync lets etcd acknowledge what is not on the disk yet. It is faster,
// and survives the end of the process, not that of the machine.
func UnsafeNoFsync() Option { return args("--unsafe-no-fsync") }

// Args are given to etcd as they are.
func Args(a ...string) Option { return args(a...) }

func args(a ...string) Option {
	return func(c *config) error {
		c.args = append(c.args, a...)
		return nil
	}
}

// TLS lets etcd speak TLS, with a certificate signed by ca for loopback.
func TLS(ca *certtest.Authority) Option {
	return func(c *config) error {
		c.certs = ca
		return nil
	}
}

// MutualTLS is TLS where clients need a certificate signed by ca, too.
func MutualTLS(ca *certtest.Authority) Option {
	return func(c *config) error {
		c.certs, c.mutual = ca, true
		return nil
	}
}

// older are the programs of releases that a server may have to do with, besides the
// newest, by their names in test/tools.
var older = map[string]string{"3.4": "etcd34", "3.5": "etcd35"}

// Older are the releases that Version knows. Tests of them have the build tag older,
// and are run by make older-etcds, which builds them.
func Older() []string { return slices.Sorted(maps.Keys(older)) }

// Version runs another release than the newest: one of Older.
func Version(release string) Option {
	return func(c *config) error {
		tool, there := older[release]
		if !there {
			return fmt.Errorf("there is no etcd %q to test with; there are %s", release, strings.Join(Older(), " and "))
		}
		c.tool = tool
		return nil
	}
}
