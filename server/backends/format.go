package backends

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/netchecker/netchecker/pkg/backend"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/declared"
)

const (
	// MaxFile is the size of the largest file that is read, in bytes.
	MaxFile = 1 << 20
	// maxEntries bounds what is told of one file: each of them may be refused.
	maxEntries = 256
	// maxEncoded is the share of a backend in the largest reply.
	maxEncoded = (report.MaxReply - 4<<10) / backend.Most
)

// parse reads a file:
//
//	backends:
//	- name: kube-api
//	  url: https://kubernetes.default.svc/readyz
//	  ca: kube-ca.crt         # all else may be left out; see Backend
//	  from: spread            # or every-agent; spread
//	  agents: 20              # of those that are spread
//	  allowanceSeconds: 0
//
// It may be JSON as well. The error is that of a file which makes no sense as a whole.
func parse(text []byte, allowLoopback bool) (good []Declaration, refused []Refused, err error) {
	plain, err := declared.JSON(text)
	if err != nil {
		return nil, nil, err
	}
	var file struct {
		Backends []json.RawMessage `json:"backends"`
	}
	if err := declared.Decode(plain, "", &file); err != nil {
		return nil, nil, err
	}
	if file.Backends == nil {
		return nil, nil, fmt.Errorf("backends: is missing; it should be a list of backends, which may be empty")
	}
	if len(file.Backends) > maxEntries {
		return nil, nil, fmt.Errorf("backends: has %d; it should have at most %d", len(file.Backends), backend.Most)
	}
	names := map[string]bool{}
	for i, text := range file.Backends {
		at := fmt.Sprintf("backends[%d]", i)
		d, err := parseOne(text, at, allowLoopback)
		switch {
		case err != nil:
		case names[d.Name]:
			err = fmt.Errorf("name: is another's too; it should be its own")
		case len(good) == backend.Most:
			err = fmt.Errorf("there are %d before it; there should be at most %d", backend.Most, backend.Most)
		default:
			names[d.Name] = true
			good = append(good, d)
			continue
		}
		refused = append(refused, Refused{Name: cmp.Or(d.Name, at), Reason: err.Error()})
	}
	return good, refused, nil
}

// parseOne reads one backend. Of one that can't be read, it returns the name, if there
// is any.
func parseOne(text []byte, at string, allowLoopback bool) (d Declaration, err error) {
	if err := declared.Decode(text, at, &d); err != nil {
		var named struct {
			Name string `json:"name"`
		}
		_ = json.Unmarshal(text, &named) // it is only for the name
		// Where a Declaration embeds a Backend, the file has no such key.
		err = errors.New(strings.Replace(err.Error(), ".Backend.", ".", 1))
		return Declaration{Backend: backend.Backend{Name: begin(named.Name)}}, err
	}
	d.complete()
	err = d.validate(allowLoopback)
	d.Name = begin(d.Name)
	return d, err
}

// begin is as much of a name as is told: one that is a name is not longer.
func begin(name string) string {
	const longest = 63
	if len(name) > longest {
		return name[:longest]
	}
	return name
}
