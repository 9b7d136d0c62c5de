{{/* What every Pod of the chart has in common: who it runs as, who pulls its image and where it may run. */}}
{{- define "tidegate.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "tidegate.containerSecurityContext" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "tidegate.podPlacement" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The environment of the containers that call AWS. */}}
{{- define "tidegate.environment" -}}
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- with .Values.caBundle }}
# boto3 reads the first, all other connections the second.
- name: AWS_CA_BUNDLE
  value: /etc/tidegate/{{ include "tidegate.caBundleKey" . }}
- name: SSL_CERT_FILE
  value: /etc/tidegate/{{ include "tidegate.caBundleKey" . }}
{{- end }}
{{- with .Values.extraEnv }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end -}}

{{/* The files of the containers that read the configuration. */}}
{{- define "tidegate.volumeMounts" -}}
- name: config
  mountPath: /etc/tidegate
  readOnly: true
{{- if include "tidegate.pullSecrets" . | fromJsonArray }}
- name: pull-secrets
  mountPath: /run/tidegate/pull-secrets
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end -}}

{{- define "tidegate.volumes" -}}
- name: config
  configMap:
    name: {{ include "tidegate.fullname" . }}
{{- with include "tidegate.pullSecrets" . | fromJsonArray }}
# Optional: the Pod must also start if this Secret is missing, because other images don't need it.
- name: pull-secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range . }}
      - secret:
          name: {{ . }}
          optional: true
          items:
            - {key: .dockerconfigjson, path: {{ . }}.json}
      {{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end -}}

{{/* The admission role's certificate, where the kubelet mounts it. */}}
{{- define "tidegate.tlsVolumeMount" -}}
{{- if ne .Values.certificate.mode "self" }}
- name: tls
  mountPath: /run/tidegate/tls
  readOnly: true
{{- end }}
{{- end -}}

{{/* The metadata of the Pods of either role. The argument has the chart's context as "root", and "selectorLabels". */}}
{{- define "tidegate.podMetadata" -}}
annotations:
  tidegate.dev/config-checksum: {{ include "tidegate.config" .root | sha256sum }}
  {{- with .root.Values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
labels:
  {{- with merge (dict) .root.Values.podLabels .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- .selectorLabels | nindent 2 }}
  app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- end -}}

{{/* How the Pods of either role are spread over the nodes; the same argument. */}}
{{- define "tidegate.podSpread" -}}
{{- with .root.Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  - {{ toYaml . | nindent 4 | trim }}
    labelSelector:
      matchLabels: {{- $.selectorLabels | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}
