package pods

import (
	"context"

	"github.com/go-logr/logr/funcr"
	"github.com/golang/glog"
	"k8s.io/klog/v2"
)

// chatter is the level of -v at which client-go is heard. What it calls an error
// is told by the feed's state already, once.
const chatter = 4

// withLogger lets client-go log through glog.
func withLogger(ctx context.Context) context.Context {
	log := funcr.New(func(prefix, args string) {
		glog.V(chatter).Infof("client-go: %s %s", prefix, args)
	}, funcr.Options{Verbosity: chatter})
	return klog.NewContext(ctx, log)
}
