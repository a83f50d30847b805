// Package events tells people of disruption, and of what is found broken, where they look
// for what happens in a cluster: as Kubernetes Events. The leader does that, one for each
// backend, kind of connection and network, and not for each agent that noticed; and one for
// each finding, at its node where it has one. Others are netchecker's Service's.
//
// What is to be told is decided by pure functions (outage.go, decide.go, refused.go,
// found.go) from the intervals, the findings and what was told before. A decision is stored, with its Events, in
// one transaction behind the leader's fence, before anything is sent; an Event leaves the
// store once the API server has it. So nothing is lost while the API server is away, or
// as a leader dies, and nothing is told twice: an Event's name says what it is of, and
// one that is there already was sent.
package events

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Type is what Kubernetes calls so.
type Type string

const (
	// Normal is for what is as it should be.
	Normal Type = "Normal"
	// Warning is for what somebody should look at.
	Warning Type = "Warning"
)

// The reasons.
const (
	DisruptionBegan = "DisruptionBegan"
	DisruptionEnded = "DisruptionEnded"
	BackendRefused  = "BackendRefused"
	FindingBegan    = "FindingBegan"
	FindingEnded    = "FindingEnded"
)

// Event is what people are told.
type Event struct {
	// ID is the same for what is the same, on each server: a DNS-1123 subdomain.
	ID string `json:"id"`
	// Node is the one that it is of; empty: it is the Service's.
	Node   string `json:"node,omitempty"`
	Type   Type   `json:"type"`
	Reason string `json:"reason"`
	// Note is in words, in at most maxNote bytes.
	Note string `json:"note"`
	// At is when it happened, on the server's wall clock.
	At time.Time `json:"at"`
}

// maxNote is what Kubernetes allows.
const maxNote = 1024

// identity is what tells one thing from another.
func identity(at time.Time, parts ...string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %q", at.UnixMilli(), parts))
	return hex.EncodeToString(sum[:8])
}

// cut is as much of a text as fits, with whole characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-len("…")], "") + "…"
}
