package pods

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/golang/glog"
	corev1 "k8s.io/api/core/v1"

	"github.com/netchecker/netchecker/server/fleet"
)

// nodeOf is what is kept of a node. Since when it is going is left to the caller.
func nodeOf(n *corev1.Node) fleet.Node {
	return fleet.Node{
		Name:   n.Name,
		Zone:   n.Labels[corev1.LabelTopologyZone],
		Ready:  readiness(n),
		Labels: labelsOf(n.Labels),
		Going:  going(n),
	}
}

// sameNode says whether a and b are one node, unchanged, since whenever it is going.
func sameNode(a, b *fleet.Node) bool {
	return a.Name == b.Name && a.Zone == b.Zone && a.Ready == b.Ready && a.Going == b.Going &&
		maps.Equal(a.Labels, b.Labels)
}

func readiness(n *corev1.Node) fleet.Readiness {
	for i := range n.Status.Conditions {
		c := &n.Status.Conditions[i]
		switch {
		case c.Type != corev1.NodeReady:
		case c.Status == corev1.ConditionTrue:
			return fleet.Ready
		case c.Status == corev1.ConditionFalse:
			return fleet.NotReady
		}
	}
	return fleet.ReadyUnknown
}

const (
	// maxLabels is how many bytes of labels are kept of a node at most. A node of a
	// cloud has 2 to 3 KiB, one whose hardware is described by labels up to 12.
	maxLabels = 16 << 10
	// labelCost is what a label costs beside its text.
	labelCost = 32
)

// knownLabels begin the labels that Kubernetes itself gives to nodes, and that most
// selectors are about.
var knownLabels = []string{
	"topology.kubernetes.io/", "kubernetes.io/", "node-role.kubernetes.io/", "node.kubernetes.io/",
}

// labelsOf are those that are kept of a node's labels. Operators select by labels
// of their own, and which those are is not known before: so all are kept, up to
// maxLabels, because Kubernetes itself has no bound for their number, and 10,000
// nodes may not fill the server's memory. Beyond, those of Kubernetes are kept
// before others, and each kind in its order, so that what is kept does not depend on
// chance. Annotations never are: they are no one's to select by, and large.
func labelsOf(all map[string]string) map[string]string {
	size := 0
	for key, value := range all {
		size += labelCost + len(key) + len(value)
	}
	if size <= maxLabels {
		return all
	}
	keys := slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		return cmp.Or(rank(a)-rank(b), strings.Compare(a, b))
	})
	kept, room := make(map[string]string), maxLabels
	for _, key := range keys {
		if room -= labelCost + len(key) + len(all[key]); room < 0 {
			break
		}
		kept[key] = all[key]
	}
	return kept
}

// rank is 0 for the labels of Kubernetes, and 1 for others.
func rank(label string) int {
	if slices.ContainsFunc(knownLabels, func(prefix string) bool { return strings.HasPrefix(label, prefix) }) {
		return 0
	}
	return 1
}

// tellLabels logs that not all labels of a node are kept.
func tellLabels(n *corev1.Node, kept *fleet.Node) {
	if dropped := len(n.Labels) - len(kept.Labels); dropped > 0 {
		glog.Warningf("Node %s has more than %d KiB of labels: %d of %d are ignored", n.Name, maxLabels>>10, dropped, len(n.Labels))
	}
}

// goingTaints say that a node is being taken away. Taints that only tell of a
// failure (not-ready, unreachable) are not among them: failures are to be told.
var goingTaints = []string{
	// Set by people: Kubernetes, "Non-graceful node shutdown handling".
	"node.kubernetes.io/out-of-service",
	// Set by the cloud controller once the machine is shut down.
	"node.cloudprovider.kubernetes.io/shutdown",
	// Set by Cluster Autoscaler and by Karpenter before they drain a node.
	"ToBeDeletedByClusterAutoscaler",
	"karpenter.sh/disrupted",
}

// going is why a node is about to leave; "" for one that stays. The first of
// these that holds is told:
//
//	deletionTimestamp set    being deleted
//	one of goingTaints       tainted KEY
//	spec.unschedulable       cordoned
func going(n *corev1.Node) string {
	if n.DeletionTimestamp != nil {
		return "being deleted"
	}
	for _, t := range n.Spec.Taints {
		if slices.Contains(goingTaints, t.Key) {
			return "tainted " + t.Key
		}
	}
	if n.Spec.Unschedulable {
		return "cordoned"
	}
	return ""
}
