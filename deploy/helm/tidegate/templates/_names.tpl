{{/* The name of all objects that the chart creates. */}}
{{- define "tidegate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "tidegate.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "tidegate.fullname" .) -}}
{{- end -}}

{{/* The account of the background role, which alone may write ImageVerdicts. */}}
{{- define "tidegate.backgroundServiceAccountName" -}}
{{- printf "%s-background" (include "tidegate.serviceAccountName" .) -}}
{{- end -}}

{{/* The ConfigMap in which the background role says how far it has followed AWS. */}}
{{- define "tidegate.changeFeedName" -}}
{{- printf "%s-change-feed" (include "tidegate.fullname" .) -}}
{{- end -}}

{{/* The name of the background role's objects; with "-metrics" it is short enough for a Service. */}}
{{- define "tidegate.backgroundName" -}}
{{- printf "%s-background" (include "tidegate.fullname" . | trunc 44 | trimSuffix "-") -}}
{{- end -}}

{{- define "tidegate.certificateSecretName" -}}
{{- .Values.certificate.secretName | default (printf "%s-tls" (include "tidegate.fullname" .)) -}}
{{- end -}}

{{/* The labels that select the Pods of a role. Never add one: a Deployment's selector can't change. */}}
{{- define "tidegate.selectorLabels" -}}
{{ include "tidegate.commonSelectorLabels" . }}
app.kubernetes.io/component: admission
{{- end -}}

{{- define "tidegate.backgroundSelectorLabels" -}}
{{ include "tidegate.commonSelectorLabels" . }}
app.kubernetes.io/component: background
{{- end -}}

{{- define "tidegate.commonSelectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tidegate.labels" -}}
{{ include "tidegate.selectorLabels" . }}
{{ include "tidegate.descriptiveLabels" . }}
{{- end -}}

{{- define "tidegate.backgroundLabels" -}}
{{ include "tidegate.backgroundSelectorLabels" . }}
{{ include "tidegate.descriptiveLabels" . }}
{{- end -}}

{{- define "tidegate.descriptiveLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "tidegate.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The exempt namespaces, as a JSON list. The release's own comes first: tidegate must be able to start without its
     webhook. */}}
{{- define "tidegate.exemptNamespaces" -}}
{{- prepend .Values.namespaces.exempt .Release.Namespace | uniq | toJson -}}
{{- end -}}

{{/* Seconds that a Pod has to terminate: serving during preStop, then draining, then a margin. */}}
{{- define "tidegate.terminationGracePeriodSeconds" -}}
{{- add .Values.preStopSeconds .Values.server.drainSeconds 5 -}}
{{- end -}}
