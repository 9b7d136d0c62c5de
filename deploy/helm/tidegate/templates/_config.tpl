{{/* The controller's configuration file. One template, so that the ConfigMap and the checksum on the Pods agree. */}}
{{- define "tidegate.config" -}}
namespace: {{ .Release.Namespace }}
auditOnly: {{ .Values.auditOnly }}
server:
  host: "0.0.0.0"
  port: {{ int .Values.server.port }}
  metricsPort: {{ int .Values.server.metricsPort }}
  webhookTimeoutSeconds: {{ int .Values.webhook.timeoutSeconds }}
  drainSeconds: {{ int .Values.server.drainSeconds }}
certificate:
  {{- if eq .Values.certificate.mode "self" }}
  mode: self
  secretName: {{ include "tidegate.certificateSecretName" . }}
  serviceName: {{ include "tidegate.fullname" . }}
  webhookConfigurationName: {{ include "tidegate.fullname" . }}
  {{- with .Values.certificate.dnsNames }}
  dnsNames: {{ toJson . }}
  {{- end }}
  {{- else }}
  mode: files
  certFile: /run/tidegate/tls/tls.crt
  keyFile: /run/tidegate/tls/tls.key
  {{- end }}
aws:
  {{- with .Values.aws.region }}
  region: {{ . }}
  {{- end }}
  {{- $endpoints := dict }}
  {{- range $service, $url := .Values.aws.endpoints }}
  {{- if $url }}
  {{- $_ := set $endpoints $service $url }}
  {{- end }}
  {{- end }}
  {{- with $endpoints }}
  endpoints: {{ toJson . }}
  {{- end }}
  {{- with .Values.aws.accounts }}
  accounts: {{ toJson . }}
  {{- end }}
  ratePerSecond: {{ .Values.aws.ratePerSecond }}
  burst: {{ int .Values.aws.burst }}
revocation:
  allowedHosts: {{ toJson .Values.revocation.allowedHosts }}
  privateHosts: {{ toJson .Values.revocation.privateHosts }}
trustStores:
  privateHosts: {{ toJson .Values.trustStores.privateHosts }}
cache:
  images: {{ int .Values.cache.images }}
log:
  level: {{ .Values.log.level }}
  format: {{ .Values.log.format }}
{{- end -}}
