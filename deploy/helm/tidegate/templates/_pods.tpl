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
{{- if ne .Values.certificate.mode "self" }}
- name: tls
  mountPath: /run/tidegate/tls
  readOnly: true
{{- end }}
{{- if include "tidegate.pullSecrets" . | fromJsonArray }}
- name: pull-secrets
  mountPath: /run/tidegate/pull-secrets
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end -}}
