{{/* The controller's configuration file. One template, so that the ConfigMap and the checksum on the Pods are equal. */}}
{{- define "tidegate.config" -}}
namespace: {{ .Release.Namespace }}
auditOnly: {{ .Values.auditOnly }}
digestPinning: {{ .Values.digestPinning.enabled }}
server:
  host: "0.0.0.0"
  port: {{ int .Values.server.port }}
  metricsPort: {{ int .Values.server.metricsPort }}
  webhookTimeoutSeconds: {{ int .Values.webhook.timeoutSeconds }}
  drainSeconds: {{ int .Values.server.drainSeconds }}
  maxConnections: {{ int .Values.server.maxConnections }}
  {{- with .Values.server.clientCA }}
  clientCaFile: /etc/tidegate/{{ include "tidegate.clientCaKey" . }}
  {{- end }}
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
  {{- with .Values.aws.eventQueueUrl }}
  eventQueueUrl: {{ . }}
  {{- end }}
registries: {{ include "tidegate.registries" . }}
revocation:
  allowedHosts: {{ toJson .Values.revocation.allowedHosts }}
  privateHosts: {{ toJson .Values.revocation.privateHosts }}
trustStores:
  # In memory, and in each container without a volume: an emptyDir would make kubectl drain refuse.
  cacheFolder: /dev/shm/tidegate-trust-stores
  privateHosts: {{ toJson .Values.trustStores.privateHosts }}
imageVerdicts:
  changeFeed: {{ include "tidegate.changeFeedName" . }}
cache:
  images: {{ int .Values.cache.images }}
  memoryMebibytes: {{ int .Values.cache.memoryMebibytes }}
background:
  callsPerSecond: {{ .Values.background.callsPerSecond }}
  leaseName: {{ include "tidegate.backgroundName" . }}
  policyReports: {{ .Values.background.policyReports }}
  repositoryPostures: {{ .Values.background.repositoryPostures }}
  reportPort: {{ int .Values.background.reportPort }}
  exemptNamespaces: {{ include "tidegate.exemptNamespaces" . }}
log:
  level: {{ .Values.log.level }}
  format: {{ .Values.log.format }}
{{- end -}}

{{/* The registries: as in the values, but with paths of files in the Pod instead of Secrets and PEM texts. */}}
{{- define "tidegate.registries" -}}
{{- $registries := list -}}
{{- range .Values.registries -}}
{{- $registry := omit . "pullSecret" "caBundle" -}}
{{- with .pullSecret -}}
{{- $registry = set $registry "pullSecretFile" (printf "/run/tidegate/pull-secrets/%s.json" .) -}}
{{- end -}}
{{- with .caBundle -}}
{{- $registry = set $registry "caFile" (printf "/etc/tidegate/%s" (include "tidegate.caKey" .)) -}}
{{- end -}}
{{- $registries = append $registries $registry -}}
{{- end -}}
{{- toJson $registries -}}
{{- end -}}

{{/* The key of a PEM text in the ConfigMap. It changes with the text, so that the Pods are replaced. */}}
{{- define "tidegate.caKey" -}}
{{- printf "registry-ca-%s.pem" (sha256sum . | trunc 12) -}}
{{- end -}}

{{/* The distinct names of all pull secrets, as a JSON list. */}}
{{- define "tidegate.pullSecrets" -}}
{{- $names := list -}}
{{- range .Values.registries -}}
{{- with .pullSecret -}}
{{- $names = append $names . -}}
{{- end -}}
{{- end -}}
{{- toJson ($names | uniq | sortAlpha) -}}
{{- end -}}

{{/* The ConfigMap key of the API server's client CA. It changes with the content, so that the Pods are replaced. */}}
{{- define "tidegate.clientCaKey" -}}
{{- printf "client-ca-%s.pem" (sha256sum . | trunc 12) -}}
{{- end -}}

{{/* The ConfigMap key of the CAs that replace the public ones. It changes with the content, so that the Pods are replaced. */}}
{{- define "tidegate.caBundleKey" -}}
{{- printf "ca-bundle-%s.pem" (sha256sum . | trunc 12) -}}
{{- end -}}

{{/* The port of the kubelet's probes: with a client CA the metrics port, because the kubelet has no client certificate. */}}
{{- define "tidegate.probeTarget" -}}
{{- if .Values.server.clientCA -}}
port: metrics, scheme: HTTP
{{- else -}}
port: https, scheme: HTTPS
{{- end -}}
{{- end -}}
