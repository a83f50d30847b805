{{- /* A DaemonSet of agents: (dict "root" . "name" "netchecker-agent" "network" "pod"). */ -}}
{{- define "netchecker.agent" -}}
{{- $root := .root -}}
{{- $agent := .root.Values.agent -}}
{{- $host := eq .network "host" -}}
{{- $meshPort := $host | ternary $agent.mesh.hostPort $agent.mesh.port | int64 -}}
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: {{ .name }}
  namespace: {{ $root.Release.Namespace | toYaml }}
  labels:
    app: {{ .name }}
    app.kubernetes.io/component: agent
    {{- include "netchecker.labels" $root | nindent 4 }}
  {{- include "netchecker.annotations" (dict "root" $root "extra" dict "indent" 2) }}
spec:
  selector:
    matchLabels:
      {{- include "netchecker.selector" (dict "root" $root "app" .name) | nindent 6 }}
  updateStrategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: {{ $agent.maxUnavailable }}
  {{- if $host }}
  # Without a probe (below), one that ends at once would be ready for a moment each
  # time it starts, and a bad update would go on to all nodes.
  minReadySeconds: 5
  {{- end }}
  template:
    metadata:
      labels:
        {{- include "netchecker.podLabels" (dict "root" $root "app" .name "component" "agent" "extra" $agent.podLabels) | nindent 8 }}
      {{- $scrape := dict -}}
      {{- if $root.Values.metrics.annotations.agents }}{{ $scrape = include "netchecker.scrape" $agent.port | fromYaml }}{{ end }}
      {{- /* Where the server tells peers to find it. A port that is declared would be one of the host's, too, and could keep the pod from its node. */ -}}
      {{- $mesh := dict -}}
      {{- if $agent.mesh.enabled }}{{ $mesh = dict "netchecker/mesh-port" (toString $meshPort) }}{{ end }}
      {{- include "netchecker.annotations" (dict "root" $root "extra" (merge (deepCopy ($agent.podAnnotations | default dict)) $scrape $mesh) "indent" 6) }}
    spec:
      {{- include "netchecker.podSpec" $root | trim | nindent 6 }}
      serviceAccountName: {{ include "netchecker.agentAccount" $root | toYaml }}
      automountServiceAccountToken: false
      {{- if $host }}
      hostNetwork: true
      dnsPolicy: ClusterFirstWithHostNet
      {{- end }}
      # An agent ends within a second.
      terminationGracePeriodSeconds: 10
      {{- with include "netchecker.placement" $agent | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      containers:
      - name: netchecker-agent
        image: {{ include "netchecker.image" (dict "root" $root "image" $agent.image) | toYaml }}
        imagePullPolicy: {{ $root.Values.image.pullPolicy }}
        args:
        - -serverendpoint=netchecker-service:8081
        - -reportinterval={{ $agent.reportInterval | int64 }}
        - -zeroextenderlength={{ kindIs "string" $agent.zeroExtenderLength | ternary $agent.zeroExtenderLength ($agent.zeroExtenderLength | int64) }}
        {{- with $agent.probeURLs }}
        - {{ join "," . | printf "-probeurls=%s" | toYaml }}
        {{- end }}
        - -network={{ .network }}
        - -listen=0.0.0.0:{{ $agent.port | int64 }}
        - -mesh={{ $agent.mesh.enabled }}
        {{- if $agent.mesh.enabled }}
        - -mesh-listen=:{{ $meshPort }}
        {{- end }}
        - -v={{ $agent.logLevel | int64 }}
        {{- with $agent.extraArgs }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        env:
        - {name: MY_POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: MY_NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
        - {name: MY_POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
        - {name: MY_POD_IPS, valueFrom: {fieldRef: {fieldPath: status.podIPs}}}
        - {name: MY_POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
        - {name: MY_NODE_IP, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
        {{- with include "netchecker.memoryEnv" $agent.resources | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $agent.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- if not $host }}
        ports:
        - {name: http, containerPort: {{ $agent.port | int64 }}}
        {{- if $agent.mesh.enabled }}
        - {name: mesh, containerPort: {{ $meshPort }}, protocol: UDP}
        - {name: mesh-tcp, containerPort: {{ $meshPort }}}
        {{- end }}
        livenessProbe:
          httpGet: {path: /healthz, port: http}
          periodSeconds: 10
          timeoutSeconds: 5
          failureThreshold: 3
        # Ready is who reports: an update waits for the agents that it has replaced. Old
        # pods that are not ready it replaces regardless of maxUnavailable, which would be
        # all at once where an upgrade takes the server away; hence two minutes.
        readinessProbe:
          httpGet: {path: /readyz, port: http}
          periodSeconds: 5
          timeoutSeconds: 5
          failureThreshold: 24
        {{- end }}
        resources:
          {{- toYaml ($agent.resources | default dict) | nindent 10 }}
        securityContext:
          {{- toYaml ($root.Values.containerSecurityContext | default dict) | nindent 10 }}
        volumeMounts:
        - {name: backends, mountPath: /etc/netchecker/backends, readOnly: true}
      volumes:
      # What backends name as ca or token.
      - name: backends
        projected:
          sources:
          - configMap:
              name: kube-root-ca.crt
              items: [{key: ca.crt, path: kube-ca.crt}]
              optional: true
          {{- with $agent.backendFiles }}
          {{- toYaml . | nindent 10 }}
          {{- end }}
{{- end }}
