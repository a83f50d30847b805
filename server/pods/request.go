package pods

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// The verbs of roles that a feed needs.
const (
	verbList  = "list"
	verbWatch = "watch"
)

// requestError is a request that the API server did not answer well, in words
// for who operates the cluster.
type requestError struct {
	verb, what string
	host       string
	within     time.Duration // the request's deadline
	err        error
}

func (e *requestError) Unwrap() error { return e.err }

func (e *requestError) Error() string {
	var status apierrors.APIStatus
	var timeout net.Error
	switch {
	case apierrors.IsForbidden(e.err):
		return fmt.Sprintf("the API server forbids to %s %s: %v; a ClusterRole and a ClusterRoleBinding should allow it", e.verb, e.what, e.err)
	case apierrors.IsUnauthorized(e.err):
		return fmt.Sprintf("the API server at %s does not accept our token or certificate: %v", e.host, e.err)
	case errors.Is(e.err, context.DeadlineExceeded), errors.As(e.err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("the API server at %s did not answer within %v", e.host, e.within)
	case errors.As(e.err, &status):
		return fmt.Sprintf("the API server at %s could not %s %s: %v", e.host, e.verb, e.what, e.err)
	}
	return fmt.Sprintf("the API server at %s can't be reached: %v", e.host, withoutURL(e.err))
}

// withoutURL is err without the request's address, which is long.
func withoutURL(err error) error {
	var whole *url.Error
	if errors.As(err, &whole) {
		return whole.Err
	}
	return err
}

// refused says whether err is the API server's refusal to let us do verb.
func refused(err error, verb string) bool {
	var request *requestError
	return errors.As(err, &request) && request.verb == verb && apierrors.IsForbidden(request.err)
}
