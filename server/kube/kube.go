// Package kube says how the cluster's API server is reached: by a kubeconfig, or by
// the ServiceAccount of the pod that this process runs in.
package kube

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/netchecker/netchecker/pkg/version"
)

// Config is that of a client by the kubeconfig at that path; an empty path means the
// ServiceAccount of the pod that this process runs in.
func Config(kubeconfig string) (*rest.Config, error) {
	cfg, err := restConfig(kubeconfig)
	if err != nil {
		return nil, err
	}
	cfg.ContentType = runtime.ContentTypeProtobuf
	cfg.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	cfg.UserAgent = "netchecker-server/" + version.Version
	cfg.WarningHandlerWithContext = rest.NoWarnings{}
	return cfg, nil
}

func restConfig(kubeconfig string) (*rest.Config, error) {
	if kubeconfig != "" {
		cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		if err != nil {
			return nil, fmt.Errorf("reading the kubeconfig %s: %w", kubeconfig, err)
		}
		return cfg, nil
	}
	cfg, err := rest.InClusterConfig()
	if errors.Is(err, rest.ErrNotInCluster) {
		return nil, errors.New("this process runs in no Kubernetes pod, so it needs -kubeconfig, or -agents-file")
	}
	if err != nil {
		return nil, fmt.Errorf("reading this pod's ServiceAccount: %w", err)
	}
	return cfg, nil
}
