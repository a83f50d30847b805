//go:build chart

package chart_test

import (
	"testing"
)

// everything turns all switches on that can be on together.
var everything = []string{
	"commonLabels.team=network", "commonAnnotations.note=ours",
	"etcd.embedded.persistence.enabled=true",
	"networkPolicy.enabled=true", "networkPolicy.from[0].ipBlock.cidr=10.0.0.0/8",
	"metrics.annotations.agents=true",
	"metrics.serviceMonitor.enabled=true", "metrics.prometheusRule.enabled=true", "metrics.dashboard.enabled=true",
}

const (
	pod       = "spec.template.spec."
	container = pod + "containers.0."
)

// switches are the chart's, and what each changes.
var switches = []struct {
	name     string
	settings []string
	expect   []expectation
	// gone are objects that are not there.
	gone []string
}{
	{"no agents on the pod network", []string{"agent.podNetwork.enabled=false"}, nil, []string{pods}},
	{"no agents on the host network", []string{"agent.hostNetwork.enabled=false"}, nil, []string{hostnet}},
	{"no PodDisruptionBudget", []string{"server.podDisruptionBudget.enabled=false"}, nil, []string{"PodDisruptionBudget/netchecker-server"}},
	{"no RBAC", []string{"rbac.create=false"}, nil, []string{"ClusterRole/netchecker-server", "ClusterRoleBinding/netchecker-server", "Role/netchecker-server", "RoleBinding/netchecker-server", "Role/netchecker-server-nodes", "RoleBinding/netchecker-server-nodes"}},
	{"no Events", []string{"rbac.events=false"}, []expectation{{server, container + "args.16", `"-namespace="`},
		{"Role/netchecker-server", "rules", `[{"apiGroups":[""],"resourceNames":["netchecker-service"],"resources":["services"],"verbs":["get"]}]`}}, []string{"Role/netchecker-server-nodes", "RoleBinding/netchecker-server-nodes"}},
	{"no Service", []string{"rbac.service=false"}, []expectation{{"Role/netchecker-server", "rules", `[{"apiGroups":[""],"resources":["events"],"verbs":["create"]}]`}}, nil},
	{"no rights in its namespace", []string{"rbac.events=false", "rbac.service=false"}, nil, []string{"Role/netchecker-server", "RoleBinding/netchecker-server"}},
	{"Events", nil, []expectation{
		{server, container + "args.16", "null"}, {server, container + "env.0", `{"name":"POD_NAMESPACE","valueFrom":{"fieldRef":{"fieldPath":"metadata.namespace"}}}`},
		{server, container + "env.1", `{"name":"MY_POD_IP","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}}`}, {server, container + "env.2", `{"name":"MY_NODE_IP","valueFrom":{"fieldRef":{"fieldPath":"status.hostIP"}}}`}}, nil},
	{"critical findings fail the check", nil, []expectation{{server, container + "args.15", `"-findings-fail=true"`}}, nil},
	{"critical findings fail nothing", []string{"server.findingsFail=false"}, []expectation{{server, container + "args.15", `"-findings-fail=false"`}}, nil},
	{"no backends", []string{"backends=null"}, []expectation{{"ConfigMap/netchecker-backends", "data", `{"backends.yaml":"backends: []\n"}`}}, nil},
	{"backends", []string{"backends[0].name=kubelet", "backends[0].url=http://{nodeIP}:10248/healthz", "backends[0].from=every-agent", "backends[0].intervalMillis=2000",
		"backends[1].name=shop", "backends[1].url=https://shop.example.com/", "backends[1].status={200,204}", "backends[1].token=shop-token", "backends[1].headers.X-Probe=a: b", "server.backendRateLimit=500",
		"agent.backendFiles[0].secret.name=shop", "agent.backendFiles[0].secret.items[0].key=token", "agent.backendFiles[0].secret.items[0].path=shop-token"}, []expectation{
		{"ConfigMap/netchecker-backends", "data", `{"backends.yaml":"backends:\n- from: every-agent\n  intervalMillis: 2000\n  name: kubelet\n  url: http://{nodeIP}:10248/healthz\n` +
			`- headers:\n    X-Probe: 'a: b'\n  name: shop\n  status:\n  - 200\n  - 204\n  token: shop-token\n  url: https://shop.example.com/\n"}`},
		{server, container + "args.14", `"-backend-rate-limit=500"`},
		{pods, pod + "volumes.0.projected.sources.1", `{"secret":{"items":[{"key":"token","path":"shop-token"}],"name":"shop"}}`},
		{hostnet, pod + "volumes.0.projected.sources.1.secret.name", `"shop"`}}, nil},
	{"no nodes", []string{"rbac.nodes=false"}, []expectation{
		{"ClusterRole/netchecker-server", "rules", `[{"apiGroups":[""],"resources":["pods"],"verbs":["list","watch"]}]`}}, nil},
	{"accounts of others", []string{"serviceAccount.create=false", "serviceAccount.serverName=watcher"}, []expectation{
		{server, pod + "serviceAccountName", `"watcher"`},
		{pods, pod + "serviceAccountName", `"default"`},
		{"ClusterRoleBinding/netchecker-server", "subjects.0.name", `"watcher"`}},
		[]string{"ServiceAccount/netchecker-server", "ServiceAccount/netchecker-agent"}},
	{"one account of others", []string{"serviceAccount.create=false", "serviceAccount.serverName=one", "serviceAccount.agentName=one"}, []expectation{
		{server, pod + "serviceAccountName", `"one"`}, {pods, pod + "serviceAccountName", `"one"`}}, nil},
	{"embedded etcd", nil, []expectation{
		{server, "spec.replicas", "1"},
		{server, "spec.strategy", `{"type":"Recreate"}`},
		{server, pod + "terminationGracePeriodSeconds", "30"},
		{server, container + "lifecycle", "null"},
		{server, pod + "volumes", `[{"configMap":{"name":"netchecker-backends"},"name":"backends"},{"emptyDir":{"sizeLimit":"2Gi"},"name":"data"}]`},
		{server, container + "volumeMounts", `[{"mountPath":"/etc/netchecker/backends","name":"backends","readOnly":true},{"mountPath":"/var/lib/netchecker","name":"data"}]`}}, nil},
	{"a claim", []string{"etcd.embedded.persistence.enabled=true", "etcd.embedded.persistence.storageClassName=fast"}, []expectation{
		{server, pod + "volumes", `[{"configMap":{"name":"netchecker-backends"},"name":"backends"},{"name":"data","persistentVolumeClaim":{"claimName":"netchecker-server"}}]`},
		{"PersistentVolumeClaim/netchecker-server", "spec", `{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"2Gi"}},"storageClassName":"fast"}`}}, nil},
	{"a claim that is there", []string{"etcd.embedded.persistence.enabled=true", "etcd.embedded.persistence.existingClaim=mine"}, []expectation{
		{server, pod + "volumes.1.persistentVolumeClaim.claimName", `"mine"`}}, []string{"PersistentVolumeClaim/netchecker-server"}},
	{"external etcd with TLS", []string{"etcd.endpoints={https://a:2379,https://b:2379}", "etcd.tls.secretName=etcd-client", "server.replicas=3"}, []expectation{
		{server, "spec.replicas", "3"},
		{server, "spec.strategy", `{"rollingUpdate":{"maxSurge":1,"maxUnavailable":0},"type":"RollingUpdate"}`},
		{server, pod + "terminationGracePeriodSeconds", "35"},
		{server, container + "lifecycle.preStop", `{"sleep":{"seconds":5}}`},
		// 0440, for the group of fsGroup.
		{server, pod + "volumes", `[{"configMap":{"name":"netchecker-backends"},"name":"backends"},{"name":"etcd-tls","secret":{"defaultMode":288,"secretName":"etcd-client"}}]`},
		{server, pod + "securityContext.fsGroup", "65532"},
		{server, container + "volumeMounts", `[{"mountPath":"/etc/netchecker/backends","name":"backends","readOnly":true},{"mountPath":"/etc/netchecker/etcd","name":"etcd-tls","readOnly":true}]`},
		{server, container + "args", `["-endpoint=0.0.0.0:8081","-report-ttl=300","-starting-grace=120","-ping-timeout=5","-check-interval=10","-drain-timeout=5",` +
			`"-max-body-bytes=1048576","-max-connections=32768","-v=0","-etcd-tree=netchecker","-etcd-compact=true","-etcd-endpoints=https://a:2379,https://b:2379",` +
			`"-etcd-ca=/etc/netchecker/etcd/ca.crt","-etcd-cert=/etc/netchecker/etcd/tls.crt","-etcd-key=/etc/netchecker/etcd/tls.key",` +
			`"-backends-file=/etc/netchecker/backends/backends.yaml","-backend-rate-limit=200","-findings-fail=true"]`}}, nil},
	{"external etcd, an authority and no client certificate", []string{"etcd.endpoints={https://a:2379}", "etcd.tls.secretName=ca", "etcd.tls.certKey=", "etcd.tls.keyKey="}, []expectation{
		{server, container + "args.12", `"-etcd-ca=/etc/netchecker/etcd/ca.crt"`}, {server, container + "args.13", `"-backends-file=/etc/netchecker/backends/backends.yaml"`}}, nil},
	{"external etcd, not verified", []string{"etcd.endpoints={https://a:2379}", "etcd.tls.insecureSkipVerify=true", "etcd.compact=false", "server.preStopSleep=0"}, []expectation{
		{server, container + "args.10", `"-etcd-compact=false"`}, {server, container + "args.12", `"-etcd-insecure-skip-verify"`},
		{server, pod + "volumes", `[{"configMap":{"name":"netchecker-backends"},"name":"backends"}]`}, {server, container + "lifecycle", "null"}, {server, pod + "terminationGracePeriodSeconds", "30"}}, nil},
	{"draining for longer", []string{"server.drainTimeout=60"}, []expectation{{server, pod + "terminationGracePeriodSeconds", "85"}}, nil},
	{"no NodePort", []string{"service.type=ClusterIP"}, []expectation{
		{service, "spec.type", `"ClusterIP"`}, {service, "spec.ports", `[{"name":"http","port":8081,"targetPort":"http"}]`}}, nil},
	{"any NodePort", []string{"service.nodePort=0"}, []expectation{{service, "spec.ports", `[{"name":"http","port":8081,"targetPort":"http"}]`}}, nil},
	{"dual-stack", []string{"service.ipFamilyPolicy=RequireDualStack", "service.ipFamilies={IPv6,IPv4}"}, []expectation{
		{service, "spec.ipFamilyPolicy", `"RequireDualStack"`}, {service, "spec.ipFamilies", `["IPv6","IPv4"]`}}, nil},
	{"IPv6 only", []string{"service.ipFamilyPolicy=SingleStack", "service.ipFamilies={IPv6}"}, []expectation{
		{service, "spec.ipFamilyPolicy", `"SingleStack"`}, {service, "spec.ipFamilies", `["IPv6"]`}}, nil},
	{"NetworkPolicy for everybody", []string{"networkPolicy.enabled=true"}, []expectation{
		{"NetworkPolicy/netchecker-server", "spec.ingress", `[{"ports":[{"port":"http","protocol":"TCP"}]}]`},
		{"NetworkPolicy/netchecker-agent", "spec.podSelector.matchLabels.app", `"netchecker-agent"`},
		{"NetworkPolicy/netchecker-agent", "spec.ingress", `[{"ports":[{"port":"http","protocol":"TCP"},{"port":"mesh","protocol":"UDP"},{"port":"mesh-tcp","protocol":"TCP"}]}]`}}, nil},
	{"NetworkPolicy for some", []string{"networkPolicy.enabled=true", "networkPolicy.from[0].ipBlock.cidr=10.0.0.0/8"}, []expectation{
		{"NetworkPolicy/netchecker-server", "spec.ingress.0.from", `[{"podSelector":{"matchLabels":{"app.kubernetes.io/instance":"netchecker",` +
			`"app.kubernetes.io/name":"netchecker","app.kubernetes.io/part-of":"netchecker"}}},{"ipBlock":{"cidr":"10.0.0.0/8"}}]`}}, nil},
	{"plain Prometheus", []string{"metrics.annotations.agents=true", "server.podAnnotations.a=b"}, []expectation{
		{server, "spec.template.metadata.annotations", `{"a":"b","prometheus.io/path":"/metrics","prometheus.io/port":"8081","prometheus.io/scrape":"true"}`},
		{pods, "spec.template.metadata.annotations", `{"netchecker/mesh-port":"8083","prometheus.io/path":"/metrics","prometheus.io/port":"8082","prometheus.io/scrape":"true"}`}}, nil},
	{"no annotations", []string{"metrics.annotations.server=false"}, []expectation{{server, "spec.template.metadata.annotations", "null"}}, nil},
	{"ServiceMonitor", []string{"metrics.serviceMonitor.enabled=true", "metrics.serviceMonitor.labels.release=prometheus"}, []expectation{
		{"ServiceMonitor/netchecker-server", "metadata.labels.release", `"prometheus"`},
		{"ServiceMonitor/netchecker-server", "spec.endpoints", `[{"interval":"15s","path":"/metrics","port":"http","scrapeTimeout":"10s"}]`}}, nil},
	{"scraping as long as it takes", []string{"metrics.serviceMonitor.enabled=true", "metrics.serviceMonitor.interval=1m", "metrics.serviceMonitor.scrapeTimeout=60s"}, []expectation{
		{"ServiceMonitor/netchecker-server", "spec.endpoints.0.scrapeTimeout", `"60s"`}}, nil},
	{"PrometheusRule", []string{"metrics.prometheusRule.enabled=true"}, []expectation{
		{"PrometheusRule/netchecker", "spec.groups.0.rules.0.alert", `"NetcheckerAgentAbsent"`}}, nil},
	{"dashboard", []string{"metrics.dashboard.enabled=true"}, []expectation{
		{"ConfigMap/netchecker-dashboard", "metadata.labels.grafana_dashboard", `"1"`}}, nil},
	{"images from elsewhere", []string{"image.registry=registry.example.com/mirror/", "image.tag=v2", "agent.image.tag=v3", "image.pullPolicy=Always", "imagePullSecrets[0].name=pull"}, []expectation{
		{server, container + "image", `"registry.example.com/mirror/netchecker/netchecker-server:v2"`},
		{pods, container + "image", `"registry.example.com/mirror/netchecker/netchecker-agent:v3"`},
		{hostnet, container + "imagePullPolicy", `"Always"`},
		{hostnet, pod + "imagePullSecrets", `[{"name":"pull"}]`}}, nil},
	{"an image by its digest", []string{"server.image.digest=sha256:" + digest}, []expectation{
		{server, container + "image", `"netchecker/netchecker-server@sha256:` + digest + `"`},
		{"Pod/netchecker-test", "spec.containers.0.image", `"netchecker/netchecker-server@sha256:` + digest + `"`}}, nil},
	{"what agents do", []string{"agent.reportInterval=5", "agent.zeroExtenderLength=auto", "agent.probeURLs={http://a,http://b}", "agent.port=9000", "agent.mesh.port=9001", "agent.mesh.hostPort=9002", "agent.logLevel=5", "agent.extraArgs={-vmodule=run=9}"}, []expectation{
		{hostnet, container + "args", `["-serverendpoint=netchecker-service:8081","-reportinterval=5","-zeroextenderlength=auto","-probeurls=http://a,http://b","-network=host","-listen=0.0.0.0:9000","-mesh=true","-mesh-listen=:9002","-v=5","-vmodule=run=9"]`},
		{hostnet, container + "ports", "null"}, {hostnet, "spec.template.metadata.annotations", `{"netchecker/mesh-port":"9002"}`},
		{pods, container + "ports", `[{"containerPort":9000,"name":"http"},{"containerPort":9001,"name":"mesh","protocol":"UDP"},{"containerPort":9001,"name":"mesh-tcp"}]`}}, nil},
	{"no mesh", []string{"agent.mesh.enabled=false", "networkPolicy.enabled=true"}, []expectation{
		{pods, container + "args.5", `"-mesh=false"`}, {pods, "spec.template.metadata.annotations", "null"},
		{pods, container + "ports", `[{"containerPort":8082,"name":"http"}]`},
		{"NetworkPolicy/netchecker-agent", "spec.ingress", `[{"ports":[{"port":"http","protocol":"TCP"}]}]`}}, nil},
	{"where the server runs", []string{"server.priorityClassName=high", "server.nodeSelector.disk=ssd", "server" + preferred + "weight=1", "server" + preferred + "podAffinityTerm.topologyKey=zone", "server" + preferred + "podAffinityTerm.labelSelector.matchLabels.app=other", "server.tolerations=null", "server.topologySpreadConstraints=null"}, []expectation{
		{server, pod + "priorityClassName", `"high"`}, {server, pod + "nodeSelector", `{"disk":"ssd","kubernetes.io/os":"linux"}`},
		{server, pod + "affinity", affinity}, {server, pod + "tolerations", "null"}, {server, pod + "topologySpreadConstraints", "null"}}, nil},
	{"spreading the server", []string{"server" + spread0 + "maxSkew=1", "server" + spread0 + "topologyKey=rack", "server" + spread0 + "whenUnsatisfiable=ScheduleAnyway",
		"server" + spread1 + "maxSkew=2", "server" + spread1 + "topologyKey=zone", "server" + spread1 + "whenUnsatisfiable=DoNotSchedule", "server" + spread1 + "labelSelector.matchLabels.app=other"}, []expectation{
		{server, pod + "topologySpreadConstraints", `[{"labelSelector":{"matchLabels":{"app":"netchecker-server","app.kubernetes.io/instance":"netchecker"}},` +
			`"maxSkew":1,"topologyKey":"rack","whenUnsatisfiable":"ScheduleAnyway"},` +
			`{"labelSelector":{"matchLabels":{"app":"other"}},"maxSkew":2,"topologyKey":"zone","whenUnsatisfiable":"DoNotSchedule"}]`}}, nil},
	{"where agents run", []string{"agent.priorityClassName=system-node-critical", "agent" + preferred + "weight=1", "agent" + preferred + "podAffinityTerm.topologyKey=zone", "agent" + preferred + "podAffinityTerm.labelSelector.matchLabels.app=other", "agent.maxUnavailable=5"}, []expectation{
		{pods, pod + "priorityClassName", `"system-node-critical"`}, {hostnet, pod + "affinity", affinity},
		{hostnet, "spec.updateStrategy.rollingUpdate.maxUnavailable", "5"}}, nil},
	{"more environment", []string{"server.extraEnv[0].name=A", "server.extraEnv[0].value=b", "agent.extraEnv[0].name=C", "agent.extraEnv[0].value=d"}, []expectation{
		{server, container + "env.4", `{"name":"A","value":"b"}`}, {pods, container + "env.7", `{"name":"C","value":"d"}`}}, nil},
	{"more labels", []string{"agent.podLabels.x=y", "commonLabels.team=network", "service.labels.z=w", "service.annotations.a=b"}, []expectation{
		{pods, "spec.template.metadata.labels", `{"app":"netchecker-agent","app.kubernetes.io/component":"agent","app.kubernetes.io/instance":"netchecker",` +
			`"app.kubernetes.io/name":"netchecker","app.kubernetes.io/part-of":"netchecker","team":"network","x":"y"}`},
		{pods, "spec.selector.matchLabels", `{"app":"netchecker-agent","app.kubernetes.io/instance":"netchecker"}`},
		{service, "metadata.labels.z", `"w"`}, {service, "metadata.annotations", `{"a":"b"}`}}, nil},
	{"labels of one object that others have too", []string{"commonLabels.team=network", "metrics.serviceMonitor.enabled=true", "metrics.prometheusRule.enabled=true", "metrics.dashboard.enabled=true",
		"service.labels.team=a", "metrics.serviceMonitor.labels.team=b", "metrics.prometheusRule.labels.team=c", "metrics.dashboard.labels.team=d"}, []expectation{
		{service, "metadata.labels.team", `"a"`}, {service, "metadata.labels.app", `"netchecker-server"`}, {server, "metadata.labels.team", `"network"`},
		{"ServiceMonitor/netchecker-server", "metadata.labels.team", `"b"`}, {"PrometheusRule/netchecker", "metadata.labels.team", `"c"`},
		{"ConfigMap/netchecker-dashboard", "metadata.labels.team", `"d"`}}, nil},
	{"the test", nil, []expectation{
		{"Pod/netchecker-test", "spec.containers.0.args", `["-check=http://netchecker-service:8081","-check-within=120"]`},
		{"Pod/netchecker-test", "metadata.annotations.[helm.sh/hook]", `"test"`},
		// No agent, which the server would expect reports from.
		{"Pod/netchecker-test", "metadata.labels.app", "null"}}, nil},
}

func TestEachSwitchDoesWhatItSays(t *testing.T) {
	for _, row := range switches {
		t.Run(row.name, func(t *testing.T) {
			all := render(t, row.settings...)
			expect(t, all, row.expect...)
			for _, name := range row.gone {
				if _, there := all[name]; there {
					t.Errorf("%s is there", name)
				}
			}
		})
	}
}

// What the row about spreading sets, below server.
const (
	spread0 = ".topologySpreadConstraints[0]."
	spread1 = ".topologySpreadConstraints[1]."
)

// What the rows about affinity set, below that of server or agent.
const preferred = ".affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]."
const affinity = `{"podAntiAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"podAffinityTerm":{"labelSelector":{"matchLabels":{"app":"other"}},"topologyKey":"zone"},"weight":1}]}}`

const digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
