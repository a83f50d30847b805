{{- /* Names go through toYaml, here and in all templates: it quotes those that YAML
would take for numbers or booleans, as "1e3" or "on". */ -}}

{{- /* Labels of every object. */ -}}
{{- define "netchecker.labels" -}}
{{- $own := include "netchecker.releaseLabels" . | fromYaml -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") -}}
{{- $_ := set $own "app.kubernetes.io/version" .Chart.AppVersion -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service -}}
{{- toYaml (merge $own (deepCopy (.Values.commonLabels | default dict))) }}
{{- end }}

{{- /* Labels of an object that has its own in the values: root, own. */ -}}
{{- define "netchecker.ownLabels" -}}
{{- toYaml (merge (deepCopy (.own | default dict)) (include "netchecker.labels" .root | fromYaml)) }}
{{- end }}

{{- /* Labels that all pods of the release have in common. */ -}}
{{- define "netchecker.releaseLabels" -}}
app.kubernetes.io/name: netchecker
app.kubernetes.io/instance: {{ .Release.Name | toYaml }}
app.kubernetes.io/part-of: netchecker
{{- end }}

{{- /* What selects the pods of one workload: (dict "root" . "app" "netchecker-agent").
The label app is how the server finds agents; it is part of the contract. */ -}}
{{- define "netchecker.selector" -}}
app: {{ .app }}
app.kubernetes.io/instance: {{ .root.Release.Name | toYaml }}
{{- end }}

{{- /* Labels of a workload's pods: root, app, component, extra. */ -}}
{{- define "netchecker.podLabels" -}}
{{- $own := dict "app" .app "app.kubernetes.io/component" .component -}}
{{- $release := include "netchecker.releaseLabels" .root | fromYaml -}}
{{- toYaml (merge $own $release (deepCopy (.extra | default dict)) (deepCopy (.root.Values.commonLabels | default dict))) }}
{{- end }}

{{- /* The annotations of an object, if it has any: root, extra, and how deep the key
stands. Begins with a line break. */ -}}
{{- define "netchecker.annotations" -}}
{{- with merge (deepCopy (.extra | default dict)) (deepCopy (.root.Values.commonAnnotations | default dict)) }}
{{- dict "annotations" . | toYaml | nindent $.indent }}
{{- end }}
{{- end }}

{{- /* prometheus.io annotations of a port. */ -}}
{{- define "netchecker.scrape" -}}
prometheus.io/scrape: "true"
prometheus.io/port: {{ . | quote }}
prometheus.io/path: /metrics
{{- end }}

{{- /* The image's name: (dict "root" . "image" .Values.server.image). */ -}}
{{- define "netchecker.image" -}}
{{- $name := .image.repository -}}
{{- with .root.Values.image.registry }}{{ $name = printf "%s/%s" (trimSuffix "/" .) $name }}{{ end -}}
{{- if .image.digest -}}
{{ printf "%s@%s" $name .image.digest }}
{{- else -}}
{{ printf "%s:%s" $name (coalesce .image.tag .root.Values.image.tag .root.Chart.AppVersion) }}
{{- end }}
{{- end }}

{{- /* A quantity of memory in bytes. */ -}}
{{- define "netchecker.bytes" -}}
{{- $q := . | toString -}}
{{- $factors := dict "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $unit := regexFind "[A-Za-z]+$" $q -}}
{{- mulf (trimSuffix $unit $q | float64) (get $factors $unit | default 1 | float64) | int64 }}
{{- end }}

{{- /* A duration, such as 15s, in milliseconds. */ -}}
{{- define "netchecker.milliseconds" -}}
{{- $factors := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 -}}
{{- mul (regexFind "^[0-9]+" . | int64) (get $factors (regexFind "[a-z]+$" .)) }}
{{- end }}

{{- /* Environment that keeps Go's memory below the limit of the resources given,
with a tenth left for what is not Go's heap. */ -}}
{{- define "netchecker.memoryEnv" -}}
{{- with dig "limits" "memory" "" (. | default dict) }}
- name: GOMEMLIMIT
  value: {{ div (mul (include "netchecker.bytes" . | int64) 9) 10 | quote }}
{{- end }}
{{- end }}

{{- define "netchecker.serverAccount" -}}
{{- .Values.serviceAccount.serverName | default (ternary "netchecker-server" "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "netchecker.agentAccount" -}}
{{- .Values.serviceAccount.agentName | default (ternary "netchecker-agent" "default" .Values.serviceAccount.create) }}
{{- end }}

{{- /* What all pods' specs begin with. */ -}}
{{- define "netchecker.podSpec" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
enableServiceLinks: false
securityContext:
  {{- toYaml (.Values.podSecurityContext | default dict) | nindent 2 }}
{{- end }}

{{- /* Where a workload's pods may run: its values. */ -}}
{{- define "netchecker.placement" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . | toYaml }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
