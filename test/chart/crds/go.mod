// The CustomResourceDefinitions of the Prometheus operator, as its module has them.
module github.com/netchecker/netchecker/test/chart/crds

go 1.26

require github.com/prometheus-operator/prometheus-operator v0.85.0
