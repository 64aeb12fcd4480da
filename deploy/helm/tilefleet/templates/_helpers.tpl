{{- define "tilefleet.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- /* Of a part: (list $ "worker"). */ -}}
{{- define "tilefleet.selector" -}}
app.kubernetes.io/name: tilefleet
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "tilefleet.labels" -}}
{{ include "tilefleet.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ (index . 0).Chart.Name }}-{{ (index . 0).Chart.Version }}
{{- end }}

{{- define "tilefleet.image" -}}
{{- $top := index . 0 -}}
{{ $top.Values.image.registry }}tilefleet-{{ index . 1 }}:{{ $top.Values.image.tag | default $top.Chart.AppVersion }}
{{- end }}

{{- define "tilefleet.redisHost" -}}
{{- if .Values.redis.enabled -}}
{{ include "tilefleet.name" . }}-redis
{{- else -}}
{{- $host := required "redis.host: the server's name, where redis.enabled is false" .Values.redis.host -}}
{{ if contains ":" $host }}[{{ $host }}]{{ else }}{{ $host }}{{ end }}
{{- end -}}
{{- end }}

{{- /* A role's password and URL; Kubernetes puts the one into the other. */ -}}
{{- define "tilefleet.broker" -}}
{{- $top := index . 0 -}}
{{- $role := index . 1 -}}
{{- $password := printf "REDIS_%s_PASSWORD" (upper $role) -}}
{{- $redis := $top.Values.redis -}}
{{- $secret := required "passwordsSecret: name of the secret with REDIS_…_PASSWORD" $top.Values.passwordsSecret -}}
- name: {{ $password }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $password }}}}
- name: CELERY_BROKER_URL
  value: {{ printf "%s://%s:$(%s)@%s:%d/%d" (ternary "rediss" "redis" $redis.tls) $role $password (include "tilefleet.redisHost" $top) (int $redis.port) (int $redis.database) | quote }}
{{- end }}

{{- /* What is set for all, then for one part: (list $ .Values.worker.settings). */ -}}
{{- define "tilefleet.settings" -}}
{{- range $name, $value := mergeOverwrite (dict) (index . 0).Values.settings (index . 1) }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{- /* Seconds for a part to stop, TILEFLEET_SHUTDOWN_S and what Celery or uvicorn takes besides:
(list $ .Values.worker.settings). */ -}}
{{- define "tilefleet.grace" -}}
{{- $settings := mergeOverwrite (dict) (index . 0).Values.settings (index . 1) -}}
{{ add 25 (int (index $settings "TILEFLEET_SHUTDOWN_S" | default "20")) }}
{{- end }}

{{- define "tilefleet.pod" -}}
{{- $top := index . 0 -}}
{{- $part := index . 1 -}}
automountServiceAccountToken: false
{{- with $top.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with $part.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "tilefleet.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}
