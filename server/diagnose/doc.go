// Package diagnose says what is broken: of what agents tell of the paths between them it
// makes findings, each of which names one fault, where it is, in which direction, and what
// shows that. It is pure: it does no I/O, and its clock is a parameter.
//
// # What is looked at
//
// A row is a session between agents of two nodes, or of one. It tells of two directions:
// forward, from the node of its prober to that of its target, and back. Whether each is
// dead is known from both ends: who hears a session come, though its prober gets no
// answers, shows that forward is well; who hears nothing, that it is dead. A row is
//
//	told                                                        is
//	----------------------------------------------------------  --------------------
//	5 in a row lost, none answered for 6 s, new TCP fails, too  dead
//	the same for 8 s, new TCP is well                           dead, but for TCP
//	the same, new TCP connects and is not answered over         still: no dead path
//	something is late                                           neither dead nor good
//	refused                                                     good for hosts' network
//	answered, and told since the trouble began                  good
//	answered, told before, no update since, though its node     good
//	  spoke and its agent is reached
//	answered, told before                                       unknown
//	dead, told more than 35 s ago: it may be over               unknown
//	in its first 5 s; of a pod that left, starts, is planned,   unknown
//	  or was restarted since
//
// An agent whose paths look bad says so at once, so that silence of one that is able to
// speak is good news.
//
// # Components
//
// Each row leads through few: out of a node, between a pair of nodes or of zones, into a
// node; and back. So a greedy cover finds what explains most: layer by layer from the
// lowest, the component of which most rows are bad that nothing explains yet, and at
// most a tenth of which are good; of a node at least 80% have to be bad, and those to
// min(3, n-1) peers at least. What it explains is taken out in the layers above, too.
// Where nothing tells of a node but one pair that it is in, either may be at fault, and
// the finding says "or".
//
// Nothing is told while more may fail soon: a pair, while one of its nodes may; a layer, while
// one below it may. All of a fault shows within a few seconds, but not at once.
//
// What heals does so row by row, and those that are left would look like smaller faults: so
// for a while after a place was picked last, what it explained stays explained, unless it was
// well in between. Silence is good news of nobody whose messages take the way that fails.
//
// # The table
//
//	host→host   pod→pod  host→pod, pod→host     besides                  finding
//	----------  -------  ---------------------  -----------------------  -------------------------
//	dead, node  dead     dead                   nothing refused          NodeUnreachable
//	dead, pair  dead     dead                                            Underlay
//	ok          dead     any                    own-node ok              PodNetwork
//	ok          dead     host→pod dead          own-node dead            PodAttachment
//	ok          ok       one of them dead                                HostToPod, PodToHost
//	dead        ok       any                                             HostNetwork
//	ok          ok       ok                     own-node dead            OwnPods
//	any         any      any                    small ok, full silent    BlackHole
//	any         any      any                    lossy                    Loss
//	ok          ok       ok                     new TCP fails            NewConnections
//	ok          ok       ok                     Service by address       Service
//	                                              fails, by backend ok
//	ok          ok       ok                     node port alone fails    NodePort
//	ok          ok       ok                     DNS fails at a node      DNS
//	ok          ok       ok                     one DNS pod from all     DNSServer
//	ok          ok       ok                     wrong answers            WrongDNS
//	ok          ok       ok                     API server               KubeAPI
//	still       still    still                  TCP connects             AgentStill
//	never worked in the whole cluster                                    Blocked
//	dead, all                                                            the same, of the cluster
//	dead, and nothing covers it in 3 rounds                              Unexplained
//
// # Losses
//
// Of what is lossy and not dead, each component has two sums, for 5% and for 1% against
// the background: each loss adds the logarithm of the likelihoods' ratio and each
// delivery takes its own away. At 25 it is lossy, if that is so without its worst peer as
// well. What two tellings of a session differ by is taken as one step: in which order
// the losses came is not told.
//
// Where much is lost, several in a row are so by chance: what is silent there is dead only
// after twice the time that it takes elsewhere. What a path lost while it was dead for some
// seconds is no loss: sessions have to lose again, or the losses to go on for half a
// minute. And a loss that was told goes on to be told until the place is told to be dead.
// What was lost before a wider place got well that was told to lose is that place's, however
// late it is told.
//
// # A successor
//
// What is found follows from what agents told last, so that another State finds the same as
// soon as it is told that; but for losses, agents that starve, and since when things fail,
// of which Resume tells it what was found before.
package diagnose
