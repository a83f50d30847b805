package events

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/kubernetes"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/netchecker/netchecker/server/kube"
)

// component is who the Events are from.
const component = "netchecker-server"

// sendWithin bounds what sending one takes.
const sendWithin = 3 * time.Second

// ofNodes is the namespace in which Kubernetes has the Events of what has none.
const ofNodes = metav1.NamespaceDefault

// Recipient sends Events of netchecker's Service, and of nodes, to an API server. It is a Sender.
//
// client-go's own recorder would drop what is more than 25 Events of one object, and what
// it can't send in two minutes; this one only asks, and whoever calls it keeps them.
type Recipient struct {
	// events are those of the Service, and nodes those of nodes, which have no namespace.
	events, nodes      typed.EventInterface
	http               *http.Client
	host               string
	namespace, service string
	instance           string
}

// NewRecipient returns one whose Service is that one in that namespace. The kubeconfig
// is as in kube.Config; instance names this server.
func NewRecipient(kubeconfig, namespace, service, instance string) (*Recipient, error) {
	cfg, err := kube.Config(kubeconfig)
	if err != nil {
		return nil, err
	}
	cfg.QPS = -1 // the pace is the caller's
	web, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("preparing to connect to the API server at %s: %w", cfg.Host, err)
	}
	api, err := kubernetes.NewForConfigAndClient(cfg, web)
	if err != nil {
		return nil, fmt.Errorf("preparing to send Events to the API server at %s: %w", cfg.Host, err)
	}
	return &Recipient{
		events: api.CoreV1().Events(namespace), nodes: api.CoreV1().Events(ofNodes), http: web, host: cfg.Host,
		namespace: namespace, service: service, instance: instance,
	}, nil
}

// Close lets go of its connections.
func (r *Recipient) Close() { utilnet.CloseIdleConnectionsFor(r.http.Transport) }

// Send implements Sender. Where it may not write Events of nodes, they become the Service's.
func (r *Recipient) Send(ctx context.Context, e Event) error {
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	err := r.create(ctx, e)
	if e.Node != "" && apierrors.IsForbidden(err) {
		e.Node = ""
		err = r.create(ctx, e)
	}
	var status apierrors.APIStatus
	var web *url.Error
	switch {
	case err == nil, apierrors.IsAlreadyExists(err):
		return nil
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return &RefusedError{err}
	case apierrors.IsForbidden(err):
		return fmt.Errorf("the API server forbids to create events in the namespace %s: %w; a Role and a RoleBinding should allow it", r.namespace, err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the API server at %s did not answer within %v", r.host, sendWithin)
	case errors.As(err, &status):
		return fmt.Errorf("the API server at %s could not create an event: %w", r.host, err)
	case errors.As(err, &web):
		err = web.Err
	}
	return fmt.Errorf("the API server at %s can't be reached: %w", r.host, err)
}

func (r *Recipient) create(ctx context.Context, e Event) error {
	events := r.events
	if e.Node != "" {
		events = r.nodes
	}
	_, err := events.Create(ctx, r.object(e), metav1.CreateOptions{})
	return err
}

// object is e as Kubernetes has it. Its name says what it is of, so that it is there once
// however often it is sent.
func (r *Recipient) object(e Event) *corev1.Event {
	namespace, of := r.namespace, corev1.ObjectReference{APIVersion: "v1", Kind: "Service", Namespace: r.namespace, Name: r.service}
	if e.Node != "" {
		// With the name as UID, as kubelet has it, so that kubectl describe node shows it.
		namespace, of = ofNodes, corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: e.Node, UID: types.UID(e.Node)}
	}
	at := metav1.NewTime(e.At)
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: namespace, Name: r.service + "." + e.ID},
		InvolvedObject: of,
		Type:           string(e.Type), Reason: e.Reason, Message: e.Note,
		FirstTimestamp: at, LastTimestamp: at, Count: 1,
		Source:              corev1.EventSource{Component: component, Host: r.instance},
		ReportingController: component, ReportingInstance: r.instance,
	}
}
