package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var (
	// ErrUnavailable: etcd did not answer, or not in time. Whether what was asked
	// for was done is not known.
	ErrUnavailable = errors.New("etcd does not answer")
	// ErrNoSpace: etcd has used up its quota, and takes no writes.
	ErrNoSpace = errors.New("etcd is out of space: it takes no writes until it is compacted and defragmented, and its NOSPACE alarm disarmed")
	// ErrBusy: too many records of that kind wait to be written.
	ErrBusy = errors.New("too many records are waiting to be written to etcd")
	// ErrNotLeader: the fence does not hold, since another server leads or nobody.
	ErrNotLeader = errors.New("this server does not lead any more")
	// ErrTooLarge: etcd takes no value of this size.
	ErrTooLarge = errors.New("the record is larger than etcd takes in one request")
)

// explain puts an error of etcd in the words above, with its cause.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case is(err, rpctypes.ErrNoSpace):
		return ErrNoSpace
	case errors.Is(err, context.DeadlineExceeded), status.Code(err) == codes.DeadlineExceeded:
		return fmt.Errorf("%w in time: %s", ErrUnavailable, message(err))
	}
	return fmt.Errorf("%w: %s", ErrUnavailable, message(err))
}

// message is what err says without gRPC's "rpc error: code = ... desc = ".
func message(err error) string {
	if s, ok := status.FromError(err); ok {
		return s.Message()
	}
	return err.Error()
}

// is says whether a call failed with that error of etcd.
func is(err, etcds error) bool { return err != nil && rpctypes.Error(err) == etcds }

// tooLarge says whether a transaction has too many operations or bytes: by
// etcd's own limits, or by those of gRPC at either end.
func tooLarge(err error) bool {
	return is(err, rpctypes.ErrTooManyOps) || is(err, rpctypes.ErrRequestTooLarge) ||
		status.Code(err) == codes.ResourceExhausted && strings.Contains(message(err), "larger than max")
}
