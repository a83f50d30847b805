// Campaign judges the diagnosis: it injects faults at random places of simulated clusters, has
// a server's part that names faults look at what the simulated agents tell, and compares
// kind, subject and direction of what is named with the fault that was injected.
//
// It joins two packages that know nothing of each other: test/sim knows places and degrees,
// server/diagnose what agents tell. What a fault at a place should be called is said here
// (catalogue.go), and nowhere else.
//
// All of a trial follows from its seed, kind, size and number, so that one command repeats it:
//
//	go run ./test/campaign -seed 7 -nodes 10 -kind "pod pair" -number 3
//
// With -pairs each trial has another fault besides. What both do may look the same as what
// others would: all faults of the catalogue, and all pairs of them, are tried on the paths of
// the simulator (explain.go), in clusters of ten nodes at all places, and in larger ones at those
// of ten nodes, among them the ones that are concerned. What shows the same is as right; and
// where one fault alone does, it is what should be named.
//
// The columns of the table that it prints:
//
//	right      named as it should be, with nothing besides it left open
//	or         named among others, "A or B"
//	missed     never named
//	wrong      what else was said of the place, or of a part of it
//	false      what was said of other places
//	named      seconds from the fault to its name: the half, 95 of 100, and all are faster
//	late       named, but later than is promised
//	gone       seconds from the end of the fault to that of the finding
//	lingers    not gone half as long again after it should have been
//	lapsed     over, or said to be something else, while the fault that was named lasted
package main
