// Package e2e proves netchecker in a real cluster, as users have it: images from
// the Dockerfiles, the chart installed by helm, asked from outside through the
// NodePort. Then the cluster is broken, by packets really lost and processes really
// stopped, and the answers are held to what is promised.
//
// The tests have the build tag e2e, take root and Debian's packages, and are run by
// make e2e. One cluster serves all of them, in the order of areas: a new test is a
// row there. E2E names some of the areas. Each of their parts mends what it broke, and
// ends when all is well again; what is swept over items, such as nodes, runs for one of
// them, or for all by make thorough. KEEP_CLUSTER=1 leaves the cluster up, broken as it
// is where a test failed, and goes on with one that is up, which has to be as a run
// that passed leaves it. GATHER names a folder for logs, objects and rules of a cluster
// where a test failed.
package e2e
