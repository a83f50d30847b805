package pods

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestFailedRequestsAreToldInWordsForOperators(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	get := func(err error) error {
		return &url.Error{Op: "Get", URL: "https://k:6443/api/v1/pods?limit=500", Err: err}
	}
	for _, row := range []struct {
		err  error
		want string
	}{
		{
			apierrors.NewForbidden(pods, "", errors.New(`User "u" cannot list resource "pods"`)),
			`the API server forbids to list pods: pods is forbidden: User "u" cannot list resource "pods"; a ClusterRole and a ClusterRoleBinding should allow it`,
		},
		{apierrors.NewUnauthorized("Unauthorized"), "the API server at https://k:6443 does not accept our token or certificate: Unauthorized"},
		{context.DeadlineExceeded, "the API server at https://k:6443 did not answer within 10s"},
		{get(context.DeadlineExceeded), "the API server at https://k:6443 did not answer within 10s"},
		{fmt.Errorf("client rate limiter Wait returned an error: %w", context.DeadlineExceeded), "the API server at https://k:6443 did not answer within 10s"},
		{apierrors.NewServiceUnavailable("starting"), "the API server at https://k:6443 could not list pods: starting"},
		{get(errors.New("dial tcp 10.0.0.1:6443: connect: connection refused")), "the API server at https://k:6443 can't be reached: dial tcp 10.0.0.1:6443: connect: connection refused"},
		{get(errors.New("x509: certificate signed by unknown authority")), "the API server at https://k:6443 can't be reached: x509: certificate signed by unknown authority"},
	} {
		err := &requestError{verb: verbList, what: "pods", host: "https://k:6443", within: 10 * time.Second, err: row.err}
		if err.Error() != row.want {
			t.Errorf("%v is told as\n%s, want\n%s", row.err, err, row.want)
		}
	}
}

func TestRefusalIsOfTheVerbThatWasAskedFor(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("no"))
	watch := fmt.Errorf("failed to list: %w", &requestError{verb: verbWatch, err: forbidden})
	for _, row := range []struct {
		err  error
		verb string
		want bool
	}{
		{watch, verbWatch, true},
		{watch, verbList, false},
		{&requestError{verb: verbWatch, err: errors.New("other")}, verbWatch, false},
		{nil, verbWatch, false},
	} {
		if got := refused(row.err, row.verb); got != row.want {
			t.Errorf("refused(%v, %s) is %t", row.err, row.verb, got)
		}
	}
}
