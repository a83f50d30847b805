{{- /* The server's command line. */ -}}
{{- define "netchecker.serverArgs" -}}
{{- with .Values.server }}
- -endpoint=0.0.0.0:8081
- -report-ttl={{ .reportTTL | int64 }}
- -starting-grace={{ .startingGrace | int64 }}
- -ping-timeout={{ .pingTimeout | int64 }}
- -check-interval={{ .checkInterval | int64 }}
- -drain-timeout={{ .drainTimeout | int64 }}
- -max-body-bytes={{ .maxBodyBytes | int64 }}
- -max-connections={{ .maxConnections | int64 }}
- -v={{ .logLevel | int64 }}
{{- end }}
{{- with .Values.etcd }}
- {{ printf "-etcd-tree=%s" .tree | toYaml }}
- -etcd-compact={{ .compact }}
{{- if .endpoints }}
- {{ join "," .endpoints | printf "-etcd-endpoints=%s" | toYaml }}
{{- include "netchecker.etcdTLSArgs" .tls }}
{{- else }}
- -data-dir=/var/lib/netchecker/etcd
- -embedded-etcd-quota={{ .embedded.quotaBytes | int64 }}
{{- end }}
{{- end }}
- -backends-file=/etc/netchecker/backends/backends.yaml
- -backend-rate-limit={{ .Values.server.backendRateLimit | int64 }}
- -findings-fail={{ .Values.server.findingsFail }}
{{- if not .Values.rbac.events }}
- -namespace= # no Events
{{- end }}
{{- with .Values.server.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "netchecker.etcdTLSArgs" -}}
{{- if .secretName }}
{{- with .caKey }}
- -etcd-ca=/etc/netchecker/etcd/{{ . }}
{{- end }}
{{- if .certKey }}
- -etcd-cert=/etc/netchecker/etcd/{{ .certKey }}
- -etcd-key=/etc/netchecker/etcd/{{ .keyKey }}
{{- end }}
{{- end }}
{{- if .insecureSkipVerify }}
- -etcd-insecure-skip-verify
{{- end }}
{{- end }}

{{- define "netchecker.serverEnv" -}}
# Where it writes Events.
- {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
# Where agents reach it that do not reach its Service.
- {name: MY_POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
- {name: MY_NODE_IP, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
{{- include "netchecker.memoryEnv" .Values.server.resources }}
{{- with .Values.server.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The server's volumes: the backends, and the data of its own etcd or the files for
TLS. */ -}}
{{- define "netchecker.serverVolumes" -}}
- name: backends
  configMap:
    name: netchecker-backends
{{- with .Values.etcd }}
{{- if not .endpoints }}
- name: data
  {{- if .embedded.persistence.enabled }}
  persistentVolumeClaim:
    claimName: {{ .embedded.persistence.existingClaim | default "netchecker-server" | toYaml }}
  {{- else }}
  emptyDir:
    sizeLimit: {{ .embedded.sizeLimit }}
  {{- end }}
{{- else if .tls.secretName }}
- name: etcd-tls
  secret:
    secretName: {{ .tls.secretName | toYaml }}
    # For the group, which fsGroup makes the server's.
    defaultMode: 0440
{{- end }}
{{- end }}
{{- end }}

{{- define "netchecker.serverMounts" -}}
- {name: backends, mountPath: /etc/netchecker/backends, readOnly: true}
{{- with .Values.etcd }}
{{- if not .endpoints }}
- {name: data, mountPath: /var/lib/netchecker}
{{- else if .tls.secretName }}
- {name: etcd-tls, mountPath: /etc/netchecker/etcd, readOnly: true}
{{- end }}
{{- end }}
{{- end }}

{{- /* The server's probes. A handler takes 2 s at most, so that only a server that
does not answer at all meets the timeout. Readiness is "can answer", also where
the answer is that nothing can be known. */ -}}
{{- define "netchecker.serverProbes" -}}
startupProbe: # the embedded etcd first reads its data
  httpGet: {path: /healthz, port: http}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz/serving, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{- /* The spread constraints, with the server's selector where they have none. One of
their own stays as it is. */ -}}
{{- define "netchecker.serverSpread" -}}
{{- $selector := include "netchecker.selector" (dict "root" . "app" "netchecker-server") | fromYaml -}}
{{- range .Values.server.topologySpreadConstraints }}
{{- $constraint := deepCopy . }}
{{- if not (hasKey . "labelSelector") }}
{{- $_ := set $constraint "labelSelector" (dict "matchLabels" $selector) }}
{{- end }}
- {{ toYaml $constraint | nindent 2 | trim }}
{{- end }}
{{- end }}
